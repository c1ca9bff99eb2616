# -*- test-case-name: inetdtw.serve.test.test_stream -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{stream nowait}: every connection gets a program of its own."""

from __future__ import annotations

import socket
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.helpers.connection import connectionEnvironment
from inetdtw.interfaces import IAcceptDelegate
from inetdtw.log import events
from inetdtw.model.state import PauseReason
from inetdtw.serve.child import Child
from inetdtw.serve.delegation import SocketDelegation
from inetdtw.serve.listener import ConnectionListener
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.starter import ProgramStarter


def _isThere(connection: socket.socket) -> bool:
    """Return whether a client has not reset its connection by now."""
    try:
        connection.getpeername()
    except OSError:
        return False
    return True


@implementer(IAcceptDelegate)
class StreamListener(ConnectionListener):
    """
    A listening socket whose connections each get a program.

    The connection is the program's standard input, output and error.  Where the service
    has no limits, the launcher may accept the connections itself.
    """

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        """Accept nothing before L{start}."""
        super().__init__(given, sock)
        assert given.launcher is not None
        self._service = given.service
        self._runtime = given.runtime
        self._served = given.released
        self._starter = ProgramStarter(given.service, given.runtime, given.launcher)
        self._delegation = SocketDelegation(
            given, self._port, self._starter, self, self._port.start
        )

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """Start the program, unless a limit is exceeded."""
        if _isThere(connection):
            super().connectionAccepted(connection, peer)
        else:
            connection.close()

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        """Start the program, and close the connection here."""
        with connection:
            connection.setblocking(True)
            extra = connectionEnvironment(connection.getsockname(), peer)
            fd = connection.fileno()
            self._starter.launch(peer, (fd, fd, fd), self._ended, extra)

    def _ended(self, child: Child) -> None:
        self._admission.release(child.peer)
        self._served()

    def start(self) -> None:
        """Begin to accept, or delegate that to the launcher."""
        self._delegation.start()

    def accepted(self, peer: Any) -> Child:
        """Count a program that the launcher has started for a connection."""
        self._admission.admit(peer)
        return Child(self._service, peer, self._runtime, self._ended)

    def dropped(self, peer: Any, reason: str) -> None:
        """
        Take the socket back, as the launcher could not start a program.

        Where it could not even accept, that is for a while only.
        """
        if peer is not None:
            reason = f"'{self._starter.path}': {reason}"
            tally = self._runtime.tallies[self._service.name]
            tally.startFailed(reason, self._runtime.wallclock())
            self._runtime.report.emit(
                events.START_FAILED, self._service.name, peer=peer, reason=reason
            )
        self._delegation.withdraw(again=peer is None)

    def returned(self, left: bool = False) -> None:
        """Take the socket back for now."""
        self._delegation.withdraw()

    def retire(self, done: Callable[[], None]) -> None:
        """
        Accept no more.

        The programs that run do not need the socket, but a launcher that still accepts
        does.
        """
        self.stop()
        self._delegation.whenFree(done)

    def stop(self) -> None:
        """Accept no more."""
        self._delegation.stop()
        super().stop()

    def released(self) -> None:
        """Accept again, or delegate the socket again, as a program has exited."""
        super().released()
        self._delegation.released()

    def pauses(self) -> list[PauseReason]:
        """Return why no clients are accepted."""
        return self._delegation.pauses()

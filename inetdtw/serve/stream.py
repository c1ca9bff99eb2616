# -*- test-case-name: inetdtw.serve.test.test_stream -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{stream nowait}: every connection gets a program of its own."""

from __future__ import annotations

import contextlib
import socket
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.helpers.connection import connectionEnvironment
from inetdtw.interfaces import (
    IAcceptDelegate,
    IDelegatingLauncher,
)
from inetdtw.log import events
from inetdtw.model.state import PauseReason
from inetdtw.serve.child import Child
from inetdtw.serve.listener import ConnectionListener
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.system.executable import ExecutableNotFound

#: How many sockets are delegated from the start.  Each descriptor of a process slows
#: down all its starts of programs, so that others are delegated after a first client.
IDLE = 64


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
        self._socket = sock
        self._runtime = given.runtime
        self._limits = given.limits
        self._served = given.released
        self._starter = ProgramStarter(given.service, given.runtime, given.launcher)
        self._delegated: int | None = None
        self._shared = False
        self._handedBack = False
        self._retired: Callable[[], None] | None = None

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
        """
        Begin to accept, or delegate that to the launcher.

        Where many sockets are delegated already, this one is after its first client.
        """
        self._starter.prepare()
        many = self._runtime.budget.delegations >= IDLE
        if many or not self._delegate():
            self._handedBack = many
            super().start()

    def _delegate(self) -> bool:
        """
        Delegate the socket to the launcher, if it can accept.

        @return: whether it does.
        """
        launcher, budget = self._starter.launcher, self._runtime.budget
        accepts = self._simple() and IDelegatingLauncher.providedBy(launcher)
        if not (accepts and budget.mayDelegate):
            return False
        with contextlib.suppress(ExecutableNotFound):
            request = self._starter.request(self._port.fileno())
            self._delegated = IDelegatingLauncher(launcher).delegate(self, request)
            budget.addDelegation(self.crowded)
        return self._delegated is not None

    def _simple(self) -> bool:
        """Return whether a connection takes nothing but the start of a program."""
        shared = self._socket in self._runtime.shared
        plain = self._service.bounds.none and self._service.stderr == "socket"
        return plain and not shared

    def crowded(self) -> None:
        """
        Take the socket back for now.

        The programs of all services can be counted before they are started then.
        """
        if self._withdrawn():
            self._handedBack = True
            self._port.start()

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
            self._runtime.tallies[self._service.name].failed += 1
            self._runtime.report.emit(
                events.START_FAILED, self._service.name, peer=peer, reason=reason
            )
        if self._withdrawn():
            self._handedBack = peer is None
            self._port.start()

    def _withdrawn(self) -> bool:
        """
        Take the socket back from the launcher.

        @return: whether it was delegated.
        """
        if self._delegated is None:
            return False
        number, self._delegated = self._delegated, None
        self._shared = True
        self._runtime.budget.removeDelegation(self.crowded)
        accepting = IDelegatingLauncher(self._starter.launcher)
        accepting.withdraw(number, self._alone)
        return True

    def _alone(self) -> None:
        """Finish a retirement, as the launcher does not accept any more."""
        self._shared = False
        if self._retired is not None:
            done, self._retired = self._retired, None
            done()

    def retire(self, done: Callable[[], None]) -> None:
        """
        Accept no more.

        The programs that run do not need the socket, but a launcher that still accepts
        does.
        """
        self.stop()
        if self._shared:
            self._retired = done
        else:
            done()

    def stop(self) -> None:
        """Accept no more."""
        self._handedBack = False
        self._withdrawn()
        super().stop()

    def released(self) -> None:
        """Accept again, or delegate the socket again, as a program has exited."""
        super().released()
        few = self._limits.running <= self._runtime.budget.leaseSize // 2
        if self._handedBack and few and not self._shared and self._delegate():
            self._handedBack = False
            self._port.holds.pause(PauseReason.IDLE)

    def held(self) -> list[PauseReason]:
        """Return why no clients are accepted."""
        return [] if self._delegated is not None else super().held()

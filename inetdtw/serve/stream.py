# -*- test-case-name: inetdtw.serve.test.test_stream -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{stream nowait}: every connection gets a program of its own."""

from __future__ import annotations

import contextlib
import socket
from enum import Enum
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


class Acceptor(Enum):
    """
    Which process accepts the connections of a socket.

    @cvar DAEMON: the daemon.
    @cvar LAUNCHER: a process of the launcher, to which the socket is delegated.
    @cvar RETURNING: the daemon, and for a moment the launcher's process too.
    """

    DAEMON = "daemon"
    LAUNCHER = "launcher"
    RETURNING = "returning"


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
        self._acceptor = Acceptor.DAEMON
        self._delegation = 0
        # Whether to delegate the socket when few programs run.
        self._again = False
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
            self._again = many
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
            self._delegation = IDelegatingLauncher(launcher).delegate(self, request)
            self._acceptor = Acceptor.LAUNCHER
            budget.addDelegation(self.crowded)
        return self._acceptor is Acceptor.LAUNCHER

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
        if self._takeBack():
            self._again = True
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
        if self._takeBack():
            self._again = peer is None
            self._port.start()

    def _takeBack(self) -> bool:
        """
        Take the socket back from the launcher.

        @return: whether it was delegated.
        """
        if self._acceptor is not Acceptor.LAUNCHER:
            return False
        self._acceptor = Acceptor.RETURNING
        self._runtime.budget.removeDelegation(self.crowded)
        launcher = IDelegatingLauncher(self._starter.launcher)
        launcher.withdraw(self._delegation, self._returned)
        return True

    def _returned(self) -> None:
        """Finish a retirement, as the launcher does not accept any more."""
        self._acceptor = Acceptor.DAEMON
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
        if self._acceptor is Acceptor.RETURNING:
            self._retired = done
        else:
            done()

    def stop(self) -> None:
        """Accept no more."""
        self._again = False
        self._takeBack()
        super().stop()

    def released(self) -> None:
        """Accept again, or delegate the socket again, as a program has exited."""
        super().released()
        if not self._again or self._acceptor is not Acceptor.DAEMON:
            return
        few = self._limits.running <= self._runtime.budget.leaseSize // 2
        if few and self._delegate():
            self._again = False
            self._port.holds.pause(PauseReason.IDLE)

    def held(self) -> list[PauseReason]:
        """Return why no clients are accepted."""
        return [] if self._acceptor is Acceptor.LAUNCHER else super().held()

# -*- test-case-name: inetdtw.serve.test.test_sharedport -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The port of a listening socket that programs share.

Programs can let accept(2) block for ever (see L{inetdtw.helpers.acceptor}), so that the
daemon never calls it on such a socket.  An acceptor process does.  Each socket gets one
at its first client; the daemon kills it when the port is stopped.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import socket
import sys
from typing import Any, Callable

from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from inetdtw.helpers import acceptor
from inetdtw.helpers.acceptor import ANSWER, CHANNEL, SERVICE
from inetdtw.limits.backoff import SHORTAGE_PAUSE, Backoff
from inetdtw.log.failures import logSocketError
from inetdtw.model.state import PauseReason
from inetdtw.serve.port import (
    SHORTAGES,
    ConnectionPort,
    IConnectionReceiver,
    StreamPort,
)
from inetdtw.serve.runtime import ServiceRuntime

# The code as of the daemon's start, also after an upgrade.
_PROGRAM = inspect.getsource(acceptor)
#: The seconds in which a process that is to end may send a last connection.
LAST = 0.25


class _Process(ProcessProtocol):
    """A helper process that accepts connections."""

    def __init__(self, ended: Callable[[_Process], None]) -> None:
        """@param ended: called when it has exited."""
        self._ended = ended

    def processEnded(self, reason: Failure) -> None:
        """Notify the port of the exit."""
        self._ended(self)

    def kill(self) -> None:
        """Kill the process."""
        with contextlib.suppress(ProcessExitedAlready):
            assert self.transport is not None
            self.transport.signalProcess("KILL")


class SharedStreamPort(ConnectionPort):
    """
    Receives connections that a helper process accepts, one at a time.

    @ivar socket: the channel to the process, which is started for the first client; the
        listening socket until then.
    """

    def __init__(self, sock: socket.socket, *given: Any) -> None:
        """
        Start no process before there is a client.

        @param sock: the listening socket.
        @param given: what else L{ConnectionPort} takes.
        """
        super().__init__(sock, *given)
        self._listening = sock
        self._process: _Process | None = None
        self._asked = False
        self._backoff = Backoff()
        self._startedAt = 0.0

    def stop(self) -> None:
        """
        Stop accepting, and kill the process.

        A connection that the process has accepted already is received, for which this
        blocks for L{LAST} at most.
        """
        if self._process is not None and self._asked:
            self._takeLast()
        self.kill()

    def kill(self) -> None:
        """Stop accepting; a connection that was accepted already is lost."""
        super().stop()
        self._leave()

    def _takeLast(self) -> None:
        """Receive the connection that may have been accepted already."""
        self._asked = False
        try:
            self.socket.shutdown(socket.SHUT_WR)
            self.socket.settimeout(LAST)
            _, fds, _, _ = socket.recv_fds(self.socket, ANSWER.size, 1)
        except OSError:
            return
        if fds:
            self._take(fds[0])

    def _spawn(self) -> None:
        """Start the process, or pause."""
        self._startedAt = self._reactor.seconds()
        try:
            self._start()
        except OSError as why:
            self._receiver.short(why.strerror or str(why))
            self.holds.pauseFor(PauseReason.STARTING, SHORTAGE_PAUSE)
        else:
            self.holds.resume(PauseReason.STARTING)

    def _start(self) -> None:
        """
        Start the process.

        @raise OSError: if it cannot be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = _Process(self._over)
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM]
        try:
            ours.setblocking(False)
            null = os.open(os.devnull, os.O_RDWR)
            fds = {SERVICE: self._listening.fileno(), 1: null, 2: null}
            try:
                self._reactor.spawnProcess(
                    *(process, command[0], command, {}),
                    childFDs={**fds, CHANNEL: theirs.fileno()},
                )
            finally:
                os.close(null)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.socket, self._process, self._asked = ours, process, False

    def _leave(self) -> None:
        """Kill the process, if there is one, and close its channel."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            self.socket.close()
            self.socket = self._listening

    def _over(self, process: _Process) -> None:
        """Start another process soon, with backoff."""
        if process is not self._process:
            return
        self.holds.pause(PauseReason.STARTING)
        logSocketError(self._name)
        self._leave()
        pause = self._backoff.after(self._reactor.seconds() - self._startedAt)
        self.holds.pauseFor(PauseReason.STARTING, pause)

    def _resumeReading(self) -> None:
        super()._resumeReading()
        self._ask()

    def _ask(self) -> None:
        """Request a connection, if one may be accepted and none is requested."""
        wanted = self._process is not None and not self._asked
        if wanted and not self.holds and self._receiver.mayAccept():
            with contextlib.suppress(OSError):
                self.socket.send(b"1")
                self._asked = True

    def _read(self) -> None:
        """Receive a connection; start the process for the first client."""
        if not self._receiver.mayAccept():
            return
        if self._process is None:
            self.holds.pause(PauseReason.STARTING)
            self._spawn()
            return
        try:
            answer, fds, _, _ = socket.recv_fds(self.socket, ANSWER.size, 1)
        except BlockingIOError:
            return
        except OSError:
            answer, fds = b"", []
        self._asked = False
        if len(answer) != ANSWER.size:
            # The process has exited, as will be reported.
            self.holds.pause(PauseReason.STARTING)
        elif fds:
            self._take(fds[0])
        else:
            (error,) = ANSWER.unpack(answer)
            if error in SHORTAGES:
                self._short(error)
            else:
                self._drop()
        self._ask()

    def _take(self, fd: int) -> None:
        """Give a connection to the receiver."""
        connection = socket.socket(fileno=fd)
        # recv_fds ignores flags such as MSG_CMSG_CLOEXEC.
        connection.set_inheritable(False)
        try:
            peer = connection.getpeername()
        except OSError:
            # The client has disconnected.
            connection.close()
        else:
            self._give(connection, peer)


def streamPort(
    sock: socket.socket, given: ServiceRuntime, receiver: IConnectionReceiver
) -> ConnectionPort:
    """
    Return a port that accepts connections from a listening socket.

    It accepts in this process, unless programs share the socket.
    """
    runtime = given.runtime
    make = SharedStreamPort if sock in runtime.shared else StreamPort
    note = runtime.descriptors.note
    return make(sock, runtime.reactor, given.service.name, receiver, note)

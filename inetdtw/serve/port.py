# -*- test-case-name: inetdtw.serve.test.test_port -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Ports: the readers of a service's socket.

Twisted's own ports make a connection a transport, which shuts it down when it is
closed, and consume datagrams.  The ports here give the connection, or the socket
itself, to their receiver.  They never close the socket that they are made with.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, Callable

from zope.interface import Interface, implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.limits.backoff import BROKEN_PAUSE, SHORTAGE_PAUSE
from inetdtw.log.failures import logSocketError, survived
from inetdtw.log.report import logFailure
from inetdtw.model.state import PauseReason
from inetdtw.serve.holds import Holds

#: How many clients of one socket are accepted in one reactor iteration.
BATCH = 8

#: The error numbers of a resource shortage.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@implementer(IReadDescriptor)
class SocketPort:
    """
    A socket that is read while nothing pauses it.

    It raises no exception: the reactor would never read the socket again.

    @ivar socket: the socket.
    @ivar dropped: called when the reactor cannot poll the socket; it is paused then.
    @ivar holds: the reasons why it is not read.
    """

    def __init__(self, sock: socket.socket, reactor: Any, name: str) -> None:
        """
        Read nothing before L{start}.

        @param name: the service, for the log.
        """
        self.socket = sock
        self.dropped: Callable[[], None] = self._readLater
        self._reactor = reactor
        self._name = name
        self.holds = Holds(reactor, self._pauseReading, self._resumeReading)

    def start(self) -> None:
        """Begin to read."""
        self.holds.resume(PauseReason.IDLE)

    def stop(self) -> None:
        """Stop reading."""
        self.holds.stop()

    def _pauseReading(self) -> None:
        self._reactor.removeReader(self)

    def _resumeReading(self) -> None:
        try:
            self._reactor.addReader(self)
        except OSError:
            self._drop()

    def fileno(self) -> int:
        """Return the file descriptor of the socket."""
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """Return the name of the service."""
        return self._name

    def doRead(self) -> None:
        """Read the socket; pause it for a moment if that raises an exception."""
        if not survived(self._name, self._read):
            # It may still be readable.
            self.holds.pauseFor(PauseReason.ERROR, BROKEN_PAUSE)

    def _read(self) -> None:
        """Read the socket."""
        raise NotImplementedError

    def connectionLost(self, reason: Failure) -> None:
        """
        Pause, as the reactor does not poll the socket any more.

        The socket has an error or was shut down, or the reactor stops.
        """
        if not self.holds:
            self._drop()

    def _drop(self) -> None:
        """Pause, and notify the owner of the socket."""
        self.holds.pause(PauseReason.SOCKET_ERROR)
        self.dropped()

    def _readLater(self) -> None:
        """Clear the error of the socket, and read it again soon."""

        def again() -> None:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            logSocketError(self._name, error)

        self.holds.pauseFor(PauseReason.SOCKET_ERROR, BROKEN_PAUSE, again)


class IConnectionReceiver(Interface):
    """The receiver of the connections that a port accepts."""

    def mayAccept() -> bool:
        """Tell whether a client may be accepted; if not, the port is paused."""

    def connectionAccepted(connection: socket.socket, peer: Any) -> None:
        """
        Take a connection, which belongs to the receiver from then on.

        @param peer: the client's address, as accept(2) returns it.
        """

    def short(reason: str) -> None:
        """Log a resource shortage."""


class ConnectionPort(SocketPort):
    """A port whose connections a receiver gets."""

    def __init__(
        self,
        sock: socket.socket,
        reactor: Any,
        name: str,
        receiver: IConnectionReceiver,
        note: Callable[[int], object] = lambda fd: None,
    ) -> None:
        """@param note: called with the file descriptor of each connection."""
        super().__init__(sock, reactor, name)
        self._receiver = receiver
        self._note = note

    def _give(self, connection: socket.socket, peer: Any) -> None:
        """Give a connection to the receiver."""
        self._note(connection.fileno())
        try:
            self._receiver.connectionAccepted(connection, peer)
        except Exception:
            logFailure(self._name)
            connection.close()

    def _short(self, error: int) -> None:
        """Pause, as accept(2) has failed with one of L{SHORTAGES}."""
        self.holds.pauseFor(PauseReason.SHORTAGE, SHORTAGE_PAUSE)
        self._receiver.short(os.strerror(error))


class StreamPort(ConnectionPort):
    """Accepts connections."""

    _batch = 1

    def _read(self) -> None:
        """
        Accept connections of the backlog: more each time that all were there.

        To find none costs as much as to accept one.
        """
        for _ in range(self._batch):
            if not self._receiver.mayAccept():
                return
            try:
                connection, peer = self.socket.accept()
            except BlockingIOError:
                self._batch = 1
                return
            except OSError as why:
                # Every other error is about one connection, which is gone.
                if why.errno in SHORTAGES:
                    self._short(why.errno)
                    return
                continue
            self._give(connection, peer)
        self._batch = min(self._batch * 2, BATCH)


class WaitPort(SocketPort):
    """Calls back while the socket is readable, and leaves the data there."""

    def __init__(
        self,
        sock: socket.socket,
        reactor: Any,
        name: str,
        readable: Callable[[], None],
    ) -> None:
        """@param readable: called while the socket is readable."""
        super().__init__(sock, reactor, name)
        self._readable = readable

    def _read(self) -> None:
        self._readable()

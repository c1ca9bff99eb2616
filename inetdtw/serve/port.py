# -*- test-case-name: inetdtw.serve.test.test_port -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The reactor's view of a service's socket.

Twisted's own ports read what they listen to: a connection becomes a transport that
shuts it down when it is closed, a datagram is consumed.  The ports here give the
connection, or the socket itself, to somebody else.  They do not close the socket
that they are given, which outlives them.
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
from inetdtw.model.state import PauseReason
from inetdtw.serve.holds import Holds

#: How much is taken from one socket before the others have their turn.
BATCH = 8

#: What says that the machine is out of something.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@implementer(IReadDescriptor)
class SocketPort:
    """
    A socket that is read while nothing pauses it.

    No exception comes out of it: the reactor would never read the socket again.

    @ivar socket: the socket.
    @ivar dropped: called when the reactor cannot wait for it; it is paused then.
    @ivar holds: the reasons why it is not read.
    """

    def __init__(self, sock: socket.socket, reactor: Any, name: str) -> None:
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
        """The descriptor of the socket."""
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """The name of the service."""
        return self._name

    def doRead(self) -> None:
        """There is something to read."""
        if not survived(self._name, self._read):
            # It may be there still.
            self.holds.pauseFor(PauseReason.ERROR, BROKEN_PAUSE)

    def _read(self) -> None:
        """Read something."""
        raise NotImplementedError

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor does not wait for it any more, as it has an error or was shut down;
        or it stops.
        """
        if not self.holds:
            self._drop()

    def _drop(self) -> None:
        """Have somebody see to it."""
        self.holds.pause(PauseReason.SOCKET_ERROR)
        self.dropped()

    def _readLater(self) -> None:
        """Clear an error, and read again."""

        def again() -> None:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            logSocketError(self._name, error)

        self.holds.pauseFor(PauseReason.SOCKET_ERROR, BROKEN_PAUSE, again)


class IConnectionReceiver(Interface):
    """What a port gives the connections to that it accepts."""

    def mayAccept() -> bool:
        """Tell whether a client may be accepted; if not, the port is paused."""

    def connectionAccepted(connection: socket.socket, peer: Any) -> None:
        """
        Called with each connection, which is the receiver's from then on.

        @param peer: the client's address, as accept(2) returns it.
        """

    def short(reason: str) -> None:
        """Called when the system is out of a resource."""


class StreamPort(SocketPort):
    """Accepts connections and gives them away."""

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
        self._batch = 1

    def _read(self) -> None:
        """
        Take some of the connections that wait: more each time that there were as
        many as expected, as it costs as much to find none as to take one.
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
                    self.holds.pauseFor(PauseReason.SHORTAGE, SHORTAGE_PAUSE)
                    self._receiver.short(os.strerror(why.errno))
                    return
                continue
            self._note(connection.fileno())
            take = self._receiver.connectionAccepted
            if not survived(self._name, take, connection, peer):
                connection.close()
        self._batch = min(self._batch * 2, BATCH)


class WaitPort(SocketPort):
    """Tells when there is something to read, and leaves it there."""

    def __init__(
        self,
        sock: socket.socket,
        reactor: Any,
        name: str,
        readable: Callable[[], None],
    ) -> None:
        super().__init__(sock, reactor, name)
        self._readable = readable

    def _read(self) -> None:
        """There is something to read."""
        self._readable()

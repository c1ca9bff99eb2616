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
import socket
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.limits.backoff import BROKEN_PAUSE, SHORTAGE_PAUSE
from inetdtw.log.failures import sayDropped, survived

#: How much is taken from one socket before the others have their turn.
BATCH = 8

#: What says that the machine is out of something.
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@implementer(IReadDescriptor)
class SocketPort:
    """
    A socket that is read unless something holds it.

    No exception comes out of it: the reactor would never read the socket again.

    @ivar socket: the socket.
    @ivar dropped: called when the reactor cannot wait for it; it is held then.
    """

    def __init__(self, sock: socket.socket, reactor: Any, name: str) -> None:
        self.socket = sock
        self.dropped: Callable[[], None] = self._readLater
        self._reactor = reactor
        self._name = name
        self._holds: set[str] = {"idle"}
        self._timers: dict[str, Any] = {}

    def start(self) -> None:
        """Begin to read."""
        self.free("idle")

    def stop(self) -> None:
        """Do not read any more."""
        self.hold("idle")
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def hold(self, why: str) -> None:
        """Do not read until L{free} is called for the same reason."""
        if not self._holds:
            self._reactor.removeReader(self)
        self._holds.add(why)

    def free(self, why: str) -> None:
        """Read again, unless there are other reasons not to."""
        if why not in self._holds:
            return
        self._holds.remove(why)
        self._calm(why)
        if not self._holds:
            try:
                self._reactor.addReader(self)
            except OSError:
                self._drop()

    def _calm(self, why: str) -> None:
        """Have no pause end that has ended before."""
        timer = self._timers.pop(why, None)
        if timer is not None:
            timer.cancel()

    def pause(
        self, why: str, seconds: float, then: Callable[[], None] = lambda: None
    ) -> None:
        """
        Do not read for some time.

        @param then: called when the time is over.
        """

        def over() -> None:
            del self._timers[why]
            self.free(why)
            then()

        self.hold(why)
        if why not in self._timers:
            self._timers[why] = self._reactor.callLater(seconds, over)

    def later(self, seconds: float, call: Callable[..., object], *given: Any) -> Any:
        """
        Call something after so many seconds of the reactor's clock.

        @return: what has a C{cancel()}.
        """
        return self._reactor.callLater(seconds, call, *given)

    def heldOnlyFor(self, why: str) -> bool:
        """Whether it would be read if it were not for one reason."""
        return self._holds == {why}

    @property
    def reading(self) -> bool:
        """Whether it is being read."""
        return not self._holds

    @property
    def resumes(self) -> float | None:
        """
        When it is read again by itself, in seconds of the reactor's clock, if that
        is known.
        """
        times = [timer.getTime() for timer in self._timers.values()]
        return max(times, default=None)

    @property
    def reasons(self) -> list[str]:
        """Why it is not being read."""
        return sorted(self._holds)

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
            self.pause("broken", BROKEN_PAUSE)

    def _read(self) -> None:
        """Read something."""
        raise NotImplementedError

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor does not wait for it any more, as it has an error or was shut down;
        or it stops.
        """
        if self.reading:
            self._drop()

    def _drop(self) -> None:
        """Have somebody see to it."""
        self.hold("dropped")
        self.dropped()

    def _readLater(self) -> None:
        """Clear an error, and read again."""

        def again() -> None:
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            sayDropped(self._name, error)

        self.pause("dropped", BROKEN_PAUSE, again)


class StreamPort(SocketPort):
    """Accepts connections and gives them away."""

    def __init__(
        self,
        sock: socket.socket,
        reactor: Any,
        name: str,
        factory: Any,
        note: Callable[[int], object] = lambda fd: None,
    ) -> None:
        """
        @param factory: has C{mayAccept()}, which holds the port and returns C{False}
            when no connection may be taken, C{connectionAccepted(socket, peer)},
            and C{short(reason)}, called when the machine is out of something.
        @param note: called with the file descriptor of each connection.
        """
        super().__init__(sock, reactor, name)
        self._factory = factory
        self._note = note
        self._batch = 1

    def _read(self) -> None:
        """
        Take some of the connections that wait: more each time that there were as
        many as expected, as it costs as much to find none as to take one.
        """
        for _ in range(self._batch):
            if not self._factory.mayAccept():
                return
            try:
                connection, peer = self.socket.accept()
            except BlockingIOError:
                self._batch = 1
                return
            except OSError as why:
                # Every other error is about one connection, which is gone.
                if why.errno in SHORTAGES:
                    self.pause("shortage", SHORTAGE_PAUSE)
                    self._factory.short(why.strerror)
                    return
                continue
            self._note(connection.fileno())
            take = self._factory.connectionAccepted
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

# -*- test-case-name: inetdtw.test.test_ports -*-
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
from twisted.logger import Logger
from twisted.python.failure import Failure

#: How much is taken from one socket before the others have their turn.
BATCH = 8
#: The seconds to leave a socket alone for, when the machine is out of something.
SHORTAGE_PAUSE = 0.5
#: The seconds to leave one alone for that cannot be read for a mistake in this program.
BROKEN_PAUSE = 0.5

_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: Large enough for every datagram there can be.
_LARGEST = 1 << 16
_PKTINFO = getattr(socket, "IP_PKTINFO", 8)
_PKTINFO6 = getattr(socket, "IPV6_PKTINFO", 50)


_log = Logger(namespace="inetdtw")


def survived(service: str, call: Callable[..., object], *arguments: Any) -> bool:
    """
    Do something for one client.  Whatever is wrong with that, which can only be a
    mistake in this program, is logged, and the others are served.

    @param service: the service's name.

    @return: whether it was done.
    """
    try:
        call(*arguments)
    except Exception:
        _log.failure("broken {service} peer=-", service=service)
        return False
    return True


@implementer(IReadDescriptor)
class SocketPort:
    """
    A socket that is read unless something holds it.

    No exception comes out of it: the reactor would never read the socket again.

    @ivar socket: the socket.
    """

    def __init__(self, sock: socket.socket, reactor: Any, name: str) -> None:
        self.socket = sock
        self._reactor = reactor
        self._name = name
        self._holds: set[str] = {"idle"}
        self._timers: dict[str, Any] = {}

    def start(self) -> None:
        """
        Begin to read.
        """
        self.free("idle")

    def stop(self) -> None:
        """
        Do not read any more.
        """
        self.hold("idle")
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def hold(self, why: str) -> None:
        """
        Do not read until L{free} is called for the same reason.
        """
        if not self._holds:
            self._reactor.removeReader(self)
        self._holds.add(why)

    def free(self, why: str) -> None:
        """
        Read again, unless there are other reasons not to.
        """
        if why not in self._holds:
            return
        self._holds.remove(why)
        if not self._holds:
            self._reactor.addReader(self)

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

    def heldOnlyFor(self, why: str) -> bool:
        """
        Whether it would be read if it were not for one reason.
        """
        return self._holds == {why}

    @property
    def reading(self) -> bool:
        """
        Whether it is being read.
        """
        return not self._holds

    @property
    def reasons(self) -> list[str]:
        """
        Why it is not being read.
        """
        return sorted(self._holds)

    def fileno(self) -> int:
        """
        The descriptor of the socket.
        """
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """
        The name of the service.
        """
        return self._name

    def doRead(self) -> None:
        """
        There is something to read.
        """
        if not survived(self._name, self._read):
            # It may be there still.
            self.pause("broken", BROKEN_PAUSE)

    def _read(self) -> None:
        """
        Read something.
        """
        raise NotImplementedError

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor stops.
        """


class StreamPort(SocketPort):
    """
    Accepts connections and gives them away.
    """

    def __init__(
        self, sock: socket.socket, reactor: Any, name: str, factory: Any
    ) -> None:
        """
        @param factory: has C{mayAccept()}, which holds the port and returns C{False}
            when no connection may be taken, C{connectionAccepted(socket, peer)},
            and C{short(reason)}, called when the machine is out of something.
        """
        super().__init__(sock, reactor, name)
        self._factory = factory
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
                if why.errno in _SHORTAGES:
                    self.pause("shortage", SHORTAGE_PAUSE)
                    self._factory.short(why.strerror)
                    return
                continue
            take = self._factory.connectionAccepted
            if not survived(self._name, take, connection, peer):
                connection.close()
        self._batch = min(self._batch * 2, BATCH)


class WaitPort(SocketPort):
    """
    Tells when there is something to read, and leaves it there.
    """

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
        """
        There is something to read.
        """
        self._readable()


class Sender(tuple[Any, ...]):
    """
    The address that a datagram came from.

    @ivar to: the address that it was sent to, as ancillary data for the answer.
    """

    to: list[tuple[int, int, bytes]]


class DatagramPort(SocketPort):
    """
    Receives datagrams, and sends answers from the address that was asked.

    It is the transport of its protocol.
    """

    def __init__(
        self,
        sock: socket.socket,
        reactor: Any,
        name: str,
        protocol: Any,
        mayReceive: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        @param protocol: a C{DatagramProtocol}.
        @param mayReceive: holds the port and returns C{False} when no datagram may
            be taken.
        """
        super().__init__(sock, reactor, name)
        self._protocol = protocol
        self._mayReceive = mayReceive
        self._wantDestination()

    def _wantDestination(self) -> None:
        """
        Have the system say which address each datagram was sent to, if it can.
        """
        try:
            if self.socket.family == socket.AF_INET6:
                self.socket.setsockopt(
                    socket.IPPROTO_IPV6, getattr(socket, "IPV6_RECVPKTINFO", 49), 1
                )
            elif self.socket.family == socket.AF_INET:
                self.socket.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        except OSError:
            """The answers come from the address that the system chooses."""

    def start(self) -> None:
        """
        Begin to read.
        """
        self._protocol.makeConnection(self)
        super().start()

    def _read(self) -> None:
        """
        Take some of the datagrams that wait.
        """
        for _ in range(BATCH):
            if not self._mayReceive():
                return
            try:
                data, ancillary, _, address = self.socket.recvmsg(_LARGEST, 256)
            except BlockingIOError:
                return
            except OSError:
                # An answer to an earlier client could not be delivered.
                continue
            sender = Sender(address if isinstance(address, tuple) else (address,))
            sender.to = [_answerFrom(*each) for each in ancillary]
            survived(self._name, self._protocol.datagramReceived, data, sender)

    def write(self, data: bytes, address: Any = None) -> None:
        """
        Send a datagram.

        @param address: a L{Sender} that was received.
        @raise OSError: if it cannot be sent.
        """
        where = address[0] if len(address) == 1 else tuple(address)
        self.socket.sendmsg([data], getattr(address, "to", []), 0, where)


def _answerFrom(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """
    Turn what says where a datagram was sent to into what says where an answer
    comes from.

    For IPv4 that is ip(7)'s in_pktinfo: C{ipi_spec_dst} is the local address, and
    C{ipi_ifindex} of 0 leaves the route to the system.
    """
    if (level, kind) == (socket.IPPROTO_IP, _PKTINFO):
        return level, kind, bytes(4) + data[4:8] + bytes(4)
    return level, kind, data

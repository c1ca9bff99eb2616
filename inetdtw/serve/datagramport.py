# -*- test-case-name: inetdtw.serve.test.test_datagramport -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The port of a datagram socket that the daemon reads."""

from __future__ import annotations

import select
import socket
from typing import Any, NamedTuple

from zope.interface import Interface

from inetdtw.log.failures import survived
from inetdtw.serve.port import BATCH, SocketPort

#: The largest datagram.
_LARGEST = 1 << 16
#: Enough for the ancillary data of a datagram.
_ANCILLARY = 256
#: A program that has the socket too can make it block.  So does a change of the service
#: to C{wait}, while earlier programs still reply.
_AT_ONCE = socket.MSG_DONTWAIT
_PKTINFO = getattr(socket, "IP_PKTINFO", 8)


class Sender(NamedTuple):
    """
    The source of a datagram, and how a reply is sent from its destination address.

    @ivar address: the sender's address as recvfrom(2) returns it; in a tuple also for a
        UNIX socket, with C{None} for one without a path.
    @ivar control: the ancillary data of a reply, which set its source address.
    """

    address: tuple[Any, ...]
    control: list[tuple[int, int, bytes]]


class IDatagramReceiver(Interface):
    """The receiver of the datagrams of a L{DatagramPort}."""

    def mayReceive() -> bool:
        """Tell whether a datagram may be received; if not, the port is paused."""

    def datagramReceived(datagram: bytes, sender: Sender) -> None:
        """Take a datagram."""


class DatagramPort(SocketPort):
    """Receives datagrams, and replies from the address that each was sent to."""

    def __init__(
        self, sock: socket.socket, reactor: Any, name: str, receiver: IDatagramReceiver
    ) -> None:
        """Request the destination address of each datagram, if that is supported."""
        super().__init__(sock, reactor, name)
        self._receiver = receiver
        # A client of a UNIX socket can send descriptors as ancillary data, which this
        # process would have to close.
        self._room = 0 if sock.family == socket.AF_UNIX else _ANCILLARY
        self._wantDestination()

    def _wantDestination(self) -> None:
        """Request the destination address of each datagram, if that is supported."""
        try:
            if self.socket.family == socket.AF_INET6:
                self.socket.setsockopt(
                    socket.IPPROTO_IPV6, getattr(socket, "IPV6_RECVPKTINFO", 49), 1
                )
            elif self.socket.family == socket.AF_INET:
                self.socket.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        except OSError:
            pass  # The system chooses the source address of replies.

    def _read(self) -> None:
        """Receive some datagrams."""
        for count in range(BATCH):
            if not self._receiver.mayReceive():
                return
            try:
                data, ancillary, _, address = self.socket.recvmsg(
                    _LARGEST, self._room, _AT_ONCE
                )
            except BlockingIOError:
                if not count and self._isShut():
                    # It is readable for ever.
                    self._drop()
                return
            except OSError:
                # A reply to an earlier client could not be delivered.
                continue
            peer = address if isinstance(address, tuple) else (address,)
            sender = Sender(peer, [_replyFrom(*each) for each in ancillary])
            survived(self._name, self._receiver.datagramReceived, data, sender)

    def _isShut(self) -> bool:
        """Return whether the socket was shut down, so that nothing is received."""
        poll = select.poll()
        poll.register(self.socket, getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(0))

    def reply(self, data: bytes, sender: Sender) -> None:
        """
        Send a datagram to the sender of another.

        @raise OSError: if it cannot be sent; it never waits.
        """
        address, control = sender
        where = address[0] if len(address) == 1 else address
        self.socket.sendmsg([data], control, _AT_ONCE, where)


def _replyFrom(level: int, kind: int, data: bytes) -> tuple[int, int, bytes]:
    """
    Return the ancillary data with which a reply comes from the address that was asked.

    For IPv4 that is ip(7)'s in_pktinfo: C{ipi_spec_dst} is the local address, and
    C{ipi_ifindex} of 0 leaves the route to the system.
    """
    if (level, kind) == (socket.IPPROTO_IP, _PKTINFO):
        return level, kind, bytes(4) + data[4:8] + bytes(4)
    return level, kind, data

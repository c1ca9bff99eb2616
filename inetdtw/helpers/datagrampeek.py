# -*- test-case-name: inetdtw.helpers.test.test_datagrampeek -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Detect C{dgram wait} programs that exit without receiving the datagram."""

from __future__ import annotations

import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: A datagram is discarded when so many programs in turn have left it.
TURNS = 2
_SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
#: Space for a time stamp only: a client of a UNIX socket can send descriptors, which
#: this process would receive with every peek.
_STAMP = socket.CMSG_SPACE(16)


class DatagramPeek:
    """
    Detects that programs leave the first datagram in a socket's queue.

    Equal datagrams differ in the time when they were received, which the kernel stores
    with each (SO_TIMESTAMPNS).

    @ivar seen: whether there was one at the last look.
    """

    _PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT

    def __init__(self, sock: socket.socket) -> None:
        """@param sock: the socket of the service."""
        self._socket = sock
        self._noted: object = None
        self._times = 0
        self.seen = False

    def isThere(self) -> bool:
        """Tell whether there is a datagram."""
        return self._first() is not None

    def note(self) -> None:
        """Remember the first datagram."""
        before, self._noted = self._noted, self._first()
        self.seen = self._noted is not None
        if self._noted != before:
            self._times = 0

    def left(self) -> bool:
        """Tell whether L{TURNS} programs in turn have left the datagram noted last."""
        first = self._first()
        self.seen = first is not None
        if first is not None and first == self._noted:
            self._times += 1
        else:
            self._times = 0
        return self._times >= TURNS

    def discard(self) -> Any:
        """
        Discard the first datagram.

        @return: the address of its sender; C{None} if there is none.
        """
        self.seen = False
        try:
            return self._socket.recvfrom(1, socket.MSG_DONTWAIT)[1]
        except OSError:
            return None

    def _first(self) -> object:
        """Return the start of the first datagram, when it came, and its sender."""
        room = _STAMP if self._stamped(1) else 0
        try:
            data, stamps, _, peer = self._socket.recvmsg(512, room, self._PEEK)
        except OSError:
            return None
        finally:
            # The program has not asked for time stamps.
            self._stamped(0)
        return data, stamps, peer

    def _stamped(self, on: int) -> bool:
        """
        Switch the time stamps of datagrams on or off.

        @return: whether the system has them.
        """
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, on)
        except OSError:
            return False
        return True

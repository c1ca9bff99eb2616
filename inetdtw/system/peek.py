# -*- test-case-name: inetdtw.system.test.test_peek -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Detect C{wait} programs that exit without consuming what triggered them."""

from __future__ import annotations

import socket
from typing import Any

from inetdtw.system.sockdiag import Backlog, count, waiting

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

    @ivar seen: whether there was one when L{left} looked last.
    """

    _PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT

    def __init__(self, sock: socket.socket) -> None:
        """@param sock: the socket of the service."""
        self._socket = sock
        self._noted: object = None
        self._times = 0
        self.seen = False

    def note(self) -> None:
        """Remember the first datagram."""
        before, self._noted = self._noted, self._first()
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


class BacklogPeek:
    """Detects that a program has left connections in a socket's backlog."""

    def __init__(self, sock: socket.socket) -> None:
        """@param sock: the listening socket of the service."""
        self._socket = sock
        self._before: int | None = None
        self._noted: Backlog | None = None

    def note(self, closely: bool = False) -> None:
        """
        Remember how many connections are in the backlog.

        @param closely: whether to remember which, for L{taken}, unless they are known.
        """
        self._before = count(self._socket)
        if closely and self._noted is None:
            self._noted = waiting(self._socket)

    def left(self) -> bool:
        """
        Tell whether the backlog is not shorter than noted.

        Then no connection seems to be accepted, unless others have come.
        """
        now = count(self._socket)
        if now is None or self._before is None or now >= self._before:
            return True
        self._noted = None
        return False

    def taken(self) -> bool | None:
        """
        Tell whether one of the connections that were noted closely was accepted.

        The next call is about those that are in the backlog now.

        @return: C{None} if that is uncertain: a connection that its client has reset
            looks as if it was accepted, though it is still in the backlog.
        """
        before, self._noted = self._noted, waiting(self._socket)
        now = self._noted
        if before is None or now is None:
            return None
        gone = not before.alive <= now.alive
        if gone and now.dead <= before.dead:
            return True
        return None if gone or before.dead else False

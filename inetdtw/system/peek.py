# -*- test-case-name: inetdtw.system.test.test_peek -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What programs leave in a socket: whether the same is still there that woke them."""

from __future__ import annotations

import socket
from typing import Any

from inetdtw.system.sockdiag import Backlog, count, waiting

#: A datagram that so many programs in turn have left is thrown away.
TURNS = 2
_SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
#: Room for a time stamp, and for nothing behind it: a client of a UNIX socket can send
#: descriptors, and this process would have them with every look.
_STAMP = socket.CMSG_SPACE(16)


class DatagramPeek:
    """
    Tells whether programs leave the datagram that is first in a socket's queue.

    Two datagrams that are alike are told from each other by the time when they were
    received, which the system keeps with each if it was asked for.

    @ivar seen: whether there was one when L{left} looked last.
    """

    _PEEK = socket.MSG_PEEK | socket.MSG_DONTWAIT

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._noted: Any = None
        self._times = 0
        self.seen = False

    def note(self) -> None:
        """Remember what is first."""
        before, self._noted = self._noted, self._first()
        if self._noted != before:
            self._times = 0

    def left(self) -> bool:
        """
        Whether what was noted last is still first, and has been left by as many
        programs in turn as it takes.
        """
        first = self._first()
        self.seen = first is not None
        if first is not None and first == self._noted:
            self._times += 1
        else:
            self._times = 0
        return self._times >= TURNS

    def discard(self) -> Any:
        """
        Throw away what is first.

        @return: who sent it.
        """
        self.seen = False
        try:
            return self._socket.recvfrom(1, socket.MSG_DONTWAIT)[1]
        except OSError:
            return None

    def _first(self) -> Any:
        """
        What tells the datagram that is first from any other: how it begins, when it
        was received, and who sent it.
        """
        room = _STAMP if self._stamped(1) else 0
        try:
            data, stamps, _, peer = self._socket.recvmsg(512, room, self._PEEK)
        except OSError:
            return None
        finally:
            # The program has not asked for it.
            self._stamped(0)
        return data, stamps, peer

    def _stamped(self, on: int) -> bool:
        """
        Say whether the time of every datagram is of interest.

        @return: whether the system can tell it.
        """
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, on)
        except OSError:
            return False
        return True


class BacklogPeek:
    """Tells whether a program has left connections in a socket's backlog."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._before: int | None = None
        self._noted: Backlog | None = None

    def note(self, closely: bool = False) -> None:
        """
        Remember how many there are.

        @param closely: whether to remember which they are, so that L{taken} can tell,
            unless that is known from the last time.
        """
        self._before = count(self._socket)
        if closely and self._noted is None:
            self._noted = waiting(self._socket)

    def left(self) -> bool:
        """
        Whether there are as many as were noted, so that none seems to be taken; it
        may be that others have come.
        """
        now = count(self._socket)
        if now is None or self._before is None or now >= self._before:
            return True
        self._noted = None
        return False

    def taken(self) -> bool | None:
        """
        Whether a connection was taken of those that were noted closely, or that were
        there when this was asked last.

        @return: C{None} if that is not certain: one that a client has reset is as
            much gone as one that was taken, though it waits on.
        """
        before, self._noted = self._noted, waiting(self._socket)
        now = self._noted
        if before is None or now is None:
            return None
        gone = not before.alive <= now.alive
        if gone and now.dead <= before.dead:
            return True
        return None if gone or before.dead else False

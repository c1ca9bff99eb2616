# -*- test-case-name: inetdtw.system.test.test_backlogpeek -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Detect C{stream wait} programs that exit without accepting a connection."""

from __future__ import annotations

import socket

from inetdtw.system.sockdiag import Backlog, count, waiting


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

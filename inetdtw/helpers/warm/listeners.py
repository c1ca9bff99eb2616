# -*- test-case-name: inetdtw.helpers.warm.test.test_listeners -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The listening sockets that the daemon has delegated to a warm process."""

from __future__ import annotations

import _socket
import errno
import select

from inetdtw.helpers.reports import (
    DROPPED,
    NOT_ACCEPTED,
    RETURNED,
    WITHDRAWN,
    Reports,
)
from inetdtw.helpers.warm.process import moveHigh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DelegatedListeners:
    """
    The listening sockets to accept from.

    @ivar sockets: the daemon's number and the socket, by its descriptor.
    """

    def __init__(self, poll: Any, reports: Reports) -> None:
        """@param poll: the C{select.poll} object that waits for connections."""
        self._poll = poll
        self._reports = reports
        self.sockets: dict[int, tuple[int, Any]] = {}

    def add(self, number: int, fd: int) -> None:
        """
        Accept from one more socket.

        @param number: the daemon's number for it.
        @param fd: its descriptor, which this owns from now on.
        """
        listening = _socket.socket(fileno=moveHigh(fd))
        self.sockets[listening.fileno()] = (number, listening)
        self._poll.register(listening.fileno(), select.POLLIN)

    def accept(self, fd: int) -> tuple[int, int, Any, Any] | None:
        """
        Accept a connection.

        The socket is returned to the daemon if there are no resources for one.

        @return: the number of the socket, the descriptor of the connection, which
            blocks, and its own address and that of the client, if a client is there.
        """
        number, listening = self.sockets[fd]
        try:
            accepted, peer = listening._accept()
        except OSError as why:
            if why.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
                self.drop(number, NOT_ACCEPTED, why.errno)
            return None
        # With its type, it is not asked for that.
        connection = _socket.socket(
            listening.family, listening.type, listening.proto, accepted
        )
        try:
            connection.setblocking(True)
            connection.getpeername()
            local = connection.getsockname()
        except OSError:
            # The client has left.
            connection.close()
            return None
        return number, connection.detach(), local, peer

    def numberOf(self, fd: int) -> int:
        """Return the daemon's number for a socket."""
        return self.sockets[fd][0]

    def withdraw(self, number: int) -> None:
        """Stop accepting from a socket, and report that."""
        self._forget(number)
        self._reports.add(WITHDRAWN, number, 0, 0)

    def drop(self, number: int, what: int, why: int, peer: Any = None) -> None:
        """
        Return a socket to the daemon after an error.

        @param what: C{NOT_ACCEPTED}, or C{NOT_STARTED} if a client's connection is
            lost.
        @param why: the errno.
        @param peer: the client.
        """
        self._forget(number)
        self._reports.addConnection(DROPPED, number, why, what, peer)

    def returnAll(self) -> None:
        """Return all sockets to the daemon, because as many children run as may."""
        for number, _ in list(self.sockets.values()):
            self._forget(number)
            self._reports.add(RETURNED, number, 0, 0)

    def _forget(self, number: int) -> None:
        for fd, (each, listening) in list(self.sockets.items()):
            if each == number:
                del self.sockets[fd]
                self._poll.unregister(fd)
                listening.close()

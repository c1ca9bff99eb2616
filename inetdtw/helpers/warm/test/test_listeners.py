# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.listeners}."""

from __future__ import annotations

import errno
import select
import socket
from typing import Any
from unittest import mock

from inetdtw.helpers.reports import DROPPED, NOT_ACCEPTED, WITHDRAWN
from inetdtw.helpers.warm import listeners
from inetdtw.helpers.warm.test.cases import ServerTestCase, connection, report
from inetdtw.test.fakes import PATIENCE


class AcceptTests(ServerTestCase):
    """Tests for connections that cannot be accepted."""

    def test_left(self) -> None:
        """A connection whose client has left is closed, and has no child."""
        listening = self.listen()
        self.client(listening)
        accepted: list[socket.socket] = []

        class Left(socket.socket):
            """A connection without a client."""

            def getpeername(self) -> Any:
                """Say so, when it is asked for its client."""
                accepted.append(self)
                raise OSError(errno.ENOTCONN, "not connected")

        self.patch(listeners, "_socket", mock.Mock(socket=Left))
        self.accept()
        self.assertEqual([each.fileno() for each in accepted], [-1])
        self.assertEqual((self.reports(), list(self.listening())), ([], [5]))

    def test_noResources(self) -> None:
        """
        A socket is returned to the daemon when descriptors or memory are short.

        After any other error it is kept.
        """
        listening = self.listen()
        for number, returned in (
            (errno.ECONNABORTED, False),
            (errno.EAGAIN, False),
            (errno.EMFILE, True),
            (errno.ENFILE, True),
            (errno.ENOMEM, True),
        ):
            if not self.listening():
                self.delegate(listening)
            sockets = self.server._listeners.sockets
            ((fd, (_, sock)),) = sockets.items()
            fake = mock.Mock(close=sock.close)
            fake._accept.side_effect = OSError(number, "x")
            sockets[fd] = (5, fake)
            self.assertIsNone(self.server._accept(fd))
            self.assertEqual(list(self.listening()), [] if returned else [5])
            wanted = [connection(DROPPED, 5, number, NOT_ACCEPTED)] if returned else []
            self.assertEqual(self.reports(), wanted)
            if not returned:
                sockets[fd] = (5, sock)


class WithdrawTests(ServerTestCase):
    """Tests for sockets that are withdrawn."""

    def test_withdraw(self) -> None:
        """A withdrawn socket is closed and reported; others are accepted from."""
        one, other = self.listen(5), self.listen(6)
        fds = self.listening()
        self.server._listeners.withdraw(5)
        self.assertEqual(self.reports(), [report(WITHDRAWN, 5, 0, 0)])
        self.assertEqual(list(self.listening()), [6])
        self.assertEqual([self.isOpen(fds[5]), self.isOpen(fds[6])], [False, True])
        self.client(one)
        self.client(other)
        found = self.server._poll.poll(PATIENCE * 1000)
        self.assertEqual(found, [(fds[6], select.POLLIN)])

    def test_unknown(self) -> None:
        """The withdrawal of a socket that was returned before is reported as well."""
        self.listen(6)
        self.server._listeners.withdraw(5)
        self.assertEqual(self.reports(), [report(WITHDRAWN, 5, 0, 0)])
        self.assertEqual(list(self.listening()), [6])

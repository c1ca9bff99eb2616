# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.backlogpeek}."""

from __future__ import annotations

import select
import socket
from typing import Any
from unittest import skipUnless

from inetdtw.model.service import Service
from inetdtw.system import backlogpeek as peek
from inetdtw.system.backlogpeek import BacklogPeek
from inetdtw.system.sockdiag import waiting
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    listening,
    makeService,
    makeUnix,
    reportsBacklog,
    reset,
)


class BacklogPeekTests(ServingTestCase):
    """Tests for L{BacklogPeek}."""

    def setUp(self) -> None:
        """Make a socket with one connection in the backlog."""
        super().setUp()
        self.server = self.closing(listening(makeService()))
        self.pending = BacklogPeek(self.server)
        self.connect()

    def connect(self) -> None:
        """Add a connection to the backlog."""
        self.client(self.server)
        select.select([self.server], [], [], PATIENCE)

    def accept(self) -> None:
        """Take one."""
        self.closing(self.server.accept()[0])

    def test_left(self) -> None:
        """When there are as many as before, they were left."""
        self.pending.note()
        self.assertTrue(self.pending.left())

    def test_taken(self) -> None:
        """When there are fewer, one was taken."""
        self.connect()
        self.pending.note()
        self.accept()
        self.assertFalse(self.pending.left())

    def test_unknown(self) -> None:
        """Connections count as left where the backlog is unknown."""
        unix: Any = self.closing(listening(makeUnix(self.mktemp())))
        self.patch(peek, "waiting", lambda sock: None)
        connections = BacklogPeek(unix)
        connections.note(closely=True)
        self.assertTrue(connections.left())
        self.assertIsNone(connections.taken())

    def test_notNoted(self) -> None:
        """The result is uncertain if the backlog was not noted closely before."""
        self.pending.note()
        self.assertIsNone(self.pending.taken())


@skipUnless(reportsBacklog(), "the system does not report the backlog")
class TakenTests(ServingTestCase):
    """Tests for L{BacklogPeek.taken}."""

    def serve(self, service: Service) -> None:
        """Make a socket with two connections in the backlog, and note these."""
        self.server = self.closing(listening(service))
        self.pending = BacklogPeek(self.server)
        self.clients: list[socket.socket] = []
        self.come(2)
        self.pending.note(closely=True)

    def setUp(self) -> None:
        """Make a TCP socket."""
        super().setUp()
        self.serve(makeService())

    def come(self, number: int) -> None:
        """Add connections to the backlog."""
        before = self.waiting()
        self.clients += [self.client(self.server) for _ in range(number)]
        self.reactor.turnUntil(lambda: self.waiting() == before + number)

    def waiting(self) -> int:
        """Return how many connections are alive in the backlog."""
        backlog = waiting(self.server)
        assert backlog is not None
        return len(backlog.alive)

    def reset(self) -> None:
        """Reset the connection of the first client."""
        before = self.waiting()
        reset(self.clients.pop(0))
        self.reactor.turnUntil(lambda: self.waiting() < before)

    def accept(self) -> None:
        """Take one, and close it."""
        self.server.accept()[0].close()

    def test_none(self) -> None:
        """None was accepted if all are there, also when others have come."""
        self.come(1)
        self.assertIs(self.pending.taken(), False)

    def test_replaced(self) -> None:
        """A connection that was accepted is seen once, though another has come."""
        self.accept()
        self.come(1)
        self.assertTrue(self.pending.left())
        self.assertIs(self.pending.taken(), True)
        self.pending.note(closely=True)
        self.assertIs(self.pending.taken(), False)

    def test_unix(self) -> None:
        """So it is for UNIX sockets."""
        self.serve(makeUnix(self.mktemp()))
        self.come(1)
        self.assertIs(self.pending.taken(), False)
        self.accept()
        self.come(1)
        self.assertTrue(self.pending.left())
        self.assertIs(self.pending.taken(), True)

    def test_reset(self) -> None:
        """The result is uncertain for a connection that was reset."""
        self.reset()
        self.assertIsNone(self.pending.taken())
        self.assertIsNone(self.pending.taken())
        self.accept()
        self.come(1)
        self.assertIsNone(self.pending.taken())
        self.assertIs(self.pending.taken(), False)

    def test_fewer(self) -> None:
        """The backlog is noted again when it is shorter."""
        self.accept()
        self.assertFalse(self.pending.left())
        self.pending.note(closely=True)
        self.come(1)
        self.assertIs(self.pending.taken(), False)

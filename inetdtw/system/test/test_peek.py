# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.peek}."""

from __future__ import annotations

import array
import select
import socket
from typing import Any
from unittest import skipUnless

from inetdtw.model.service import Service
from inetdtw.system import peek
from inetdtw.system.peek import BacklogPeek, DatagramPeek
from inetdtw.system.sockdiag import waiting
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    listening,
    makeDatagrams,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
    reset,
    tellsWhoWaits,
)


class DatagramPeekTests(ServingTestCase):
    """Tests for L{DatagramPeek}."""

    def setUp(self) -> None:
        """Bind a datagram socket."""
        super().setUp()
        self.server = self.closing(listening(makeDatagrams()))
        self.pending = DatagramPeek(self.server)
        self.sender = self.client(self.server)

    def turn(self, took: bool) -> bool:
        """
        Have a program run that has received something or not.

        @return: whether that is seen to be left.
        """
        self.pending.note()
        if took:
            self.server.recv(100)
        return self.pending.left()

    def test_nothing(self) -> None:
        """Without a datagram, nothing was left."""
        self.assertFalse(self.turn(False))
        self.assertFalse(self.pending.seen)

    def test_twice(self) -> None:
        """A datagram that two programs in turn did not receive was left."""
        self.sender.send(b"1")
        self.assertEqual([self.turn(False), self.turn(False)], [False, True])
        self.assertTrue(self.pending.seen)

    def test_alike(self) -> None:
        """An equal datagram that came later is another one."""
        for _ in range(4):
            self.sender.send(b"1")
        turns = [self.turn(took) for took in (False, True, False, True, True, False)]
        self.assertEqual(turns, [False] * 6)
        self.assertTrue(self.turn(False))

    def test_vanished(self) -> None:
        """A datagram that was received between two programs was not left."""
        self.sender.send(b"1")
        self.assertFalse(self.turn(False))
        self.server.recv(100)
        self.sender.send(b"2")
        self.assertFalse(self.turn(False))

    def test_untouched(self) -> None:
        """Peeking consumes nothing, and leaves time stamps off."""
        self.sender.send(b"1")
        self.turn(False)
        self.turn(False)
        self.sender.send(b"2")
        for data in (b"1", b"2"):
            received = self.server.recvmsg(100, 100)
            self.assertEqual(received[:2], (data, []))

    def test_discard(self) -> None:
        """The first datagram is discarded, and its sender returned."""
        self.sender.send(b"1")
        self.sender.send(b"2")
        self.assertEqual(self.pending.discard(), self.sender.getsockname())
        self.assertEqual(self.server.recv(100), b"2")
        self.assertIsNone(self.pending.discard())


class UnixDatagramTests(ServingTestCase):
    """Tests for L{DatagramPeek} of UNIX sockets, which can carry descriptors."""

    def setUp(self) -> None:
        """Have a datagram with descriptors in a socket."""
        super().setUp()
        service = makeUnix(self.mktemp(), socktype=socket.SOCK_DGRAM)
        self.server = self.closing(listening(service))
        self.sender = self.client(self.server)
        self.rights = array.array("i", [self.sender.fileno()] * 2)
        self.send()
        self.pending = DatagramPeek(self.server)

    def send(self) -> None:
        """Send one."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, self.rights)]
        self.sender.sendmsg([b"1"], ancillary)

    def look(self) -> bool:
        """
        Have a program run that has received nothing.

        @return: whether that is seen.
        """
        self.pending.note()
        return self.pending.left()

    def test_rights(self) -> None:
        """A peek receives no descriptors, and the program gets all."""
        before = openDescriptors()
        self.assertEqual([self.look(), self.look()], [False, True])
        self.assertEqual(openedSince(before), {})
        received = self.server.recvmsg(9, socket.CMSG_SPACE(self.rights.itemsize * 2))
        ((_, kind, data),) = received[1]
        self.assertEqual(kind, socket.SCM_RIGHTS)
        for fd in array.array("i", data):
            self.closing(socket.socket(fileno=fd))

    def test_alike(self) -> None:
        """An equal datagram that came later is another one."""
        self.send()
        self.assertFalse(self.look())
        self.server.recv(9)
        self.assertFalse(self.look())

    def test_noStamps(self) -> None:
        """Peeking receives no descriptors without time stamps either."""
        self.patch(peek, "_SO_TIMESTAMPNS", -1)
        before = openDescriptors()
        self.assertEqual([self.look(), self.look()], [False, True])
        self.assertEqual(openedSince(before), {})

    def test_discard(self) -> None:
        """Descriptors are discarded with their datagram."""
        before = openDescriptors()
        self.pending.discard()
        self.assertEqual(openedSince(before), {})
        self.assertFalse(self.look())


class BacklogPeekTests(ServingTestCase):
    """Tests for L{BacklogPeek}."""

    def setUp(self) -> None:
        """Have a socket with one connection waiting."""
        super().setUp()
        self.server = self.closing(listening(makeService()))
        self.pending = BacklogPeek(self.server)
        self.connect()

    def connect(self) -> None:
        """Have one more connection wait."""
        self.client(self.server)
        select.select([self.server], [], [], PATIENCE)

    def accept(self) -> None:
        """Take one."""
        self.closing(self.server.accept()[0])

    def test_left(self) -> None:
        """If the backlog is as long as before, the connections were left."""
        self.pending.note()
        self.assertTrue(self.pending.left())

    def test_taken(self) -> None:
        """If the backlog is shorter, a connection was accepted."""
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
        """It is uncertain if the backlog was not noted closely before."""
        self.pending.note()
        self.assertIsNone(self.pending.taken())


@skipUnless(tellsWhoWaits(), "the system does not tell who waits")
class TakenTests(ServingTestCase):
    """Tests for L{BacklogPeek.taken}."""

    def serve(self, service: Service) -> None:
        """Have a socket with two connections waiting, which were noted."""
        self.server = self.closing(listening(service))
        self.pending = BacklogPeek(self.server)
        self.clients: list[socket.socket] = []
        self.come(2)
        self.pending.note(closely=True)

    def setUp(self) -> None:
        """Have one of TCP."""
        super().setUp()
        self.serve(makeService())

    def come(self, number: int) -> None:
        """Have others wait."""
        before = self.waiting()
        self.clients += [self.client(self.server) for _ in range(number)]
        self.reactor.turnUntil(lambda: self.waiting() == before + number)

    def waiting(self) -> int:
        """Return how many connections are alive in the backlog."""
        told = waiting(self.server)
        assert told is not None
        return len(told.alive)

    def reset(self) -> None:
        """Have the first client be gone."""
        before = self.waiting()
        reset(self.clients.pop(0))
        self.reactor.turnUntil(lambda: self.waiting() < before)

    def accept(self) -> None:
        """Take one, and close it."""
        self.server.accept()[0].close()

    def test_none(self) -> None:
        """No connection was accepted if all are there, also with later ones."""
        self.come(1)
        self.assertIs(self.pending.taken(), False)

    def test_replaced(self) -> None:
        """An accepted connection is detected once, also with a later one."""
        self.accept()
        self.come(1)
        self.assertTrue(self.pending.left())
        self.assertIs(self.pending.taken(), True)
        self.pending.note(closely=True)
        self.assertIs(self.pending.taken(), False)

    def test_unix(self) -> None:
        """An accepted connection of a UNIX socket is detected."""
        self.serve(makeUnix(self.mktemp()))
        self.come(1)
        self.assertIs(self.pending.taken(), False)
        self.accept()
        self.come(1)
        self.assertTrue(self.pending.left())
        self.assertIs(self.pending.taken(), True)

    def test_reset(self) -> None:
        """It is uncertain whether a connection that was reset was accepted."""
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

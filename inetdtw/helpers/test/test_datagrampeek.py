# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.datagrampeek}."""

from __future__ import annotations

import array
import socket

from inetdtw.helpers import datagrampeek as peek
from inetdtw.helpers.datagrampeek import DatagramPeek
from inetdtw.test.fakes import (
    ServingTestCase,
    listening,
    makeDatagrams,
    makeUnix,
    openDescriptors,
    openedSince,
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

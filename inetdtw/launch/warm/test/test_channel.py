# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.channel}."""

from __future__ import annotations

import os
import socket
from typing import Any

from zope.interface.verify import verifyObject

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure

from inetdtw.helpers.connection import packAddress
from inetdtw.helpers.reports import ENDED, REPORT
from inetdtw.helpers.warm.protocol import ACCEPT, HEADER, MOST, WITHDRAW
from inetdtw.launch.sendqueue import PAUSE
from inetdtw.launch.warm.channel import REPORTS, Channel, Said
from inetdtw.launch.warm.test.played import PEER
from inetdtw.test.fakes import PATIENCE, ServingTestCase


class ChannelTests(ServingTestCase):
    """Tests for L{Channel}."""

    def setUp(self) -> None:
        """Have a channel whose other end somebody has."""
        super().setUp()
        self.heard: list[Said] = []
        self.ends = 0
        self.channel = Channel(self.reactor, self.heard.append, self.ended)
        self.addCleanup(self.channel.close)
        self.other = self.closing(self.channel.theirs.dup())
        self.other.settimeout(PATIENCE)
        self.channel.given()

    def ended(self) -> None:
        """Nobody has the other end."""
        self.ends += 1

    def fill(self) -> int:
        """
        Leave no room in the socket.

        @return: how many packets are in it.
        """
        count = 0
        while True:
            try:
                self.channel.send(count, 0, b"x" * 1000)
            except BlockingIOError:
                return count
            count += 1

    def test_interface(self) -> None:
        """The reactor can read it."""
        verifyObject(IReadDescriptor, self.channel)
        self.assertEqual(self.channel.logPrefix(), "warm process")
        self.channel.connectionLost(Failure(CONNECTION_LOST))
        self.assertFalse(self.channel.closed)

    def test_dropped(self) -> None:
        """When the reactor does not read it any more, that is its end, which is told once."""
        for _ in range(2):
            self.channel.connectionLost(Failure(CONNECTION_LOST))
        self.reactor.advance(0)
        self.assertTrue(self.channel.closed)
        self.assertEqual(self.ends, 1)

    def test_send(self) -> None:
        """A packet has a number, what it is, something more, and descriptors."""
        with open("/dev/zero") as file:
            self.channel.send(7, 3, b"more", [file.fileno()])
        packet, fds, _, _ = socket.recv_fds(self.other, 1000, 3)
        self.assertEqual(packet, HEADER.pack(7, 3) + b"more")
        self.assertEqual(os.readlink(f"/proc/self/fd/{fds[0]}"), "/dev/zero")
        os.close(fds[0])

    def test_accept(self) -> None:
        """What is posted arrives as well, with what it may start."""
        with open("/dev/zero") as file:
            self.channel.accept(7, file.fileno(), 9)
        packet, fds, _, _ = socket.recv_fds(self.other, 1000, 3)
        self.assertEqual(packet, HEADER.pack(7, ACCEPT) + MOST.pack(9))
        os.close(fds[0])
        self.assertTrue(self.channel.withdraw(7))
        self.assertEqual(self.other.recv(100), HEADER.pack(7, WITHDRAW))

    def test_noRoom(self) -> None:
        """What there is no room for is posted later, in order."""
        count = self.fill()
        self.channel.accept(1, 0, 0)
        self.channel.withdraw(2)
        for _ in range(count):
            self.other.recv(2000)
        self.reactor.advance(PAUSE)
        packet, fds, _, _ = socket.recv_fds(self.other, 1000, 3)
        os.close(fds[0])
        told = [packet[: HEADER.size], self.other.recv(100)]
        wanted = [HEADER.pack(1, ACCEPT), HEADER.pack(2, WITHDRAW)]
        self.assertEqual(told, wanted)

    def test_neverTold(self) -> None:
        """
        A socket that is withdrawn before there was room to tell of it is never told
        of: it can be closed at once.
        """
        count = self.fill()
        self.channel.accept(1, 0, 0)
        self.channel.accept(2, 0, 0)
        self.assertFalse(self.channel.withdraw(1))
        for _ in range(count):
            self.other.recv(2000)
        self.reactor.advance(PAUSE)
        packet, fds, _, _ = socket.recv_fds(self.other, 1000, 3)
        os.close(fds[0])
        self.assertEqual(packet[: HEADER.size], HEADER.pack(2, ACCEPT))

    def test_reports(self) -> None:
        """A packet of reports is taken apart; an address belongs to the one behind it."""
        address = packAddress(8, PEER)
        assert address is not None
        report = REPORT.pack(ENDED, 2, 3, 4, 5)
        self.other.send(address + report + report + b"part of one")
        self.reactor.settle()
        said = [Said(ENDED, 2, 3, 4, 5, PEER), Said(ENDED, 2, 3, 4, 5, None)]
        self.assertEqual(self.heard, said)

    def test_oneAtATime(self) -> None:
        """However many packets there are, the reactor has its turn after each."""
        for _ in range(3):
            self.other.send(REPORT.pack(ENDED, 2, 3, 4, 5))
        self.channel.doRead()
        self.assertEqual(len(self.heard), 1)

    def test_fewAtATime(self) -> None:
        """
        However many reports one packet has, the reactor has its turn after some of
        them; the next packet waits for all of them.
        """
        first, second = REPORT.pack(ENDED, 2, 3, 4, 5), REPORT.pack(ENDED, 6, 7, 8, 9)
        self.other.send(first * 2 * REPORTS)
        self.other.send(second)
        self.reactor.settle()
        self.assertEqual(len(self.heard), REPORTS)
        self.reactor.advance(0)
        self.assertEqual(len(self.heard), 2 * REPORTS)
        self.reactor.settle()
        self.assertEqual(self.heard[-1], Said(ENDED, 6, 7, 8, 9, None))
        self.assertEqual(len(self.heard), 2 * REPORTS + 1)

    def test_addressOfTheNext(self) -> None:
        """An address belongs to the report behind it, also if that has to wait."""
        report = REPORT.pack(ENDED, 2, 3, 4, 5)
        address = packAddress(8, PEER) or b""
        self.other.send(report * (REPORTS - 1) + address + report)
        self.reactor.settle()
        self.reactor.advance(0)
        self.assertEqual([said.peer for said in self.heard[-2:]], [None, PEER])

    def test_closedBetween(self) -> None:
        """Nothing more of a packet is heard when the channel was closed meanwhile."""
        self.other.send(REPORT.pack(ENDED, 2, 3, 4, 5) * 2 * REPORTS)
        self.reactor.settle()
        self.channel.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(len(self.heard), REPORTS)

    def test_end(self) -> None:
        """
        The end is noticed once, when nobody has the other end any more; then nothing
        can be sent.
        """
        second = self.other.dup()
        self.other.close()
        self.reactor.settle()
        self.assertEqual((self.ends, self.channel.closed), (0, False))
        second.close()
        self.reactor.settle()
        self.assertEqual((self.ends, self.channel.closed), (1, True))
        self.assertEqual(self.channel.fileno(), -1)
        self.assertRaises(BrokenPipeError, self.channel.send, 1, 0)
        self.assertFalse(self.channel.withdraw(1))
        self.assertEqual(self.reactor.getReaders(), [])

    def test_reset(self) -> None:
        """So it is when what was sent was never read."""
        self.channel.send(1, 0)
        self.other.close()
        self.reactor.settle()
        self.assertEqual(self.ends, 1)

    def test_postToNobody(self) -> None:
        """What is posted to nobody is forgotten."""
        self.other.close()
        self.channel.accept(1, 0, 0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_close(self) -> None:
        """One that is closed plans nothing, and hears nothing of its own packet."""
        self.fill()
        self.channel.accept(1, 0, 0)
        self.channel.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.ends, 0)

    def test_closedMeanwhile(self) -> None:
        """Nothing of a packet is heard after what made somebody close the channel."""
        heard: list[Said] = []

        def hear(said: Said) -> None:
            heard.append(said)
            channel.close()

        channel = Channel(self.reactor, hear, self.ended)
        other = self.closing(channel.theirs.dup())
        channel.given()
        other.send(REPORT.pack(ENDED, 2, 3, 4, 5) * 2)
        self.reactor.settle()
        self.assertEqual(len(heard), 1)

    def test_nothingOpen(self) -> None:
        """It leaves nothing open."""

        def work() -> None:
            channel = Channel(self.reactor, self.heard.append, self.ended)
            made.append((channel.theirs, channel._ours))
            channel.close()
            self.assertEqual([each.fileno() for each in made[-1]], [-1, -1])
            channel.given()

        made: list[Any] = []
        self.leavesNothingOpen(work)

    def test_nothingToRead(self) -> None:
        """Being told of something that is not there changes nothing."""
        self.channel.doRead()
        self.assertFalse(self.channel.closed)

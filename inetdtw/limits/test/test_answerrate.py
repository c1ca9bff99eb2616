# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.answerrate}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.answerrate import MINUTE, MOST, AnswerRate, answeredTo

USUAL = (32, 64)


class AnsweredToTests(SynchronousTestCase):
    """Tests for L{answeredTo}."""

    def test_sources(self) -> None:
        """A source has one bucket for all of its ports, which can be forged."""
        for peer, wanted in (
            (("192.0.2.1", 4), "192.0.2.1"),
            (("192.0.2.1", 5), "192.0.2.1"),
            (("2001:db8::1", 4, 0, 0), "2001:db8::/64"),
            (("2001:db8::2", 4, 0, 0), "2001:db8::/64"),
            (("/a/path",), "/a/path"),
        ):
            self.assertEqual(answeredTo(peer, USUAL), wanted)

    def test_loopback(self) -> None:
        """On the loopback interface every socket has its own."""
        peers = (("127.0.0.1", 4), ("127.0.0.1", 5), ("::1", 4, 0, 0), ("::1", 5, 0, 0))
        self.assertEqual(len({answeredTo(peer, USUAL) for peer in peers}), 4)


class AnswerRateTests(SynchronousTestCase):
    """Tests for L{AnswerRate}."""

    def setUp(self) -> None:
        """Make one with a clock."""
        self.clock = Clock()
        self.clock.advance(1_000_000.1)
        self.rate = AnswerRate(self.clock.seconds)

    def count(self, source: str, most: int, cost: int = 1) -> int:
        """Return how many answers a source may get now."""
        found = 0
        while self.rate.allows(source, most, cost):
            found += 1
        return found

    def test_burst(self) -> None:
        """Each source may get the answers of a minute at once."""
        self.assertEqual(self.count("a", 6000), 6000)
        self.assertEqual(self.count("a", 6000), 0)
        self.assertEqual(self.count("b", 6000), 6000)

    def test_refilled(self) -> None:
        """A bucket is refilled continuously, and never overflows."""
        self.count("a", 600)
        for seconds, wanted in ((1, 10), (30, 300), (MINUTE * 9, 600)):
            self.clock.advance(seconds)
            self.assertEqual(self.count("a", 600), wanted)

    def test_cost(self) -> None:
        """An answer can cost more than one token, up to a full bucket."""
        self.assertEqual(self.count("a", 60, 10), 6)
        self.assertEqual(self.count("b", 5, 10), 1)

    def test_look(self) -> None:
        """A check does not consume a token."""
        for _ in range(9):
            self.assertTrue(self.rate.allows("a", 1, take=False))
        self.assertTrue(self.rate.allows("a", 1))
        self.assertFalse(self.rate.allows("a", 1, take=False))

    def test_changed(self) -> None:
        """The bound can be changed at any time."""
        self.count("a", 60)
        self.clock.advance(30)
        self.assertEqual(self.count("a", 6000), 3000)

    def test_most(self) -> None:
        """The least recently used buckets are dropped when many sources are forged."""
        self.assertEqual(self.count("victim", 2), 2)
        for number in range(MOST * 2):
            self.rate.allows(f"forged {number}", 2)
            if not number % 100:
                self.rate.allows("other", 1)
        self.assertEqual(len(self.rate._fullAt), MOST)
        self.assertEqual(self.count("victim", 2), 2)

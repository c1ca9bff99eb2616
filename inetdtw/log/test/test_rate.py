# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.log.rate}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.log.rate import AVERAGE, INTERVAL, LogRate


class LogRateTests(SynchronousTestCase):
    """Tests for L{LogRate}."""

    def setUp(self) -> None:
        """Make a limit of three lines."""
        self.clock = Clock()
        self.calls: list[tuple[str, str, int]] = []
        self.rate = self.made(3)

    def made(self, burst: int) -> LogRate:
        """Return a rate limit."""
        clock = self.clock
        return LogRate(burst, clock.seconds, clock.callLater, self.record)

    def record(self, *what: object) -> None:
        """Record suppressed lines."""
        kind, service, lines = what
        assert isinstance(kind, str) and isinstance(service, str)
        assert isinstance(lines, int)
        self.calls.append((kind, service, lines))

    def some(self, count: int, kind: str = "stderr", service: str = "7/tcp") -> int:
        """Return how many of some lines may be logged."""
        return sum(self.rate.allows(kind, service, 10) for _ in range(count))

    def test_burst(self) -> None:
        """The burst passes in an interval; the rest is counted at its end."""
        self.assertEqual(self.some(3), 3)
        self.assertFalse(self.rate.exceeded("stderr", "7/tcp"))
        self.assertEqual(self.some(4), 0)
        self.assertTrue(self.rate.exceeded("stderr", "7/tcp"))
        self.rate.suppress("stderr", "7/tcp", 5)
        self.assertEqual(self.calls, [])
        self.clock.advance(INTERVAL)
        self.assertEqual(self.calls, [("stderr", "7/tcp", 9)])
        self.assertEqual(self.some(4), 3)

    def test_within(self) -> None:
        """Nothing is logged, nor scheduled, if nothing was suppressed."""
        for _ in range(3):
            self.assertEqual(self.some(3), 3)
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.clock.advance(INTERVAL)
        self.assertEqual(self.calls, [])

    def test_size(self) -> None:
        """The bytes of all lines are limited, too."""
        self.assertTrue(self.rate.allows("stderr", "7/tcp", 2 * AVERAGE))
        self.assertFalse(self.rate.allows("stderr", "7/tcp", 2 * AVERAGE))
        self.assertFalse(self.rate.allows("stderr", "7/tcp", 1))
        self.clock.advance(INTERVAL)
        self.assertEqual(self.calls, [("stderr", "7/tcp", 2)])

    def test_others(self) -> None:
        """Each event of each service has its own limit."""
        self.some(9)
        self.assertEqual(self.some(3, "refuse"), 3)
        self.assertEqual(self.some(3, service="9/tcp"), 3)

    def test_late(self) -> None:
        """An interval ends in time when the delayed call is late."""
        self.some(4)
        self.clock.rightNow += INTERVAL
        self.assertEqual(self.some(1), 1)
        self.assertEqual(self.calls, [("stderr", "7/tcp", 1)])
        self.clock.advance(INTERVAL)
        self.assertEqual(len(self.calls), 1)

    def test_noLimit(self) -> None:
        """Without a limit everything passes."""
        self.rate = self.made(0)
        self.assertEqual(self.some(10000), 10000)

    def test_close(self) -> None:
        """An interval can be ended early."""
        self.some(4)
        self.rate.close()
        self.assertEqual(self.calls, [("stderr", "7/tcp", 1)])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.rate.suppress("stderr", "7/tcp", 1)
        self.rate.close()
        self.assertEqual(len(self.calls), 2)

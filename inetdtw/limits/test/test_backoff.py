# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.backoff}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.backoff import (
    FIRST_PAUSE,
    GOOD_LIFE,
    GROWTH,
    LONGEST_PAUSE,
    Backoff,
)


class BackoffTests(SynchronousTestCase):
    """Tests for L{Backoff}."""

    def test_growing(self) -> None:
        """C{next} returns exactly twice as much each time, up to the longest pause."""
        backoff = Backoff(first=0.5, longest=3.0)
        pauses = [backoff.next() for _ in range(5)]
        self.assertEqual(pauses, [0.5, 1.0, 2.0, 3.0, 3.0])

    def test_unbounded(self) -> None:
        """C{next} returns the longest pause after any number of failures."""
        backoff = Backoff(first=1e-300, longest=30.0)
        pauses = [backoff.next() for _ in range(5000)]
        self.assertLessEqual(max(pauses), 30.0)

    def test_shortLives(self) -> None:
        """C{after} returns longer pauses while processes exit soon."""
        backoff = Backoff()
        self.assertEqual(backoff.after(0), FIRST_PAUSE)
        self.assertEqual(backoff.after(0), FIRST_PAUSE * GROWTH)
        for _ in range(20):
            backoff.after(GOOD_LIFE - 0.1)
        self.assertEqual(backoff.after(0), LONGEST_PAUSE)

    def test_reset(self) -> None:
        """C{reset}, or a process that ran long, restores the first pause."""
        backoff = Backoff()
        backoff.after(0)
        self.assertEqual(backoff.after(GOOD_LIFE), FIRST_PAUSE)
        backoff.after(0)
        backoff.reset()
        self.assertEqual(backoff.after(0), FIRST_PAUSE)

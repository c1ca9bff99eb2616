# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.backoff}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.backoff import FIRST_PAUSE, GOOD_LIFE, GROWTH, LONGEST_PAUSE, Pauses


class PausesTests(SynchronousTestCase):
    """Tests for L{Pauses}."""

    def test_growing(self) -> None:
        """Pauses grow up to the longest as long as processes die young."""
        pauses = Pauses()
        self.assertEqual(pauses.after(0), FIRST_PAUSE)
        self.assertEqual(pauses.after(0), FIRST_PAUSE * GROWTH)
        for _ in range(20):
            pauses.after(GOOD_LIFE - 0.1)
        self.assertEqual(pauses.after(0), LONGEST_PAUSE)

    def test_anew(self) -> None:
        """They begin anew after a process that has lived for long, or when that is wanted."""
        pauses = Pauses()
        pauses.after(0)
        self.assertEqual(pauses.after(GOOD_LIFE), FIRST_PAUSE)
        pauses.after(0)
        pauses.reset()
        self.assertEqual(pauses.after(0), FIRST_PAUSE)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.rebinds}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.rebinds import Rebinds


class RenewalsTests(SynchronousTestCase):
    """Tests for L{Rebinds}."""

    def setUp(self) -> None:
        """Count with a clock of the test's own."""
        self.clock = Clock()
        self.renewals = Rebinds(self.clock.seconds)

    def test_again(self) -> None:
        """The second replacement within a minute is trouble, with its cause."""
        self.assertIsNone(self.renewals.trouble)
        self.renewals.add("first")
        self.assertIsNone(self.renewals.trouble)
        self.clock.advance(59.5)
        self.renewals.add("second")
        self.assertEqual(
            self.renewals.trouble,
            "its socket was replaced 2 times in a minute: second",
        )

    def test_over(self) -> None:
        """It is over a minute after the first one of two."""
        self.renewals.add("first")
        self.clock.advance(30)
        self.renewals.add("second")
        self.clock.advance(30)
        self.assertIsNone(self.renewals.trouble)
        self.renewals.add("third")
        self.assertIsNotNone(self.renewals.trouble)

    def test_clear(self) -> None:
        """What was forgotten counts no more."""
        self.renewals.add("first")
        self.renewals.clear()
        self.renewals.add("second")
        self.assertIsNone(self.renewals.trouble)

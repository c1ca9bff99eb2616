# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.rebinds}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.rebinds import Rebinds


class RebindsTests(SynchronousTestCase):
    """Tests for L{Rebinds}."""

    def setUp(self) -> None:
        """Start with a fake clock."""
        self.clock = Clock()
        self.rebinds = Rebinds(self.clock.seconds)

    def test_again(self) -> None:
        """The second replacement within a minute is trouble, with its reason."""
        self.assertIsNone(self.rebinds.trouble)
        self.rebinds.add("first")
        self.assertIsNone(self.rebinds.trouble)
        self.clock.advance(59.5)
        self.rebinds.add("second")
        self.assertEqual(
            self.rebinds.trouble,
            "its socket was replaced 2 times in a minute: second",
        )

    def test_over(self) -> None:
        """The trouble ends a minute after the first of two replacements."""
        self.rebinds.add("first")
        self.clock.advance(30)
        self.rebinds.add("second")
        self.clock.advance(30)
        self.assertIsNone(self.rebinds.trouble)
        self.rebinds.add("third")
        self.assertIsNotNone(self.rebinds.trouble)

    def test_clear(self) -> None:
        """Replacements from before C{clear} do not count."""
        self.rebinds.add("first")
        self.rebinds.clear()
        self.rebinds.add("second")
        self.assertIsNone(self.rebinds.trouble)

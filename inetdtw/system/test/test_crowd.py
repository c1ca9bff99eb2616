# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.crowd}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.system.crowd import Crowd


class CrowdTests(SynchronousTestCase):
    """Tests for L{Crowd}."""

    def setUp(self) -> None:
        """Make an empty crowd."""
        self.crowd: Crowd[int] = Crowd()

    def test_empty(self) -> None:
        """An empty crowd has no oldest item."""
        self.assertIsNone(self.crowd.oldest())
        self.assertEqual((len(self.crowd), list(self.crowd)), (0, []))

    def test_oldest(self) -> None:
        """The oldest item is that of the owner with the most, or of the first one."""
        for thing, owner in enumerate("abba"):
            self.crowd.add(thing, owner)
        self.assertEqual(self.crowd.oldest(), 0)
        self.crowd.add(4, "b")
        self.assertEqual(self.crowd.oldest(), 1)
        self.assertEqual(sorted(self.crowd), [0, 1, 2, 3, 4])

    def test_discard(self) -> None:
        """An item can be removed twice."""
        self.crowd.add(1, "a")
        self.crowd.add(2, "a")
        self.crowd.discard(1)
        self.crowd.discard(1)
        self.assertNotIn(1, self.crowd)
        self.assertIn(2, self.crowd)
        self.assertEqual(self.crowd.oldest(), 2)
        self.crowd.discard(2)
        self.assertIsNone(self.crowd.oldest())

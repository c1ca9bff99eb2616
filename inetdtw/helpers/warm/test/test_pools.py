# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.pools}."""

from __future__ import annotations

import sys
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm import pools
from inetdtw.helpers.warm.pools import fillPools


class FillTests(SynchronousTestCase):
    """Tests for L{fillPools}."""

    def test_sizes(self) -> None:
        """Each size has blocks; what is kept of one is at most a pool."""
        self.patch(pools, "VERSION", (3, 13, 0))
        kept: dict[int, int] = {}
        for block in fillPools():
            size = sys.getsizeof(block) + 15 & ~15
            kept[size] = kept.get(size, 0) + size
        self.assertEqual(sorted(kept), list(range(16, 513, 16)))
        self.assertLessEqual(max(kept.values()), 1 << 14)

    def test_filled(self) -> None:
        """It stops at the first block of a pool, as no other one is free then."""
        self.patch(pools, "VERSION", (3, 13, 0))
        with mock.patch.object(pools, "id", lambda block: (5 << 14) + 48, create=True):
            self.assertEqual(len(fillPools()), 32)

    def test_small(self) -> None:
        """Nothing is kept before 3.10, when a pool was a page of memory."""
        self.patch(pools, "VERSION", (3, 9, 18))
        self.assertEqual(fillPools(), [])
        self.patch(pools, "VERSION", (3, 10, 0))
        self.assertNotEqual(fillPools(), [])

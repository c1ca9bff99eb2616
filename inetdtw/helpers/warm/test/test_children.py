# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.helpers.warm.children}.

L{inetdtw.helpers.warm.test.test_server} has those for fork(2).
"""

from __future__ import annotations

import resource

from inetdtw.helpers.reports import ENDED, REPORT
from inetdtw.helpers.warm.test.cases import PID, ServerTestCase, report


class ReapTests(ServerTestCase):
    """Tests for L{Children.reap<inetdtw.helpers.warm.children.Children.reap>}."""

    def test_unknown(self) -> None:
        """A child that was not forked here is reported with the number 0."""
        self.reap((PID, 0))
        self.assertEqual(self.reports(), [report(ENDED, 0, PID, 0)])

    def test_time(self) -> None:
        """The CPU time of each child is reported in microseconds."""
        usages = [[1.5, 0.75, *[0.0] * 14], [2.0, 1.0, *[0.0] * 14]]
        used = map(resource.struct_rusage, usages)
        self.patch(resource, "getrusage", lambda who: next(used))
        self.reap((PID, 0), (PID + 1, 0))
        wanted = [(PID, 2250000), (PID + 1, 750000)]
        self.assertEqual(
            self.reports(), [REPORT.pack(ENDED, 0, pid, 0, cpu) for pid, cpu in wanted]
        )

    def test_none(self) -> None:
        """Nothing is reported while all children run."""
        self.reap((0, 0), (PID, 0))
        self.assertEqual(self.reports(), [])

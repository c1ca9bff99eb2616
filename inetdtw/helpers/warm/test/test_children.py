# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.helpers.warm.children}.

L{inetdtw.helpers.warm.test.test_server} has those for fork(2).
"""

from __future__ import annotations

import posix
import resource
from typing import Any

from inetdtw.helpers.reports import ENDED, REPORT
from inetdtw.helpers.warm.test.cases import PID, ServerTestCase, report


class ReapTests(ServerTestCase):
    """Tests for L{Children.reap<inetdtw.helpers.warm.children.Children.reap>}."""

    def test_unknown(self) -> None:
        """A child that was not forked here is reported with the number 0."""
        self.reap((PID, 0))
        self.assertEqual(self.reports(), [report(ENDED, 0, PID, 0)])

    def test_time(self) -> None:
        """CPU time is reported in microseconds."""
        usage = resource.struct_rusage([1.5, 0.75, *[0.0] * 14])
        usages: list[Any] = [(PID, 0, usage), (0, 0, None)]
        self.patch(posix, "wait4", lambda *given: usages.pop(0))
        self.reap()
        self.assertEqual(self.reports(), [REPORT.pack(ENDED, 0, PID, 0, 2250000)])
        self.assertEqual(usages, [])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.helpers.warm.children}.

L{inetdtw.helpers.warm.test.test_server} has those for fork(2).
"""

from __future__ import annotations

import resource

from inetdtw.helpers.reports import ENDED, EXIT, REPORT
from inetdtw.helpers.warm.test.cases import PID, ServerTestCase, report


class ReapTests(ServerTestCase):
    """Tests for L{Children.reap<inetdtw.helpers.warm.children.Children.reap>}."""

    def test_unknown(self) -> None:
        """A child that was not forked here is reported with the number 0."""
        self.server._children.add(PID + 1, 8)
        self.reap((PID, 0), (PID + 1, 0))
        wanted = [report(ENDED, 0, PID, 0), report(ENDED, 8, PID + 1, 0)]
        self.assertEqual(self.reports(), wanted)
        # Nothing is waited for when no child is left.
        self.exited = [(PID, 0)]
        self.server._children.reap()
        self.assertEqual((self.reports(), len(self.exited)), ([], 1))

    def test_urgent(self) -> None:
        """
        The exit of a child is urgent if the daemon has launched it.

        So it is if as many run as may, as the daemon has the listening sockets then.
        """
        for accepted, most, urgent in (
            *((False, 0, True), (True, 0, False)),
            *((True, 2, False), (True, 1, True)),
        ):
            self.server._children.most = most
            self.server._children.add(PID, 8, accepted)
            self.reap((PID, 0))
            self.assertIs(self.recorder.urgent, urgent)
            self.recorder.flush()

    def test_mayWait(self) -> None:
        """Exits may wait if all children were accepted here, and more may run."""
        children = self.server._children
        self.assertFalse(children.mayWait)
        children.add(PID, 8, True)
        self.assertTrue(children.mayWait)
        children.most = 1
        self.assertFalse(children.mayWait)
        children.most = 2
        self.assertTrue(children.mayWait)
        children.add(PID + 1, 9)
        self.assertFalse(children.mayWait)

    def test_time(self) -> None:
        """The CPU time of each child is reported in microseconds."""
        usages = [[1.5, 0.75, *[0.0] * 14], [2.0, 1.0, *[0.0] * 14]]
        used = map(resource.struct_rusage, usages)
        self.patch(resource, "getrusage", lambda who: next(used))
        for number in range(2):
            self.server._children.add(PID + number, 0)
        self.reap((PID, 0), (PID + 1, 0))
        wanted = [(PID, 2250000), (PID + 1, 750000)]
        self.assertEqual(
            self.reports(), [REPORT.pack(ENDED, 0, pid, 0, cpu) for pid, cpu in wanted]
        )

    def test_lived(self) -> None:
        """How long a child has run is reported if its connection was accepted here."""
        for accepted, wanted in ((False, 0), (True, 1_500_000)):
            self.server._children.add(PID, 8, accepted)
            self.now += 1.5
            self.reap((PID, 0))
            self.assertEqual(self.reports(), [EXIT.pack(ENDED, 8, PID, 0, 0, wanted)])

    def test_none(self) -> None:
        """Nothing is reported while all children run."""
        self.server._children.add(PID, 8)
        self.reap((0, 0), (PID, 0))
        self.assertEqual(self.reports(), [])

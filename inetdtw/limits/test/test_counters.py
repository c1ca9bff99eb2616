# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.counters}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.interfaces import ExitStatus
from inetdtw.limits.counters import Tally
from inetdtw.model.state import Failure


class TallyTests(SynchronousTestCase):
    """Tests for L{Tally}."""

    def test_starts(self) -> None:
        """Warm starts are counted apart from cold ones; C{None} is a cold one."""
        tally = Tally()
        for warm in (True, False, None, True):
            tally.count(warm)
        self.assertEqual((tally.warm, tally.cold), (2, 2))

    def test_ends(self) -> None:
        """Exits are counted, failures separately, and the last one is kept."""
        tally = Tally()
        self.assertEqual((tally.ended, tally.exitFailures, tally.last), (0, 0, None))
        for how in (ExitStatus(0), ExitStatus(3), ExitStatus(signal=9)):
            tally.end(how, 1.5)
        self.assertEqual((tally.ended, tally.exitFailures), (3, 2))
        self.assertEqual(tally.last, ExitStatus(signal=9))

    def test_failures(self) -> None:
        """Programs that fail, or cannot be started, are failures in a row."""
        tally = Tally()
        tally.startFailed("gone", 1.5)
        tally.end(ExitStatus(3), 2.5)
        self.assertEqual((tally.failed, tally.exitFailures), (1, 1))
        self.assertEqual(tally.failures.last, Failure("exit status 3", 2.5, 2))

    def test_cpu(self) -> None:
        """CPU time is the sum of what is known, or C{None}."""
        tally = Tally()
        tally.end(ExitStatus(0), 1.5)
        self.assertIsNone(tally.cpu)
        for cpu in (0.25, None, 0.5):
            tally.end(ExitStatus(0, cpu=cpu), 1.5)
        self.assertEqual(tally.cpu, 0.75)

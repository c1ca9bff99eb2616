# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.servicestate}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.interfaces import ExitStatus
from inetdtw.limits.counters import Tally
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Bounds
from inetdtw.model.state import (
    PauseReason,
)
from inetdtw.serve.servicestate import stateOf
from inetdtw.test.fakes import makeDatagrams, makeService


class StateOfTests(SynchronousTestCase):
    """Tests for L{stateOf}."""

    def test_program(self) -> None:
        """The counts of a program come from its tally and its limits."""
        tally = Tally(3, 4, 1, 6, 2, 1, 0.5, ExitStatus(3), admitted=99, refused=5)
        limits = ServiceLimits(Bounds(), lambda: 0.0, tally)
        limits.running = 2
        service = makeService(bounds=Bounds(acceptMax=10))
        found = stateOf(
            service, "a:1", limits, [PauseReason.LIMIT], until=5.0, ready=True
        )
        self.assertEqual(
            (found.running, found.most, found.refused, found.started, found.warm),
            (2, 10, 5, 7, 3),
        )
        self.assertEqual((found.failed, found.dropped, found.bad), (1, 1, 2))
        self.assertEqual((found.last, found.cpu, found.ended), (ExitStatus(3), 0.5, 6))
        self.assertEqual((found.until, found.ready), (5.0, True))
        self.assertEqual((found.condition, found.reason), ("at limit", None))

    def test_internal(self) -> None:
        """An internal service has started as many as it has served clients."""
        limits = ServiceLimits(Bounds(), lambda: 0.0)
        limits.admit()
        found = stateOf(makeService(internal="echo"), "a:1", limits, [])
        self.assertEqual((found.started, found.warm, found.most), (1, 0, None))

    def test_wait(self) -> None:
        """A C{wait} service runs one program at most."""
        limits = ServiceLimits(Bounds(), lambda: 0.0)
        found = stateOf(makeDatagrams(wait=True), "a:1", limits, [PauseReason.CHILD])
        self.assertEqual((found.most, found.condition), (1, "running"))

    def test_reason(self) -> None:
        """The explanation of a pause is the reason, unless a better one is known."""
        limits, service = ServiceLimits(Bounds(), lambda: 0.0), makeService()
        paused = stateOf(service, "a:1", limits, [PauseReason.RATE])
        self.assertIn("rate limit exceeded", str(paused.reason))
        unbound = stateOf(service, "a:1", limits, [PauseReason.UNBOUND], reason="no")
        self.assertEqual(unbound.reason, "no")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.clock}."""

from __future__ import annotations

import time
from typing import Any

from twisted.internet.selectreactor import SelectReactor
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.system.clock import MonotonicClock, clockOf


class MonotonicClockTests(SynchronousTestCase):
    """Tests for L{MonotonicClock} and L{clockOf}."""

    def reactor(self) -> SelectReactor:
        """Make a reactor."""
        reactor = SelectReactor()
        waker: Any = reactor.waker
        self.addCleanup(waker.connectionLost, None)
        self.addCleanup(reactor.fireSystemEvent, "shutdown")
        return reactor

    def test_steps(self) -> None:
        """A step of the wall clock does not affect delayed calls."""
        now = [1000.0, 1e9]
        self.patch(time, "monotonic", lambda: now[0])
        reactor = self.reactor()
        MonotonicClock(reactor).privilegedStartService()
        calls: list[str] = []
        reactor.callLater(5, calls.append, "due")
        for step in (-3600.0, 7200.0):
            now[1] += step
            now[0] += 2
            reactor.runUntilCurrent()
            self.assertEqual(calls, [])
        now[0] += 2
        reactor.runUntilCurrent()
        self.assertEqual(calls, ["due"])

    def test_planned(self) -> None:
        """If a call is scheduled already, the clock is not replaced."""
        reactor = self.reactor()
        call = reactor.callLater(1000, lambda: None)
        MonotonicClock(reactor).privilegedStartService()
        self.assertLess(abs(reactor.seconds() - time.time()), 60)
        call.cancel()

    def test_another(self) -> None:
        """A reactor that is not Twisted's keeps its own clock."""
        reactor = MemoryReactorClock()
        MonotonicClock(reactor).privilegedStartService()
        reactor.advance(5)
        self.assertEqual(reactor.seconds(), 5)
        self.assertEqual(clockOf(reactor)(), 5)

    def test_clock(self) -> None:
        """The clock of a real reactor is the monotonic one."""
        self.assertIs(clockOf(self.reactor()), time.monotonic)

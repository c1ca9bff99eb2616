# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.timer}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.system.timer import Timer


class TimerTests(SynchronousTestCase):
    """Tests for L{Timer}."""

    def setUp(self) -> None:
        """Make an inactive timer."""
        self.clock = Clock()
        self.timer = Timer(self.clock)
        self.calls: list[int] = []

    def test_start(self) -> None:
        """A timer calls once, with the arguments, when its seconds have passed."""
        self.clock.advance(10)
        self.timer.start(2, self.calls.append, 1)
        self.assertEqual((self.timer.active, self.timer.time), (True, 12))
        self.clock.advance(1.5)
        self.assertEqual(self.calls, [])
        self.clock.advance(0.5)
        self.assertEqual((self.calls, self.timer.active), ([1], False))
        self.clock.advance(10)
        self.assertEqual(self.calls, [1])

    def test_inactive(self) -> None:
        """A timer that was not started has no time, and can be cancelled."""
        self.timer.cancel()
        self.assertFalse(self.timer.active)
        self.assertIsNone(self.timer.time)

    def test_cancel(self) -> None:
        """A timer that was cancelled calls nothing, and can be started again."""
        self.timer.start(1, self.calls.append, 1)
        self.timer.cancel()
        self.assertEqual((self.timer.active, self.clock.getDelayedCalls()), (False, []))
        self.timer.start(1, self.calls.append, 2)
        self.clock.advance(1)
        self.assertEqual(self.calls, [2])

    def test_restart(self) -> None:
        """A timer that is started while it is active makes the later call only."""
        self.timer.start(1, self.calls.append, 1)
        self.timer.start(5, self.calls.append, 2)
        self.clock.advance(1)
        self.assertEqual(self.calls, [])
        self.clock.advance(4)
        self.assertEqual(self.calls, [2])

    def test_startWithin(self) -> None:
        """A timer is inactive in its own call, which can start it again."""

        def call() -> None:
            self.calls.append(self.timer.active)
            if len(self.calls) < 3:
                self.timer.start(1, call)

        self.timer.start(1, call)
        self.clock.pump([1] * 5)
        self.assertEqual(self.calls, [False] * 3)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.holds}."""

from __future__ import annotations

from typing import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.state import PauseReason
from inetdtw.serve.holds import Holds


class HoldsTests(SynchronousTestCase):
    """Tests for L{Holds}."""

    def setUp(self) -> None:
        """Make holds that begin to serve."""
        self.clock = Clock()
        self.calls: list[str] = []
        self.holds = Holds(
            self.clock,
            lambda: self.calls.append("paused"),
            lambda: self.calls.append("resumed"),
        )
        self.holds.resume(PauseReason.IDLE)

    def test_idle(self) -> None:
        """A service is paused until it starts, and again when it stops."""
        self.assertEqual(self.calls, ["resumed"])
        self.assertFalse(self.holds)
        self.holds.stop()
        self.assertEqual(self.calls, ["resumed", "paused"])
        self.assertEqual(self.holds.reasons, [PauseReason.IDLE])

    def test_several(self) -> None:
        """A service resumes when each reason has ended once."""
        self.holds.pause(PauseReason.LIMIT)
        self.holds.pause(PauseReason.LIMIT)
        self.holds.pause(PauseReason.CHILD)
        self.assertEqual(self.holds.reasons, [PauseReason.CHILD, PauseReason.LIMIT])
        self.holds.resume(PauseReason.LIMIT)
        self.holds.resume(PauseReason.LIMIT)
        self.assertTrue(self.holds)
        self.holds.resume(PauseReason.CHILD)
        self.assertFalse(self.holds)
        self.assertEqual(self.calls, ["resumed", "paused", "resumed"])

    def test_beforeStart(self) -> None:
        """A pause from before the start applies after it."""
        self.holds.stop()
        self.holds.pause(PauseReason.LIMIT)
        self.holds.resume(PauseReason.IDLE)
        self.assertTrue(self.holds)
        self.holds.resume(PauseReason.LIMIT)
        self.assertFalse(self.holds)

    def test_isOnly(self) -> None:
        """C{isOnly} returns whether a reason is the only one."""
        self.assertFalse(self.holds.isOnly(PauseReason.LIMIT))
        self.holds.pause(PauseReason.LIMIT)
        self.assertTrue(self.holds.isOnly(PauseReason.LIMIT))
        self.assertIn(PauseReason.LIMIT, self.holds)
        self.holds.pause(PauseReason.CHILD)
        self.assertFalse(self.holds.isOnly(PauseReason.LIMIT))
        self.assertNotIn(PauseReason.RATE, self.holds)

    def test_time(self) -> None:
        """A pause with a time ends by itself, and then calls back."""
        self.assertIsNone(self.holds.resumes)
        self.holds.pauseFor(PauseReason.RATE, 5, lambda: self.calls.append("over"))
        self.holds.pauseFor(PauseReason.SHORTAGE, 2)
        self.assertEqual(self.holds.resumes, 5)
        self.clock.advance(4.9)
        self.assertTrue(self.holds)
        self.clock.advance(0.1)
        self.assertIsNone(self.holds.resumes)
        self.assertEqual(self.calls, ["resumed", "paused", "resumed", "over"])

    def test_twice(self) -> None:
        """A second pause for the same reason does not make the first longer."""
        self.holds.pauseFor(PauseReason.RATE, 5)
        self.clock.advance(3)
        self.holds.pauseFor(PauseReason.RATE, 5)
        self.clock.advance(2)
        self.assertFalse(self.holds)
        self.holds.pauseFor(PauseReason.RATE, 5)
        self.assertTrue(self.holds)

    def test_stop(self) -> None:
        """A stop ends the pauses with a time, and no others."""
        self.holds.pauseFor(PauseReason.RATE, 5, lambda: self.calls.append("over"))
        self.holds.pause(PauseReason.OPERATOR)
        self.holds.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.holds.resume(PauseReason.RATE)
        self.assertEqual(self.holds.reasons, [PauseReason.IDLE, PauseReason.OPERATOR])
        self.assertEqual(self.calls, ["resumed", "paused"])

    def test_resumeAll(self) -> None:
        """All pauses that have a time can be ended at once, and no others."""
        self.holds.pauseFor(PauseReason.RATE, 5)
        self.holds.pauseFor(PauseReason.SHORTAGE, 5)
        self.holds.pause(PauseReason.CHILD)
        self.holds.resumeAll()
        self.assertEqual(self.holds.reasons, [PauseReason.CHILD])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_capacity(self) -> None:
        """A pause lasts until there is capacity, which is waited for once."""
        waiters: list[Callable[[], None]] = []
        for _ in range(2):
            self.holds.pauseUntil(PauseReason.TOTAL, waiters.append)
        self.assertEqual(self.holds.reasons, [PauseReason.TOTAL])
        (callback,) = waiters
        callback()
        self.assertFalse(self.holds)

    def test_capacityOrTime(self) -> None:
        """A pause for lack of capacity ends after a maximum time."""
        waiters: list[Callable[[], None]] = []
        self.holds.pauseUntil(PauseReason.DESCRIPTORS, waiters.append, 2)
        self.clock.advance(2)
        self.assertFalse(self.holds)
        self.holds.pauseUntil(PauseReason.DESCRIPTORS, waiters.append, 2)
        # What has the callback already keeps its place.
        self.assertIs(waiters[0], waiters[1])
        waiters[-1]()
        self.assertFalse(self.holds)
        self.assertEqual(self.clock.getDelayedCalls(), [])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.budget}."""

from __future__ import annotations

import resource
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.budget import (
    LARGEST_LEASE,
    SMALLEST_LEASE,
    Lease,
    ProcessBudget,
    defaultMost,
    processLimit,
)


class DefaultTests(SynchronousTestCase):
    """Tests for L{defaultMost} and L{processLimit}."""

    def test_half(self) -> None:
        """It is half of what there may be, and never nothing."""
        self.assertEqual(
            [defaultMost(each) for each in (9, 4096, 1, 0)], [4, 2048, 1, 1]
        )

    def test_limit(self) -> None:
        """What there may be is the soft limit."""
        self.patch(resource, "getrlimit", lambda number: (77, 99))
        self.assertEqual(processLimit(), 77)

    def test_unlimited(self) -> None:
        """Without a limit it is what the system has numbers for."""
        infinite = resource.RLIM_INFINITY
        self.patch(resource, "getrlimit", lambda number: (infinite, infinite))
        self.assertGreater(processLimit(), 1000)

    def test_unknown(self) -> None:
        """Where the system does not say how many that are, a usual number is taken."""
        infinite = resource.RLIM_INFINITY
        self.patch(resource, "getrlimit", lambda number: (infinite, infinite))
        for opened in (mock.mock_open(read_data="many"), FileNotFoundError()):
            with mock.patch(
                "inetdtw.limits.budget.open", side_effect=opened, create=True
            ):
                self.assertEqual(processLimit(), 32768)


class ProcessBudgetTests(SynchronousTestCase):
    """Tests for L{ProcessBudget}."""

    def setUp(self) -> None:
        """Have a bound of two."""
        self.said: list[Any] = []
        self.budget = ProcessBudget(2, self.said.append)

    def test_full(self) -> None:
        """It is full when as many run as may, and not any more when one has ended."""
        self.budget.started()
        self.assertTrue(self.budget.hasCapacity)
        self.budget.started()
        self.assertFalse(self.budget.hasCapacity)
        self.budget.ended()
        self.assertTrue(self.budget.hasCapacity)

    def test_unbounded(self) -> None:
        """Without a bound it is never full, and others may always accept."""
        budget = ProcessBudget()
        for _ in range(10000):
            budget.started()
        self.assertTrue(budget.hasCapacity)
        self.assertTrue(budget.mayDelegate)
        self.assertTrue(Lease(budget).fits())

    def test_waiters(self) -> None:
        """
        Those who wait are told when a program has ended, once each; and somebody is
        told that they wait.
        """
        self.budget.started()
        self.budget.started()
        self.budget.whenCapacity(lambda: self.said.append("one"))
        self.budget.whenCapacity(lambda: self.said.append("two"))
        self.assertEqual(self.said, [2, 2])
        self.budget.ended()
        self.assertEqual(self.said, [2, 2, "one", "two"])
        self.budget.ended()
        self.assertEqual(self.said, [2, 2, "one", "two"])

    def test_waitersInTurn(self) -> None:
        """
        When the first of those who wait takes what has become free, the others wait
        on.
        """
        self.budget.started()
        self.budget.started()
        self.budget.whenCapacity(self.budget.started)
        self.budget.whenCapacity(lambda: self.said.append("two"))
        self.budget.ended()
        self.assertEqual(self.said, [2, 2])
        self.budget.ended()
        self.assertEqual(self.said, [2, 2, "two"])

    def test_recall(self) -> None:
        """
        Whoever has others accept is told once that somebody waits, unless they do not
        accept any more.
        """

        def one() -> None:
            self.said.append("one")

        def two() -> None:
            self.said.append("two")

        self.budget.addDelegation(one)
        self.budget.addDelegation(two)
        self.budget.removeDelegation(two)
        self.budget.whenCapacity(lambda: None)
        self.budget.whenCapacity(lambda: None)
        self.assertEqual(self.said, [2, "one", 2])


class LeaseTests(SynchronousTestCase):
    """Tests for L{Lease}."""

    def setUp(self) -> None:
        """Have a bound that allows for shares of 6."""
        self.budget = ProcessBudget(100)
        self.lease = Lease(self.budget)

    def test_size(self) -> None:
        """A lease is a small part of the bound; without a bound there are none."""
        self.assertEqual(self.lease.size, 6)
        self.assertEqual(ProcessBudget(1 << 20).leaseSize, LARGEST_LEASE)
        self.assertEqual(ProcessBudget().leaseSize, 0)

    def test_tooSmall(self) -> None:
        """With a small bound nobody else accepts."""
        budget = ProcessBudget(16 * SMALLEST_LEASE - 1)
        self.assertFalse(budget.mayDelegate)
        self.assertTrue(ProcessBudget(16 * SMALLEST_LEASE).mayDelegate)
        self.assertFalse(Lease(ProcessBudget(3)).fits())

    def test_ample(self) -> None:
        """Others accept as long as not half of the bound is taken or lent."""
        self.budget.lease(40)
        for _ in range(9):
            self.budget.started()
        self.assertTrue(self.budget.mayDelegate)
        self.budget.started()
        self.assertFalse(self.budget.mayDelegate)

    def test_lent(self) -> None:
        """What a process may start counts as if it had started it, no more and no less."""
        self.lease.acquire()
        self.lease.acquire()
        self.assertEqual(self.budget.leased, 6)
        self.budget.started()
        self.lease.started(7)
        self.assertEqual((self.budget.running, self.budget.leased), (1, 5))
        self.lease.ended(7)
        self.budget.ended()
        self.assertEqual((self.budget.running, self.budget.leased), (0, 6))
        self.lease.release()
        self.lease.release()
        self.assertEqual(self.budget.leased, 0)

    def test_ordered(self) -> None:
        """A program that was ordered of a process is none that it started by itself."""
        self.lease.acquire()
        self.lease.ended(8)
        self.assertEqual(self.budget.leased, 6)

    def test_again(self) -> None:
        """A process that accepts again has what runs still as a part of its lease."""
        self.lease.acquire()
        self.budget.started()
        self.lease.started(7)
        self.lease.release()
        self.assertEqual(self.budget.leased, 0)
        self.lease.acquire()
        self.assertEqual(self.budget.leased, 5)
        self.lease.ended(7)
        self.assertEqual(self.budget.leased, 6)

    def test_died(self) -> None:
        """
        The successor of a process that died has the whole lease, if that is within
        the bound.
        """
        self.lease.acquire()
        for pid in range(6):
            self.budget.started()
            self.lease.started(pid)
        self.lease.reset()
        self.assertEqual((self.budget.running, self.budget.leased), (6, 0))
        self.assertTrue(self.lease.fits())
        for _ in range(89):
            self.budget.started()
        self.assertFalse(self.lease.fits())

    def test_fits(self) -> None:
        """
        A process may accept if all that it may start is within the bound, and goes on
        if it does; who has been lent that does not count twice.
        """
        for _ in range(94):
            self.budget.started()
        self.assertTrue(self.lease.fits())
        self.budget.lease(1)
        self.assertFalse(self.lease.fits())
        self.budget.reclaim(1)
        self.lease.acquire()
        self.assertFalse(self.budget.hasCapacity)
        self.assertTrue(self.lease.fits())

    def test_exhausted(self) -> None:
        """
        A lease is exhausted when as many run as may, and not any more when one of them
        has ended; without a bound it never is.
        """
        for pid in range(6):
            self.assertFalse(self.lease.exhausted)
            self.lease.started(pid)
        self.assertTrue(self.lease.exhausted)
        self.lease.ended(0)
        self.assertFalse(self.lease.exhausted)
        self.assertFalse(Lease(ProcessBudget()).exhausted)

    def test_tooMany(self) -> None:
        """
        A process that says it has started more than it may does not have others get
        more.
        """
        self.lease.acquire()
        for pid in range(20):
            self.lease.started(pid)
        self.assertEqual(self.budget.leased, 0)
        for pid in range(20):
            self.lease.ended(pid)
        self.assertEqual(self.budget.leased, 6)

    def test_wakes(self) -> None:
        """Those who wait are told when something is not lent any more."""
        told: list[str] = []
        self.lease.acquire()
        for _ in range(94):
            self.budget.started()
        self.assertFalse(self.budget.hasCapacity)
        self.budget.whenCapacity(lambda: told.append("free"))
        self.lease.release()
        self.assertEqual(told, ["free"])

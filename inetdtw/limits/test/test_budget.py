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
        """The default is half of the limit, and at least one."""
        self.assertEqual(
            [defaultMost(each) for each in (9, 4096, 1, 0)], [4, 2048, 1, 1]
        )

    def test_limit(self) -> None:
        """The limit is the soft RLIMIT_NPROC."""
        self.patch(resource, "getrlimit", lambda number: (77, 99))
        self.assertEqual(processLimit(), 77)

    def test_unlimited(self) -> None:
        """Without RLIMIT_NPROC, the limit is the largest pid."""
        infinite = resource.RLIM_INFINITY
        self.patch(resource, "getrlimit", lambda number: (infinite, infinite))
        self.assertGreater(processLimit(), 1000)

    def test_unknown(self) -> None:
        """A usual number is assumed where the system has no proc file system."""
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
        """Make a budget of two programs."""
        self.calls: list[Any] = []
        self.budget = ProcessBudget(2, self.calls.append)

    def test_full(self) -> None:
        """The budget has no capacity while as many programs run as may."""
        self.budget.started()
        self.assertTrue(self.budget.hasCapacity)
        self.budget.started()
        self.assertFalse(self.budget.hasCapacity)
        self.budget.ended()
        self.assertTrue(self.budget.hasCapacity)

    def test_unbounded(self) -> None:
        """Without a limit there is capacity, and delegation is allowed."""
        budget = ProcessBudget()
        for _ in range(10000):
            budget.started()
        self.assertTrue(budget.hasCapacity)
        self.assertTrue(budget.mayDelegate)
        self.assertTrue(Lease(budget).fits())

    def test_waiters(self) -> None:
        """
        Each callback is called once when a program has ended.

        C{reached} is called for each that waits.
        """
        self.budget.started()
        self.budget.started()
        self.budget.whenCapacity(lambda: self.calls.append("one"))
        self.budget.whenCapacity(lambda: self.calls.append("two"))
        self.assertEqual(self.calls, [2, 2])
        self.budget.ended()
        self.assertEqual(self.calls, [2, 2, "one", "two"])
        self.budget.ended()
        self.assertEqual(self.calls, [2, 2, "one", "two"])

    def test_waitersInTurn(self) -> None:
        """The other callbacks wait when the first one uses the capacity."""
        self.budget.started()
        self.budget.started()
        self.budget.whenCapacity(self.budget.started)
        self.budget.whenCapacity(lambda: self.calls.append("two"))
        self.budget.ended()
        self.assertEqual(self.calls, [2, 2])
        self.budget.ended()
        self.assertEqual(self.calls, [2, 2, "two"])

    def test_recall(self) -> None:
        """
        All delegations are recalled once when a listener waits.

        One that was removed before is not.
        """

        def one() -> None:
            self.calls.append("one")

        def two() -> None:
            self.calls.append("two")

        self.budget.addDelegation(one)
        self.budget.addDelegation(two)
        self.budget.removeDelegation(two)
        self.budget.whenCapacity(lambda: None)
        self.budget.whenCapacity(lambda: None)
        self.assertEqual(self.calls, [2, "one", 2])


class LeaseTests(SynchronousTestCase):
    """Tests for L{Lease}."""

    def setUp(self) -> None:
        """Make a budget whose leases have a size of 6."""
        self.budget = ProcessBudget(100)
        self.lease = Lease(self.budget)

    def test_size(self) -> None:
        """A lease is a small part of the budget, and has no size without a limit."""
        self.assertEqual(self.lease.size, 6)
        self.assertEqual(ProcessBudget(1 << 20).leaseSize, LARGEST_LEASE)
        self.assertEqual(ProcessBudget().leaseSize, 0)

    def test_tooSmall(self) -> None:
        """Nothing is delegated when the budget is small."""
        budget = ProcessBudget(16 * SMALLEST_LEASE - 1)
        self.assertFalse(budget.mayDelegate)
        self.assertTrue(ProcessBudget(16 * SMALLEST_LEASE).mayDelegate)
        self.assertFalse(Lease(ProcessBudget(3)).fits())

    def test_ample(self) -> None:
        """Delegation is allowed while less than half of the budget is used."""
        self.budget.lease(40)
        for _ in range(9):
            self.budget.started()
        self.assertTrue(self.budget.mayDelegate)
        self.budget.started()
        self.assertFalse(self.budget.mayDelegate)

    def test_lent(self) -> None:
        """An active lease counts as running programs, whatever its helper starts."""
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
        """A program that was launched by request is not part of the lease."""
        self.lease.acquire()
        self.lease.ended(8)
        self.assertEqual(self.budget.leased, 6)

    def test_again(self) -> None:
        """Programs that still run are part of a lease that is acquired again."""
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
        """A replacement has the whole lease if that fits into the budget."""
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
        An inactive lease fits if the rest of it is within the budget.

        An active one always does: it is not counted twice.
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
        A lease is exhausted while as many programs run as its size.

        Without a limit it never is.
        """
        for pid in range(6):
            self.assertFalse(self.lease.exhausted)
            self.lease.started(pid)
        self.assertTrue(self.lease.exhausted)
        self.lease.ended(0)
        self.assertFalse(self.lease.exhausted)
        self.assertFalse(Lease(ProcessBudget()).exhausted)
        smallest = Lease(ProcessBudget(16))
        smallest.started(0)
        self.assertTrue(smallest.exhausted)

    def test_tooMany(self) -> None:
        """A helper that reports more programs than it may start frees nothing."""
        self.lease.acquire()
        for pid in range(20):
            self.lease.started(pid)
        self.assertEqual(self.budget.leased, 0)
        for pid in range(20):
            self.lease.ended(pid)
        self.assertEqual(self.budget.leased, 6)

    def test_wakes(self) -> None:
        """Callbacks that wait for the budget are called when a lease is released."""
        calls: list[str] = []
        self.lease.acquire()
        for _ in range(94):
            self.budget.started()
        self.assertFalse(self.budget.hasCapacity)
        self.budget.whenCapacity(lambda: calls.append("free"))
        self.lease.release()
        self.assertEqual(calls, ["free"])

# -*- test-case-name: inetdtw.limits.test.test_budget -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's process budget: how many programs of all services may run at once.

A helper process that accepts connections itself (accept delegation) has a lease: a
number of programs that it may run at once, which the budget counts as running before
they start.  So the budget holds although the daemon is not asked before each start.
"""

from __future__ import annotations

import resource
from typing import Callable

from zope.interface import implementer

from inetdtw.interfaces import ICapacity
from inetdtw.system.waitlist import WaitList

#: The largest size of a lease, and the smallest with which delegation pays.
LARGEST_LEASE, SMALLEST_LEASE = 1024, 4
#: A lease is at most this part of the budget.
_PART = 16
#: The assumed number of processes of a system that does not report it.
_USUAL = 32768


def processLimit() -> int:
    """
    Return how many processes this user may have.

    That is RLIMIT_NPROC or, without a limit, the largest process id.
    """
    soft = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if soft != resource.RLIM_INFINITY:
        return soft
    try:
        with open("/proc/sys/kernel/pid_max", encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return _USUAL


def defaultMost(limit: int) -> int:
    """
    Return the budget where the operator gives none: half of C{limit} processes.

    The other half is for what the programs start, and for the user's other processes.
    """
    return max(1, limit // 2)


@implementer(ICapacity)
class ProcessBudget:
    """
    The count of the running programs of all services, and its limit.

    @ivar most: how many may run at once; 0 for no limit.
    @ivar running: how many run.
    @ivar leased: how many more the delegates may start.
    @ivar leaseSize: how many programs of one delegate may run at once; 0 for no limit.
    """

    def __init__(
        self, most: int = 0, reached: Callable[[int], None] = lambda most: None
    ) -> None:
        """
        Start without running programs.

        @param most: the limit; 0 for none.
        @param reached: called with C{most} when a listener has to wait.
        """
        self.most = most
        self.running = 0
        self.leased = 0
        self.leaseSize = min(LARGEST_LEASE, most // _PART)
        self._reached = reached
        self._waiting = WaitList(lambda: self.hasCapacity)
        self._recalls: dict[Callable[[], None], None] = {}

    @property
    def hasCapacity(self) -> bool:
        """Whether the daemon may start one more program."""
        return not 0 < self.most <= self.running + self.leased

    @property
    def mayDelegate(self) -> bool:
        """Whether less than half of the budget is used, so that helpers may accept."""
        if not self.most:
            return True
        if self.leaseSize < SMALLEST_LEASE:
            return False
        return self.running + self.leased < self.most // 2

    def started(self) -> None:
        """Count a program that is about to start."""
        self.running += 1

    def ended(self) -> None:
        """Count a program that has ended, or could not be started."""
        self.running -= 1
        self._waiting.notify()

    def lease(self, count: int) -> None:
        """Reserve C{count} starts for a delegate."""
        self.leased += count

    def reclaim(self, count: int) -> None:
        """Take back C{count} starts that a delegate does not need."""
        self.leased -= count
        self._waiting.notify()

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when the daemon may start a program, and recall all delegations."""
        self._reached(self.most)
        self._waiting.add(callback)
        recalls, self._recalls = self._recalls, {}
        for recall in recalls:
            recall()

    @property
    def delegations(self) -> int:
        """How many sockets are delegated."""
        return len(self._recalls)

    def addDelegation(self, recall: Callable[[], None]) -> None:
        """
        Count a socket that is delegated from now on.

        @param recall: called at most once, to end the delegation.
        """
        self._recalls[recall] = None

    def removeDelegation(self, recall: Callable[[], None]) -> None:
        """Count a delegation no more; it may have been recalled before."""
        self._recalls.pop(recall, None)


class Lease:
    """The programs that one helper process may start without asking."""

    def __init__(self, budget: ProcessBudget) -> None:
        """@param budget: what counts the programs of this lease with all others."""
        self._budget = budget
        self._running: set[int] = set()
        self._active = False

    @property
    def size(self) -> int:
        """How many of its programs may run at once; 0 for no limit."""
        return self._budget.leaseSize

    @property
    def _left(self) -> int:
        return max(0, self._budget.leaseSize - len(self._running))

    @property
    def exhausted(self) -> bool:
        """Whether the helper may start no more programs."""
        return 0 < self._budget.leaseSize <= len(self._running)

    def fits(self) -> bool:
        """Tell whether the lease is active, or the rest of it fits into the budget."""
        budget = self._budget
        taken = budget.running + budget.leased + self._left
        return (
            self._active or not budget.most or (self.size > 0 and taken <= budget.most)
        )

    def acquire(self) -> None:
        """Reserve what is left of the lease, as the helper accepts from now on."""
        if self.size and not self._active:
            self._active = True
            self._budget.lease(self._left)

    def release(self) -> None:
        """Give back what is left of the lease, as the helper accepts no more."""
        if self._active:
            self._active = False
            self._budget.reclaim(self._left)

    def started(self, pid: int) -> None:
        """
        Count a program that the helper has started by itself.

        The budget counts it as running already.
        """
        if not self._budget.leaseSize or pid in self._running:
            return
        if self._active and not self.exhausted:
            self._budget.reclaim(1)
        self._running.add(pid)

    def ended(self, pid: int) -> None:
        """
        Count the exit of a program of the helper, before the budget does.

        One that was launched by request is none of the lease.
        """
        if pid not in self._running:
            return
        self._running.remove(pid)
        if self._active and not self.exhausted:
            self._budget.lease(1)

    def reset(self) -> None:
        """Forget the programs of a helper that has died; its successor has none."""
        self.release()
        self._running.clear()

# -*- test-case-name: inetdtw.limits.test.test_budget -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The bound on the programs of all services together.

Processes that accept connections by themselves are lent a share of it before they do:
that many of their programs they may have at once.  So the bound holds though nobody
asks here before each start.
"""

from __future__ import annotations

import resource
from collections import deque
from typing import Callable

#: The largest share, and the smallest with which it is worth while.
LARGEST_SHARE, SMALLEST_SHARE = 1024, 4
#: What part of the bound a share may be.
_PART = 16
#: What is taken for the number of processes there can be, where nobody knows.
_USUAL = 32768


def processLimit() -> int:
    """How many processes there may be: by RLIMIT_NPROC, or else by the system."""
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
    The bound where none is given: half of the processes there may be.  The other half
    is for what the programs start, and for whatever else the user runs.
    """
    return max(1, limit // 2)


class Total:
    """
    Counts the programs of all services.

    @ivar most: how many may run at once; 0 is no bound.
    @ivar running: how many run.
    @ivar lent: how many more may be started by those who accept by themselves.
    @ivar share: how many programs each of these may have at once; 0 is no bound.
    """

    def __init__(
        self, most: int = 0, reached: Callable[[int], None] = lambda most: None
    ) -> None:
        """@param reached: called with the bound whenever somebody has to wait for it."""
        self.most = most
        self.running = 0
        self.lent = 0
        self.share = min(LARGEST_SHARE, most // _PART)
        self._reached = reached
        self._waiters: deque[Callable[[], None]] = deque()
        self._lenders: dict[Callable[[], None], None] = {}

    @property
    def full(self) -> bool:
        """Whether no program may be started from here."""
        return 0 < self.most <= self.running + self.lent

    @property
    def ample(self) -> bool:
        """Whether so much is left that others may accept by themselves."""
        if not self.most:
            return True
        if self.share < SMALLEST_SHARE:
            return False
        return self.running + self.lent < self.most // 2

    def take(self) -> None:
        """One more program is started."""
        self.running += 1

    def give(self) -> None:
        """A program has ended, or could not be started."""
        self.running -= 1
        if self._waiters:
            self._wake()

    def lend(self, count: int) -> None:
        """Others may start so many."""
        self.lent += count

    def takeBack(self, count: int) -> None:
        """Others will not start so many of those that they might have."""
        self.lent -= count
        if self._waiters:
            self._wake()

    def whenFree(self, callback: Callable[[], None]) -> None:
        """Call once when a program may be started.  What was lent is wanted back."""
        self._reached(self.most)
        self._waiters.append(callback)
        lenders, self._lenders = self._lenders, {}
        for recall in lenders:
            recall()

    @property
    def lenders(self) -> int:
        """How many have others accept."""
        return len(self._lenders)

    def lending(self, recall: Callable[[], None]) -> None:
        """
        Somebody has others accept.

        @param recall: called once when they should not any more.
        """
        self._lenders[recall] = None

    def notLending(self, recall: Callable[[], None]) -> None:
        """They do not accept any more."""
        self._lenders.pop(recall, None)

    def _wake(self) -> None:
        """Tell those who wait, as long as a program may be started."""
        for _ in range(len(self._waiters)):
            if self.full or not self._waiters:
                return
            self._waiters.popleft()()


class Share:
    """What one process that accepts by itself may have at once, and has."""

    def __init__(self, total: Total) -> None:
        self._total = total
        self._running: set[int] = set()
        self._held = False

    @property
    def most(self) -> int:
        """How many of its programs may run at once; 0 is no bound."""
        return self._total.share

    @property
    def _left(self) -> int:
        """How many more it may start."""
        return max(0, self.most - len(self._running))

    @property
    def exhausted(self) -> bool:
        """Whether it can start no more."""
        return self.most > 0 and self._left == 0

    def fits(self) -> bool:
        """
        Whether it may accept: whether it does, or all that it might start is within
        the bound on all programs.
        """
        total = self._total
        taken = total.running + total.lent + self._left
        return self._held or not total.most or (self.most > 0 and taken <= total.most)

    def hold(self) -> None:
        """It accepts from now on."""
        if self.most and not self._held:
            self._held = True
            self._total.lend(self._left)

    def letGo(self) -> None:
        """It does not accept any more."""
        if self._held:
            self._held = False
            self._total.takeBack(self._left)

    def began(self, pid: int) -> None:
        """It has started a program by itself, which is counted already."""
        if not self.most:
            return
        before = self._left
        self._running.add(pid)
        if self._held:
            self._total.takeBack(before - self._left)

    def ended(self, pid: int) -> None:
        """A program of its has ended, which is counted still."""
        if pid not in self._running:
            return
        before = self._left
        self._running.remove(pid)
        if self._held:
            self._total.lend(self._left - before)

    def died(self) -> None:
        """It is gone; another one begins with nothing."""
        self.letGo()
        self._running.clear()

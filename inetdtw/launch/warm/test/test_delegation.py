# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the delegations of a process of L{inetdtw.launch.warm.process}."""

from __future__ import annotations

import os

from inetdtw.helpers.reports import (
    ACCEPTED,
    ENDED,
    WITHDRAWN,
)
from inetdtw.helpers.requests import ACCEPT, WITHDRAW
from inetdtw.interfaces import ExitStatus
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.warm.test.played import (
    PEER,
    PID,
    ListenerWatcher,
    WarmProcessTestCase,
)
from inetdtw.limits.budget import ProcessBudget


class DelegationTests(WarmProcessTestCase):
    """
    Tests for a L{WarmProcess} that accepts from a listening socket.

    @ivar watcher: the delegate of the socket.
    @ivar freed: what was called when a socket was free.
    """

    def setUp(self) -> None:
        """Delegate a socket to a process that is up."""
        super().setUp()
        self.greet()
        self.watcher = ListenerWatcher()
        self.freed: list[str] = []
        with open("/dev/zero") as file:
            self.delegate(5, file.fileno())

    def delegate(self, number: int, fd: int = 0) -> None:
        """Delegate a socket."""
        self.process.delegate(number, Delegation(self.watcher, b"", fd))

    def withdraw(self, name: str = "5") -> None:
        """Withdraw the socket."""
        self.process.withdraw(5, lambda: self.freed.append(name))

    def test_delegated(self) -> None:
        """A process gets the socket, and the limit on its programs."""
        number, kind, extra, (fd,) = self.played.take()
        self.assertEqual((number, kind, extra), (5, ACCEPT, b""))
        self.assertEqual(self.played.most, 0)
        self.assertEqual(os.readlink(f"/proc/self/fd/{fd}"), "/dev/zero")
        os.close(fd)

    def test_accepted(self) -> None:
        """A program is the watcher's, and its start and exit are reported."""
        for pid, cold in ((PID, 0), (PID + 1, 1)):
            self.report((ACCEPTED, 5, pid, cold), peer=PEER)
            child = self.watcher.children[-1]
            self.assertEqual((child.calls, child.warm), ([pid], not cold))
            self.report((ENDED, 5, pid, 3 << 8))
            self.assertEqual(child.calls, [pid, ExitStatus(3, cpu=1.5)])
        self.assertEqual(self.watcher.calls, [PEER, PEER])

    def test_withdraw(self) -> None:
        """A socket is free when the process reports it; until then it may accept."""
        self.played.number()
        self.withdraw()
        self.assertEqual(self.played.take(), (5, WITHDRAW, b"", []))
        self.report((ACCEPTED, 5, PID, 0))
        self.assertEqual((self.freed, len(self.watcher.children)), ([], 1))
        self.report((WITHDRAWN, 5, 0, 0), (WITHDRAWN, 5, 0, 0))
        self.played.die()
        self.reactor.settle()
        self.assertEqual(self.freed, ["5"])

    def test_withdrawAfterDeath(self) -> None:
        """A socket is free once when the process has died."""
        self.withdraw()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(self.freed, ["5"])
        self.assertEqual(len(self.process.delegations), 0)
        self.withdraw("again")
        self.assertEqual(self.freed, ["5", "again"])

    def test_exhausted(self) -> None:
        """A process that reports more programs than its lease is closed."""
        self.process.lease._budget = ProcessBudget(64)
        for pid in range(PID, PID + 5):
            self.assertFalse(self.process.over)
            self.report((ACCEPTED, 5, pid, 0))
        self.assertEqual(len(self.watcher.children), 4)
        self.assertEqual(self.owner.calls[-1][0], "exited")
        self.assertIn("more than 4 programs", self.owner.calls[-1][1])

    def test_lease(self) -> None:
        """A process has a lease while it accepts, without the programs that run."""
        budget = ProcessBudget(640)
        lease, most = self.process.lease, budget.leaseSize
        lease._budget = budget
        self.withdraw()
        self.report((WITHDRAWN, 5, 0, 0))
        self.delegate(7)
        self.assertEqual(budget.leased, most)
        self.report((ACCEPTED, 7, PID, 0))
        self.assertEqual(budget.leased, most - 1)
        self.report((ENDED, 7, PID, 0))
        self.assertEqual(budget.leased, most)
        self.process.withdraw(7, lambda: None)
        self.report((WITHDRAWN, 7, 0, 0))
        self.assertEqual(budget.leased, 0)
        self.delegate(8)
        self.assertEqual(budget.leased, most)
        self.played.die()
        self.reactor.settle()
        self.assertEqual(budget.leased, 0)

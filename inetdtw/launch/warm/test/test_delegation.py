# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.delegation}, as a warm process uses it."""

from __future__ import annotations

import contextlib
import errno
import os

from inetdtw.helpers.reports import (
    ACCEPTED,
    CROWDED,
    DROPPED,
    ENDED,
    TAKEN,
    UNTAKEN,
    WITHDRAWN,
)
from inetdtw.helpers.warm.protocol import ACCEPT, MOST, WITHDRAW
from inetdtw.interfaces import ExitStatus
from inetdtw.launch.warm.process import WarmProcess
from inetdtw.launch.warm.test.played import PEER, PID, WarmProcessTestCase, Watcher
from inetdtw.limits.budget import ProcessBudget


class AcceptingTests(WarmProcessTestCase):
    """Tests for L{inetdtw.launch.warm.delegation.Accepting}."""

    def setUp(self) -> None:
        """Have a process that accepts from a socket."""
        super().setUp()
        self.greet()
        self.watcher = Watcher()
        self.freed: list[str] = []
        self.delegations = self.process.delegations
        with open("/dev/zero") as file:
            self.assertTrue(self.delegations.delegate(5, self.watcher, file.fileno()))

    def withdraw(self, name: str = "5") -> None:
        """Have it accept no more."""
        self.delegations.withdraw(5, lambda: self.freed.append(name))

    def test_told(self) -> None:
        """The process is given the socket, and what there is room for."""
        number, what, more, fds = self.played.take()
        self.assertEqual((number, what, more), (5, ACCEPT, MOST.pack(0)))
        self.assertEqual(os.readlink(f"/proc/self/fd/{fds[0]}"), "/dev/zero")
        os.close(fds[0])
        self.assertEqual(len(self.delegations), 1)

    def test_accepted(self) -> None:
        """
        A program that it started for a connection is the watcher's, with the address
        of the client, and starts and ends as others do.
        """
        self.say((ACCEPTED, 5, PID, 0), peer=PEER)
        self.assertEqual(self.watcher.told, [PEER])
        (child,) = self.watcher.children
        self.assertEqual((child.told, child.warm), ([PID], True))
        self.say((ENDED, 5, PID, 3 << 8))
        self.assertEqual(child.told, [PID, ExitStatus(3, cpu=1.5)])

    def test_cold(self) -> None:
        """One that had to execute the interpreter is cold."""
        self.say((ACCEPTED, 5, PID, 1))
        self.assertEqual(self.watcher.told, [None])
        self.assertEqual(self.watcher.children[0].warm, False)

    def test_dropped(self) -> None:
        """
        When it can take no more, the watcher hears why, and whether there is a client
        that it went wrong for, who may have no address.
        """
        self.say((DROPPED, 5, TAKEN, errno.EAGAIN), peer=PEER)
        self.say((DROPPED, 5, TAKEN, errno.EAGAIN))
        self.say((DROPPED, 5, UNTAKEN, errno.EAGAIN))
        peers = [peer for peer, _ in self.watcher.told]
        self.assertEqual(peers, [PEER, "", None])
        self.assertEqual(self.watcher.told[0][1], os.strerror(errno.EAGAIN))

    def test_crowded(self) -> None:
        """So it does when there are as many programs as may be."""
        self.say((CROWDED, 5, 0, 0))
        self.assertEqual(self.watcher.told, ["crowded"])

    def test_others(self) -> None:
        """What is said of a socket that it was not given means nothing."""
        self.say((ACCEPTED, 6, PID, 0), (DROPPED, 6, 0, 1), (WITHDRAWN, 6, 0, 0))
        self.assertEqual(self.watcher.told, [])

    def test_withdraw(self) -> None:
        """
        A socket is free when the process says so, not before; until then what it
        accepts is served.
        """
        self.played.number()
        self.withdraw()
        self.assertEqual(self.played.take(), (5, WITHDRAW, b"", []))
        self.say((ACCEPTED, 5, PID, 0))
        self.assertEqual((self.freed, len(self.watcher.children)), ([], 1))
        self.say((WITHDRAWN, 5, 0, 0))
        self.assertEqual((self.freed, len(self.delegations)), (["5"], 0))

    def test_withdrawnUnasked(self) -> None:
        """That it accepts no more means nothing where it should."""
        self.say((WITHDRAWN, 5, 0, 0))
        self.assertEqual(len(self.delegations), 1)

    def test_withdrawUnknown(self) -> None:
        """A socket that it does not have is free."""
        self.delegations.withdraw(6, lambda: self.freed.append("6"))
        self.assertEqual(self.freed, ["6"])

    def test_withdrawnOnce(self) -> None:
        """A socket is free once, however often the process says so."""
        self.withdraw()
        self.say((WITHDRAWN, 5, 0, 0), (WITHDRAWN, 5, 0, 0))
        self.played.die()
        self.reactor.settle()
        self.assertEqual(self.freed, ["5"])

    def test_neverTold(self) -> None:
        """
        A socket of which there was no room to tell the process is free at once, and
        none of the process' any more; others are not.
        """
        budget = self.process.lease._budget = ProcessBudget(640)
        channel = self.delegations.channel
        assert channel is not None
        with contextlib.suppress(BlockingIOError):
            while True:
                channel.send(1, 0, b"x" * 1000)
        for number in (6, 7):
            self.assertTrue(self.delegations.delegate(number, self.watcher, 0))
        self.delegations.withdraw(6, lambda: self.freed.append("6"))
        self.assertEqual((self.freed, len(self.delegations)), (["6"], 2))
        self.delegations.withdraw(7, lambda: self.freed.append("7"))
        self.assertEqual((self.freed, len(self.delegations)), (["6", "7"], 1))
        # It accepts from one still, for which it has its lease.
        self.assertEqual(budget.leased, budget.leaseSize)
        self.withdraw()
        self.assertEqual(self.freed, ["6", "7"])
        self.delegations.withdraw(6, lambda: self.freed.append("again"))
        self.assertEqual(self.freed, ["6", "7", "again"])

    def test_closed(self) -> None:
        """
        So is one of a process that nothing can be said to any more, and then it has no
        lease.
        """
        budget = self.process.lease._budget = ProcessBudget(640)
        self.delegations.delegate(6, self.watcher, 0)
        self.assertEqual(budget.leased, budget.leaseSize)
        channel = self.delegations.channel
        assert channel is not None
        channel.close()
        self.withdraw()
        self.assertEqual((self.freed, len(self.delegations)), (["5"], 1))
        self.delegations.withdraw(6, lambda: self.freed.append("6"))
        self.assertEqual((self.freed, len(self.delegations)), (["5", "6"], 0))
        self.assertEqual(budget.leased, 0)

    def test_withdrawAfterDeath(self) -> None:
        """
        A socket is free when the process has died, whether or not it was asked for it
        before; and once.
        """
        self.withdraw()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(self.freed, ["5"])
        self.assertEqual(len(self.delegations), 0)
        self.withdraw("again")
        self.assertEqual(self.freed, ["5", "again"])

    def test_acceptAfterDeath(self) -> None:
        """One that is gone accepts from nothing."""
        self.played.die()
        self.reactor.settle()
        self.assertFalse(self.delegations.delegate(6, self.watcher, 0))

    def test_unstarted(self) -> None:
        """Nor does one that was never there."""
        process = WarmProcess(self.owner, self.reactor, set(), self.process.request)
        self.assertFalse(process.delegations.delegate(6, self.watcher, 0))

    def test_exhausted(self) -> None:
        """One that says that it has started more than it may cannot be trusted."""
        self.process.lease._budget = ProcessBudget(64)
        for pid in range(PID, PID + 5):
            self.assertFalse(self.process.over)
            self.say((ACCEPTED, 5, pid, 0))
        self.assertEqual(len(self.watcher.children), 4)
        self.assertEqual(self.owner.told[-1][0], "exited")
        self.assertIn("more than 4 programs", self.owner.told[-1][1])

    def test_share(self) -> None:
        """
        What it may start by itself is lent to it as long as it accepts, and what it
        has started is not.
        """
        budget = ProcessBudget(640)
        lease, most = self.process.lease, budget.leaseSize
        lease._budget = budget
        self.withdraw()
        self.say((WITHDRAWN, 5, 0, 0))
        self.delegations.delegate(7, self.watcher, 0)
        self.assertEqual(budget.leased, most)
        self.say((ACCEPTED, 7, PID, 0))
        self.assertEqual(budget.leased, most - 1)
        self.say((ENDED, 7, PID, 0))
        self.assertEqual(budget.leased, most)
        self.delegations.withdraw(7, lambda: None)
        self.say((WITHDRAWN, 7, 0, 0))
        self.assertEqual(budget.leased, 0)
        self.delegations.delegate(8, self.watcher, 0)
        self.assertEqual(budget.leased, most)
        self.played.die()
        self.reactor.settle()
        self.assertEqual(budget.leased, 0)

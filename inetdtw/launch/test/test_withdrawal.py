# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.delegation}: sockets that are withdrawn."""

from __future__ import annotations

import contextlib
from functools import partial

from inetdtw.helpers.reports import ACCEPTED, HELLO, WITHDRAWN
from inetdtw.helpers.requests import HEADER, LAUNCH
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.forkserver.process import ForkServerProcess
from inetdtw.launch.sendqueue import PAUSE
from inetdtw.launch.test.delegationcase import DelegationTestCase
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.limits.budget import ProcessBudget


class WithdrawalTests(DelegationTestCase):
    """Tests for sockets that a fork server is to leave to the daemon."""

    def test_withdrawn(self) -> None:
        """
        A fork server stops accepting from a socket that is withdrawn.

        What it had accepted before it confirms that counts.
        """
        self.taken()
        freed: list[int] = []
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [])
        self.assertEqual(self.withdrawn(), 5)
        self.report((ACCEPTED, 5, 77, 0), (WITHDRAWN, 5, 0, 0), (ACCEPTED, 5, 78, 0))
        self.assertEqual(self.watcher.calls, [("accepted", None), ("started", 77)])
        self.assertEqual(freed, [5])

    def test_withdrawnFromNobody(self) -> None:
        """
        A socket is free at once when there is no fork server.

        It is free, too, when the fork server dies before it confirms.
        """
        freed: list[str] = []
        self.helper.withdraw(99, lambda: freed.append("unknown"))
        self.assertEqual(freed, ["unknown"])
        self.helper.withdraw(5, lambda: freed.append("died"))
        self.assertEqual(freed, ["unknown"])
        self.played.die()
        self.assertEqual(freed, ["unknown", "died"])

    def test_withdrawnUnread(self) -> None:
        """
        A replacement does not accept from a socket that was withdrawn before.

        It finds the request to accept in the channel, and one to stop.
        """
        freed: list[int] = []
        self.played.die()
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [5])
        self.replace(0)
        self.assertEqual(self.taken(), 5)
        self.assertEqual(self.withdrawn(), 5)

    def test_withdrawnWhileStopping(self) -> None:
        """A socket is free when a fork server that was stopped has exited."""
        freed: list[int] = []
        self.helper.stop()
        self.helper.withdraw(5, lambda: freed.append(5))
        self.assertEqual(freed, [])
        self.played.die()
        self.assertEqual(freed, [5])

    def test_withdrawnEarly(self) -> None:
        """
        A socket that is withdrawn before there is a fork server is forgotten.

        Its lease is released, and the fork server is never requested to accept.
        """
        budget = ProcessBudget(100)
        freed: list[int] = []
        helper = ForkServerProcess(self.owner, self.reactor, ["/py"], "/", budget)
        self.addCleanup(helper.stop)
        for number in (6, 7):
            delegation = Delegation(self.watcher, b"", self.server.fileno())
            helper.delegate(number, delegation)
        for number, left in ((6, 6), (7, 0)):
            helper.withdraw(number, partial(freed.append, number))
            self.assertNotIn(number, helper.delegations)
            self.assertEqual(budget.leased, left)
        self.assertEqual(freed, [6, 7])
        helper.start()
        self.played = self.play()
        self.report((HELLO, 0, 4, 0))
        self.nothingMore()
        self.assertEqual(budget.leased, 0)
        self.played.die()
        self.assertNotIn("accepting", self.owner.deaths[-1][1])
        self.assertEqual(freed, [6, 7])

    def test_withdrawnFromTheDead(self) -> None:
        """
        A socket that is withdrawn between two fork servers is forgotten.

        The other sockets are delegated to the replacement.
        """
        self.taken()
        self.helper.delegate(
            6, Delegation(self.watcher, b"shared", self.server.fileno())
        )
        self.taken()
        self.played.die()
        freed: list[int] = []
        self.helper.withdraw(5, partial(freed.append, 5))
        self.assertEqual(
            (freed, list(self.helper.delegations._delegations)), ([5], [6])
        )
        self.replace(0)
        self.assertEqual(self.taken(), 6)
        self.nothingMore()
        self.report((WITHDRAWN, 5, 0, 0))
        self.assertEqual(freed, [5])

    def test_withdrawnUnasked(self) -> None:
        """A socket that was not withdrawn is not free, whatever is reported."""
        self.report((WITHDRAWN, 5, 0, 0))
        self.assertIn(5, self.helper.delegations)

    def test_withdrawnOnce(self) -> None:
        """A socket that was confirmed is free once, whatever is reported later."""
        freed: list[int] = []
        self.helper.withdraw(5, partial(freed.append, 5))
        self.report((WITHDRAWN, 5, 0, 0), (WITHDRAWN, 5, 0, 0))
        self.assertEqual(freed, [5])
        self.assertNotIn(5, self.helper.delegations)
        self.played.die()
        self.assertEqual(freed, [5])

    def test_deathFreesUnwanted(self) -> None:
        """The death of a fork server frees the sockets that were withdrawn only."""
        freed: list[int] = []
        kept = Delegation(self.watcher, b"shared", self.server.fileno())
        self.helper.delegate(6, kept)
        self.helper.withdraw(5, partial(freed.append, 5))
        self.played.die()
        self.assertEqual(
            (freed, list(self.helper.delegations._delegations)), ([5], [6])
        )

    def delegateUnsent(self) -> int:
        """
        Delegate a socket while the channel is full.

        @return: how many packets are in it.
        """
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < 10_000:
                self.helper.channel.send(LAUNCH, program=bytes(100))
                sent += 1
        given = Delegation(self.watcher, b"shared", self.server.fileno())
        self.helper.delegate(6, given)
        return sent

    def test_withdrawnUnsent(self) -> None:
        """A socket that is withdrawn before the request is sent is only withdrawn."""
        self.taken()
        sent = self.delegateUnsent()
        freed: list[int] = []
        self.helper.withdraw(6, partial(freed.append, 6))
        self.assertEqual(freed, [])
        for _ in range(sent):
            self.assertEqual(len(self.played.channel.recv(1000)), HEADER.size + 100)
        self.reactor.advance(PAUSE)
        self.assertEqual(self.withdrawn(), 6)
        self.nothingMore()
        self.report((WITHDRAWN, 6, 0, 0))
        self.assertEqual(freed, [6])

    def test_unsentToTheDead(self) -> None:
        """A request that was not sent before a death is sent once afterwards."""
        self.taken()
        sent = self.delegateUnsent()
        self.played.die()
        self.reactor.advance(FIRST_PAUSE)
        self.played = self.play()
        for _ in range(sent):
            self.assertEqual(len(self.played.channel.recv(1000)), HEADER.size + 100)
        self.report((HELLO, 0, 5, 0))
        self.reactor.advance(PAUSE)
        self.assertEqual({self.taken(), self.taken()}, {5, 6})
        self.nothingMore()

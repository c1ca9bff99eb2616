# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.budget}."""

from __future__ import annotations

import resource
import socket
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.budget import (
    LARGEST_SHARE,
    SMALLEST_SHARE,
    Share,
    Total,
    defaultMost,
    processLimit,
)
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Bounds
from inetdtw.serve.admission import AdmissionControl
from inetdtw.serve.port import SocketPort
from inetdtw.test.fakes import ServingTestCase


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


class TotalTests(SynchronousTestCase):
    """Tests for L{Total}."""

    def setUp(self) -> None:
        """Have a bound of two."""
        self.said: list[Any] = []
        self.total = Total(2, self.said.append)

    def test_full(self) -> None:
        """It is full when as many run as may, and not any more when one has ended."""
        self.total.take()
        self.assertFalse(self.total.full)
        self.total.take()
        self.assertTrue(self.total.full)
        self.total.give()
        self.assertFalse(self.total.full)

    def test_unbounded(self) -> None:
        """Without a bound it is never full, and others may always accept."""
        total = Total()
        for _ in range(10000):
            total.take()
        self.assertFalse(total.full)
        self.assertTrue(total.ample)
        self.assertTrue(Share(total).fits())

    def test_waiters(self) -> None:
        """
        Those who wait are told when a program has ended, once each; and somebody is
        told that they wait.
        """
        self.total.take()
        self.total.take()
        self.total.whenFree(lambda: self.said.append("one"))
        self.total.whenFree(lambda: self.said.append("two"))
        self.assertEqual(self.said, [2, 2])
        self.total.give()
        self.assertEqual(self.said, [2, 2, "one", "two"])
        self.total.give()
        self.assertEqual(self.said, [2, 2, "one", "two"])

    def test_waitersInTurn(self) -> None:
        """
        When the first of those who wait takes what has become free, the others wait
        on.
        """
        self.total.take()
        self.total.take()
        self.total.whenFree(self.total.take)
        self.total.whenFree(lambda: self.said.append("two"))
        self.total.give()
        self.assertEqual(self.said, [2, 2])
        self.total.give()
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

        self.total.lending(one)
        self.total.lending(two)
        self.total.notLending(two)
        self.total.whenFree(lambda: None)
        self.total.whenFree(lambda: None)
        self.assertEqual(self.said, [2, "one", 2])


class ShareTests(SynchronousTestCase):
    """Tests for L{Share}."""

    def setUp(self) -> None:
        """Have a bound that allows for shares of 6."""
        self.total = Total(100)
        self.share = Share(self.total)

    def test_size(self) -> None:
        """A share is a small part of the bound; without a bound there are none."""
        self.assertEqual(self.share.most, 6)
        self.assertEqual(Total(1 << 20).share, LARGEST_SHARE)
        self.assertEqual(Total().share, 0)

    def test_tooSmall(self) -> None:
        """With a small bound nobody else accepts."""
        total = Total(16 * SMALLEST_SHARE - 1)
        self.assertFalse(total.ample)
        self.assertTrue(Total(16 * SMALLEST_SHARE).ample)
        self.assertFalse(Share(Total(3)).fits())

    def test_ample(self) -> None:
        """Others accept as long as not half of the bound is taken or lent."""
        self.total.lend(40)
        for _ in range(9):
            self.total.take()
        self.assertTrue(self.total.ample)
        self.total.take()
        self.assertFalse(self.total.ample)

    def test_lent(self) -> None:
        """What a process may start counts as if it had started it, no more and no less."""
        self.share.hold()
        self.share.hold()
        self.assertEqual(self.total.lent, 6)
        self.total.take()
        self.share.began(7)
        self.assertEqual((self.total.running, self.total.lent), (1, 5))
        self.share.ended(7)
        self.total.give()
        self.assertEqual((self.total.running, self.total.lent), (0, 6))
        self.share.letGo()
        self.share.letGo()
        self.assertEqual(self.total.lent, 0)

    def test_ordered(self) -> None:
        """A program that was ordered of a process is none that it started by itself."""
        self.share.hold()
        self.share.ended(8)
        self.assertEqual(self.total.lent, 6)

    def test_again(self) -> None:
        """A process that accepts again has what runs still as a part of its share."""
        self.share.hold()
        self.total.take()
        self.share.began(7)
        self.share.letGo()
        self.assertEqual(self.total.lent, 0)
        self.share.hold()
        self.assertEqual(self.total.lent, 5)
        self.share.ended(7)
        self.assertEqual(self.total.lent, 6)

    def test_died(self) -> None:
        """
        The successor of a process that died has the whole share, if that is within
        the bound.
        """
        self.share.hold()
        for pid in range(6):
            self.total.take()
            self.share.began(pid)
        self.share.died()
        self.assertEqual((self.total.running, self.total.lent), (6, 0))
        self.assertTrue(self.share.fits())
        for _ in range(89):
            self.total.take()
        self.assertFalse(self.share.fits())

    def test_fits(self) -> None:
        """
        A process may accept if all that it may start is within the bound, and goes on
        if it does; who has been lent that does not count twice.
        """
        for _ in range(94):
            self.total.take()
        self.assertTrue(self.share.fits())
        self.total.lend(1)
        self.assertFalse(self.share.fits())
        self.total.takeBack(1)
        self.share.hold()
        self.assertTrue(self.total.full)
        self.assertTrue(self.share.fits())

    def test_exhausted(self) -> None:
        """
        A share is exhausted when as many run as may, and not any more when one of them
        has ended; without a bound it never is.
        """
        for pid in range(6):
            self.assertFalse(self.share.exhausted)
            self.share.began(pid)
        self.assertTrue(self.share.exhausted)
        self.share.ended(0)
        self.assertFalse(self.share.exhausted)
        self.assertFalse(Share(Total()).exhausted)

    def test_tooMany(self) -> None:
        """
        A process that says it has started more than it may does not have others get
        more.
        """
        self.share.hold()
        for pid in range(20):
            self.share.began(pid)
        self.assertEqual(self.total.lent, 0)
        for pid in range(20):
            self.share.ended(pid)
        self.assertEqual(self.total.lent, 6)

    def test_wakes(self) -> None:
        """Those who wait are told when something is not lent any more."""
        told: list[str] = []
        self.share.hold()
        for _ in range(94):
            self.total.take()
        self.assertTrue(self.total.full)
        self.total.whenFree(lambda: told.append("free"))
        self.share.letGo()
        self.assertEqual(told, ["free"])


class AdmissionControlTests(ServingTestCase):
    """Tests for L{AdmissionControl} with a bound on the programs of all services."""

    def gate(self, launcher: Any) -> AdmissionControl:
        """A gate of a service that is being served."""
        limits = ServiceLimits(Bounds(acceptMax=3), self.reactor.seconds)
        gate = AdmissionControl(
            "test/tcp", limits, self.runtime.report, launcher, self.runtime.total
        )
        sock = self.closing(socket.socket())
        gate.port = SocketPort(sock, self.reactor, "test/tcp")
        gate.port.start()
        return gate

    def test_together(self) -> None:
        """
        Two services share the bound, and one that waits goes on when the other's
        program has ended.
        """
        self.runtime.total.most = 1
        one, two = self.gate(self.launcher), self.gate(self.launcher)
        self.assertTrue(one.open())
        one.admit()
        self.assertFalse(two.open())
        self.assertFalse(two.free())
        self.assertEqual(two.port.reasons, ["total"])
        one.release()
        self.assertTrue(two.open())

    def test_internal(self) -> None:
        """What is no program is not counted."""
        self.runtime.total.most = 1
        internal = self.gate(None)
        for _ in range(3):
            self.assertTrue(internal.open())
            internal.admit()
        self.assertEqual(self.runtime.total.running, 0)
        internal.release()
        self.assertEqual(self.runtime.total.running, 0)

    def test_refused(self) -> None:
        """A client that is turned away is not counted."""
        gate = self.gate(self.launcher)
        gate._limits.bounds = Bounds(perSource=1)
        peer = ("192.0.2.1", 1)
        self.assertTrue(gate.admit(peer))
        self.assertFalse(gate.admit(peer))
        self.assertEqual(self.runtime.total.running, 1)

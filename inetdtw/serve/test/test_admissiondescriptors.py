# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.admission}: clients that need descriptors."""

from __future__ import annotations

import errno
import os
from typing import Any

from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.model.state import PauseReason
from inetdtw.serve.admission import SHARE, AdmissionControl
from inetdtw.serve.test.test_admission import PEER, AdmissionTestCase
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Claim, Purpose
from inetdtw.system.fdlimit import COUNTED, RESERVE
from inetdtw.system.test.test_descriptors import LIMIT, OTHERS, AccountTestCase


class Leftover:
    """A background child's descriptors."""

    def __init__(self, claim: Claim) -> None:
        """@param claim: its descriptors."""
        self.claim = claim
        self.left = 0

    def leave(self) -> None:
        """Close it."""
        self.left += 1
        self.claim.release()


class DescriptorTests(AccountTestCase, AdmissionTestCase):
    """Tests for L{AdmissionControl} of a service with a L{DescriptorAccount}."""

    def own(
        self, purpose: Purpose = Purpose.INTERNAL, **given: Any
    ) -> AdmissionControl:
        """Make one for clients that have descriptors of a purpose."""
        return self.admission(
            account=DescriptorAccount(self.account, purpose, "test/tcp", **given)
        )

    def test_shortage(self) -> None:
        """Without descriptors the service accepts no client for a moment."""
        admission = self.own()
        self.limit = 0
        self.noDescriptors(lambda: self.assertFalse(admission.open()))
        (stall,) = self.logged("shortage")
        self.assertEqual(stall["reason"], os.strerror(errno.EMFILE))
        self.assertEqual(admission.holds.reasons, [PauseReason.SHORTAGE])
        self.limit = LIMIT
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(admission.open())

    def test_reserve(self) -> None:
        """Clients do not get the reserve."""
        admission = self.own(each=1)
        claim = self.account.take(LIMIT - RESERVE - OTHERS, Purpose.LISTENER)
        self.open = LIMIT - RESERVE
        self.assertFalse(admission.open())
        self.assertEqual(admission.holds.reasons, [PauseReason.SHORTAGE])
        claim.releaseSome(1)
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(admission.open())

    def test_share(self) -> None:
        """
        A service with its share accepts no client until one is released.

        The log has a line about that.
        """
        admission = self.own(each=1)
        clients = 0
        while admission.open():
            self.assertTrue(admission.admit())
            clients += 1
        self.assertGreater(clients, 100)
        self.assertIs(admission.free(), False)
        self.assertEqual(admission.holds.reasons, [PauseReason.DESCRIPTORS])
        (stall,) = self.logged("shortage")
        self.assertIn(SHARE, stall["reason"])
        self.assertIn("test/tcp", stall["reason"])
        admission.release()
        self.assertTrue(admission.open())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_raised(self) -> None:
        """The service resumes when RLIMIT_NOFILE is raised."""
        admission = self.own(each=1)
        while admission.open():
            admission.admit()
        self.limit *= 2
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(admission.open())

    def test_address(self) -> None:
        """A client of an address with its share is refused, and no other one."""
        admission = self.own(each=1, bounded=True)
        while admission.admit(PEER):
            self.assertTrue(admission.open())
        (refuse,) = self.logged("refuse")
        self.assertIn(SHARE, refuse["reason"])
        self.assertTrue(admission.open())
        self.assertTrue(admission.admit(("192.0.2.2", 40000)))
        admission.release(PEER)
        admission.release(PEER)
        self.assertTrue(admission.admit(PEER))

    def test_unbounded(self) -> None:
        """Addresses have no share where programs serve the clients."""
        admission = self.own(Purpose.CHILD, each=2)
        while admission.open():
            self.assertTrue(admission.admit(PEER))
        self.assertEqual(admission.holds.reasons, [PauseReason.DESCRIPTORS])

    def test_claim(self) -> None:
        """A descriptor can be claimed for a moment if there is one."""
        made = DescriptorAccount(self.account, Purpose.INTERNAL, "test/tcp")
        claim = made.claim(1)
        assert claim is not None
        self.assertEqual(self.account.taken(Purpose.INTERNAL), 1)
        claim.release()
        self.assertEqual(self.account.taken(Purpose.INTERNAL), 0)
        self.assertIsNone(made.claim(LIMIT // 2))
        self.limit = OTHERS
        self.reactor.advance(COUNTED)
        self.account.enough()
        self.assertIsNone(made.claim(1))

    def test_leftovers(self) -> None:
        """What exited programs left behind is closed for clients, the oldest first."""
        admission = self.own(Purpose.CHILD, more=2)
        left = []
        while self.account.fits(2, Purpose.CHILD, "test/tcp"):
            left.append(Leftover(self.account.take(1, Purpose.CHILD, "test/tcp")))
            left[-1].claim.leftBehind(left[-1].leave)
        self.assertTrue(admission.open())
        closed = [each.left for each in left]
        self.assertEqual(closed, [1] + [0] * (len(left) - 1))
        for each in left:
            each.claim.release()
        self.assertEqual(len(self.account.leftovers), 0)

    def test_noLeftovers(self) -> None:
        """Nothing is closed for another purpose."""
        admission = self.own(each=1)
        claim = self.account.take(1, Purpose.CHILD, "other/tcp")
        leftover = Leftover(claim)
        claim.leftBehind(leftover.leave)
        while admission.open():
            admission.admit()
        self.assertEqual(leftover.left, 0)

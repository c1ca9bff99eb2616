# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.descriptors}."""

from __future__ import annotations

import random
from unittest import mock

from inetdtw.model.state import Use
from inetdtw.system import descriptors, fdlimit
from inetdtw.system.descriptors import LEAST, PARTS, SHARES, Descriptors, Purpose
from inetdtw.system.fdlimit import RESERVE
from inetdtw.test.fakes import ServingTestCase

#: The limit of a test, and what is open without a purpose.
LIMIT, OTHERS = 1024, 20
PEER = ("192.0.2.1", 40000)


class AccountTestCase(ServingTestCase):
    """
    Make an account of a process that has 1,024 descriptors.

    @ivar account: the account.
    @ivar limit: the soft limit.
    @ivar open: how many are open, as far as the system knows.
    """

    def setUp(self) -> None:
        """Make an account without descriptors."""
        super().setUp()
        self.limit, self.open = LIMIT, OTHERS
        for module in (descriptors, fdlimit):
            self.patch(module, "softLimit", lambda: self.limit)
        self.patch(fdlimit, "_countOpen", lambda: self.open)
        self.account = Descriptors(self.reactor.seconds)

    def most(self, purpose: Purpose, service: str, address: str | None = None) -> int:
        """
        Take as many descriptors for a service as it may have.

        @return: how many these are.
        """
        count = 0
        while self.account.fits(1, purpose, service, address):
            self.account.take(1, purpose, service, address or "")
            count += 1
        return count


class SharesTests(AccountTestCase):
    """Tests for the shares of L{Descriptors}."""

    def test_few(self) -> None:
        """The exact rule allows all that the fast check allows."""
        chosen = random.Random(11)
        for _ in range(300):
            self.limit = chosen.choice((40, 64, 100, 256, 1024))
            account = Descriptors(self.reactor.seconds)
            account.expect({Purpose.INTERNAL: chosen.randrange(4)})
            for _ in range(chosen.randrange(30)):
                service, address = chosen.choice("abcdef"), chosen.choice("xy")
                asked = (chosen.randint(1, 4), Purpose.INTERNAL, service, address)
                allowed = account.fits(*asked)
                with mock.patch.object(descriptors, "FEW", self.limit):
                    self.assertEqual(allowed, account.fits(*asked), (self.limit, asked))
                if allowed:
                    account.take(*asked)

    def test_shares(self) -> None:
        """
        The shares together are the limit without the fixed parts.

        These are the reserve, listeners, helper processes and foreign descriptors.
        """
        self.assertEqual(sum(SHARES.values()), PARTS)
        self.account.keep(Purpose.HELPER, 8)
        self.assertEqual(self.account.taken(Purpose.HELPER), 8)
        self.account.take(2, Purpose.LISTENER)
        self.open += 10
        pot = LIMIT - RESERVE - OTHERS - 8 - 2
        for purpose, part in SHARES.items():
            self.assertEqual(self.account.share(purpose), pot * part // PARTS)
        self.assertIsNone(self.account.share(Purpose.HELPER))
        for count in (8, 9, 0):
            self.account.keep(Purpose.HELPER, count)
            self.assertEqual(self.account.taken(Purpose.HELPER), count)
        uses = self.account.uses()
        self.assertEqual(uses["helpers"], Use(0, None))
        self.assertEqual(uses["listeners"], Use(2, None))
        self.assertEqual(uses["internal"], Use(0, (pot + 8) // 4))

    def test_others(self) -> None:
        """The descriptors of one purpose do not change the share of another."""
        before = self.account.share(Purpose.CHILD)
        self.most(Purpose.INTERNAL, "7/tcp")
        self.assertEqual(self.account.share(Purpose.CHILD), before)
        self.assertTrue(self.account.fits(4, Purpose.CHILD, "4000/tcp"))

    def test_service(self) -> None:
        """
        Each service has an equal part of one half of a share.

        It may have three quarters of what the others leave of the other half.
        """
        self.account.expect({Purpose.INTERNAL: 4})
        share = self.account.share(Purpose.INTERNAL) or 0
        each = share // 8
        pool = share - 4 * each
        first = self.most(Purpose.INTERNAL, "7/tcp")
        self.assertEqual(first, each + pool * 3 // 4)
        left = pool - (first - each)
        self.assertEqual(self.most(Purpose.INTERNAL, "9/tcp"), each + left * 3 // 4)
        self.assertGreater(self.most(Purpose.INTERNAL, "13/tcp"), each)
        self.assertGreater(self.most(Purpose.INTERNAL, "19/tcp"), each)
        self.assertLessEqual(self.account.taken(Purpose.INTERNAL), share)

    def test_many(self) -> None:
        """One service never gets a whole share."""
        self.account.expect({Purpose.INTERNAL: LIMIT})
        share = self.account.share(Purpose.INTERNAL) or 0
        self.assertEqual(self.most(Purpose.INTERNAL, "7/tcp"), share * 3 // 4)
        self.assertTrue(self.account.fits(1, Purpose.INTERNAL, "9/tcp"))

    def test_address(self) -> None:
        """An address may have half of its service's part, and half of the rest."""
        self.account.expect({Purpose.INTERNAL: 2})
        share = self.account.share(Purpose.INTERNAL) or 0
        bound = share // 4 + (share - share // 4 * 2) * 3 // 4
        half = self.most(Purpose.INTERNAL, "7/tcp", "192.0.2.1")
        self.assertEqual(half, bound // 2)
        self.assertEqual(
            self.most(Purpose.INTERNAL, "7/tcp", "192.0.2.2"), (bound - half) // 2
        )
        self.assertTrue(self.account.fits(1, Purpose.INTERNAL, "7/tcp", "192.0.2.3"))
        self.assertTrue(self.account.fits(1, Purpose.INTERNAL, "9/tcp", "192.0.2.1"))

    def test_all(self) -> None:
        """Any number of services together do not exceed a share."""
        share = self.account.share(Purpose.INTERNAL)
        for number in range(LIMIT):
            self.most(Purpose.INTERNAL, f"{number}/tcp", "192.0.2.1")
        self.assertEqual(self.account.taken(Purpose.INTERNAL), share)

    def test_least(self) -> None:
        """With very few descriptors each share is large enough for one client."""
        self.limit = OTHERS + 10
        self.account = Descriptors()
        for purpose in SHARES:
            self.assertEqual(self.account.share(purpose), LEAST)
            self.assertTrue(self.account.fits(LEAST, purpose, "7/tcp"))
        self.assertFalse(self.account.short(8))
        self.assertTrue(self.account.short(9))

    def test_giveBack(self) -> None:
        """Released descriptors are available again, once."""
        claim = self.account.take(2, Purpose.CHILD, "4000/tcp")
        claim.releaseSome(1)
        self.assertEqual(self.account.taken(Purpose.CHILD), 1)
        claim.release()
        claim.release()
        self.assertEqual(self.account.taken(Purpose.CHILD), 0)

    def test_raised(self) -> None:
        """A new limit counts at once."""
        self.limit = 2048
        self.assertTrue(self.account.enough())
        pot = 2048 - RESERVE - OTHERS
        self.assertEqual(self.account.share(Purpose.INTERNAL), pot // 4)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.fdlimit}."""

from __future__ import annotations

import os
import resource
import socket

from inetdtw.system import fdlimit
from inetdtw.system.descriptors import Purpose
from inetdtw.system.fdlimit import COUNTED, NEAR, RESERVE, WANTED, Headroom, softLimit
from inetdtw.system.test.test_descriptors import LIMIT, OTHERS, AccountTestCase
from inetdtw.test.fakes import ServingTestCase


class CountTests(AccountTestCase):
    """Tests for what L{Headroom<fdlimit.Headroom>} finds out."""

    def test_foreign(self) -> None:
        """
        What others in this process open is found out by the number of a descriptor, and
        when there are too few, what they have closed.
        """
        self.assertFalse(self.account.short(LIMIT - RESERVE - OTHERS))
        self.open = 900
        self.account.note(OTHERS)
        self.assertFalse(self.account.short(LIMIT - RESERVE - OTHERS))
        self.reactor.advance(COUNTED)
        self.account.note(899)
        self.assertTrue(self.account.short(100))
        self.open = OTHERS
        self.assertTrue(self.account.short(100))
        self.reactor.advance(COUNTED)
        self.assertFalse(self.account.short(100))
        self.assertTrue(self.account.short(LIMIT))
        self.limit *= 2
        self.reactor.advance(COUNTED)
        self.assertFalse(self.account.short(LIMIT))

    def test_near(self) -> None:
        """
        A number is far enough above what is known to count again if it is of another
        few clients, not of one.
        """
        self.account.available()
        for fd, known in ((OTHERS + 8, OTHERS), (OTHERS + NEAR // 4 + 1, LIMIT // 2)):
            self.open = LIMIT // 2
            self.reactor.advance(COUNTED)
            self.account.note(fd)
            self.assertEqual(self.account.available(), LIMIT - RESERVE - known)

    def test_uncounted(self) -> None:
        """Where the system does not say what is open, the highest number counts."""
        self.open = 0
        self.assertEqual(self.account.available(), LIMIT - RESERVE - 1)
        self.reactor.advance(COUNTED)
        self.account.note(99)
        self.assertEqual(self.account.available(), LIMIT - RESERVE - 100)

    def test_standard(self) -> None:
        """So it is where the directory of descriptors has the standard ones only."""
        self.open = 3
        self.account.note(99)
        self.assertEqual(self.account.available(), LIMIT - RESERVE - 100)

    def test_leftOpen(self) -> None:
        """What is still open though it was given back is counted all the same."""
        self.account.take(50, Purpose.CHILD).give()
        self.open += 50
        self.reactor.advance(COUNTED)
        self.account.note(69)
        self.assertEqual(self.account.available(), LIMIT - RESERVE - OTHERS - 50)

    def test_many(self) -> None:
        """Far from the limit there are enough, and nothing is tried."""
        self.patch(os, "open", lambda *given: self.fail("it was tried"))
        self.open = LIMIT - NEAR - 1
        self.assertTrue(self.account.enough())

    def test_listeners(self) -> None:
        """Listeners leave some to their clients."""
        count = 0
        self.patch(self.account, "_canOpen", lambda wanted: True)
        while self.account.spare():
            self.account.take(1, Purpose.LISTENER)
            count += 1
        self.assertEqual(count, LIMIT - OTHERS - RESERVE - fdlimit.LEFT)

    def test_fewListeners(self) -> None:
        """Where there are few descriptors, listeners leave a part of them."""
        self.limit, count = 220, 0
        self.patch(self.account, "_canOpen", lambda wanted: True)
        while self.account.spare():
            self.account.take(1, Purpose.LISTENER)
            count += 1
        self.assertEqual(count, 220 - OTHERS - RESERVE - (220 - OTHERS) // 8)


class RealTests(ServingTestCase):
    """Tests for L{Headroom<fdlimit.Headroom>} with what this process has."""

    def test_near(self) -> None:
        """Near to the limit, what a client may take is tried, and not kept."""
        found = Headroom()
        self.noDescriptors(lambda: self.assertFalse(found.enough()), WANTED - 1)
        self.noDescriptors(lambda: self.assertTrue(found.enough()), WANTED)
        self.leavesNothingOpen(
            lambda: self.noDescriptors(lambda: self.assertTrue(found.enough()), WANTED)
        )

    def test_count(self) -> None:
        """What is open is counted."""
        before = fdlimit._countOpen()
        self.closing(socket.socket())
        self.assertEqual(fdlimit._countOpen(), before + 1)
        self.noDescriptors(
            lambda: self.assertEqual(fdlimit._countOpen(), fdlimit.softLimit())
        )

    def test_limit(self) -> None:
        """No limit is a high one."""
        self.assertEqual(softLimit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        infinity = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.patch(resource, "getrlimit", lambda what: infinity)
        self.assertGreater(softLimit(), 1 << 19)

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
    """Tests for what L{Headroom} counts."""

    def test_foreign(self) -> None:
        """Foreign descriptors are counted when a number is high, or few are left."""
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
        """A number counts as high above those of a few more clients."""
        self.account.available()
        for fd, known in ((OTHERS + 8, OTHERS), (OTHERS + NEAR // 4 + 1, LIMIT // 2)):
            self.open = LIMIT // 2
            self.reactor.advance(COUNTED)
            self.account.note(fd)
            self.assertEqual(self.account.available(), LIMIT - RESERVE - known)

    def test_uncounted(self) -> None:
        """The highest number counts where /dev/fd cannot be read."""
        self.open = 0
        self.assertEqual(self.account.available(), LIMIT - RESERVE - 1)
        self.reactor.advance(COUNTED)
        self.account.note(99)
        self.assertEqual(self.account.available(), LIMIT - RESERVE - 100)

    def test_standard(self) -> None:
        """The highest number counts where /dev/fd lists only three descriptors."""
        self.open = 3
        self.account.note(99)
        self.assertEqual(self.account.available(), LIMIT - RESERVE - 100)

    def test_leftOpen(self) -> None:
        """A descriptor that was released and is open counts as foreign."""
        self.account.take(50, Purpose.CHILD).release()
        self.open += 50
        self.reactor.advance(COUNTED)
        self.account.note(69)
        self.assertEqual(self.account.available(), LIMIT - RESERVE - OTHERS - 50)

    def test_many(self) -> None:
        """Far from the limit, no descriptors are opened as a test."""
        self.patch(os, "open", lambda *given: self.fail("it was tried"))
        self.open = LIMIT - NEAR - 1
        self.assertTrue(self.account.enough())

    def test_listeners(self) -> None:
        """Listeners leave some descriptors to their clients."""
        count = 0
        self.patch(self.account, "_canOpen", lambda wanted: True)
        while self.account.spare():
            self.account.take(1, Purpose.LISTENER)
            count += 1
        self.assertEqual(count, LIMIT - OTHERS - RESERVE - fdlimit.LEFT)

    def test_fewListeners(self) -> None:
        """Listeners leave a part of the descriptors where these are few."""
        self.limit, count = 220, 0
        self.patch(self.account, "_canOpen", lambda wanted: True)
        while self.account.spare():
            self.account.take(1, Purpose.LISTENER)
            count += 1
        self.assertEqual(count, 220 - OTHERS - RESERVE - (220 - OTHERS) // 8)


class RealTests(ServingTestCase):
    """Tests for L{Headroom} with the descriptors of this process."""

    def test_near(self) -> None:
        """Near the limit, descriptors are opened as a test, and closed."""
        found = Headroom()
        self.noDescriptors(lambda: self.assertFalse(found.enough()), WANTED - 1)
        self.noDescriptors(lambda: self.assertTrue(found.enough()), WANTED)
        self.leavesNothingOpen(
            lambda: self.noDescriptors(lambda: self.assertTrue(found.enough()), WANTED)
        )

    def test_count(self) -> None:
        """Open descriptors are counted."""
        before = fdlimit._countOpen()
        self.closing(socket.socket())
        self.assertEqual(fdlimit._countOpen(), before + 1)
        self.noDescriptors(
            lambda: self.assertEqual(fdlimit._countOpen(), fdlimit.softLimit())
        )

    def test_limit(self) -> None:
        """RLIM_INFINITY is a high limit."""
        self.assertEqual(softLimit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        infinity = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        self.patch(resource, "getrlimit", lambda what: infinity)
        self.assertGreater(softLimit(), 1 << 19)

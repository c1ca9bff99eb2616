# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.launch.warm.orders}; L{inetdtw.launch.warm.test.test_process} has what becomes of
orders.
"""

from __future__ import annotations

import os

from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.retryqueue import HeldRequest
from inetdtw.launch.warm.orders import Orders
from inetdtw.launch.warm.test.played import WarmProcessTestCase
from inetdtw.test.fakes import FakeChild, ServingTestCase


class KeptTests(ServingTestCase):
    """Tests for L{HeldRequest}."""

    def order(self, *fds: int) -> LaunchRequest:
        """An order with descriptors."""
        return LaunchRequest("/x", ("x",), {}, {"B": "2"}, (fds[0], fds[1], fds[2]))

    def test_own(self) -> None:
        """It has descriptors of its own, as many as there are different ones."""
        with open("/dev/zero") as one, open(os.devnull) as two:
            fds = (one.fileno(), two.fileno(), one.fileno())
            kept = HeldRequest(FakeChild(), self.order(*fds))
        paths = [os.readlink(f"/proc/self/fd/{fd}") for fd in kept.request.fds]
        self.assertEqual(paths, ["/dev/zero", os.devnull, "/dev/zero"])
        self.assertEqual(kept.request.fds[0], kept.request.fds[2])
        self.assertEqual(kept.request.extra, {"B": "2"})
        kept.close()
        kept.close()
        self.assertFalse(os.path.exists(f"/proc/self/fd/{kept.request.fds[0]}"))

    def test_none(self) -> None:
        """Where there are no descriptors left, nothing is left open."""
        with open("/dev/zero") as one, open(os.devnull) as two:
            order = self.order(one.fileno(), two.fileno(), one.fileno())

            def work() -> None:
                self.assertRaises(OSError, HeldRequest, FakeChild(), order)

            self.noDescriptors(lambda: self.leavesNothingOpen(work), 1)


class OrdersTests(WarmProcessTestCase):
    """Tests for L{Orders}, as a warm process uses them."""

    def test_numbers(self) -> None:
        """Every order has a number of its own, never 0."""
        self.process._waiting._number = 0x7FFFFFFD
        numbers = []
        for _ in range(4):
            self.order()
            numbers.append(self.played.number())
        self.assertEqual(numbers, [0x7FFFFFFE, 0x7FFFFFFF, 1, 2])

    def test_take(self) -> None:
        """Each can be taken once, and all of them in order."""
        for _ in range(3):
            self.order()
        orders = self.process._waiting
        self.assertIsInstance(orders, Orders)
        self.assertIn(2, orders)
        orders.take(2).close()
        self.assertNotIn(2, orders)
        taken = list(orders.takeAll())
        self.assertEqual((len(taken), len(orders)), (2, 0))
        for kept in taken:
            kept.close()

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.waitlist}."""

from __future__ import annotations

from functools import partial
from typing import Callable

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.system.waitlist import WaitList


class WaitListTests(SynchronousTestCase):
    """Tests for L{WaitList}."""

    def setUp(self) -> None:
        """Make a list with capacity for some callbacks."""
        self.capacity = 10
        self.calls: list[str] = []
        self.waiting = WaitList(lambda: self.capacity > 0)

    def take(self, name: str) -> None:
        """Use some of the capacity."""
        self.calls.append(name)
        self.capacity -= 1

    def test_order(self) -> None:
        """Each callback is called once, the first one first."""
        for name in ("one", "two"):
            self.waiting.add(partial(self.take, name))
        self.assertEqual((len(self.waiting), self.calls), (2, []))
        self.waiting.notify()
        self.waiting.notify()
        self.assertEqual((len(self.waiting), self.calls), (0, ["one", "two"]))

    def test_capacity(self) -> None:
        """Callbacks wait on when those before them have used the capacity."""
        self.capacity = 0
        for name in ("one", "two", "three"):
            self.waiting.add(partial(self.take, name))
        self.waiting.notify()
        self.assertEqual(self.calls, [])
        self.capacity = 2
        self.waiting.notify()
        self.assertEqual(self.calls, ["one", "two"])
        self.capacity = 1
        self.waiting.notify()
        self.assertEqual(self.calls, ["one", "two", "three"])

    def test_twice(self) -> None:
        """A callback that is added twice is called once, in its first place."""
        first = partial(self.take, "first")
        self.waiting.add(first)
        self.waiting.add(partial(self.take, "second"))
        self.waiting.add(first)
        self.waiting.notify()
        self.assertEqual(self.calls, ["first", "second"])

    def test_addedWithin(self) -> None:
        """A callback that waits again is not called before the next time."""

        def again() -> None:
            self.take("again")
            self.waiting.add(again)

        self.waiting.add(again)
        self.waiting.notify()
        self.assertEqual(self.calls, ["again"])
        self.waiting.notify()
        self.assertEqual(self.calls, ["again"] * 2)

    def test_takeAll(self) -> None:
        """Callbacks that were removed are not called."""
        for name in ("one", "two"):
            self.waiting.add(partial(self.take, name))
        for callback in self.waiting.takeAll():
            callback()
        self.assertEqual((len(self.waiting), self.calls), (0, ["one", "two"]))
        taken: list[Callable[[], None]] = []
        self.waiting.add(lambda: taken.extend(self.waiting.takeAll()))
        self.waiting.add(partial(self.take, "three"))
        self.waiting.notify()
        self.assertEqual(self.calls, ["one", "two"])

    def test_unbounded(self) -> None:
        """All callbacks are called without a check of capacity."""
        waiting = WaitList()
        for name in ("one", "two"):
            waiting.add(partial(self.take, name))
        waiting.notify()
        self.assertEqual(self.calls, ["one", "two"])

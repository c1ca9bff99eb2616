# -*- test-case-name: inetdtw.system.test.test_waitlist -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The one way to wait for capacity: callbacks that are called once, in their order."""

from __future__ import annotations

from typing import Callable


class WaitList:
    """
    Callbacks that wait for the same capacity.

    A callback that is added again while it waits keeps its place.
    """

    def __init__(self, hasCapacity: Callable[[], bool] = lambda: True) -> None:
        """@param hasCapacity: returns whether one more callback may be called."""
        self._hasCapacity = hasCapacity
        self._waiting: dict[Callable[[], None], None] = {}

    def __len__(self) -> int:
        """Return how many callbacks wait."""
        return len(self._waiting)

    def add(self, callback: Callable[[], None]) -> None:
        """Call C{callback} once when there is capacity."""
        self._waiting[callback] = None

    def notify(self) -> None:
        """
        Call those that wait, while there is capacity.

        What a callback adds waits for the next time.
        """
        for callback in list(self._waiting):
            if not self._hasCapacity():
                return
            if callback in self._waiting:
                del self._waiting[callback]
                callback()

    def takeAll(self) -> list[Callable[[], None]]:
        """Remove all callbacks, and return them in their order."""
        taken, self._waiting = self._waiting, {}
        return list(taken)

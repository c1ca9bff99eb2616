# -*- test-case-name: inetdtw.system.test.test_crowd -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Items of which the oldest is closed when capacity for another one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Crowd(Generic[_T]):
    """
    Items in the order in which they came, each with an owner.

    An owner is a client address or a service.  The owner of the most items loses its
    oldest one, so that many items of one owner never cost another one anything.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._of: dict[str, dict[_T, None]] = {}
        self._whose: dict[_T, str] = {}

    def add(self, thing: _T, whose: str = "") -> None:
        """Add an item as the newest."""
        self._of.setdefault(whose, {})[thing] = None
        self._whose[thing] = whose

    def discard(self, thing: _T) -> None:
        """Remove an item, if it is there."""
        whose = self._whose.pop(thing, None)
        if whose is None:
            return
        del self._of[whose][thing]
        if not self._of[whose]:
            del self._of[whose]

    def oldest(self) -> _T | None:
        """Return the oldest item of the owner with the most, if there is one."""
        if not self._of:
            return None
        most = max(self._of, key=lambda whose: len(self._of[whose]))
        return next(iter(self._of[most]))

    def __contains__(self, thing: object) -> bool:
        """Tell whether an item is there."""
        return thing in self._whose

    def __iter__(self) -> Iterator[_T]:
        """Yield all items, the oldest first."""
        return iter(self._whose)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._whose)

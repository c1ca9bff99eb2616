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
        self._owners: dict[_T, str] = {}

    def add(self, thing: _T, owner: str = "") -> None:
        """Add an item as the newest."""
        self._of.setdefault(owner, {})[thing] = None
        self._owners[thing] = owner

    def discard(self, thing: _T) -> None:
        """Remove an item, if it is there."""
        owner = self._owners.pop(thing, None)
        if owner is None:
            return
        del self._of[owner][thing]
        if not self._of[owner]:
            del self._of[owner]

    def oldest(self) -> _T | None:
        """Return the oldest item of the owner with the most, if there is one."""
        if not self._of:
            return None
        most = max(self._of, key=lambda owner: len(self._of[owner]))
        return next(iter(self._of[most]))

    def __contains__(self, thing: object) -> bool:
        """Tell whether an item is there."""
        return thing in self._owners

    def __iter__(self) -> Iterator[_T]:
        """Yield all items, the oldest first."""
        return iter(self._owners)

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._owners)

# -*- test-case-name: inetdtw.system.test.test_crowd -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Things of which one is closed when there is no room for another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Crowd(Generic[_T]):
    """
    Things in the order in which they came, each of somebody: a client address, or a
    service.  Who has the most is the one to lose the oldest of its own, so that many of
    one never cost another one anything.
    """

    def __init__(self) -> None:
        self._of: dict[str, dict[_T, None]] = {}
        self._whose: dict[_T, str] = {}

    def add(self, thing: _T, whose: str = "") -> None:
        """Add the newest."""
        self._of.setdefault(whose, {})[thing] = None
        self._whose[thing] = whose

    def discard(self, thing: _T) -> None:
        """Remove one, if it is there."""
        whose = self._whose.pop(thing, None)
        if whose is None:
            return
        del self._of[whose][thing]
        if not self._of[whose]:
            del self._of[whose]

    def oldest(self) -> _T | None:
        """Return the oldest of who has the most; C{None} if there is none."""
        if not self._of:
            return None
        most = max(self._of, key=lambda whose: len(self._of[whose]))
        return next(iter(self._of[most]))

    def __contains__(self, thing: object) -> bool:
        return thing in self._whose

    def __iter__(self) -> Iterator[_T]:
        return iter(self._whose)

    def __len__(self) -> int:
        return len(self._whose)

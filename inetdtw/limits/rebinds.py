# -*- test-case-name: inetdtw.limits.test.test_rebinds -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Count the recent replacements of a service's socket.

One replacement is harmless: its path was removed, for example.  When they follow each
other, the service's own programs spoil the socket, and lose the clients in between.
"""

from __future__ import annotations

from typing import Callable

#: The seconds for which a replacement counts, and how many are harmless.
WINDOW, HARMLESS = 60.0, 1


class Rebinds:
    """The recent replacements of one service's socket."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: the time in seconds, from any start."""
        self._clock = clock
        self._times: list[float] = []
        self._cause = ""

    def add(self, cause: str) -> None:
        """
        Count a replacement.

        @param cause: why the socket had to be replaced.
        """
        self._times = [*self._recent(), self._clock()]
        self._cause = cause

    def clear(self) -> None:
        """Forget all replacements."""
        self._times = []

    def _recent(self) -> list[float]:
        since = self._clock() - WINDOW
        return [when for when in self._times if when > since]

    @property
    def trouble(self) -> str | None:
        """The reason why the service is failing; C{None} if it is not."""
        count = len(self._recent())
        if count <= HARMLESS:
            return None
        return f"its socket was replaced {count} times in a minute: {self._cause}"

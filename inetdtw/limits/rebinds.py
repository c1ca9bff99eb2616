# -*- test-case-name: inetdtw.limits.test.test_rebinds -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
How often a service's socket had to be replaced lately.

Once is nothing to worry about: something removed a path, say.  Again and again, the
service's own programs spoil it, and clients that come in between are lost.
"""

from __future__ import annotations

from typing import Callable

#: The seconds for which a replacement counts, and how many are no trouble.
WINDOW, HARMLESS = 60.0, 1


class Rebinds:
    """The replacements of one service's socket."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: the time in seconds, from any start."""
        self._clock = clock
        self._times: list[float] = []
        self._cause = ""

    def add(self, cause: str) -> None:
        """
        Count one.

        @param cause: why the socket had to be replaced.
        """
        self._times = [*self._recent(), self._clock()]
        self._cause = cause

    def clear(self) -> None:
        """Forget them all."""
        self._times = []

    def _recent(self) -> list[float]:
        """Return when the replacements were that count."""
        since = self._clock() - WINDOW
        return [when for when in self._times if when > since]

    @property
    def trouble(self) -> str | None:
        """What is wrong with the service, if that were too many."""
        count = len(self._recent())
        if count <= HARMLESS:
            return None
        return f"its socket was replaced {count} times in a minute: {self._cause}"

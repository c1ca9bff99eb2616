# -*- test-case-name: inetdtw.internal.test.test_services -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A throttle for log lines that clients can cause: one a minute for each key."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Callable

_SECONDS_BETWEEN_LINES = 60.0


class LogThrottle:
    """Tell whether a minute has passed since the last line, for each key."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: the time in seconds, from any start."""
        self._clock = clock
        self._last: dict[Hashable, float] = {}

    def __call__(self, key: Hashable) -> bool:
        """Tell whether there may be a line about C{key} now, which counts as logged."""
        now = self._clock()
        # A wall clock that was set back must not silence a key for long.
        if 0 <= now - self._last.get(key, float("-inf")) < _SECONDS_BETWEEN_LINES:
            return False
        self._last[key] = now
        return True

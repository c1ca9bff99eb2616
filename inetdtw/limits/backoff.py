# -*- test-case-name: inetdtw.limits.test.test_backoff -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
How long to wait before a helper process that died is followed by another: longer each
time, as long as they die young.
"""

from __future__ import annotations

#: The seconds: the first pause, what it grows by, the longest, and how long a process
#: must live for a new start.
FIRST_PAUSE, GROWTH, LONGEST_PAUSE, GOOD_LIFE = 0.05, 2.0, 30.0, 5.0


class Pauses:
    """The pauses of one succession of processes."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE

    def reset(self) -> None:
        """Begin anew."""
        self._next = FIRST_PAUSE

    def after(self, life: float) -> float:
        """
        The pause after a process that has lived for some time.

        @param life: in seconds.

        @return: in seconds.
        """
        if life >= GOOD_LIFE:
            self.reset()
        pause, self._next = self._next, min(self._next * GROWTH, LONGEST_PAUSE)
        return pause

# -*- test-case-name: inetdtw.limits.test.test_backoff -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Exponential backoff: Twisted's C{backoffPolicy} without jitter."""

from __future__ import annotations

from twisted.application.internet import backoffPolicy

#: Seconds between the exit of a helper process and its restart: at first, and at most.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 30.0
#: The factor from one pause to the next.
GROWTH = 2.0
#: Seconds after which a helper process counts as healthy, which resets its backoff.
GOOD_LIFE = 5.0


class Backoff:
    """The pauses between attempts that fail one after the other."""

    def __init__(
        self, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE
    ) -> None:
        """
        Start with no failure.

        @param first: seconds after the first failure.
        @param longest: seconds that no pause exceeds.
        """
        self._policy = backoffPolicy(first, longest, GROWTH, jitter=lambda: 0.0)
        self._failures = 0

    def reset(self) -> None:
        """Forget the failures."""
        self._failures = 0

    def next(self) -> float:
        """Count a failure, and return the seconds until the next attempt."""
        self._failures += 1
        return self._policy(self._failures - 1)

    def after(self, life: float) -> float:
        """
        Count the exit of a process, and return the seconds until its restart.

        @param life: seconds that the process lived; L{GOOD_LIFE} resets the backoff.
        """
        if life >= GOOD_LIFE:
            self.reset()
        return self.next()


#: The seconds to pause a socket for in a resource shortage.
SHORTAGE_PAUSE = 0.5


#: The seconds to pause a socket for after an internal error.
BROKEN_PAUSE = 0.5

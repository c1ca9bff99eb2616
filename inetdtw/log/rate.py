# -*- test-case-name: inetdtw.log.test.test_rate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A rate limit for what clients and programs can have the daemon log.

Each service has its own, for each kind of line, so that neither hides the others.  It
is that of journald.conf(5): a burst in an interval, beyond which lines are left out and
counted until the interval ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

#: The seconds of an interval.
INTERVAL = 10.0
#: The lines of an interval, if nobody says otherwise.
BURST = 2000
#: The bytes of an interval, for each line that it may have.
AVERAGE = 200


@dataclass
class _Interval:
    """
    An interval of one kind of line of one service.

    @ivar until: when it ends.
    @ivar lines: how many lines it has had.
    @ivar size: how many bytes these were.
    @ivar left: how many lines were left out.
    @ivar end: the delayed call that says so, if any were.
    """

    until: float
    lines: int = 0
    size: int = 0
    left: int = 0
    end: Any = None


class LogRate:
    """The rate limits of all services."""

    def __init__(
        self,
        burst: int,
        clock: Callable[[], float],
        later: Callable[..., Any],
        told: Callable[[str, str, int], None],
    ) -> None:
        """
        @param burst: how many lines of a kind a service may have in an interval; 0 is
            no limit.
        @param clock: the time in seconds, from any start.
        @param later: C{callLater} of a reactor.
        @param told: called with the kind, the service, and how many lines were left
            out, at the end of an interval.
        """
        self._burst = burst
        self._clock = clock
        self._later = later
        self._told = told
        self._intervals: dict[tuple[str, str], _Interval] = {}

    def allows(self, kind: str, service: str, size: int) -> bool:
        """
        True if a line may be logged, which is counted in any case.

        @param size: how many bytes it has.
        """
        if not self._burst:
            return True
        if not self.exceeded(kind, service):
            interval = self._intervals[kind, service]
            interval.lines += 1
            interval.size += size
            most = self._burst
            if interval.lines <= most and interval.size <= most * AVERAGE:
                return True
        self.leaveOut(kind, service, 1)
        return False

    def exceeded(self, kind: str, service: str) -> bool:
        """True if lines are left out at the moment."""
        interval = self._intervals.get((kind, service))
        now = self._clock()
        if interval is None or now >= interval.until:
            self._over(kind, service)
            interval = _Interval(now + INTERVAL)
            self._intervals[kind, service] = interval
        return interval.left > 0

    def leaveOut(self, kind: str, service: str, lines: int) -> None:
        """Count lines that are left out."""
        fresh = _Interval(self._clock() + INTERVAL)
        interval = self._intervals.setdefault((kind, service), fresh)
        interval.left += lines
        if interval.end is None:
            seconds = max(0.0, interval.until - self._clock())
            interval.end = self._later(seconds, self._over, kind, service)

    def _over(self, kind: str, service: str) -> None:
        """An interval is over, if there was one."""
        interval = self._intervals.pop((kind, service), None)
        if interval is None or interval.end is None:
            return
        if interval.end.active():
            interval.end.cancel()
        self._told(kind, service, interval.left)

    def close(self) -> None:
        """End all intervals."""
        for kind, service in list(self._intervals):
            self._over(kind, service)

# -*- test-case-name: inetdtw.log.test.test_rate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A rate limit for log lines that clients and programs can cause.

It is that of journald.conf(5): a burst in an interval, beyond which lines are
suppressed and counted until the interval ends.  Each event of each service has its own,
so that none hides the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

from twisted.internet.interfaces import IDelayedCall

#: The length of an interval, in seconds.
INTERVAL = 10.0
#: The default of C{--log-rate}: lines in an interval.
BURST = 2000
#: The bytes that are allowed in an interval, for each line that is.
AVERAGE = 200


@dataclass
class _Interval:
    """
    An interval of one event of one service.

    @ivar until: when it ends.
    @ivar lines: how many lines it has had.
    @ivar size: how many bytes these were.
    @ivar suppressed: how many lines were suppressed.
    @ivar end: the delayed call that logs this count, if it is not 0.
    """

    until: float
    lines: int = 0
    size: int = 0
    suppressed: int = 0
    end: IDelayedCall | None = None


class LogRate:
    """The rate limits of all services."""

    def __init__(
        self,
        burst: int,
        clock: Callable[[], float],
        callLater: Callable[..., IDelayedCall],
        logSuppressed: Callable[[str, str, int], None],
    ) -> None:
        """
        Suppress nothing yet.

        @param burst: the lines that are allowed in an interval; 0 means no limit.
        @param clock: returns monotonic seconds.
        @param callLater: that of a reactor.
        @param logSuppressed: called at the end of an interval with the event, the
            service, and the number of suppressed lines.
        """
        self._burst = burst
        self._clock = clock
        self._callLater = callLater
        self._logSuppressed = logSuppressed
        self._intervals: dict[tuple[str, str], _Interval] = {}

    def allows(self, event: str, service: str, size: int) -> bool:
        """
        Tell whether a line may be logged, and count it.

        @param size: its length in bytes.
        """
        if not self._burst:
            return True
        if not self.exceeded(event, service):
            interval = self._intervals[event, service]
            interval.lines += 1
            interval.size += size
            most = self._burst
            if interval.lines <= most and interval.size <= most * AVERAGE:
                return True
        self.suppress(event, service, 1)
        return False

    def exceeded(self, event: str, service: str) -> bool:
        """Tell whether lines are suppressed at the moment."""
        interval = self._intervals.get((event, service))
        now = self._clock()
        if interval is None or now >= interval.until:
            self._end(event, service)
            interval = _Interval(now + INTERVAL)
            self._intervals[event, service] = interval
        return interval.suppressed > 0

    def suppress(self, event: str, service: str, lines: int) -> None:
        """Count suppressed lines."""
        fresh = _Interval(self._clock() + INTERVAL)
        interval = self._intervals.setdefault((event, service), fresh)
        interval.suppressed += lines
        if interval.end is None:
            seconds = max(0.0, interval.until - self._clock())
            interval.end = self._callLater(seconds, self._end, event, service)

    def _end(self, event: str, service: str) -> None:
        """End an interval, if there is one."""
        interval = self._intervals.pop((event, service), None)
        if interval is None or interval.end is None:
            return
        if interval.end.active():
            interval.end.cancel()
        self._logSuppressed(event, service, interval.suppressed)

    def close(self) -> None:
        """End all intervals."""
        for event, service in list(self._intervals):
            self._end(event, service)

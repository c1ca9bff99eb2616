# -*- test-case-name: inetdtw.limits.test.test_answerrate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A bound on the answers to one source, as name servers have response rate limiting.

The source of a datagram can be forged.  Answers then go to somebody who did not ask,
and, if that somebody answers as well, go on for ever.  No list of ports knows all who
answer, so answers to one source are bounded by a token bucket: it has as many tokens as
a minute allows, and gets new ones all the time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Callable

from inetdtw.limits.throttle import LogThrottle
from inetdtw.model.source import Prefix, hostOf, sourceOf

#: The seconds after which an empty bucket is full again.
MINUTE = 60.0
#: The most buckets that are kept; the one that was not used for longest goes first.
MOST = 4096
#: What sums of fractions may be wrong by.
_ROUNDED = 1e-6


def answeredTo(peer: Any, prefix: Prefix) -> str:
    """
    Return what has a bucket of its own.

    That is the source of a client.  Each port of a loopback address counts apart: no
    datagram from another machine can have such a source, and who answers in a loop
    has one port, while many clients have many.  A UNIX socket is its path.
    """
    host = hostOf(peer)
    if not host:
        return str(peer[0])
    if host == "::1" or host.startswith("127."):
        return f"{host} {peer[1]}"
    return sourceOf(host, prefix)


class AnswerRate:
    """The buckets of one service."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: the time in seconds, from any start."""
        self._clock = clock
        self._fullAt: OrderedDict[str, float] = OrderedDict()
        self._mayLog = LogThrottle(clock)

    def allows(self, source: str, most: int, cost: int = 1, take: bool = True) -> bool:
        """
        True if a source may be answered.

        @param most: how many tokens it has in a minute.
        @param cost: how many an answer takes, but no more than there can be.
        @param take: whether it is answered now.
        """
        now = self._clock()
        full = max(now, self._fullAt.get(source, now)) + min(cost, most) * MINUTE / most
        if full > now + MINUTE + _ROUNDED:
            return False
        if take:
            self._fullAt[source] = full
            self._fullAt.move_to_end(source)
            if len(self._fullAt) > MOST:
                self._fullAt.popitem(last=False)
        return True

    def mayLog(self) -> bool:
        """True once in a minute: a flood of forged sources must not fill the log."""
        return self._mayLog(0)

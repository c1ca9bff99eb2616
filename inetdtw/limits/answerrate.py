# -*- test-case-name: inetdtw.limits.test.test_answerrate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Response rate limiting: a limit on the datagrams sent to one source.

The source of a datagram can be forged.  The answer then goes to a host that did not
ask, and if that host answers too, the two answer each other forever.  No list of ports
is complete, so a token bucket bounds the answers to each source.  It holds the answers
of one minute, and is refilled continuously.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Callable

from inetdtw.model.source import Prefix, hostOf, sourceOf

#: The seconds in which an empty bucket is refilled.
MINUTE = 60.0
#: The most buckets that are kept; the least recently used one is dropped first.
MOST = 4096
#: The rounding error of the sums, at most.
_ROUNDED = 1e-6


def answeredTo(peer: Any, prefix: Prefix) -> str:
    """
    Return the key of a client's bucket: its source.

    Each port of a loopback address has its own bucket: no datagram from another machine
    can have such a source, and a loop has one port, while many clients have many.  The
    source of a UNIX socket is its path.
    """
    host = hostOf(peer)
    if not host:
        return str(peer[0])
    if host == "::1" or host.startswith("127."):
        return f"{host} {peer[1]}"
    return sourceOf(host, prefix)


class AnswerRate:
    """The token buckets of one service."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """@param clock: the time in seconds, from any start."""
        self._clock = clock
        self._fullAt: OrderedDict[str, float] = OrderedDict()

    def allows(self, source: str, most: int, cost: int = 1, take: bool = True) -> bool:
        """
        Tell whether a source may be answered.

        @param most: how many tokens its bucket holds.
        @param cost: how many an answer takes, C{most} at most.
        @param take: whether to take them.
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

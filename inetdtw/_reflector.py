# -*- test-case-name: inetdtw.test.test_builtin -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Which datagrams the built-in services must leave unanswered.

A datagram with a forged source can make two services that answer anything talk
to each other for ever.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import Any, Callable

from inetdtw.report import Report

_SECONDS_BETWEEN_LINES = 60.0
_ANSWERING_PORTS = frozenset((0, 7, 9, 13, 17, 19, 37))


class Seldom:
    """
    Tell whether a minute has passed since the last time, for each key.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[int, float] = {}

    def __call__(self, key: int) -> bool:
        now = self._clock()
        # A wall clock that was set back must not silence a key for long.
        if 0 <= now - self._last.get(key, float("-inf")) < _SECONDS_BETWEEN_LINES:
            return False
        self._last[key] = now
        return True


class ReflectorGuard:
    """
    The ports that no UDP service answers, since whatever listens there would
    answer back, for ever.

    These are the ports of the services that answer anything (0, 7, 9, 13, 17,
    19 and 37), and those added.  The address does not matter: a peer on the
    loopback interface is answered like any other.

    @ivar report: The log.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        report: Report | None = None,
    ) -> None:
        """
        @param clock: Gives seconds, to log at most once a minute for a port.
        @param report: The log.
        """
        self.report = Report() if report is None else report
        self._served: Counter[int] = Counter()
        # Bounded: only a port that is refused becomes a key.
        self._mayLog = Seldom(clock)

    def add(self, port: int) -> None:
        """
        Refuse a port on which one more internal datagram service is served.
        """
        self._served[port] += 1

    def discard(self, port: int) -> None:
        """
        Undo one L{add}; nothing happens if there was none.
        """
        self._served -= Counter((port,))

    def allows(self, peer: tuple[Any, ...], service: str = "internal") -> bool:
        """
        Tell whether a datagram may be answered, and log it if not.

        @param peer: Where it came from: host, port, and what else the address
            family has.
        @param service: The service that would answer, for the log.
        """
        if len(peer) < 2:
            # The client of a UNIX socket has no port.
            return True
        port = peer[1]
        if port not in _ANSWERING_PORTS and port not in self._served:
            return True
        if self._mayLog(port):
            reason = "its port answers by itself, which would go on for ever"
            self.report.refuse(service, peer, reason)
        return False

# -*- test-case-name: inetdtw.internal.test.test_services -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Which datagrams must be left unanswered.

A datagram with a forged source can make two services that answer anything talk
to each other for ever.
"""

from __future__ import annotations

import errno
import socket
import time
from collections import Counter
from collections.abc import Hashable
from typing import Any, Callable

from inetdtw.helpers.connection import plain
from inetdtw.limits.throttle import LogThrottle
from inetdtw.log import events
from inetdtw.log.report import Report

#: The ports whose services answer any datagram (RFC 862-868), and those that nobody
#: answers who has nothing to say to them.
_REPLYING_PORTS = frozenset((7, 13, 17, 19, 37))
_ANSWERING_PORTS = frozenset((0, 9, *_REPLYING_PORTS))

_REPLIES = "its port answers by itself, which would go on for ever"
_OWN = "it seems to come from a socket of this daemon, which would go on for ever"


def isOfThisMachine(peer: tuple[Any, ...]) -> bool:
    """
    True if the address of a peer is one of this machine's: a socket can be bound to it.
    Where that cannot be found out, it is taken for one.

    @param peer: an address as recvfrom(2) gives it.
    """
    host = plain(peer[0])
    six = ":" in host
    try:
        with socket.socket(
            socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM
        ) as probe:
            probe.bind((host, 0, *peer[2:]) if six else (host, 0))
    except OSError as why:
        return why.errno != errno.EADDRNOTAVAIL
    return True


class ReflectorGuard:
    """
    The sources that are not answered, since whatever listens there would answer
    back, for ever.

    No UDP service answers a socket of this daemon.  No internal service answers
    the ports of the services that answer anything (0, 7, 9, 13, 17, 19 and 37),
    nor those added, whatever the address is: a peer on the loopback interface is
    answered like any other.

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
        self._own: Counter[Hashable] = Counter()
        # Bounded: only a port that is refused becomes a key.
        self._mayLog = LogThrottle(clock)

    def add(self, port: int) -> None:
        """Refuse a port on which one more internal datagram service is served."""
        self._served[port] += 1

    def discard(self, port: int) -> None:
        """Undo one L{add}; nothing happens if there was none."""
        self._served -= Counter((port,))

    def own(self, *places: Hashable) -> None:
        """
        Have a datagram socket of this daemon not answered.

        @param places: its port, or all paths by which it can be reached.
        """
        self._own.update(places)

    def disown(self, *places: Hashable) -> None:
        """Undo one L{own}."""
        self._own -= Counter(places)

    def isOwn(self, peer: tuple[Any, ...]) -> bool:
        """True if a datagram comes from a socket of this daemon, or seems to."""
        if len(peer) < 2:
            return peer[0] in self._own
        return peer[1] in self._own and isOfThisMachine(peer)

    def allowsProgram(self, peer: tuple[Any, ...], service: str) -> bool:
        """
        Tell whether a program may be started for a datagram, and log it if not.

        Those that share the port of a service are not refused, as they are by
        L{allows}: where clients have the port of the service that they ask, such
        as 123 or 514, that is how it should be.

        @param peer: as for L{allows}.
        @param service: the service.
        """
        if len(peer) > 1 and peer[1] in _REPLYING_PORTS:
            return self._refuse(peer, service, _REPLIES)
        return not self.isOwn(peer) or self._refuse(peer, service, _OWN)

    def _refuse(self, peer: tuple[Any, ...], service: str, reason: str) -> bool:
        """
        Log that a datagram is not answered.

        @return: C{False}.
        """
        if self._mayLog(peer[min(len(peer) - 1, 1)]):
            self.report.emit(events.REFUSE, service, peer=peer, reason=reason)
        return False

    def allows(self, peer: tuple[Any, ...], service: str = "internal") -> bool:
        """
        Tell whether a datagram may be answered by an internal service, and log it if
        not.

        @param peer: Where it came from: host, port, and what else the address
            family has.
        @param service: The service that would answer, for the log.
        """
        port = peer[1] if len(peer) > 1 else None
        if port in _ANSWERING_PORTS or port in self._served:
            return self._refuse(peer, service, _REPLIES)
        return not self.isOwn(peer) or self._refuse(peer, service, _OWN)

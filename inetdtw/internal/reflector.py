# -*- test-case-name: inetdtw.internal.test.test_reflector -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Protection against reflection loops between UDP services.

A datagram with a forged source can make two services that reply to anything reply to
each other forever.
"""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Hashable
from typing import Any

from inetdtw.helpers.connection import plain
from inetdtw.log import events
from inetdtw.log.report import Report

#: The ports of services that reply to any datagram (RFC 862-868).
_REPLYING_PORTS = frozenset((7, 13, 17, 19, 37))
#: Also those from which no client sends a request.
_REFUSED_PORTS = frozenset((0, 9, *_REPLYING_PORTS))

_REPLIES = (
    "source port {} belongs to a service that replies to anything (reflection loop)"
)
_OWN = "source is a socket of this daemon (reflection loop)"


def isOfThisMachine(peer: tuple[Any, ...]) -> bool:
    """
    Tell whether an address is this machine's: whether a socket can be bound to it.

    If that cannot be found out, it is taken for one.

    @param peer: an address as recvfrom(2) returns it.
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
    Refuses datagrams whose sources might reply to the reply (a reflection loop).

    No UDP service replies to a socket of this daemon.  No internal service replies to
    the ports of services that reply to anything (0, 7, 9, 13, 17, 19 and 37), nor to
    those added, at any address: a peer on the loopback interface gets replies like any
    other.
    """

    def __init__(self, report: Report | None = None) -> None:
        """@param report: the log."""
        self._report = Report() if report is None else report
        self._served: Counter[int] = Counter()
        self._own: Counter[Hashable] = Counter()

    def add(self, port: int) -> None:
        """Refuse a port that an internal datagram service listens on."""
        self._served[port] += 1

    def discard(self, port: int) -> None:
        """Undo one L{add}; do nothing if there was none."""
        self._served -= Counter((port,))

    def own(self, *places: Hashable) -> None:
        """
        Refuse a datagram socket of this daemon.

        @param places: its port, or all paths that lead to it.
        """
        self._own.update(places)

    def disown(self, *places: Hashable) -> None:
        """Undo one L{own}."""
        self._own -= Counter(places)

    def isOwn(self, peer: tuple[Any, ...]) -> bool:
        """Tell whether a datagram comes from a socket of this daemon, or seems to."""
        if len(peer) < 2:
            return peer[0] in self._own
        return peer[1] in self._own and isOfThisMachine(peer)

    def allowsProgram(self, peer: tuple[Any, ...], service: str) -> bool:
        """
        Tell whether a program may be started for a datagram, and log a refusal.

        Sources with the port of a service are not refused, as by L{allows}: clients of
        services such as 123 or 514 have the port of the service.

        @param peer: as for L{allows}.
        @param service: the service.
        """
        if len(peer) > 1 and peer[1] in _REPLYING_PORTS:
            return self._refuse(peer, service, _REPLIES.format(peer[1]))
        return not self.isOwn(peer) or self._refuse(peer, service, _OWN)

    def allows(self, peer: tuple[Any, ...], service: str = "internal") -> bool:
        """
        Tell whether an internal service may reply to a datagram, and log a refusal.

        @param peer: its source: host, port, and what else the address family has.
        @param service: the service.
        """
        port = peer[1] if len(peer) > 1 else None
        if port in _REFUSED_PORTS or port in self._served:
            return self._refuse(peer, service, _REPLIES.format(port))
        return not self.isOwn(peer) or self._refuse(peer, service, _OWN)

    def _refuse(self, peer: tuple[Any, ...], service: str, reason: str) -> bool:
        """Log that a datagram gets no reply, and return false."""
        self._report.emit(events.REFUSE_ONCE, service, peer=peer, reason=reason)
        return False

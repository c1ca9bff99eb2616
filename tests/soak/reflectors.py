# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Attempts to have two services talk to each other for ever, or to a third one.

A datagram whose source is forged to be a service that answers anything would be
answered to that service, which would answer again.  Root can send such datagrams, and
see what is sent to whom, with a raw socket.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.support.daemon import ask

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Ports of services that answer anything: echo, discard, daytime, qotd, chargen, time;
#: and the one that is none.
ANSWERING = (0, 7, 9, 13, 17, 19, 37)

_HOST = "127.0.0.1"


class Wire:
    """
    Datagrams from and to any ports of this machine; use it as a context.

    @ivar seen: how many there were, by their source and destination.
    """

    def __init__(self, host: str = _HOST) -> None:
        """
        @param host: the address that datagrams seem to come from, of those to it only
            are any seen.
        """
        self._host = host

    def __enter__(self) -> Wire:
        udp = socket.IPPROTO_UDP
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, udp)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.bind((self._host, 0))
        self._socket.setblocking(False)
        self.seen: Counter[tuple[int, int]] = Counter()
        return self

    def __exit__(self, *ignored: object) -> None:
        self._socket.close()

    def forge(self, source: int, target: int, text: bytes) -> None:
        """Send a datagram that seems to come from a port."""
        header = struct.pack("!4H", source, target, 8 + len(text), 0)
        self._socket.sendto(header + text, (_HOST, 0))

    def look(self) -> Counter[tuple[int, int]]:
        """Count what has come until now."""
        while True:
            try:
                packet = self._socket.recv(65536)
            except BlockingIOError:
                return self.seen
            self.seen[struct.unpack_from("!HH", packet, (packet[0] & 15) * 4)] += 1


def attack(ports: Iterable[int], each: int, seconds: float = 1.0) -> dict[str, int]:
    """
    Send to each of some internal services what seems to come from others, or from
    ports where others would be.

    @param ports: where they are.
    @param each: how many datagrams, from each port to each service.
    @param seconds: how long what has begun may go on by itself before it is counted.

    @return: how many were sent, how many were answered to the port that they seem to
        come from, and how many answers a client of an ordinary port got of that many.
    """
    services = tuple(ports)
    sources = {*ANSWERING, *services}
    forged = Counter[tuple[int, int]]()
    with Wire() as wire:
        for target in services:
            for source in sources:
                for _ in range(each):
                    wire.forge(source, target, b"?")
                    forged[source, target] += 1
                wire.look()
        # They are read in the order in which they were sent.
        honest = sum(1 for target in services for _ in range(each) if ask(target, b"!"))
        time.sleep(seconds)
        seen = wire.look()
    reflected = sum(
        count - forged[way]
        for way, count in seen.items()
        if way[0] in services and way[1] in sources
    )
    return {
        "forged": sum(forged.values()),
        "seen": sum(seen[way] for way in forged),
        "reflected": reflected,
        "honest": honest,
        "asked": len(services) * each,
    }

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Attempts to have two services answer each other for ever, or a third one.

A datagram whose forged source is a service that answers anything would be answered to
that service, which would answer again. Root can send such datagrams, and see all
answers, with a raw socket.
"""

from __future__ import annotations

import socket
import struct
import time
from collections import Counter
from typing import TYPE_CHECKING

from tests.soak.datagrams import unread
from tests.support.daemon import ask, eventually

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
        Choose the address.

        @param host: the source of forged datagrams; only datagrams to it are seen.
        """
        self._host = host

    def __enter__(self) -> Wire:
        """Open the sockets."""
        udp = socket.IPPROTO_UDP
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, udp)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self._socket.bind((self._host, 0))
        self._socket.setblocking(False)
        self.seen: Counter[tuple[int, int]] = Counter()
        return self

    def __exit__(self, *ignored: object) -> None:
        """Close the sockets."""
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
    Send to internal services what seems to come from others.

    Some of it comes from ports where others would be.

    @param ports: their ports.
    @param each: how many datagrams, from each port to each service.
    @param seconds: how long answers may go on before they are counted.
    @return: how many were sent, how many were answered to the forged port, and how many
        answers a client with an ordinary port got of that many.
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
        # A full receive buffer drops the datagrams of honest clients.
        eventually(lambda: not any(map(unread, services)), lambda: "still unread")
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

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Floods of datagrams, in which each one is accounted for.

The kernel drops a datagram for which the socket's buffer is full, and counts it for
each socket. What was sent to a service that answers everything is answered, or was
dropped at the service's socket, or the answer was dropped at the client's. Whatever is
left is the service's own loss.
"""

from __future__ import annotations

import select
import socket
import time
from dataclasses import dataclass

#: What the client waits for, at the end.
_SILENCE = 3.0


@dataclass(frozen=True)
class Account:
    """
    Counts of datagrams.

    @ivar sent: how many were sent.
    @ivar right: how many were answered rightly.
    @ivar wrong: how many answers were wrong, or came twice.
    @ivar unread: how many the kernel dropped before the service read them.
    @ivar unreceived: how many answers it dropped before the client read them.
    """

    sent: int
    right: int
    wrong: int
    unread: int
    unreceived: int

    @property
    def lost(self) -> int:
        """Return how many the service lost."""
        return self.sent - self.right - self.unread - self.unreceived

    def __str__(self) -> str:
        """Return a line for the output."""
        return (
            f"sent={self.sent} right={self.right} wrong={self.wrong} lost={self.lost} "
            f"dropped by the kernel: before the service {self.unread}, "
            f"before the client {self.unreceived}"
        )


def _sockets(port: int) -> list[list[str]]:
    """Return the rows of proc_net_udp(5) for the sockets of a port."""
    with open("/proc/net/udp", encoding="ascii") as lines:
        rows = [line.split() for line in lines][1:]
    # By their inodes: while others come and go, /proc/net lists some twice.
    mine = {row[9]: row for row in rows if row[1].endswith(f":{port:04X}")}
    return list(mine.values())


def drops(port: int) -> int:
    """Return how many datagrams the kernel dropped at the socket of a port."""
    return sum(int(row[-1]) for row in _sockets(port))


def unread(port: int) -> int:
    """Return how many bytes of datagrams are in the receive buffer of a port."""
    return sum(int(row[4].partition(":")[2], 16) for row in _sockets(port))


def flood(port: int, count: int, window: int | None = None) -> Account:
    """
    Send datagrams, each of them another one, and read the answers.

    @param window: how many may be without an answer; none that is sent then has to be
        dropped.  By default they are sent as fast as they can be.
    """
    before = drops(port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        answers = _exchange(client, count, window or count)
        unreceived = drops(client.getsockname()[1])
    right = set(answers).intersection(map(_datagram, range(count)))
    return Account(
        count, len(right), len(answers) - len(right), drops(port) - before, unreceived
    )


def _datagram(number: int) -> bytes:
    """Return the contents of a datagram."""
    return b"%d " % number * (1 + number % 20)


def _exchange(client: socket.socket, count: int, window: int) -> list[bytes]:
    """Send, and read what comes until nothing does for a while."""
    answers: list[bytes] = []
    sent, last = 0, time.monotonic()
    while sent < count or len(answers) < count:
        mayWrite = [client] if sent < count and sent - len(answers) < window else []
        readable, writable, _ = select.select([client], mayWrite, [], 0.2)
        if readable:
            last = time.monotonic()
            answers += _readAll(client)
        if writable:
            last = time.monotonic()
            client.send(_datagram(sent))
            sent += 1
        if time.monotonic() - last > _SILENCE:
            break
    return answers


def _readAll(client: socket.socket) -> list[bytes]:
    """Return all datagrams of a socket."""
    found = []
    try:
        while True:
            found.append(client.recv(65536))
    except BlockingIOError:
        return found

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Clients that connect, send a line, half-close, and read to the end.

Each connection costs as little as possible: one sleep in the kernel, which
ends when the server has closed its side.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time

from benchmarks.load import GRACE, LINE, MOST_ERRORS, TRANSFORMS, Result, Task
from benchmarks.service import HOST

#: The kernel has 28,000 ports for the clients of one address, keeps each for a second
#: after its connection, and takes milliseconds to find one when half of them are kept.
#: So after that many connections in so short a time another address is used.
MOST_PORTS, MOST_TIME = 10_000, 1.5

#: The addresses.  Most servers never need the second, whose name some of them look up.
SOURCES = [HOST, *(f"127.0.1.{number}" for number in range(1, 8))]

#: Of Linux: connect(2) is to choose the port, one that is free towards the server.
IP_BIND_ADDRESS_NO_PORT = 24

_READY = select.EPOLLRDHUP


class Streams:
    """Several clients at a time, each of which is replaced when it ends."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._expected = TRANSFORMS[task.reply](LINE)
        self._poll = select.epoll()
        self._open: dict[int, tuple[socket.socket, float]] = {}
        self._begun = 0
        self._source = 0
        self._since = time.perf_counter()
        self.result = Result()

    def run(self) -> Result:
        """Start exchanges until the time or the count is reached, and finish them."""
        start = time.perf_counter()
        self._end = start + self._task.seconds
        for _ in range(self._task.clients):
            self._next()
        while self._open:
            for fd, events in self._poll.poll(1.0, 64):
                self._wake(fd, events)
            if time.perf_counter() > self._end + GRACE:
                self._giveUp()
        self.result.elapsed = time.perf_counter() - start
        self._poll.close()
        return self.result

    def _next(self) -> None:
        """Begin another exchange, unless the run is over."""
        if self._begun >= self._task.count or self.result.errors > MOST_ERRORS:
            return
        begun = time.perf_counter()
        if self._begun >= self._task.clients and begun >= self._end:
            return
        self._begun += 1
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        if self._begun % MOST_PORTS == 0:
            self._spread(begun)
        if self._source:
            sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((SOURCES[self._source], 0))
        sock.connect_ex(self._task.address)
        self._open[sock.fileno()] = sock, begun
        if self._send(sock):
            self._poll.register(sock, _READY)
        else:
            self._poll.register(sock, select.EPOLLOUT)

    def _spread(self, now: float) -> None:
        """Switch to another source address before its ports are exhausted."""
        if now - self._since < MOST_TIME:
            self._source = (self._source + 1) % len(SOURCES)
        self._since = now

    def _send(self, sock: socket.socket) -> bool:
        """
        Send the line and shut down this half, once the connection is established.

        L{_receive} finds a refused connection.
        """
        try:
            sock.send(LINE)
            sock.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return False
        except OSError as error:
            self.result.reason = self.result.reason or str(error)
        return True

    def _wake(self, fd: int, events: int) -> None:
        """Continue an exchange after an event."""
        sock, begun = self._open[fd]
        if events == select.EPOLLOUT:
            if self._send(sock):
                self._poll.modify(fd, _READY)
            return
        del self._open[fd]
        with sock:
            self._receive(sock, begun)
        if self._task.rest:
            time.sleep(self._task.rest)
        self._next()

    def _receive(self, sock: socket.socket, begun: float) -> None:
        """Read to EOF, and compare every byte."""
        received = b""
        try:
            while chunk := sock.recv(4096):
                received += chunk
        except OSError as error:
            self.result.fail(error)
            return
        if received == self._expected:
            self.result.latencies.append(time.perf_counter() - begun)
        else:
            self.result.fail(f"wrong reply: {received[:80]!r}")

    def _giveUp(self) -> None:
        """Count unfinished exchanges as failed."""
        for sock, _ in self._open.values():
            self.result.fail("no end of file")
            with contextlib.suppress(OSError):
                sock.close()
        self._open.clear()


def perform(task: Task) -> Result:
    """Run the clients of a task."""
    return Streams(task).run()

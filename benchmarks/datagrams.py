# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Clients that send one datagram and wait for its answer before they send the next."""

from __future__ import annotations

import select
import socket
import time

from benchmarks.load import GRACE, LINE, MOST_ERRORS, TRANSFORMS, Result, Task

#: Seconds after which an answer is taken for lost and the next datagram is sent.
PATIENCE = 2.0


class Client:
    """A sender with its own socket."""

    def __init__(self, task: Task, name: int) -> None:
        self._task = task
        self._name = name
        self._number = 0
        self.expected = b""
        self.begun = 0.0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        self.sock.connect(task.address)

    def send(self) -> None:
        """Send the next datagram, which is unique."""
        self._number += 1
        text = b"%03d-%08d-" % (self._name, self._number)
        text += LINE[len(text) :]
        self.expected = TRANSFORMS[self._task.reply](text)
        self.begun = time.perf_counter()
        self.sock.send(text)


class Datagrams:
    """Several clients, each with one unanswered datagram."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._poll = select.epoll()
        self._waiting: dict[int, Client] = {}
        self._sent = 0
        self.result = Result()

    def run(self) -> Result:
        """Exchange datagrams until the time or the count is reached."""
        start = time.perf_counter()
        self._end = start + self._task.seconds
        clients = [Client(self._task, name) for name in range(self._task.clients)]
        for client in clients:
            self._poll.register(client.sock, select.EPOLLIN)
            self._send(client)
        while self._waiting and time.perf_counter() < self._end + GRACE:
            for fd, _ in self._poll.poll(0.2, 64):
                self._receive(fd)
            self._giveUpLost()
        self.result.elapsed = time.perf_counter() - start
        for client in clients:
            client.sock.close()
        return self.result

    def _send(self, client: Client) -> None:
        """Send a client's next datagram, unless the run is over."""
        self._waiting.pop(client.sock.fileno(), None)
        if self._sent >= self._task.count or self.result.errors > MOST_ERRORS:
            return
        if time.perf_counter() >= self._end:
            return
        self._sent += 1
        self._waiting[client.sock.fileno()] = client
        try:
            client.send()
        except OSError as error:
            self.result.fail(error)

    def _receive(self, fd: int) -> None:
        """Check an answer, and send the next datagram."""
        client = self._waiting.get(fd)
        if client is None:
            self._poll.unregister(fd)
            return
        try:
            text = client.sock.recv(4096)
        except OSError as error:
            self.result.fail(error)
            self._send(client)
            return
        if text == client.expected:
            self.result.latencies.append(time.perf_counter() - client.begun)
            self._send(client)
        else:
            self.result.fail(f"wrong answer: {text[:80]!r}")

    def _giveUpLost(self) -> None:
        """Count the datagrams without an answer, and send the next ones."""
        late = time.perf_counter() - PATIENCE
        for client in [c for c in self._waiting.values() if c.begun < late]:
            self.result.fail("no answer")
            self._send(client)


def perform(task: Task) -> Result:
    """Run the clients of a task."""
    return Datagrams(task).run()

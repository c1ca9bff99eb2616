# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A flood of connections to one service, beside the client of another one."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.soak.mixed import Mixed, Outcomes, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Times:
    """The seconds that the clients of a service waited, in order."""

    seconds: tuple[float, ...]

    def part(self, share: float) -> float:
        """Return within how many milliseconds a share of them was answered."""
        return 1000 * self.seconds[min(int(len(self) * share), len(self) - 1)]

    def __len__(self) -> int:
        """Return the number of clients."""
        return len(self.seconds)

    def __str__(self) -> str:
        """Return a line for the output."""
        shares = [f"{name}={self.part(share):.1f}ms" for name, share in _SHARES]
        return " ".join([f"clients={len(self)}", *shares])


_SHARES = (("half", 0.5), ("99%", 0.99), ("all", 1.0))


@dataclass(frozen=True)
class Beside:
    """
    The client of one service, while another one is flooded.

    @ivar outcomes: what became of the client.
    @ivar alone: how long it had to wait before the flood.
    @ivar flooded: how long it had to wait in the flood.
    @ivar made: how many connections that was.
    """

    outcomes: Outcomes
    alone: Times
    flooded: Times
    made: int


def beside(mixed: Mixed, flooded: str, measured: str, count: int) -> Beside:
    """
    Measure clients one by one, first alone and then during a flood.

    The flood is one of connections to another service.

    @param count: how often, each time.
    """
    outcomes = Outcomes()
    alone = _times(mixed, measured, count, outcomes)
    with connects(mixed.ports[flooded]) as made:
        times = _times(mixed, measured, count, outcomes)
    return Beside(outcomes, alone, times, made[0])


def _times(mixed: Mixed, name: str, count: int, outcomes: Outcomes) -> Times:
    """Measure clients of a service, one by one."""
    seconds = []
    for number in range(count):
        began = time.perf_counter()
        outcomes.add(name, number, outcome(mixed.clients[name], number))
        seconds.append(time.perf_counter() - began)
    return Times(tuple(sorted(seconds)))


@contextmanager
def connects(port: int, open: int = 200) -> Iterator[list[int]]:
    """
    Connect again and again and send nothing, from two threads.

    @param open: how many connections each leaves open.

    @return: the number of connections.
    """
    made, stopped = [0], threading.Event()

    def connect() -> None:
        clients: list[socket.socket] = []
        while not stopped.is_set():
            with suppress(OSError):
                clients.append(socket.create_connection(("127.0.0.1", port), 0.5))
                made[0] += 1
            if len(clients) > open:
                clients.pop(0).close()
        for client in clients:
            client.close()

    threads = [threading.Thread(target=connect) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        stopped.set()
        for thread in threads:
            thread.join()

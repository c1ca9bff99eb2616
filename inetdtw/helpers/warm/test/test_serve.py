# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the event loop of L{inetdtw.helpers.warm.server}."""

from __future__ import annotations

import os
from typing import Any

from inetdtw.helpers.reports import ACCEPTED, BATCH, REPORT
from inetdtw.helpers.warm.server import HOLD
from inetdtw.helpers.warm.test.cases import PID, ServerTestCase


class FakePoll:
    """
    A C{select.poll} object that is told what is ready.

    @ivar waits: for how long it was to wait, and whether exits were events then.
    """

    def __init__(self, signal: int, ready: list[Any]) -> None:
        """
        Wait for nothing yet.

        @param signal: the descriptor that is readable after an exit.
        @param ready: what is ready at each call, or what to call for that.
        """
        self._signal = signal
        self._ready = ready
        self._fds: set[int] = set()
        self.waits: list[tuple[float | None, bool]] = []

    def register(self, fd: int, events: int) -> None:
        """Wait for a descriptor."""
        self._fds.add(fd)

    def unregister(self, fd: int) -> None:
        """Wait for it no longer."""
        self._fds.remove(fd)

    def poll(self, wait: float | None = None) -> list[tuple[int, int]]:
        """Return what is ready next."""
        self.waits.append((wait, self._signal in self._fds))
        ready = self._ready.pop(0)
        return [(fd, 1) for fd in (ready() if callable(ready) else ready)]


class ServeTests(ServerTestCase):
    """Tests for the event loop."""

    def serve(self, *ready: Any) -> list[tuple[float | None, bool]]:
        """
        Serve until a child is forked.

        @param ready: what is ready at each turn, before a launch request.
        @return: how it has waited.
        """
        turns = [*ready, [self.channel.fileno()]]
        poll = FakePoll(self.signal.fd, turns)
        self.patch(self.server, "_poll", poll)
        self.patch(self.server, "_receive", lambda: "call")
        self.assertEqual(self.server.serve(), "call")
        return poll.waits

    def sent(self) -> int:
        """Return how many reports the daemon has got, in one packet."""
        return len(self.daemon.recv(10000)) // REPORT.size

    def exits(self, count: int = 1) -> None:
        """Let children exit whose connections were accepted here."""
        for pid in range(PID, PID + count):
            self.server._children.add(pid, 5, True)
        self.exited = [(pid, 0) for pid in range(PID, PID + count)]

    def test_idle(self) -> None:
        """Without a report or a child, it waits for a request or a client."""
        self.assertEqual(self.serve([]), [(0, False), (None, True)])

    def test_urgent(self) -> None:
        """A report is sent as soon as nothing else is to be done."""
        self.recorder.addConnection(ACCEPTED, 5, PID)
        self.assertEqual(self.serve([]), [(0, False), (None, True)])
        self.assertEqual(self.sent(), 1)

    def test_running(self) -> None:
        """It does not wake up for a child that exits soon: several are reaped then."""
        self.server._children.add(PID, 5, True)
        self.exited = [(0, 0)]

        def later() -> list[int]:
            self.exits(2)
            return []

        os.write(self.signal._wake, b"x")
        waits = self.serve([], later)
        self.assertEqual(waits, [(0, False), (HOLD, False), (None, True)])
        self.assertEqual(self.sent(), 2)
        # It does not wake up for them once more.
        self.assertRaises(BlockingIOError, os.read, self.signal.fd, 1)

    def test_launched(self) -> None:
        """The exit of a child that the daemon has launched is an event at once."""
        self.server._children.add(PID, 5)
        self.exited = [(0, 0)]
        self.assertEqual(self.serve([]), [(0, False), (None, True)])

    def test_client(self) -> None:
        """A client that comes meanwhile is served at once."""
        self.server._children.add(PID, 5, True)
        self.exited = [(0, 0)]
        self.assertEqual(self.serve([]), [(0, False), (HOLD, False)])

    def test_held(self) -> None:
        """An exit that was an event is reported a few milliseconds later."""
        self.exits()
        ready = [self.signal.fd]
        waits = self.serve(ready, [])
        self.assertEqual(waits, [(0, False), (HOLD, False), (None, True)])
        self.assertEqual(self.sent(), 1)

    def test_many(self) -> None:
        """Many reports are sent although there is more to be done."""
        for _ in range(BATCH):
            self.recorder.addConnection(ACCEPTED, 5, PID)
        self.exits()
        other = -2
        self.assertEqual(self.serve([other]), [(0, False), (0, False)])
        self.assertEqual(self.sent(), BATCH + 1)

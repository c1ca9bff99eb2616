# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.sendqueue}."""

from __future__ import annotations

import errno

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.launch.sendqueue import PAUSE, SendQueue


class SendQueueTests(SynchronousTestCase):
    """Tests for L{SendQueue}."""

    def setUp(self) -> None:
        """Make a queue whose socket is full."""
        self.clock = Clock()
        self.room = 0
        self.sent: list[str] = []
        self.queue = SendQueue(self.clock, self.send)

    def send(self, first: str, second: str = "") -> None:
        """Send a message, if the socket is writable."""
        if first == "lost":
            raise ConnectionResetError
        if not self.room:
            raise BlockingIOError
        self.room -= 1
        self.sent.append(first + second)

    def test_atOnce(self) -> None:
        """A message is sent at once if the socket is writable, without a timer."""
        self.room = 1
        self.queue.add("one", "1")
        self.assertEqual(self.sent, ["one1"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_order(self) -> None:
        """Queued messages are sent in order, each once, when the socket is writable."""
        for name in ("one", "two", "three"):
            self.queue.add(name)
        self.assertEqual(self.sent, [])
        self.room = 2
        self.clock.advance(PAUSE)
        self.assertEqual(self.sent, ["one", "two"])
        self.room = 2
        self.clock.advance(PAUSE)
        self.assertEqual(self.sent, ["one", "two", "three"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_shortage(self) -> None:
        """A message is not lost when memory is short."""
        whys = [errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM]

        def send(name: str) -> None:
            if whys:
                raise OSError(whys.pop(), "")
            self.sent.append(name)

        posts = SendQueue(self.clock, send)
        posts.add("one")
        self.clock.pump([PAUSE] * 3)
        self.assertEqual(self.sent, ["one"])

    def test_lost(self) -> None:
        """A message that can never be sent is dropped, and the next ones are sent."""
        self.queue.add("one")
        self.queue.add("lost")
        self.queue.add("two")
        self.room = 2
        self.clock.advance(PAUSE)
        self.assertEqual(self.sent, ["one", "two"])

    def test_takeAll(self) -> None:
        """All messages that were not sent can be dropped and returned."""
        self.queue.add("one")
        self.queue.add("two", "2")
        self.assertEqual(len(self.queue), 2)
        self.assertEqual(self.queue.takeAll(), [("one",), ("two", "2")])
        self.assertEqual((len(self.queue), self.clock.getDelayedCalls()), (0, []))
        self.room = 1
        self.queue.add("three")
        self.assertEqual(self.sent, ["three"])

    def test_added(self) -> None:
        """A message that is added while another is sent is sent after it, once."""

        def send(name: str) -> None:
            if len(self.sent) == self.room:
                raise BlockingIOError
            self.sent.append(name)
            if name == "one":
                self.queue.add("three")

        self.queue = SendQueue(self.clock, send)
        self.queue.add("one")
        self.queue.add("two")
        self.room = 2
        self.clock.advance(PAUSE)
        self.assertEqual(self.sent, ["one", "two"])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.room = 3
        self.clock.advance(PAUSE)
        self.assertEqual(self.sent, ["one", "two", "three"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

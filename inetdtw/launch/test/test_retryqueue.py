# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.retryqueue}."""

from __future__ import annotations

import errno
import os
from typing import Any

from inetdtw.helpers.spawn import spawn
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch import direct
from inetdtw.launch.retryqueue import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    PATIENCE,
    QueuedRequest,
)
from inetdtw.launch.test.test_direct import DirectTestCase
from inetdtw.system.exitwatch import hasPidfds
from inetdtw.test.fakes import FakeChild, ServingTestCase, openedSince


class ShortageTests(DirectTestCase):
    """Tests for L{DirectLauncher} when processes are short."""

    if not hasPidfds():
        skip = "This system has no pidfds."

    def setUp(self) -> None:
        """Make starts fail, until the test changes that."""
        super().setUp()
        self.error = errno.EAGAIN
        self.tries = 0

        def patched(*arguments: Any) -> int:
            self.tries += 1
            if self.error:
                raise OSError(self.error, os.strerror(self.error))
            return spawn(*arguments)

        self.patch(direct, "spawn", patched)
        self.direct = self.launcherOf()
        self.addCleanup(self.direct.stop)

    def test_held(self) -> None:
        """A queued request has its own descriptors until it is started."""
        child = self.launch(self.direct, "/bin/echo", "here")
        self.theirs.close()
        self.assertEqual(child.calls, [])
        self.assertFalse(self.direct.hasCapacity)
        self.assertEqual(len(self.logged("shortage")), 1)
        self.error = 0
        self.reactor.advance(FIRST_PAUSE)
        self.assertTrue(self.direct.hasCapacity)
        self.await_(child)
        self.assertEqual(self.ours.recv(100), b"here\n")
        self.assertEqual(self.ours.recv(100), b"")

    def test_waiters(self) -> None:
        """Callbacks are called one by one while no request is queued."""
        calls: list[int] = []
        self.launch(self.direct, "/bin/true")

        def again() -> None:
            calls.append(1)
            self.error = errno.EAGAIN
            self.launch(self.direct, "/bin/true")

        self.direct.whenCapacity(again)
        self.direct.whenCapacity(lambda: calls.append(2))
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(calls, [])
        self.error = 0
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(calls, [1])
        self.error = 0
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(calls, [1, 2])

    def test_growing(self) -> None:
        """A request is retried with backoff, with one line in the log."""
        self.launch(self.direct, "/bin/true")
        pause = FIRST_PAUSE
        for tries in range(2, 9):
            self.reactor.advance(pause * 0.99)
            self.assertEqual(self.tries, tries - 1)
            self.reactor.advance(pause * 0.01 + 0.0001)
            self.assertEqual(self.tries, tries)
            pause = min(pause * 2, LONGEST_PAUSE)
        self.assertEqual(pause, LONGEST_PAUSE)
        self.assertEqual(len(self.logged("shortage")), 1)

    def test_patience(self) -> None:
        """After a timeout the request fails, and nothing is left open."""
        child = self.launch(self.direct, "/bin/true")
        self.reactor.pump([LONGEST_PAUSE] * int(PATIENCE / LONGEST_PAUSE + 1))
        self.assertEqual(child.calls, [os.strerror(errno.EAGAIN)])
        self.assertTrue(self.direct.hasCapacity)
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_order(self) -> None:
        """Several requests keep their order."""
        children = [
            self.launch(self.direct, "/bin/sh", "-c", f"exit {number}")
            for number in range(3)
        ]
        self.error = 0
        self.reactor.advance(FIRST_PAUSE)
        pids = [child.calls[0] for child in children]
        self.assertEqual(pids, sorted(pids))
        self.reactor.turnUntil(lambda: all(len(each.calls) == 2 for each in children))
        statuses = [child.calls[1].status for child in children]
        self.assertEqual(statuses, [0, 1, 2])
        self.assertEqual(openedSince(self.before), {})

    def test_otherError(self) -> None:
        """A request with another error fails, and the next one is started."""
        first = self.launch(self.direct, "/bin/true")
        second = self.launch(self.direct, "/bin/true")
        self.error = errno.ENOENT
        self.reactor.advance(FIRST_PAUSE)
        for child in (first, second):
            self.assertEqual(child.calls, [os.strerror(errno.ENOENT)])
        self.assertEqual(openedSince(self.before), {})

    def test_noDescriptors(self) -> None:
        """A request fails without descriptors to queue it."""
        self.error = errno.EMFILE
        children: list[FakeChild] = []

        def work() -> None:
            three = (self.ours.fileno(), self.theirs.fileno(), 0)
            children.append(self.launch(self.direct, "/bin/true", fds=three))

        self.noDescriptors(work, left=2)
        self.assertEqual(children[0].calls, [os.strerror(errno.EMFILE)])
        self.assertEqual(openedSince(self.before), {})
        self.assertTrue(self.direct.hasCapacity)

    def test_stop(self) -> None:
        """All requests fail when the daemon stops, and nothing is left."""
        child = self.launch(self.direct, "/bin/true")
        self.direct.stop()
        self.assertEqual(child.calls, ["the daemon stops"])
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class QueuedRequestTests(ServingTestCase):
    """Tests for L{QueuedRequest}."""

    def request(self, *fds: int) -> LaunchRequest:
        """Return a request with descriptors."""
        return LaunchRequest("/x", ("x",), {}, {"B": "2"}, (fds[0], fds[1], fds[2]))

    def test_own(self) -> None:
        """A queued request has duplicates of its descriptors, one of each."""
        with open("/dev/zero") as one, open(os.devnull) as two:
            fds = (one.fileno(), two.fileno(), one.fileno())
            queued = QueuedRequest(FakeChild(), self.request(*fds))
        paths = [os.readlink(f"/proc/self/fd/{fd}") for fd in queued.request.fds]
        self.assertEqual(paths, ["/dev/zero", os.devnull, "/dev/zero"])
        self.assertEqual(queued.request.fds[0], queued.request.fds[2])
        self.assertEqual(queued.request.extra, {"B": "2"})
        queued.close()
        queued.close()
        self.assertFalse(os.path.exists(f"/proc/self/fd/{queued.request.fds[0]}"))

    def test_none(self) -> None:
        """Nothing is left open when descriptors are short."""
        with open("/dev/zero") as one, open(os.devnull) as two:
            request = self.request(one.fileno(), two.fileno(), one.fileno())

            def work() -> None:
                self.assertRaises(OSError, QueuedRequest, FakeChild(), request)

            self.noDescriptors(lambda: self.leavesNothingOpen(work), 1)

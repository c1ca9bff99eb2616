# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.forkserver.launcher}: a channel that is full."""

from __future__ import annotations

import errno
import os
import socket
from typing import ClassVar

from inetdtw.helpers.reports import ENDED, STARTED
from inetdtw.launch.forkserver.launcher import IN_FLIGHT
from inetdtw.launch.forkserver.test.played import PID
from inetdtw.launch.forkserver.test.test_launcher import ForkServersTestCase
from inetdtw.launch.sendqueue import PAUSE
from inetdtw.test.fakes import openedSince


class FullTests(ForkServersTestCase):
    """Tests for L{ForkServerPool} when the channels are full."""

    #: Of these a socket has no room for as many as a helper may have before it.
    LARGE: ClassVar[dict[str, str]] = {"A": "x" * 60_000}

    def setUp(self) -> None:
        """Make a fork server that is ready, and fill its channel."""
        super().setUp()
        self.started(1)
        sock = self.servers._processes[0].channel._ours
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 60_000)
        large = [self.launch(environment=self.LARGE) for _ in range(IN_FLIGHT)]
        self.children = large
        if not self.servers._queue:
            self.skipTest("there is room for all of it")

    def take(self) -> int:
        """
        Receive a request, and report that its program runs.

        @return: the process id.
        """
        number, _, _, fds = self.played[0].take()
        for fd in fds:
            os.close(fd)
        self.played[0].report((STARTED, number, PID + number, 0))
        self.reactor.settle()
        self.reactor.advance(PAUSE)
        return PID + number

    def test_kept(self) -> None:
        """A request for which the channel is full is sent later."""
        self.assertEqual([child.calls for child in self.children], [[]] * IN_FLIGHT)
        self.assertFalse(self.servers.hasCapacity)
        pids = [self.take() for _ in self.children]
        self.assertEqual([child.calls for child in self.children], [[p] for p in pids])
        self.assertTrue(self.servers.hasCapacity)
        self.end(self.servers)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        for played in self.played:
            played.channel.close()
        self.assertEqual(openedSince(self.before), {})

    def test_waiters(self) -> None:
        """Those that wait are called when there is capacity."""
        calls: list[bool] = []
        self.servers.whenCapacity(lambda: calls.append(self.servers.hasCapacity))
        for _ in self.children:
            self.take()
        self.assertEqual(calls, [True])

    def test_noDescriptors(self) -> None:
        """A request fails when no descriptor is left to queue it."""

        def none(fd: int) -> int:
            raise OSError(errno.EMFILE, "no more descriptors")

        self.patch(os, "dup", none)
        (reason,) = self.launch(environment=self.LARGE).calls
        self.assertIn(os.strerror(errno.EAGAIN), reason)

    def test_stop(self) -> None:
        """Queued requests fail when the daemon stops."""
        self.servers.stop()
        self.assertEqual(self.children[-1].calls, ["the daemon stops"])
        self.assertEqual(self.children[0].calls, [])

    def test_retire(self) -> None:
        """Queued requests are sent before the fork servers are retired."""
        self.servers.retire()
        pids = [self.take() for _ in self.children]
        self.assertEqual(self.children[-1].calls, [pids[-1]])
        self.played[0].report(*[(ENDED, 0, pid, 0) for pid in pids])
        self.reactor.settle()
        self.assertEqual(self.played[0].channel.recv(100), b"")

    def test_gone(self) -> None:
        """Queued requests fail when the fork server is gone."""
        self.servers._processes[0].stop()
        self.reactor.advance(PAUSE)
        (reason,) = self.children[-1].calls
        self.assertIn("cannot reach the fork server", reason)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for fork servers that die, and for their replacements."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from inetdtw.helpers.reports import ENDED, HELLO, STARTED
from inetdtw.interfaces import ExitStatus
from inetdtw.launch.forkserver.test.played import PID, HelperTestCase
from inetdtw.limits.backoff import FIRST_PAUSE, GOOD_LIFE, GROWTH, LONGEST_PAUSE
from inetdtw.test.fakes import PATIENCE, FakeChild, openDescriptors, openedSince


class DeathTests(HelperTestCase):
    """Tests for a L{Helper} that dies."""

    def test_replacement(self) -> None:
        """Another one is started after a short pause, on the same socket."""
        self.played.die()
        self.assertFalse(self.helper.up)
        self.assertEqual(len(self.reactor.processes), 1)
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(len(self.reactor.processes), 2)
        self.played = self.play()
        self.report((HELLO, 0, 5, 0))
        self.assertTrue(self.helper.up)
        self.running()

    def test_why(self) -> None:
        """The owner receives the last line of standard error, or the exit status."""
        pid = self.played.process.pid
        self.helper.errReceived(b"Traceback:\nMemory")
        self.helper.errReceived(b"Error: no\n")
        self.played.die()
        self.assertEqual(self.owner.deaths, [(pid, "MemoryError: no", FIRST_PAUSE)])
        self.replace(0)
        self.played.die(3)
        self.assertIn("3", self.owner.deaths[1][1])
        self.assertNotIn("MemoryError", self.owner.deaths[1][1])

    def test_growing(self) -> None:
        """
        The pauses grow while fork servers die soon, up to a bound.

        After one that lived long they are short again.
        """
        pause = FIRST_PAUSE
        for count in range(1, 15):
            self.play().die()
            self.assertEqual(self.owner.deaths[-1][2], pause)
            self.reactor.advance(pause * 0.99)
            self.assertEqual(len(self.reactor.processes), count)
            self.reactor.advance(pause * 0.01 + 0.0001)
            self.assertEqual(len(self.reactor.processes), count + 1)
            pause = min(pause * GROWTH, LONGEST_PAUSE)
        self.assertEqual(pause, LONGEST_PAUSE)
        self.reactor.advance(GOOD_LIFE)
        self.play().die()
        self.assertEqual(self.owner.deaths[-1][2], FIRST_PAUSE)

    def test_queued(self) -> None:
        """A replacement handles the requests that its predecessor had not received."""
        lost, kept = self.launch(), self.launch()
        number, _, _, fds = self.played.take()
        os.close(fds[0])
        self.assertEqual(number, 1)
        self.played.die()
        self.assertEqual((lost.calls, kept.calls), ([], []))
        self.replace(2)
        self.assertEqual((lost.calls, kept.calls), (["its fork server died"], []))
        number, _, _, fds = self.played.take()
        os.close(fds[0])
        self.report((STARTED, number, PID, 0))
        self.assertEqual((number, kept.calls), (2, [PID]))

    def test_lost(self) -> None:
        """All requests that were received and not answered fail."""
        children = [self.launch() for _ in range(3)]
        for _ in children:
            os.close(self.played.take()[3][0])
        self.played.die()
        self.replace(0)
        for child in children:
            self.assertEqual(child.calls, ["its fork server died"])
        self.assertEqual(self.helper.load, 0)

    def test_requestedBeforeHello(self) -> None:
        """
        A request that is sent while there is no process is not lost.

        The next process has looked for requests before, and found none.
        """
        lost = self.launch()
        os.close(self.played.take()[3][0])
        self.played.die()
        self.reactor.advance(FIRST_PAUSE)
        self.played = self.play()
        child = self.launch()
        self.report((HELLO, 0, 5, 0))
        self.assertEqual(lost.calls, ["its fork server died"])
        self.assertEqual(child.calls, [])
        number, _, _, fds = self.played.take()
        os.close(fds[0])
        self.report((STARTED, number, PID, 0))
        self.assertEqual(child.calls, [PID])

    def test_lastWords(self) -> None:
        """Reports that were sent before the death are handled."""
        child = self.launch()
        self.played.report((STARTED, 1, PID, 0), (ENDED, 1, PID, 3 << 8))
        self.played.die()
        self.assertEqual(child.calls, [PID, ExitStatus(3, cpu=1.5)])

    def test_lastHello(self) -> None:
        """A fork server that is ready and dead at the same time is not up."""
        self.played.report((HELLO, 0, 5, 0))
        self.played.die()
        self.assertFalse(self.helper.up)
        self.assertEqual([each[2] for each in self.owner.deaths], [FIRST_PAUSE])

    def test_beforeHello(self) -> None:
        """
        All requests fail when no fork server was ever up.

        Their descriptors are closed.
        """
        self.played.die()
        ours, theirs = socket.socketpair()
        with ours:
            child = FakeChild()
            with theirs:
                self.helper.launch(child, b"shared", b"", [theirs.fileno()])
            self.reactor.advance(FIRST_PAUSE)
            self.assertEqual(child.calls, [])
            self.play().die()
            self.assertEqual(child.calls, ["no fork server can be started"])
            ours.settimeout(PATIENCE)
            self.assertEqual(ours.recv(100), b"")
        self.assertEqual(self.helper.load, 0)

    def test_cannotSpawn(self) -> None:
        """When no process can be had for it, that is tried again as well."""
        self.reactor.spawnFailure = OSError(errno.EAGAIN, "no more processes")
        self.played.die()
        before = openDescriptors()
        self.reactor.advance(FIRST_PAUSE)
        self.assertIn("no more processes", self.owner.deaths[-1][1])
        self.assertEqual(openedSince(before), {})
        missing = OSError(errno.ENOENT, os.strerror(errno.ENOENT), b"/p\xff")
        self.reactor.spawnFailure = missing
        self.reactor.advance(LONGEST_PAUSE)
        wanted = "No such file or directory: '/p\udcff'"
        self.assertEqual(self.owner.deaths[-1][1], wanted)
        self.reactor.spawnFailure = None
        self.replace(0)
        self.running()

    def test_noDescriptor(self) -> None:
        """A start that fails for lack of descriptors is retried."""

        def none(*args: Any) -> int:
            raise OSError(errno.EMFILE, "no more descriptors")

        self.played.die()
        patched = self.patch(os, "open", none)
        self.reactor.advance(FIRST_PAUSE)
        patched.restore()
        self.assertIn("no more descriptors", self.owner.deaths[-1][1])
        self.replace(0)
        self.running()

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.children}."""

from __future__ import annotations

import errno
import os
import subprocess

from inetdtw.helpers.reports import ASTRAY, ENDED, FAILED, REPEATED, STARTED
from inetdtw.interfaces import ExitStatus
from inetdtw.launch.forkserver.test.test_process import PID, HelperTestCase
from inetdtw.system import exitwatch
from inetdtw.test.fakes import openedSince


class ChildrenTests(HelperTestCase):
    """Tests for L{RunningPrograms}, as a fork server uses them."""

    def test_ended(self) -> None:
        """The end of a program is told with its status and its time."""
        child = self.running()
        self.say((ENDED, 1, PID, 3 << 8))
        self.assertEqual(child.told, [PID, ExitStatus(3, cpu=1.5)])

    def test_killed(self) -> None:
        """Or with its signal."""
        child = self.running()
        self.say((ENDED, 1, PID, 9))
        self.assertEqual(child.told, [PID, ExitStatus(signal=9, cpu=1.5)])

    def test_failed(self) -> None:
        """That a program could not be started is told with the reason."""
        child = self.order()
        self.say((FAILED, 1, 0, errno.ENOENT))
        self.assertEqual(child.told, [os.strerror(errno.ENOENT)])
        self.assertEqual(self.helper.load, 0)

    def test_astray(self) -> None:
        """When the working directory is missing, the reason names it."""
        child = self.order()
        self.say((ASTRAY, 1, 0, errno.ENOENT))
        self.assertEqual(child.told, [f"/folder: {os.strerror(errno.ENOENT)}"])

    def test_repeated(self) -> None:
        """A restarted program ends and starts, with the number of its one request."""
        child = self.running()
        self.say((REPEATED, 1, PID, 3 << 8), (STARTED, 1, PID + 1, 0))
        self.assertEqual(child.told, [PID, ExitStatus(3, cpu=1.5)])
        self.assertEqual(child.following.told, [PID + 1])
        self.say((ENDED, 1, PID + 1, 0))
        self.assertEqual(child.following.told, [PID + 1, ExitStatus(0, cpu=1.5)])


class OrphanTests(HelperTestCase):
    """Tests for programs whose helper has died."""

    def test_orphans(self) -> None:
        """
        The exits of programs whose fork server has died are noticed.

        Their exit statuses are unknown.
        """
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as program:
            child = self.running(program.pid)
            self.played.die()
            self.reactor.settle()
            self.assertEqual(child.told, [program.pid])
            self.succeed(0)
            assert program.stdin is not None
            program.stdin.close()
            if not hasattr(os, "pidfd_open"):
                program.wait()
                self.reactor.advance(exitwatch.INTERVAL)
            self.reactor.turnUntil(lambda: len(child.told) == 2)
        self.assertEqual(child.told, [program.pid, ExitStatus()])
        self.assertEqual(len(self.helper.running), 0)

    def test_orphansGone(self) -> None:
        """Those that are gone already have ended."""
        child = self.running()
        self.played.die()
        self.assertEqual(child.told, [PID, ExitStatus()])

    def test_orphanTwice(self) -> None:
        """A program is waited for once, however many helpers die."""
        before = len(self.reactor.getReaders())
        child = self.running(os.getpid())
        for _ in range(3):
            self.played.die()
            self.succeed(0)
        self.assertEqual(child.told, [os.getpid()])
        self.assertLessEqual(len(self.reactor.getReaders()), before + 1)

    def test_stopWithOrphans(self) -> None:
        """Programs whose helper has died are not waited for any more."""
        self.running(os.getpid())
        self.played.die()
        self.helper.stop()
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_retireOrphan(self) -> None:
        """So does one that came after a helper that had died."""
        if not hasattr(os, "pidfd_open"):
            self.skipTest("This system has no pidfds.")
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as program:
            self.running(program.pid)
            self.played.die()
            self.succeed(0)
            self.helper.retire()
            self.assertIn(self.helper.channel, self.reactor.getReaders())
            assert program.stdin is not None
            program.stdin.close()
            self.reactor.turnUntil(
                lambda: self.helper.channel not in self.reactor.getReaders()
            )
        self.assertEqual(self.played.channel.recv(100), b"")

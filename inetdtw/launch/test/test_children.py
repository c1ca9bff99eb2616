# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.children}."""

from __future__ import annotations

import errno
import os
import subprocess

from inetdtw.helpers.reports import ENDED, FAILED, NO_DIRECTORY
from inetdtw.interfaces import ExitStatus
from inetdtw.launch import children
from inetdtw.launch.children import ProtocolViolation, RunningPrograms, ownerOf
from inetdtw.launch.forkserver.test.played import PID, HelperTestCase
from inetdtw.system import exitwatch
from inetdtw.system.exitwatch import ExitWatcher, Watch
from inetdtw.test.fakes import FakeChild, ServingTestCase, openedSince


class RunningProgramsTests(ServingTestCase):
    """Tests for L{RunningPrograms}."""

    def setUp(self) -> None:
        """Make an empty table."""
        super().setUp()
        self.exits = 0
        self.watcher = ExitWatcher(self.reactor)
        self.orphans: dict[int, Watch] = {}
        self.table = self.make()

    def make(self) -> RunningPrograms:
        """Make an empty table for another helper process."""
        table = RunningPrograms(self.watcher, self.exited, self.orphans)
        table.uid = os.geteuid()
        self.addCleanup(table.leave)
        return table

    def exited(self) -> None:
        """Count an orphan that has exited."""
        self.exits += 1

    def begin(self, pid: int = PID, table: RunningPrograms | None = None) -> FakeChild:
        """Start a program."""
        child = FakeChild()
        (self.table if table is None else table).begin(pid, child)
        return child

    def test_life(self) -> None:
        """A program starts and ends."""
        child = self.begin()
        self.assertEqual(child.calls, [PID])
        self.assertIn(PID, self.table)
        self.assertEqual(len(self.table), 1)
        self.table.end(PID, ExitStatus(3))
        self.assertEqual(child.calls, [PID, ExitStatus(3)])
        self.assertEqual(len(self.table), 0)

    def test_unknown(self) -> None:
        """The end of an unknown program is ignored."""
        self.table.end(PID, ExitStatus(3))

    def test_again(self) -> None:
        """A program has ended when another one has its process id."""
        one, two = self.begin(), self.begin()
        self.assertEqual((one.calls, two.calls), ([PID, ExitStatus()], [PID]))

    def test_check(self) -> None:
        """A process id is positive, and there is a limit to the programs."""
        for pid in (0, -1, -(1 << 31)):
            self.assertRaises(ProtocolViolation, self.table.check, pid)
        self.patch(children, "MOST", 2)
        self.begin()
        self.table.check(PID + 1)
        self.begin(PID + 1)
        self.assertRaises(ProtocolViolation, self.table.check, PID + 2)

    def test_orphan(self) -> None:
        """The exit of a program without a parent is noticed."""
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as program:
            child = self.begin(program.pid)
            self.table.watchOrphans()
            self.assertEqual(child.calls, [program.pid])
            assert program.stdin is not None
            program.stdin.close()
            if not hasattr(os, "pidfd_open"):
                program.wait()
                self.reactor.advance(exitwatch.INTERVAL)
            self.reactor.turnUntil(lambda: len(child.calls) == 2)
        self.assertEqual(child.calls, [program.pid, ExitStatus()])
        self.assertEqual((len(self.table), self.exits, self.orphans), (0, 1, {}))

    def test_reported(self) -> None:
        """An orphan whose end is reported is not watched any more."""
        child = self.begin(os.getpid())
        self.table.watchOrphans()
        self.table.end(os.getpid(), ExitStatus(3))
        self.assertEqual(child.calls, [os.getpid(), ExitStatus(3)])
        self.assertEqual((self.orphans, self.reactor.getReaders()), ({}, []))

    def test_foreign(self) -> None:
        """A program of another user has ended when its parent is gone."""
        self.table.uid = 12345
        child = self.begin(os.getpid())
        self.table.watchOrphans()
        self.assertEqual(child.calls, [os.getpid(), ExitStatus()])
        self.assertEqual(self.orphans, {})

    def test_twice(self) -> None:
        """A program is watched for one helper process only, until that leaves it."""
        child = self.begin(os.getpid())
        self.table.watchOrphans()
        other = self.make()
        false = self.begin(os.getpid(), other)
        other.watchOrphans()
        self.assertEqual((len(child.calls), len(false.calls)), (1, 2))
        self.table.leave()
        true = self.begin(os.getpid(), other)
        other.watchOrphans()
        self.assertEqual(len(true.calls), 1)

    def test_owner(self) -> None:
        """The user of a process is found where there is a proc file system."""
        self.assertEqual(ownerOf(os.getpid()), os.geteuid())
        self.assertRaises(ProcessLookupError, ownerOf, PID)
        self.patch(os.path, "exists", lambda path: False)
        self.assertIsNone(ownerOf(PID))

    def test_leave(self) -> None:
        """No exits are watched after the table was left, or its watches cancelled."""
        for cancelled in (False, True):
            child = self.begin(os.getpid())
            self.table.watchOrphans()
            if cancelled:
                self.orphans.pop(os.getpid()).cancel()
            self.table.leave()
            self.assertEqual(self.reactor.getReaders(), [])
            self.assertEqual((len(self.table), child.calls), (0, [os.getpid()]))


class ForkServerTests(HelperTestCase):
    """Tests for L{RunningPrograms}, as a fork server uses them."""

    def test_ended(self) -> None:
        """The exit of a program is passed on with its status and CPU time."""
        child = self.running()
        self.report((ENDED, 1, PID, 3 << 8))
        self.assertEqual(child.calls, [PID, ExitStatus(3, cpu=1.5)])

    def test_killed(self) -> None:
        """The exit of a program is passed on with its signal."""
        child = self.running()
        self.report((ENDED, 1, PID, 9))
        self.assertEqual(child.calls, [PID, ExitStatus(signal=9, cpu=1.5)])

    def test_failed(self) -> None:
        """A program that could not be started fails with the reason."""
        child = self.launch()
        self.report((FAILED, 1, 0, errno.ENOENT))
        self.assertEqual(child.calls, [os.strerror(errno.ENOENT)])
        self.assertEqual(self.helper.load, 0)

    def test_astray(self) -> None:
        """When the working directory is missing, the reason names it."""
        child = self.launch()
        self.report((NO_DIRECTORY, 1, 0, errno.ENOENT))
        self.assertEqual(child.calls, [f"/directory: {os.strerror(errno.ENOENT)}"])


class ForkServerOrphanTests(HelperTestCase):
    """Tests for programs whose fork server has died."""

    def test_orphans(self) -> None:
        """
        The exits of programs whose fork server has died are noticed.

        Their exit statuses are unknown.
        """
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as program:
            child = self.running(program.pid)
            self.played.die()
            self.reactor.settle()
            self.assertEqual(child.calls, [program.pid])
            self.replace(0)
            assert program.stdin is not None
            program.stdin.close()
            if not hasattr(os, "pidfd_open"):
                program.wait()
                self.reactor.advance(exitwatch.INTERVAL)
            self.reactor.turnUntil(lambda: len(child.calls) == 2)
        self.assertEqual(child.calls, [program.pid, ExitStatus()])
        self.assertEqual(len(self.helper.running), 0)

    def test_orphansGone(self) -> None:
        """A program that is gone already has ended."""
        child = self.running()
        self.played.die()
        self.assertEqual(child.calls, [PID, ExitStatus()])

    def test_orphanTwice(self) -> None:
        """A program is waited for once, however many helpers die."""
        before = len(self.reactor.getReaders())
        child = self.running(os.getpid())
        for _ in range(3):
            self.played.die()
            self.replace(0)
        self.assertEqual(child.calls, [os.getpid()])
        self.assertLessEqual(len(self.reactor.getReaders()), before + 1)

    def test_stopWithOrphans(self) -> None:
        """No program is watched any more after a stop."""
        self.running(os.getpid())
        self.played.die()
        self.helper.stop()
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_retireOrphan(self) -> None:
        """A replacement that is retired exits after the programs it inherited."""
        if not hasattr(os, "pidfd_open"):
            self.skipTest("This system has no pidfds.")
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as program:
            self.running(program.pid)
            self.played.die()
            self.replace(0)
            self.helper.retire()
            self.assertIn(self.helper.channel, self.reactor.getReaders())
            assert program.stdin is not None
            program.stdin.close()
            self.reactor.turnUntil(
                lambda: self.helper.channel not in self.reactor.getReaders()
            )
        self.assertEqual(self.played.channel.recv(100), b"")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.children}."""

from __future__ import annotations

import os
import subprocess

from inetdtw.interfaces import ExitStatus
from inetdtw.launch.warm import children
from inetdtw.launch.warm.children import ProtocolViolation, RunningPrograms, ownerOf
from inetdtw.launch.warm.test.played import PID
from inetdtw.system import exitwatch
from inetdtw.system.exitwatch import Watch
from inetdtw.test.fakes import FakeChild, ServingTestCase


class RunningTests(ServingTestCase):
    """Tests for L{RunningPrograms}."""

    def setUp(self) -> None:
        """Have none."""
        super().setUp()
        self.changes = 0
        self.adopted: dict[int, Watch] = {}
        self.running = RunningPrograms(self.reactor, self.changed, self.adopted)
        self.running.uid = os.geteuid()
        self.addCleanup(self.running.leave)

    def changed(self) -> None:
        """One has ended whose parent is gone."""
        self.changes += 1

    def begin(self, pid: int = PID, warm: bool = True) -> FakeChild:
        """Start one."""
        child = FakeChild()
        self.running.begin(pid, child, warm)
        return child

    def test_life(self) -> None:
        """A program starts, warm or not, and ends."""
        for warm in (True, False):
            child = self.begin(warm=warm)
            self.assertEqual((child.told, child.warm), ([PID], warm))
            self.assertIn(PID, self.running)
            self.assertEqual(len(self.running), 1)
            self.running.end(PID, ExitStatus(3))
            self.assertEqual(child.told, [PID, ExitStatus(3)])
            self.assertEqual(len(self.running), 0)

    def test_unknown(self) -> None:
        """The end of one that is not known means nothing."""
        self.running.end(PID, ExitStatus(3))

    def test_again(self) -> None:
        """Where a process id is another's, who had it has ended."""
        one, two = self.begin(), self.begin()
        self.assertEqual((one.told, two.told), ([PID, ExitStatus()], [PID]))

    def test_check(self) -> None:
        """There is no process without a positive id, nor any number of them."""
        for pid in (0, -1, -(1 << 31)):
            self.assertRaises(ProtocolViolation, self.running.check, pid)
        self.patch(children, "MOST", 2)
        self.begin()
        self.running.check(PID + 1)
        self.begin(PID + 1)
        self.assertRaises(ProtocolViolation, self.running.check, PID + 2)

    def test_orphan(self) -> None:
        """
        The end of a program whose parent is gone is noticed; how it ended cannot be
        known.
        """
        with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as program:
            child = self.begin(program.pid)
            self.running.orphan()
            self.assertEqual(child.told, [program.pid])
            assert program.stdin is not None
            program.stdin.close()
            if not hasattr(os, "pidfd_open"):
                program.wait()
                self.reactor.advance(exitwatch.INTERVAL)
            self.reactor.turnUntil(lambda: len(child.told) == 2)
        self.assertEqual(child.told, [program.pid, ExitStatus()])
        self.assertEqual((len(self.running), self.changes), (0, 1))

    def test_orphanGone(self) -> None:
        """One that is gone already has ended."""
        child = self.begin()
        self.running.orphan()
        self.assertEqual(child.told, [PID, ExitStatus()])

    def test_foreign(self) -> None:
        """A process of another user's cannot be one, and has ended."""
        self.running.uid = 12345
        child = self.begin(os.getpid())
        self.running.orphan()
        self.assertEqual(child.told, [os.getpid(), ExitStatus()])
        self.assertEqual(self.adopted, {})

    def test_twice(self) -> None:
        """Nor can one that another's program is; what is left of that can be another's."""
        child = self.begin(os.getpid())
        self.running.orphan()
        other = RunningPrograms(self.reactor, self.changed, self.adopted)
        other.uid = os.geteuid()
        liar, honest = FakeChild(), FakeChild()
        other.begin(os.getpid(), liar, True)
        other.orphan()
        self.assertEqual((len(child.told), len(liar.told)), (1, 2))
        self.running.leave()
        other.begin(os.getpid(), honest, True)
        other.orphan()
        self.assertEqual(len(honest.told), 1)
        other.leave()

    def test_owner(self) -> None:
        """Whose a process is is found where the system tells."""
        self.assertEqual(ownerOf(os.getpid()), os.geteuid())
        self.assertRaises(ProcessLookupError, ownerOf, PID)

    def test_leave(self) -> None:
        """What is of no interest is not waited for."""
        child = self.begin(os.getpid())
        self.running.orphan()
        self.running.leave()
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual((len(self.running), child.told), (0, [os.getpid()]))

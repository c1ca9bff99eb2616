# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.daemon.init}."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

from zope.interface.verify import verifyObject

from twisted.application.service import IService
from twisted.internet.process import reapAllProcesses, reapProcessHandlers

from inetdtw.daemon.init import RECHECK, OrphanReaper
from inetdtw.test.fakes import PATIENCE, ServingTestCase


class Waiting:
    """
    A superserver that waits for some children by itself.

    @ivar pids: their process ids.
    """

    def __init__(self) -> None:
        """Start without children."""
        self.pids: set[int] = set()

    def awaits(self, pid: int) -> bool:
        """Return whether the child is one of these."""
        return pid in self.pids


class OrphanReaperTests(ServingTestCase):
    """Tests for L{OrphanReaper}."""

    def setUp(self) -> None:
        """Reap children of other tests, and restore the handler afterwards."""
        super().setUp()
        # Those of other tests, whose reactor does not run.
        reapAllProcesses()
        before = signal.getsignal(signal.SIGCHLD)
        self.addCleanup(signal.signal, signal.SIGCHLD, before)
        self.inetd = Waiting()
        inetd: Any = self.inetd
        self.service = OrphanReaper(inetd, self.reactor)
        self.addCleanup(self.stop)

    def stop(self) -> None:
        """Stop it."""
        if self.service.running:
            self.service.stopService()

    def start(self) -> None:
        """Start it, and run the reactor."""
        self.service.privilegedStartService()
        self.service.startService()
        for call, arguments, named in self.reactor.whenRunningHooks:
            call(*arguments, **named)

    def ended(self) -> int:
        """Return a child that has exited, and that nothing waits for."""
        child = subprocess.Popen(["/bin/sh", "-c", "exit 7"])
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        child.returncode = 7  # No other code is to wait for it.
        return child.pid

    def isThere(self, pid: int) -> bool:
        """Tell whether a child can still be waited for."""
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def test_interface(self) -> None:
        """The service provides C{IService}, and has a name."""
        verifyObject(IService, self.service)
        self.assertEqual(self.service.name, "inetd orphans")

    def test_reaped(self) -> None:
        """Orphans that have exited are reaped after SIGCHLD."""
        self.start()
        pids = [self.ended() for _ in range(5)]
        deadline = time.monotonic() + PATIENCE
        while any(map(self.isThere, pids)) and time.monotonic() < deadline:
            self.reactor.turn(0.01)
        self.assertEqual([self.isThere(pid) for pid in pids], [False] * 5)

    def test_before(self) -> None:
        """Orphans that exited before the reactor ran are reaped, too."""
        pid = self.ended()
        self.start()
        self.assertFalse(self.isThere(pid))

    def test_superservers(self) -> None:
        """A child of the superserver is not reaped; later orphans are."""
        mine = self.ended()
        self.inetd.pids.add(mine)
        other = self.ended()
        self.start()
        self.assertTrue(self.isThere(mine))
        self.assertEqual(os.waitpid(mine, 0)[1], 7 << 8)
        self.reactor.advance(RECHECK)
        self.assertFalse(self.isThere(other))

    def test_reactors(self) -> None:
        """A child of the reactor is not reaped."""
        pid = self.ended()
        handlers: dict[int, Any] = reapProcessHandlers
        handlers[pid] = None
        self.addCleanup(handlers.pop, pid)
        self.start()
        self.assertEqual(os.waitpid(pid, 0)[1], 7 << 8)

    def test_running(self) -> None:
        """A running child is not waited for."""
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        self.start()
        self.assertIsNone(child.poll())
        child.communicate()
        self.assertEqual(child.returncode, 0)

    def test_signal(self) -> None:
        """The signal is handled once the reactor runs, until the service stops."""
        before = signal.getsignal(signal.SIGCHLD)
        self.service.privilegedStartService()
        self.service.startService()
        self.assertEqual(signal.getsignal(signal.SIGCHLD), before)
        for call, arguments, named in self.reactor.whenRunningHooks:
            call(*arguments, **named)
        self.assertNotEqual(signal.getsignal(signal.SIGCHLD), before)
        self.service.stopService()
        self.assertEqual(signal.getsignal(signal.SIGCHLD), before or signal.SIG_DFL)

    def test_stoppedBefore(self) -> None:
        """A service that is stopped before the reactor runs does nothing."""
        self.service.startService()
        self.service.stopService()
        before = signal.getsignal(signal.SIGCHLD)
        for call, arguments, named in self.reactor.whenRunningHooks:
            call(*arguments, **named)
        self.assertEqual(signal.getsignal(signal.SIGCHLD), before)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.supervisor}; the test plays the processes."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import Any

from inetdtw.helpers.reports import HELLO, STALE
from inetdtw.helpers.warm.protocol import THREADED, UNFIT
from inetdtw.interfaces import ExitStatus
from inetdtw.launch.warm.process import OF_WARM
from inetdtw.launch.warm.supervisor import STALE_INTERVAL, WarmSupervisor
from inetdtw.launch.warm.test.played import KEPT, PID, START, PlayedWarm
from inetdtw.limits.backoff import FIRST_PAUSE, GOOD_LIFE, GROWTH, LONGEST_PAUSE
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import ProcessContext
from inetdtw.system.descriptors import Purpose
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import FakeChild, ServingTestCase


class NotingSupervisor(WarmSupervisor):
    """
    A supervisor that records the calls.

    @ivar notified: how often there may have been capacity.
    """

    notified = 0

    def notify(self) -> None:
        """Count the call."""
        self.notified += 1


class SupervisorTestCase(ServingTestCase):
    """A test of a L{WarmSupervisor}."""

    def setUp(self) -> None:
        """Make a supervisor whose first process is ready."""
        super().setUp()
        self.supervisor = self.make()
        self.supervisor.prepare(START)
        self.first = self.play()

    def make(self, **given: Any) -> NotingSupervisor:
        """Return a supervisor."""
        spec = replace(KEPT, **given)
        self.exits = ExitWatcher(self.reactor)
        supervisor = NotingSupervisor(
            *(self.launcher, spec, self.reactor, self.runtime.report, "1/tcp"),
            *(ProcessBudget(), ProcessContext(), self.exits),
        )
        self.addCleanup(supervisor.stop)
        return supervisor

    def play(self, ready: bool = True) -> PlayedWarm:
        """Stand for the process that was started last."""
        played = PlayedWarm(self.launcher.last)
        self.addCleanup(played.channel.close)
        played.program.start()
        if ready:
            played.report((HELLO, 0, PID, 0))
            self.reactor.settle()
        return played

    def kill(self, played: PlayedWarm, how: ExitStatus | None = None) -> None:
        """Report the exit of a process, by default by SIGKILL."""
        played.die(how)
        self.reactor.settle()

    def count(self) -> int:
        """Return how many processes were started."""
        return len(self.launcher.programs)


class StartTests(SupervisorTestCase):
    """Tests for the start and the replacement of processes."""

    def test_first(self) -> None:
        """The first process is started once, for the first launch request."""
        self.supervisor.prepare(replace(START, executable="/other"))
        self.assertEqual(self.count(), 1)
        request = self.launcher.last.request
        self.assertEqual(request.executable, "/bin/py")
        self.assertEqual(request.argv, ("py", "/dev/fd/0", "script.py"))
        self.assertTrue(self.supervisor.current and self.supervisor.current.up)
        (event,) = self.logged("warm-ready")
        self.assertEqual((event["service"], event["pid"]), ("1/tcp", 1 << 22))

    def test_account(self) -> None:
        """The descriptors of a process are counted in the account that is given."""
        self.make().prepare(START)
        self.assertEqual(self.exits.descriptors.taken(Purpose.HELPER), OF_WARM)

    def test_noDescriptors(self) -> None:
        """A start for which descriptors are short is retried with backoff."""
        supervisor = self.make()
        self.patch(self.exits.descriptors, "spare", lambda count: False)
        supervisor.prepare(START)
        self.assertEqual(self.count(), 1)
        event = self.logged("warm-exit")[-1]
        self.assertEqual(event["reason"], os.strerror(errno.EMFILE))
        self.patch(self.exits.descriptors, "spare", lambda count: True)
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(self.count(), 2)

    def test_renew(self) -> None:
        """A replacement takes over when it is ready, and the old process exits then."""
        before = self.supervisor.current
        self.supervisor.renew()
        self.assertIs(self.supervisor.current, before)
        self.play()
        self.assertIsNot(self.supervisor.current, before)
        self.assertEqual(self.first.channel.recv(10), b"")
        self.kill(self.first, ExitStatus(0))
        self.assertEqual(self.logged("warm-exit"), [])

    def test_renewTwice(self) -> None:
        """A replacement that is not ready yet is replaced."""
        self.supervisor.renew()
        second = self.play(ready=False)
        self.supervisor.renew()
        self.assertEqual(second.channel.recv(10), b"")
        second.die(ExitStatus(0))
        third = self.play()
        self.assertEqual(self.count(), 3)
        self.assertEqual(self.supervisor.current and self.supervisor.current.up, True)
        self.kill(third)
        self.assertEqual(len(self.logged("warm-exit")), 1)

    def test_renewUnprepared(self) -> None:
        """Nothing is renewed before the first launch request."""
        self.make().renew()
        self.assertEqual(self.count(), 1)

    def test_request(self) -> None:
        """The next process is for the newest launch request."""
        self.supervisor.request = replace(START, executable="/other")
        self.supervisor.renew()
        self.assertEqual(self.launcher.last.request.executable, "/other")


class RestartTests(SupervisorTestCase):
    """Tests for the restart of processes, and for the end."""

    def test_died(self) -> None:
        """A process that died is restarted with backoff; the log says why."""
        pause, played = FIRST_PAUSE, self.first
        for _ in range(12):
            count = self.count()
            self.kill(played)
            self.reactor.advance(pause * 0.99)
            self.assertEqual(self.count(), count)
            self.reactor.advance(pause * 0.02)
            self.assertEqual(self.count(), count + 1)
            played = self.play()
            # So long that this one has no good life.
            pause = min(pause * GROWTH, LONGEST_PAUSE)
        self.assertEqual(pause, LONGEST_PAUSE)
        event = self.logged("warm-exit")[0]
        self.assertEqual((event["retry"], event["reason"]), (0.05, "signal=9"))

    def test_longLife(self) -> None:
        """A process that ran long resets the backoff."""
        for _ in range(3):
            self.kill(self.first)
            self.reactor.advance(LONGEST_PAUSE)
            self.first = self.play()
        self.reactor.advance(GOOD_LIFE)
        self.kill(self.first)
        self.assertEqual(self.logged("warm-exit")[-1]["retry"], FIRST_PAUSE)

    def test_renewPause(self) -> None:
        """The backoff is reset by a reload."""
        self.kill(self.first)
        self.reactor.advance(FIRST_PAUSE)
        self.kill(self.play())
        self.supervisor.renew()
        self.kill(self.play())
        retries = [event["retry"] for event in self.logged("warm-exit")]
        self.assertEqual(retries, [0.05, 0.1, 0.05])

    def test_age(self) -> None:
        """The backoff depends on how long the process ran."""
        self.reactor.advance(GOOD_LIFE)
        self.supervisor.renew()
        self.play(ready=False)
        self.kill(self.first)
        self.assertEqual(self.logged("warm-exit")[-1]["retry"], FIRST_PAUSE)

    def test_diedWhileNext(self) -> None:
        """A process that dies while its replacement starts is not restarted."""
        self.supervisor.renew()
        self.kill(self.first)
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(self.count(), 2)
        self.play()
        self.assertTrue(self.supervisor.current and self.supervisor.current.up)

    def test_nextDied(self) -> None:
        """The current process continues when its replacement dies."""
        self.supervisor.renew()
        self.kill(self.play(ready=False))
        self.assertTrue(self.supervisor.current and self.supervisor.current.up)
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(self.count(), 3)

    def test_unsupported(self) -> None:
        """An unsupported interpreter is not restarted until a reload."""
        self.kill(self.first, ExitStatus(UNFIT))
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(self.count(), 1)
        (event,) = self.logged("warm-exit")
        self.assertNotIn("retry", event)
        self.assertIn("need CPython 3.7", event["reason"])
        self.supervisor.renew()
        self.assertEqual(self.count(), 2)
        # One that can be is followed by another again, also while it is there.
        second = self.play()
        second.report((STALE, 0, PID, 0))
        self.reactor.settle()
        self.reactor.advance(STALE_INTERVAL)
        self.assertEqual(self.count(), 3)

    def test_disconnected(self) -> None:
        """Callbacks are called when a process is disconnected."""
        before = self.supervisor.notified
        process = self.supervisor.current
        self.first.disconnect()
        self.reactor.settle()
        self.assertGreater(self.supervisor.notified, before)
        self.assertIs(self.supervisor.current, process)

    def test_renewPlanned(self) -> None:
        """A scheduled start is cancelled by a reload."""
        self.kill(self.first)
        self.supervisor.renew()
        self.play()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.count(), 2)

    def test_replaced(self) -> None:
        """A replaced process that was never ready is waited for."""
        self.supervisor.renew()
        second = self.play(ready=False)
        self.supervisor.renew()
        third = self.play()
        self.kill(self.first, ExitStatus(0))
        self.supervisor.retire()
        self.kill(third, ExitStatus(0))
        self.assertFalse(self.supervisor.over)
        self.kill(second, ExitStatus(0))
        self.assertTrue(self.supervisor.over)

    def test_threaded(self) -> None:
        """Nothing is preloaded after a module started threads, until a reload."""
        supervisor = self.make(preload="auto")
        supervisor.prepare(START)
        self.assertEqual(self.preloaded(), "auto")
        self.kill(self.play(ready=False), ExitStatus(THREADED))
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(self.preloaded(), "-")
        supervisor.renew()
        self.assertEqual(self.preloaded(), "auto")

    def preloaded(self) -> str:
        """Return what the last process is to preload."""
        with open(f"/proc/self/fd/{self.launcher.last.fds[0]}") as file:
            names: dict[str, Any] = {}
            exec(file.readline(), names)
        preload: str = names["parameters"]["preload"]
        return preload

    def test_stale(self) -> None:
        """A stale process is replaced after a while, and once in that."""
        self.first.report((STALE, 0, PID, 0))
        self.reactor.settle()
        self.reactor.advance(STALE_INTERVAL * 0.9)
        self.assertEqual(self.count(), 1)
        self.reactor.advance(STALE_INTERVAL * 0.2)
        self.assertEqual(self.count(), 2)
        self.first.report((STALE, 0, PID, 0))
        self.reactor.settle()
        second = self.play()
        self.reactor.advance(STALE_INTERVAL * 3)
        self.assertEqual(self.count(), 2)
        second.report((STALE, 0, PID, 0))
        self.reactor.settle()
        self.reactor.advance(0)
        self.assertEqual(self.count(), 3)

    def test_printed(self) -> None:
        """Standard error of a process is logged."""
        assert self.supervisor.current is not None
        self.supervisor.printed(self.supervisor.current, "a line")
        self.assertEqual(self.logged("warm-stderr")[0]["text"], "a line")
        self.assertFalse(self.supervisor.suppressed(0))

    def test_retire(self) -> None:
        """A retired supervisor starts nothing, and is over when all have exited."""
        self.supervisor.renew()
        second = self.play(ready=False)
        self.supervisor.retire()
        self.supervisor.renew()
        for played in (self.first, second):
            self.assertEqual(played.channel.recv(10), b"")
            self.assertFalse(self.supervisor.over)
            self.kill(played, ExitStatus(0))
        self.assertTrue(self.supervisor.over)
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(self.count(), 2)
        self.assertEqual(self.logged("warm-exit"), [])

    def test_stopPlanned(self) -> None:
        """A scheduled start is cancelled when it is stopped."""
        self.kill(self.first)
        self.supervisor.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopOrphans(self) -> None:
        """Programs of a process that had died are not watched when it is stopped."""
        child = FakeChild()
        process = self.supervisor.current
        assert process is not None
        process.running.uid = os.geteuid()
        process.running.begin(os.getpid(), child)
        self.kill(self.first)
        self.supervisor.stop()
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(child.calls, [os.getpid()])

    def test_stop(self) -> None:
        """All processes are stopped when it is stopped."""
        self.supervisor.renew()
        second = self.play(ready=False)
        self.supervisor.stop()
        for played in (self.first, second):
            self.assertEqual(played.channel.recv(10), b"")

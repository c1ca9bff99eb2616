# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.launcher}; the test plays the processes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import HELLO, STARTED
from inetdtw.interfaces import ExitStatus, ILauncher, IPreparing, LaunchRequest
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.warm.command import OWN
from inetdtw.launch.warm.launcher import WarmLauncher, isReady
from inetdtw.launch.warm.process import IN_FLIGHT
from inetdtw.launch.warm.supervisor import STALE_INTERVAL
from inetdtw.launch.warm.test.played import ENVIRONMENT, KEPT, PID, START, PlayedWarm
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import ProcessContext
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import FakeChild, ServingTestCase


class WarmTestCase(ServingTestCase):
    """A test of a warm launcher."""

    def make(self) -> Any:
        """Return the launcher."""
        return WarmLauncher(*self.given())

    def given(self, cold: ILauncher | None = None) -> tuple[Any, ...]:
        """
        Return the arguments of a launcher.

        @param cold: what starts its programs cold; by default a fake.
        """
        self.budget = ProcessBudget()
        return (
            *(cold or self.launcher, KEPT, self.reactor, self.runtime.report, "1/tcp"),
            *(self.budget, ProcessContext(), ExitWatcher(self.reactor)),
        )

    def setUp(self) -> None:
        """Make a launcher whose process is not ready yet."""
        super().setUp()
        self.warm = self.make()
        self.addCleanup(self.warm.stop)
        self.warm.prepare(START)
        self.played = self.come()

    def come(self) -> PlayedWarm:
        """Stand for the process that was started last."""
        played = PlayedWarm(self.launcher.last)
        self.addCleanup(played.channel.close)
        played.program.start()
        return played

    def greet(self, played: PlayedWarm | None = None) -> None:
        """Report that a process is ready."""
        (self.played if played is None else played).report((HELLO, 0, PID, 0))
        self.reactor.settle()

    def die(self) -> None:
        """Kill the process."""
        self.played.die()
        self.reactor.settle()

    def request(self, **given: Any) -> LaunchRequest:
        """Return a launch request."""
        return replace(START, **given)

    def launch(self, **given: Any) -> FakeChild:
        """Launch a program."""
        child = FakeChild()
        with open(os.devnull) as null:
            self.warm.launch(child, self.request(fds=(null.fileno(),) * 3, **given))
        return child

    def startsCold(self, **given: Any) -> None:
        """Check that the cold launcher starts a program."""
        child = self.launch(**given)
        self.assertIs(self.launcher.last.child, child)
        self.assertIsNone(child.warm)


class WarmTests(WarmTestCase):
    """Tests for L{WarmLauncher}."""

    def test_interface(self) -> None:
        """The launcher provides C{IPreparing}."""
        verifyObject(ILauncher, self.warm)
        verifyObject(IPreparing, self.warm)
        self.warm.start()

    def test_warm(self) -> None:
        """A program is forked by the process."""
        self.greet()
        self.assertEqual(self.warm.process.pid, 1 << 22)
        child = self.launch()
        self.played.report((STARTED, self.played.number(), PID, 0))
        self.reactor.settle()
        self.assertEqual((child.calls, child.warm), ([PID], True))
        self.assertEqual(len(self.launcher.programs), 1)

    def test_isReady(self) -> None:
        """A launcher is ready when its process is."""
        self.assertFalse(isReady(self.warm))
        self.greet()
        self.assertTrue(isReady(self.warm))
        self.assertFalse(isReady(self.launcher))

    def test_notReady(self) -> None:
        """Programs start cold until the process is ready."""
        self.assertIsNone(self.warm.process)
        child = self.launch()
        self.assertIs(self.launcher.last.child, child)
        self.assertIsNone(child.warm)

    def test_unprepared(self) -> None:
        """A process is started for the first client if that was not possible before."""
        warm, before = self.make(), len(self.launcher.programs)
        self.addCleanup(warm.stop)
        child = FakeChild()
        with open(os.devnull) as null:
            warm.launch(child, self.request(fds=(null.fileno(),) * 3))
        process, program = self.launcher.programs[before:]
        self.assertIn("/dev/fd/0", process.request.argv)
        self.assertIs(program.child, child)

    def test_dead(self) -> None:
        """Programs start cold after the process has died, until the next is ready."""
        self.greet()
        self.die()
        self.startsCold()
        self.reactor.advance(FIRST_PAUSE)
        self.startsCold()

    def test_diedMeanwhile(self) -> None:
        """Requests that a dead process has not answered are started cold."""
        self.greet()
        child = self.launch()
        self.die()
        self.assertIs(self.launcher.last.child, child)
        self.assertIsNone(child.warm)
        link = os.readlink(f"/proc/self/fd/{self.launcher.last.fds[0]}")
        self.assertEqual(link, os.devnull)

    def test_noRoomForOrder(self) -> None:
        """A program is started cold when the request cannot be sent."""
        self.greet()
        for _ in range(1000):
            self.launch(extra={"B": "x" * 10000})
            if len(self.launcher.programs) > 1:
                break
        self.assertEqual(len(self.launcher.programs), 2)

    def test_other(self) -> None:
        """Another program starts cold, and the next process is for that."""
        self.greet()
        other = {**ENVIRONMENT, "B": "2"}
        for given in ({"executable": "/x"}, {"argv": ("y",)}, {"environment": other}):
            self.startsCold(**given)
        self.warm.renew()
        request = self.launcher.last.request
        wanted = {**OWN, **other}
        self.assertEqual((request.executable, request.environment), ("/bin/py", wanted))

    def test_equal(self) -> None:
        """An equal environment is the same."""
        self.greet()
        self.launch(environment=dict(ENVIRONMENT))
        self.assertEqual(len(self.launcher.programs), 1)

    def test_capacity(self) -> None:
        """There is capacity while few launch requests wait for the process."""
        self.greet()
        for _ in range(IN_FLIGHT):
            self.assertTrue(self.warm.hasCapacity)
            self.launch()
        self.assertFalse(self.warm.hasCapacity)
        calls: list[int] = []
        self.warm.whenCapacity(lambda: calls.append(1))
        self.reactor.settle()
        self.assertEqual(calls, [])
        self.played.report((STARTED, self.played.number(), PID, 0))
        self.reactor.settle()
        self.assertEqual(calls, [1])

    def test_capacityCold(self) -> None:
        """The capacity is the cold launcher's without a process."""
        self.launcher.hasCapacity = False
        self.assertFalse(self.warm.hasCapacity)
        calls: list[int] = []
        self.warm.whenCapacity(lambda: calls.append(1))
        self.launcher.regainCapacity()
        self.assertEqual(calls, [1])

    def test_capacityDied(self) -> None:
        """When the process has died, callbacks wait for the cold launcher."""
        self.greet()
        for _ in range(IN_FLIGHT):
            self.launch()
        calls: list[int] = []
        self.warm.whenCapacity(lambda: calls.append(1))
        self.launcher.hasCapacity = False
        self.die()
        self.assertEqual(calls, [])
        self.launcher.regainCapacity()
        self.assertEqual(calls, [1])

    def test_renew(self) -> None:
        """Programs are started during a renewal."""
        self.greet()
        self.warm.renew()
        child = self.launch()
        number = self.played.number()
        second = self.come()
        self.greet(second)
        other = self.launch()
        self.played.report((STARTED, number, PID, 0))
        second.report((STARTED, second.number(), PID + 1, 0))
        self.reactor.settle()
        self.assertEqual((child.calls, other.calls), ([PID], [PID + 1]))

    def test_retire(self) -> None:
        """A retired launcher is over when its process has exited."""
        self.greet()
        self.warm.retire()
        self.assertFalse(self.warm.over)
        self.played.die(ExitStatus(0))
        self.reactor.settle()
        self.assertTrue(self.warm.over)
        self.startsCold()


class ChrootTests(WarmTestCase):
    """Tests for a L{WarmLauncher} whose programs have another root directory."""

    def make(self) -> Any:
        """Return the launcher."""
        self.root = self.mktemp()
        os.mkdir(self.root)
        context = ProcessContext(chroot=self.root)
        made = (context, self.reactor, self.runtime.report)
        self.patch(self.launcher, "retire", lambda: None)
        cold = ChrootForkServerPool(*made, make=lambda *given, **more: self.launcher)
        self.addCleanup(cold._leave)
        return WarmLauncher(*self.given(cold))

    def test_same(self) -> None:
        """Programs are forked while the root directory is the same."""
        self.greet()
        self.assertIsNone(self.launch().warm)
        self.assertEqual(len(self.launcher.programs), 1)

    def test_another(self) -> None:
        """Programs start cold when the root directory is another."""
        self.greet()
        os.rename(self.root, f"{self.root}.old")
        os.mkdir(self.root)
        self.startsCold()
        self.startsCold()
        self.reactor.advance(STALE_INTERVAL)
        second = self.come()
        self.greet(second)
        before = len(self.launcher.programs)
        self.assertIsNone(self.launch().warm)
        second.number()
        self.reactor.advance(STALE_INTERVAL)
        self.assertEqual(len(self.launcher.programs), before)

    def test_none(self) -> None:
        """The cold launcher reports that the root directory is missing."""
        self.greet()
        os.rename(self.root, f"{self.root}.old")
        child = self.launch()
        self.assertEqual(child.calls, [f"{self.root}: No such file or directory"])

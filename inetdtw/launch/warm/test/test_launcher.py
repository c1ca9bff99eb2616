# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.launcher}: what the processes would do, the test does."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import HELLO, STARTED
from inetdtw.interfaces import ExitStatus, ILauncher, IPreparing, LaunchRequest
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.warm.launcher import WarmLauncher, isReady
from inetdtw.launch.warm.process import IN_FLIGHT
from inetdtw.launch.warm.supervisor import STALE_INTERVAL
from inetdtw.launch.warm.test.played import ENVIRONMENT, KEPT, PID, START, PlayedWarm
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.model.process import ProcessContext
from inetdtw.test.fakes import FakeChild, ServingTestCase


class WarmTestCase(ServingTestCase):
    """A test of a launcher that is warm."""

    def make(self) -> Any:
        """The launcher."""
        return WarmLauncher(
            self.launcher, KEPT, self.reactor, self.runtime.report, "1/tcp"
        )

    def setUp(self) -> None:
        """Have one whose process is not ready yet."""
        super().setUp()
        self.warm = self.make()
        self.addCleanup(self.warm.stop)
        self.warm.prepare(START)
        self.played = self.come()

    def come(self) -> PlayedWarm:
        """Be the process that was started last."""
        played = PlayedWarm(self.launcher.last)
        self.addCleanup(played.channel.close)
        played.program.start()
        return played

    def greet(self, played: PlayedWarm | None = None) -> None:
        """Have a process be ready."""
        (self.played if played is None else played).say((HELLO, 0, PID, 0))
        self.reactor.settle()

    def die(self) -> None:
        """Have the process die."""
        self.played.die()
        self.reactor.settle()

    def order(self, **given: Any) -> LaunchRequest:
        """What to order."""
        return replace(START, **given)

    def launch(self, **given: Any) -> FakeChild:
        """Order a program."""
        child = FakeChild()
        with open(os.devnull) as null:
            self.warm.launch(child, self.order(fds=(null.fileno(),) * 3, **given))
        return child


class WarmTests(WarmTestCase):
    """Tests for L{WarmLauncher}."""

    def test_interface(self) -> None:
        """It is a launcher that can prepare."""
        verifyObject(ILauncher, self.warm)
        verifyObject(IPreparing, self.warm)
        self.warm.start()

    def test_warm(self) -> None:
        """A program is forked."""
        self.greet()
        self.assertEqual(self.warm.pid, 1 << 22)
        child = self.launch()
        self.played.say((STARTED, self.played.number(), PID, 0))
        self.reactor.settle()
        self.assertEqual((child.told, child.warm), ([PID], True))
        self.assertEqual(len(self.launcher.programs), 1)

    def test_isReady(self) -> None:
        """A launcher is ready when it has a process that is."""
        self.assertFalse(isReady(self.warm))
        self.greet()
        self.assertTrue(isReady(self.warm))
        self.assertFalse(isReady(self.launcher))

    def test_notReady(self) -> None:
        """Until the process is ready, programs are started cold."""
        self.assertIsNone(self.warm.pid)
        child = self.launch()
        self.assertIs(self.launcher.last.child, child)
        self.assertIs(child.warm, False)

    def test_unprepared(self) -> None:
        """
        Where there was no program when it was to get ready, it does so with the first
        client.
        """
        warm, before = self.make(), len(self.launcher.programs)
        self.addCleanup(warm.stop)
        child = FakeChild()
        with open(os.devnull) as null:
            warm.launch(child, self.order(fds=(null.fileno(),) * 3))
        process, program = self.launcher.programs[before:]
        self.assertIn("/dev/fd/0", process.order.argv)
        self.assertIs(program.child, child)

    def test_dead(self) -> None:
        """So they are when it has died, and until there is another."""
        self.greet()
        self.die()
        self.assertIs(self.launch().warm, False)
        self.reactor.advance(FIRST_PAUSE)
        self.assertIs(self.launch().warm, False)

    def test_diedMeanwhile(self) -> None:
        """What it had not started when it died is started cold, with the client."""
        self.greet()
        child = self.launch()
        self.die()
        self.assertIs(self.launcher.last.child, child)
        self.assertIs(child.warm, False)
        link = os.readlink(f"/proc/self/fd/{self.launcher.last.fds[0]}")
        self.assertEqual(link, os.devnull)

    def test_noRoomForOrder(self) -> None:
        """A program is started cold when the order cannot be sent."""
        self.greet()
        for _ in range(1000):
            if self.launch(extra={"B": "x" * 10000}).warm is False:
                break
        self.assertEqual(len(self.launcher.programs), 2)

    def test_other(self) -> None:
        """
        What the process was not started for is started cold; the next process is for
        that.
        """
        self.greet()
        other = {**ENVIRONMENT, "B": "2"}
        for given in ({"executable": "/x"}, {"argv": ("y",)}, {"environment": other}):
            self.assertIs(self.launch(**given).warm, False)
        self.warm.renew()
        order = self.launcher.last.order
        self.assertEqual((order.executable, order.environment), ("/bin/py", other))

    def test_equal(self) -> None:
        """An environment may be another object, if it is the same."""
        self.greet()
        self.launch(environment=dict(ENVIRONMENT))
        self.assertEqual(len(self.launcher.programs), 1)

    def test_room(self) -> None:
        """
        There is room as long as the process has not too much before it; who waits for
        room is called when there is.
        """
        self.greet()
        for _ in range(IN_FLIGHT):
            self.assertTrue(self.warm.hasCapacity)
            self.launch()
        self.assertFalse(self.warm.hasCapacity)
        calls: list[int] = []
        self.warm.whenCapacity(lambda: calls.append(1))
        self.reactor.settle()
        self.assertEqual(calls, [])
        self.played.say((STARTED, self.played.number(), PID, 0))
        self.reactor.settle()
        self.assertEqual(calls, [1])

    def test_roomCold(self) -> None:
        """Without a process there is room where the cold launcher has some."""
        self.launcher.hasCapacity = False
        self.assertFalse(self.warm.hasCapacity)
        calls: list[int] = []
        self.warm.whenCapacity(lambda: calls.append(1))
        self.launcher.makeRoom()
        self.assertEqual(calls, [1])

    def test_roomDied(self) -> None:
        """Who waits for a process that died is told by the cold launcher."""
        self.greet()
        for _ in range(IN_FLIGHT):
            self.launch()
        calls: list[int] = []
        self.warm.whenCapacity(lambda: calls.append(1))
        self.launcher.hasCapacity = False
        self.die()
        self.assertEqual(calls, [])
        self.launcher.makeRoom()
        self.assertEqual(calls, [1])

    def test_settle(self) -> None:
        """The cold launcher repeats nothing; the process never does."""
        self.warm.cancelRestarts()
        self.assertEqual(self.launcher.said, ["cancelRestarts"])

    def test_renew(self) -> None:
        """When it is renewed, no client notices."""
        self.greet()
        self.warm.renew()
        child = self.launch()
        number = self.played.number()
        second = self.come()
        self.greet(second)
        other = self.launch()
        self.played.say((STARTED, number, PID, 0))
        second.say((STARTED, second.number(), PID + 1, 0))
        self.reactor.settle()
        self.assertEqual((child.told, other.told), ([PID], [PID + 1]))

    def test_retire(self) -> None:
        """It is over when its process has ended."""
        self.greet()
        self.warm.retire()
        self.assertFalse(self.warm.over)
        self.played.die(ExitStatus(0))
        self.reactor.settle()
        self.assertTrue(self.warm.over)
        self.assertIs(self.launch().warm, False)


class RootedTests(WarmTestCase):
    """Tests for a L{WarmLauncher} whose programs have a root directory of their own."""

    def make(self) -> Any:
        """The launcher."""
        self.root = self.mktemp()
        os.mkdir(self.root)
        context = ProcessContext(chroot=self.root)
        made = (context, self.reactor, self.runtime.report)
        self.patch(self.launcher, "retire", lambda: None)
        cold = ChrootForkServerPool(*made, make=lambda *given, **more: self.launcher)
        self.addCleanup(cold._leave)
        return WarmLauncher(cold, KEPT, self.reactor, self.runtime.report, "1/tcp")

    def test_same(self) -> None:
        """Programs are forked as long as the root directory is the same."""
        self.greet()
        self.assertIsNone(self.launch().warm)
        self.assertEqual(len(self.launcher.programs), 1)

    def test_another(self) -> None:
        """
        When it is another one, they are started cold until another process is ready,
        which is started once.
        """
        self.greet()
        os.rename(self.root, f"{self.root}.old")
        os.mkdir(self.root)
        self.assertIs(self.launch().warm, False)
        self.assertIs(self.launch().warm, False)
        self.reactor.advance(STALE_INTERVAL)
        second = self.come()
        self.greet(second)
        before = len(self.launcher.programs)
        self.assertIsNone(self.launch().warm)
        second.number()
        self.reactor.advance(STALE_INTERVAL)
        self.assertEqual(len(self.launcher.programs), before)

    def test_none(self) -> None:
        """When there is none, the cold launcher says so."""
        self.greet()
        os.rename(self.root, f"{self.root}.old")
        child = self.launch()
        self.assertEqual(child.told, [f"{self.root}: No such file or directory"])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.supervisor}: what the processes would do, the test does."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from inetdtw.helpers.reports import HELLO, STALE
from inetdtw.helpers.warm.protocol import THREADED, UNFIT
from inetdtw.interfaces import ExitStatus, LaunchRequest
from inetdtw.launch.warm.process import OF_WARM
from inetdtw.launch.warm.supervisor import CALM, Succession
from inetdtw.launch.warm.test.played import KEPT, PID, START, PlayedWarm
from inetdtw.limits.backoff import FIRST_PAUSE, GOOD_LIFE, GROWTH, LONGEST_PAUSE
from inetdtw.system.descriptors import Purpose
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import FakeChild, ServingTestCase


class Owner:
    """
    Whom a succession works for.

    @ivar told: what it was told.
    @ivar notified: how often there may have been room.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.notified = 0

    def ready(self, process: Any) -> None:
        """There is a new current process."""
        self.told.append(("ready", process))

    def lost(self, process: Any) -> None:
        """A process takes no orders any more."""
        self.told.append(("lost", process))

    def notify(self) -> None:
        """There may be room."""
        self.notified += 1

    def left(self, child: Any, order: LaunchRequest) -> None:
        """Nothing is ordered here."""


class SuccessionTests(ServingTestCase):
    """Tests for L{Succession}."""

    def setUp(self) -> None:
        """Have a succession whose first process is ready."""
        super().setUp()
        self.owner = Owner()
        self.succession = self.make()
        self.succession.prepare(START)
        self.first = self.come()

    def make(self, **given: Any) -> Succession:
        """A succession."""
        kept = replace(KEPT, **given)
        rest = (self.launcher, self.reactor, self.runtime.report, "1/tcp")
        succession = Succession(self.owner, kept, *rest)
        self.addCleanup(succession.stop)
        return succession

    def come(self, ready: bool = True) -> PlayedWarm:
        """Be the process that was started last."""
        played = PlayedWarm(self.launcher.last)
        self.addCleanup(played.channel.close)
        played.program.start()
        if ready:
            played.say((HELLO, 0, PID, 0))
            self.reactor.settle()
        return played

    def die(self, played: PlayedWarm, how: ExitStatus | None = None) -> None:
        """Have a process die."""
        played.die(how)
        self.reactor.settle()

    def count(self) -> int:
        """How many processes were started."""
        return len(self.launcher.programs)

    def logged(self, what: str) -> list[dict[str, Any]]:
        """What the log says of one kind of event."""
        return [event for event in self.said("warm") if event["what"] == what]

    def test_first(self) -> None:
        """The first process is started when it is known for what, once."""
        self.succession.prepare(replace(START, executable="/other"))
        self.assertEqual(self.count(), 1)
        order = self.launcher.last.order
        self.assertEqual(order.executable, "/bin/py")
        self.assertEqual(order.argv, ("py", "/dev/fd/0", "script.py"))
        self.assertEqual(self.owner.told, [("ready", self.succession.current)])
        (event,) = self.logged("ready")
        self.assertEqual((event["service"], event["pid"]), ("1/tcp", 1 << 22))

    def test_account(self) -> None:
        """The descriptors of a process are counted in the account that it is given."""
        exits = ExitWatcher(self.reactor)
        rest = (self.launcher, self.reactor, self.runtime.report, "1/tcp")
        succession = Succession(self.owner, KEPT, *rest, exits=exits)
        self.addCleanup(succession.stop)
        succession.prepare(START)
        self.assertEqual(exits.descriptors.taken(Purpose.HELPER), OF_WARM)

    def test_renew(self) -> None:
        """
        Another process takes its place when it is ready, not before, and the old one
        ends then.
        """
        before = self.succession.current
        self.succession.renew()
        self.assertIs(self.succession.current, before)
        self.come()
        self.assertIsNot(self.succession.current, before)
        self.assertEqual(self.first.channel.recv(10), b"")
        self.die(self.first, ExitStatus(0))
        self.assertEqual(self.logged("died"), [])

    def test_renewTwice(self) -> None:
        """One that is not ready yet makes way for the next."""
        self.succession.renew()
        second = self.come(ready=False)
        self.succession.renew()
        self.assertEqual(second.channel.recv(10), b"")
        second.die(ExitStatus(0))
        third = self.come()
        self.assertEqual(self.count(), 3)
        self.assertEqual(self.succession.current and self.succession.current.up, True)
        self.die(third)
        self.assertEqual(len(self.logged("died")), 1)

    def test_renewUnprepared(self) -> None:
        """There is nothing to renew where nothing was started."""
        self.make().renew()
        self.assertEqual(self.count(), 1)

    def test_template(self) -> None:
        """The next process is for what is wanted then."""
        self.succession.template = replace(START, executable="/other")
        self.succession.renew()
        self.assertEqual(self.launcher.last.order.executable, "/other")

    def test_died(self) -> None:
        """
        One that died is followed by another, with growing pauses up to the longest;
        the log says why.
        """
        pause, played = FIRST_PAUSE, self.first
        for _ in range(12):
            count = self.count()
            self.die(played)
            self.reactor.advance(pause * 0.99)
            self.assertEqual(self.count(), count)
            self.reactor.advance(pause * 0.02)
            self.assertEqual(self.count(), count + 1)
            played = self.come()
            # So long that this one has no good life.
            pause = min(pause * GROWTH, LONGEST_PAUSE)
        self.assertEqual(pause, LONGEST_PAUSE)
        event = self.logged("died")[0]
        self.assertEqual((event["retry"], event["reason"]), ("0.05", "signal=9"))

    def test_goodLife(self) -> None:
        """After one that lived long the pause is short again."""
        for _ in range(3):
            self.die(self.first)
            self.reactor.advance(LONGEST_PAUSE)
            self.first = self.come()
        self.reactor.advance(GOOD_LIFE)
        self.die(self.first)
        self.assertEqual(self.logged("died")[-1]["retry"], f"{FIRST_PAUSE:g}")

    def test_renewPause(self) -> None:
        """So it is after a reload."""
        self.die(self.first)
        self.reactor.advance(FIRST_PAUSE)
        self.die(self.come())
        self.succession.renew()
        self.die(self.come())
        retries = [event["retry"] for event in self.logged("died")]
        self.assertEqual(retries, ["0.05", "0.1", "0.05"])

    def test_youngNext(self) -> None:
        """How long each one lived counts, not when the last was started."""
        self.reactor.advance(GOOD_LIFE)
        self.succession.renew()
        self.come(ready=False)
        self.die(self.first)
        self.assertEqual(self.logged("died")[-1]["retry"], f"{FIRST_PAUSE:g}")

    def test_diedWhileNext(self) -> None:
        """One that dies while the next is starting needs no other."""
        self.succession.renew()
        self.die(self.first)
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(self.count(), 2)
        self.come()
        self.assertTrue(self.succession.current and self.succession.current.up)

    def test_nextDied(self) -> None:
        """When the next one dies before it is ready, the current one goes on."""
        self.succession.renew()
        self.die(self.come(ready=False))
        self.assertTrue(self.succession.current and self.succession.current.up)
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(self.count(), 3)

    def test_unfit(self) -> None:
        """An interpreter that cannot be kept is not tried again until a reload."""
        self.die(self.first, ExitStatus(UNFIT))
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(self.count(), 1)
        (event,) = self.logged("died")
        self.assertEqual(event["retry"], "never")
        self.assertIn("no CPython", event["reason"])
        self.succession.renew()
        self.assertEqual(self.count(), 2)
        # One that can be is followed by another again, also while it is there.
        second = self.come()
        second.say((STALE, 0, PID, 0))
        self.reactor.settle()
        self.reactor.advance(CALM)
        self.assertEqual(self.count(), 3)

    def test_lost(self) -> None:
        """
        When a process takes no orders any more, there is room elsewhere, whether it
        has ended or not.
        """
        before = self.owner.notified
        process = self.succession.current
        self.first.leave()
        self.reactor.settle()
        self.assertEqual(self.owner.told[-1], ("lost", process))
        self.assertGreater(self.owner.notified, before)
        self.assertIs(self.succession.current, process)

    def test_renewPlanned(self) -> None:
        """A process that was planned is not started besides the one of a reload."""
        self.die(self.first)
        self.succession.renew()
        self.come()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.count(), 2)

    def test_replaced(self) -> None:
        """One that has made way before it was ready is waited for, and ends at a stop."""
        self.succession.renew()
        second = self.come(ready=False)
        self.succession.renew()
        third = self.come()
        self.die(self.first, ExitStatus(0))
        self.succession.retire()
        self.die(third, ExitStatus(0))
        self.assertFalse(self.succession.over)
        self.die(second, ExitStatus(0))
        self.assertTrue(self.succession.over)

    def test_threaded(self) -> None:
        """
        Where what is imported in advance starts threads, nothing is from then on,
        until a reload.
        """
        succession = self.make(preload="auto")
        succession.prepare(START)
        self.assertEqual(self.asked(), "auto")
        self.die(self.come(ready=False), ExitStatus(THREADED))
        self.reactor.advance(FIRST_PAUSE)
        self.assertEqual(self.asked(), "-")
        succession.renew()
        self.assertEqual(self.asked(), "auto")

    def asked(self) -> str:
        """What the last process is to import in advance."""
        with open(f"/proc/self/fd/{self.launcher.last.fds[0]}") as file:
            names: dict[str, Any] = {}
            exec(file.readline(), names)
        asked: str = names["parameters"]["preload"]
        return asked

    def test_stale(self) -> None:
        """
        One that is stale is followed by another after a moment, and not more often
        than once in that.
        """
        self.first.say((STALE, 0, PID, 0))
        self.reactor.settle()
        self.reactor.advance(CALM * 0.9)
        self.assertEqual(self.count(), 1)
        self.reactor.advance(CALM * 0.2)
        self.assertEqual(self.count(), 2)
        self.first.say((STALE, 0, PID, 0))
        self.reactor.settle()
        second = self.come()
        self.reactor.advance(CALM * 3)
        self.assertEqual(self.count(), 2)
        second.say((STALE, 0, PID, 0))
        self.reactor.settle()
        self.reactor.advance(0)
        self.assertEqual(self.count(), 3)

    def test_said(self) -> None:
        """What a process has to say is in the log."""
        assert self.succession.current is not None
        self.succession.said(self.succession.current, "a line")
        self.assertEqual(self.logged("said")[0]["text"], "a line")
        self.assertFalse(self.succession.tooMuch(0))

    def test_retire(self) -> None:
        """After it was retired there is no other, and it is over when the last has ended."""
        self.succession.renew()
        second = self.come(ready=False)
        self.succession.retire()
        self.succession.renew()
        for played in (self.first, second):
            self.assertEqual(played.channel.recv(10), b"")
            self.assertFalse(self.succession.over)
            self.die(played, ExitStatus(0))
        self.assertTrue(self.succession.over)
        self.reactor.advance(LONGEST_PAUSE)
        self.assertEqual(self.count(), 2)
        self.assertEqual(self.logged("died"), [])

    def test_stopPlanned(self) -> None:
        """When it is stopped, nothing is planned."""
        self.die(self.first)
        self.succession.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopOrphans(self) -> None:
        """
        When it is stopped, nothing waits any more for the programs of a process that
        had died before.
        """
        child = FakeChild()
        process = self.succession.current
        assert process is not None
        process._running.uid = os.geteuid()
        process._running.begin(os.getpid(), child, True)
        self.die(self.first)
        self.succession.stop()
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(child.told, [os.getpid()])

    def test_stop(self) -> None:
        """When it is stopped, all processes end."""
        self.succession.renew()
        second = self.come(ready=False)
        self.succession.stop()
        for played in (self.first, second):
            self.assertEqual(played.channel.recv(10), b"")

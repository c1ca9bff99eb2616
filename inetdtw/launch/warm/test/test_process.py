# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.process}: what the process would do, the test does."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import partial

from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import ACCEPTED, ENDED, FAILED, HELLO, STALE, STARTED
from inetdtw.interfaces import ExitStatus, IChild, LaunchRequest
from inetdtw.launch.warm.command import VERSION, program
from inetdtw.launch.warm.process import LINGER, OF_WARM, WarmProcess
from inetdtw.launch.warm.test import played
from inetdtw.launch.warm.test.played import (
    ENVIRONMENT,
    PID,
    START,
    Owner,
    WarmProcessTestCase,
    Watcher,
)
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.system.descriptors import Purpose
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import FakeChild, killed


class StartTests(WarmProcessTestCase):
    """Tests for the start of a L{WarmProcess}."""

    def test_interface(self) -> None:
        """It is what a launcher starts, and never starts again."""
        verifyObject(IChild, self.process)
        self.assertRaises(AssertionError, self.process.restarted, ExitStatus(0))

    def test_order(self) -> None:
        """
        It is started as a program of the service would be, with the text of what it is
        to be as its standard input, a socket as its standard output, and a pipe to the
        log as its standard error.
        """
        order = self.launcher.last.order
        self.assertEqual(order.executable, "/bin/py")
        self.assertEqual(order.argv, ("py", "-c", "boot"))
        self.assertIs(order.environment, ENVIRONMENT)
        links = [os.readlink(f"/proc/self/fd/{fd}") for fd in self.launcher.last.fds]
        with open(f"/proc/self/fd/{self.launcher.last.fds[0]}", "rb") as file:
            self.assertEqual(file.read(), program({}))
        self.assertTrue(links[1].startswith("socket:"), links)
        self.assertTrue(links[2].startswith("pipe:"), links)

    def test_search(self) -> None:
        """
        An interpreter that is looked for is looked for by who starts it; one that a
        script names is where that says.
        """
        paths = ("/one/py", "/bin/py")
        made = replace(START, search=paths)
        for executable, wanted in (("/bin/py", paths), ("/bin/env", ("/bin/env",))):
            process = WarmProcess(self.owner, self.reactor, set(), made)
            self.addCleanup(process.close)
            process.start(self.launcher, executable, ["py"], {})
            self.assertEqual(self.launcher.last.order.paths, wanted)

    def test_ready(self) -> None:
        """It is ready when it says so, once."""
        self.assertFalse(self.process.up)
        self.assertEqual(self.process.pid, 1 << 22)
        self.say((HELLO, 0, PID, 0), (HELLO, 0, PID, 0))
        self.assertTrue(self.process.up)
        self.assertEqual(self.owner.told, [("ready",)])

    def test_readyFirst(self) -> None:
        """It is not before whoever has started it has told its process id."""
        owner, process = self.make()
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.played = self.play()
        self.greet()
        self.assertEqual((process.up, owner.told), (False, []))
        process.started(PID)
        self.assertEqual((process.up, owner.told), (True, [("ready",)]))

    def test_otherVersion(self) -> None:
        """It is never ready if it is of another version than what it was given."""
        self.patch(played, "CPU", {HELLO: VERSION + 1})
        self.greet()
        self.assertFalse(self.process.up)
        self.assertEqual(
            [each[0] for each in self.owner.told], ["disconnected", "exited"]
        )
        self.assertIn("another version", self.owner.told[-1][1])
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_otherUser(self) -> None:
        """Nor if it is not its service's user's."""
        owner = Owner()
        credentials = Credentials(os.geteuid() + 1, os.getegid(), ())
        process = WarmProcess(
            owner, self.reactor, set(), START, context=ProcessContext(credentials)
        )
        self.addCleanup(process.close)
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.played = self.play()
        process.started(os.getpid())
        self.greet()
        self.assertFalse(process.up)
        self.assertEqual([each[0] for each in owner.told], ["disconnected", "exited"])
        self.assertIn("not the service's user: its Uid", owner.told[-1][1])

    def test_sameUser(self) -> None:
        """It is ready if it is."""
        process = WarmProcess(
            self.owner, self.reactor, set(), START, context=ProcessContext()
        )
        self.addCleanup(process.close)
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.played = self.play()
        process.started(os.getpid())
        self.greet()
        self.assertTrue(process.up)

    def test_said(self) -> None:
        """What it writes to its standard error is told line by line."""
        os.write(self.launcher.last.fds[2], b"one\ntwo\n")
        self.reactor.settle()
        self.assertEqual(self.owner.told, [("printed", "one"), ("printed", "two")])

    def test_failed(self) -> None:
        """One that cannot be started has ended, and nothing of it is left."""
        owner, process = self.make()

        def work() -> None:
            process.start(self.launcher, "/bin/py", ["py"], {})

        self.launcher.refusal = "no such file"
        self.leavesNothingOpen(work)
        self.assertEqual(owner.told, [("exited", "no such file", None)])
        self.assertTrue(process.over)

    def make(self) -> tuple[Owner, WarmProcess]:
        """Another one."""
        owner = Owner()
        process = WarmProcess(owner, self.reactor, set(), START)
        self.addCleanup(process.close)
        return owner, process

    def test_noDescriptors(self) -> None:
        """So has one for which there are no descriptors."""
        for left in range(4):
            owner, process = self.make()
            self.patch(process._descriptors, "spare", lambda count: True)

            def work(process: WarmProcess = process) -> None:
                process.start(self.launcher, "/bin/py", ["py"], {})

            self.leavesNothingOpen(partial(self.noDescriptors, work, left))
            self.assertEqual(owner.told, [("exited", "Too many open files", None)])

    def test_counted(self) -> None:
        """
        One that clients need the descriptors of is not started; those of one that is
        started are counted until it has ended.
        """
        exits = ExitWatcher(self.reactor, self.runtime.descriptors)
        account = exits.descriptors
        for spare in (False, True):
            self.patch(account, "spare", lambda count, spare=spare: spare)
            owner = Owner()
            process = WarmProcess(owner, self.reactor, set(), START, exits=exits)
            process.start(self.launcher, "/bin/py", ["py"], {})
            taken = account.taken(Purpose.HELPER)
            self.assertEqual(taken, OF_WARM if spare else 0)
            process.close()
            self.assertEqual(account.taken(Purpose.HELPER), 0)
            how = [] if spare else [("exited", "Too many open files", None)]
            self.assertEqual(owner.told, how)
        self.launcher.last.fail()

    def test_orderBefore(self) -> None:
        """Nothing can be ordered of one that was never started."""
        _, process = self.make()
        self.assertRaises(BrokenPipeError, process.launch, FakeChild(), START)


class OrderTests(WarmProcessTestCase):
    """Tests for what is ordered of a L{WarmProcess}."""

    def setUp(self) -> None:
        """Have it be ready."""
        super().setUp()
        self.greet()
        self.owner.told.clear()

    def test_order(self) -> None:
        """
        An order is a packet with the variables that only its program has, and with its
        descriptors: one, if all are the same.
        """
        child = self.order(B="2", C="3")
        number, what, extra, fds = self.played.take()
        self.assertEqual((what, extra, len(fds)), (0, b"B=2\0C=3", 1))
        os.close(fds[0])
        self.assertEqual((self.process.load, child.told), (1, []))
        self.say((STARTED, number, PID, 0))
        self.assertEqual((self.process.load, child.told), (0, [PID]))
        self.assertIs(child.warm, True)

    def test_apart(self) -> None:
        """It has three, if they differ."""
        with open("/dev/zero") as one, open(os.devnull) as two:
            fds = (one.fileno(), one.fileno(), two.fileno())
            order = LaunchRequest("/bin/py", START.argv, ENVIRONMENT, {}, fds)
            self.process.launch(FakeChild(), order)
        _, _, _, given = self.played.take()
        links = [os.readlink(f"/proc/self/fd/{fd}") for fd in given]
        self.assertEqual(links, ["/dev/zero", "/dev/zero", os.devnull])
        for fd in given:
            os.close(fd)

    def test_cold(self) -> None:
        """A child that executed the interpreter was not started warm."""
        child = self.order()
        self.say((STARTED, self.played.number(), PID, 1))
        self.assertEqual((child.told, child.warm), ([PID], False))

    def test_ended(self) -> None:
        """The end of a program is told with its status and its time."""
        child = self.running()
        self.say((ENDED, 1, PID, 3 << 8))
        self.assertEqual(child.told, [PID, ExitStatus(3, cpu=1.5)])

    def test_endedAtOnce(self) -> None:
        """
        A child that was killed before it could say that it was there has started and
        ended.
        """
        child = self.order()
        self.say((ENDED, self.played.number(), PID, 9))
        self.assertEqual(child.told, [PID, ExitStatus(signal=9, cpu=1.5)])

    def test_failed(self) -> None:
        """What it cannot do is left to others, with descriptors."""
        child = self.order()
        self.say((FAILED, self.played.number(), 0, 11))
        inode = os.stat(os.devnull).st_ino
        self.assertEqual(self.owner.told, [("startCold", [inode] * 3)])
        self.assertEqual(self.owner.leftChildren, [child])
        self.assertEqual(self.process.load, 0)

    def test_unknown(self) -> None:
        """What it says of orders that there are not means nothing."""
        self.say((STARTED, 9, PID, 0), (FAILED, 9, 0, 0), (ENDED, 9, PID, 0))
        self.say((77, 9, PID, 0))
        self.assertEqual(self.owner.told, [])

    def test_stale(self) -> None:
        """That another should follow it is told."""
        self.say((STALE, 0, PID, 0))
        self.assertEqual(self.owner.told, [("stale",)])

    def fill(self) -> None:
        """LaunchRequest as long as there is room."""
        while True:
            self.order(B="x" * 10000)

    def test_noRoom(self) -> None:
        """An order that there is no room for raises, and leaves nothing open."""
        self.assertRaises(BlockingIOError, self.fill)
        load = self.process.load
        fails = partial(self.assertRaises, OSError, self.order, B="x" * 9999)
        self.leavesNothingOpen(fails)
        self.assertEqual(self.process.load, load)

    def test_noDescriptors(self) -> None:
        """So does one for which there are no descriptors."""

        def work() -> None:
            self.assertRaises(OSError, self.process.launch, FakeChild(), order)

        with open(os.devnull) as null:
            fds = (null.fileno(),) * 3
            order = LaunchRequest("/bin/py", START.argv, ENVIRONMENT, {}, fds)
            self.noDescriptors(work)
            # Nor when what is left is for something else.
            self.patch(self.process._descriptors, "short", lambda count: count == 3)
            why = self.assertRaises(OSError, self.process.launch, FakeChild(), order)
            self.assertEqual(why.errno, errno.EMFILE)
        self.assertEqual(self.process.load, 0)

    def test_open(self) -> None:
        """Nothing is kept open for a program that runs."""
        self.leavesNothingOpen(lambda: self.running() and None)


class EndTests(WarmProcessTestCase):
    """Tests for the end of a L{WarmProcess}."""

    def setUp(self) -> None:
        """Have it be ready."""
        super().setUp()
        self.greet()
        self.owner.told.clear()

    def words(self) -> list[str]:
        """What the owner was told, in words."""
        return [each[0] for each in self.owner.told]

    def test_died(self) -> None:
        """
        When it has died, all that it had not started is left to others, before they
        hear that it is gone.
        """
        children = [self.order(), self.order()]
        self.played.die()
        self.reactor.settle()
        self.assertEqual(
            self.words(), ["startCold", "startCold", "disconnected", "exited"]
        )
        self.assertEqual(self.owner.leftChildren, children)
        self.assertEqual(self.owner.told[-1], ("exited", "signal=9", None))
        self.assertTrue(self.process.over)
        self.assertRaises(OSError, self.order)

    def test_diedAccepting(self) -> None:
        """
        When it accepts by itself, what is said of its death is also what became of
        a client that nobody else knew.
        """
        self.process.delegations.delegate(5, Watcher(), 0)
        self.played.die()
        self.reactor.settle()
        reason = "signal=9; a connection it was accepting may have been dropped"
        self.assertEqual(self.owner.told[-1], ("exited", reason, None))

    def test_status(self) -> None:
        """With which status it has ended is told."""
        self.played.die(ExitStatus(78))
        self.reactor.settle()
        self.assertEqual(self.owner.told[-1], ("exited", "status=78", 78))

    def test_socketFirst(self) -> None:
        """It is gone when both its end and that of its socket are known, in either order."""
        self.played.leave()
        self.reactor.settle()
        self.assertEqual((self.words(), self.process.up), (["disconnected"], False))
        self.played.program.end(killed())
        self.assertEqual(self.words(), ["disconnected", "exited"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_childLeft(self) -> None:
        """A child that may have the order still has its time to say so."""
        child = self.order()
        number = self.played.number()
        self.played.program.end(killed())
        self.reactor.settle()
        self.assertEqual((self.words(), self.process.up), ([], False))
        self.say((STARTED, number, os.getpid(), 0))
        self.assertEqual(child.told, [os.getpid()])
        self.played.channel.close()
        self.reactor.settle()
        self.assertEqual(self.words(), ["disconnected", "exited"])

    def test_closedMeanwhile(self) -> None:
        """When it is closed then, nothing is waited for any more."""
        self.played.program.end(killed())
        self.assertNotEqual(self.reactor.getDelayedCalls(), [])
        self.process.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_somebodyLeft(self) -> None:
        """
        But no client waits for ever for a process that something else has the socket
        of.
        """
        self.order()
        self.played.program.end(killed())
        self.reactor.settle()
        self.reactor.advance(LINGER)
        self.assertEqual(self.words(), ["startCold", "disconnected", "exited"])
        self.reactor.settle()
        self.assertEqual(len(self.owner.told), 3)

    def test_socketClosed(self) -> None:
        """Nor for one that has closed its socket and lives on."""
        self.played.leave()
        self.reactor.settle()
        self.reactor.advance(LINGER)
        gone = ("exited", "it has closed its socket", None)
        self.assertEqual(self.owner.told, [("disconnected",), gone])

    def test_helloAfterEnd(self) -> None:
        """Whoever has its socket cannot make it be ready when it has ended."""
        self.process.up = False
        self.played.program.end(killed())
        self.say((HELLO, 0, PID, 0))
        self.assertFalse(self.process.up)
        self.assertEqual(self.owner.told, [])

    def test_lastWords(self) -> None:
        """What it has written before it died is told."""
        os.write(self.launcher.last.fds[2], b"because\n")
        self.played.die()
        self.reactor.settle()
        self.assertIn(("printed", "because"), self.owner.told)

    def test_heirs(self) -> None:
        """What has its standard error after its end is not heard, and keeps nothing open."""
        heir = os.dup(self.launcher.last.fds[2])
        self.addCleanup(os.close, heir)
        self.played.die()
        self.reactor.settle()
        self.assertEqual(
            (self.words(), self.process._others), (["disconnected", "exited"], set())
        )
        self.assertEqual(self.reactor.getReaders(), [])

    def test_orphans(self) -> None:
        """The ends of its programs are noticed without it."""
        child = self.running()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.told, [PID, ExitStatus()])

    def test_adopted(self) -> None:
        """Those that are its user's, and live, have not ended with it."""
        process = WarmProcess(self.owner, self.reactor, set(), START)
        self.addCleanup(process.close)
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.process, self.played = process, self.play()
        process.started(os.getpid())
        child = self.running(os.getpid())
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.told, [os.getpid()])

    def test_nonsense(self) -> None:
        """
        One that says what cannot be is gone, though it lives: its orders are left to
        others, and nothing more is heard of it.
        """
        child = self.order()
        self.say((STARTED, self.played.number(), -1, 0), (STALE, 0, PID, 0))
        self.assertEqual(self.words(), ["startCold", "disconnected", "exited"])
        self.assertIn("says what cannot be", self.owner.told[-1][1])
        self.assertEqual(child.told, [])
        self.assertTrue(self.process.over)

    def test_nonsenseAtTheEnd(self) -> None:
        """One that says so when it has ended is gone once, and nothing is planned."""
        self.process.delegations.delegate(5, Watcher(), 0)
        self.process.ended(ExitStatus(0))
        self.say((ACCEPTED, 5, 0, 0))
        self.assertEqual(self.words().count("exited"), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_nonsenseAccepted(self) -> None:
        """So is one that makes up connections."""
        watcher = Watcher()
        self.process.delegations.delegate(5, watcher, 0)
        self.say((ACCEPTED, 5, 0, 0))
        self.assertEqual((self.words(), watcher.told), (["disconnected", "exited"], []))

    def test_retireIdle(self) -> None:
        """One that has nothing to do ends at once when it is to end."""
        self.process.retire()
        self.assertEqual(self.played.channel.recv(10), b"")
        self.played.die(ExitStatus(0))
        self.assertEqual(self.owner.told, [("exited", "status=0", 0)])

    def test_retire(self) -> None:
        """One that is to end does so when its last program has ended."""
        child, other = self.running(), self.order()
        number = self.played.number()
        self.process.retire()
        self.say((ENDED, 1, PID, 0))
        self.assertEqual(child.told[1:], [ExitStatus(0, cpu=1.5)])
        self.say((STARTED, number, PID, 0))
        self.assertEqual(other.told, [PID])
        self.assertFalse(self.process._channel is None or self.process._channel.closed)
        self.say((ENDED, 1, PID, 0))
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_retireOrphans(self) -> None:
        """It is waited for the programs of one that died, until they have ended."""
        child = self.running(os.getpid())
        self.process._running.uid = os.geteuid()
        self.process.retire()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.told, [os.getpid()])
        self.process.close()
        self.assertEqual(self.reactor.getReaders(), [])

    def test_close(self) -> None:
        """One that is to end at once does, and leaves nothing open or planned."""
        self.order()
        self.running(PID)
        self.process.close()
        self.assertFalse(self.process.up)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

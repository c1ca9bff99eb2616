# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.process}; the test plays the process."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import partial

from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import (
    ACCEPTED,
    ENDED,
    FAILED,
    HELLO,
    STALE,
    STARTED,
    WITHDRAWN,
)
from inetdtw.helpers.requests import ACCEPT, LAUNCH, WITHDRAW
from inetdtw.interfaces import ExitStatus, IChild, LaunchRequest
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.warm.command import VERSION, program
from inetdtw.launch.warm.process import LINGER, OF_WARM, WarmProcess
from inetdtw.launch.warm.test import played
from inetdtw.launch.warm.test.played import (
    ENVIRONMENT,
    PEER,
    PID,
    START,
    Owner,
    WarmProcessTestCase,
    Watcher,
)
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.system.descriptors import Purpose
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import FakeChild, killed


class StartTests(WarmProcessTestCase):
    """Tests for the start of a L{WarmProcess}."""

    def test_interface(self) -> None:
        """Its launcher has a child that is never restarted."""
        child = self.launcher.last.child
        verifyObject(IChild, child)
        self.assertRaises(AssertionError, child.restarted, ExitStatus(0))

    def test_request(self) -> None:
        """An interpreter is launched with its program, the channel and a pipe."""
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
        """An interpreter is searched for by its launcher, unless a script names it."""
        paths = ("/one/py", "/bin/py")
        made = replace(START, search=paths)
        for executable, wanted in (("/bin/py", paths), ("/bin/env", ("/bin/env",))):
            process = WarmProcess(self.owner, self.reactor, set(), made)
            self.addCleanup(process.close)
            process.start(self.launcher, executable, ["py"], {})
            self.assertEqual(self.launcher.last.order.paths, wanted)

    def test_ready(self) -> None:
        """A process is up when it reports that, once."""
        self.assertFalse(self.process.up)
        self.assertEqual(self.process.pid, 1 << 22)
        self.report((HELLO, 0, PID, 0), (HELLO, 0, PID, 0))
        self.assertTrue(self.process.up)
        self.assertEqual(self.owner.told, [("ready",)])

    def test_readyFirst(self) -> None:
        """A process is not up before its launcher has reported its process id."""
        owner, process = self.make()
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.played = self.play()
        self.greet()
        self.assertEqual((process.up, owner.told), (False, []))
        self.launcher.last.child.started(PID)
        self.assertEqual((process.up, owner.told), (True, [("ready",)]))

    def test_otherVersion(self) -> None:
        """A process of another version is never up."""
        self.patch(played, "CPU", {HELLO: VERSION + 1})
        self.greet()
        self.assertFalse(self.process.up)
        self.assertEqual(
            [each[0] for each in self.owner.told], ["disconnected", "exited"]
        )
        self.assertIn("another version", self.owner.told[-1][1])
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_otherUser(self) -> None:
        """A process of another user is never up."""
        owner = Owner()
        credentials = Credentials(os.geteuid() + 1, os.getegid(), ())
        process = WarmProcess(
            owner, self.reactor, set(), START, context=ProcessContext(credentials)
        )
        self.addCleanup(process.close)
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.played = self.play()
        self.launcher.last.child.started(os.getpid())
        self.greet()
        self.assertFalse(process.up)
        self.assertEqual([each[0] for each in owner.told], ["disconnected", "exited"])
        self.assertIn("not the service's user: its Uid", owner.told[-1][1])

    def test_sameUser(self) -> None:
        """A process of its service's user is up."""
        process = WarmProcess(
            self.owner, self.reactor, set(), START, context=ProcessContext()
        )
        self.addCleanup(process.close)
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.played = self.play()
        self.launcher.last.child.started(os.getpid())
        self.greet()
        self.assertTrue(process.up)

    def test_printed(self) -> None:
        """Standard error is reported line by line."""
        os.write(self.launcher.last.fds[2], b"one\ntwo\n")
        self.reactor.settle()
        self.assertEqual(self.owner.told, [("printed", "one"), ("printed", "two")])

    def test_failed(self) -> None:
        """A process that could not be started is over, and leaves nothing open."""
        owner, process = self.make()

        def work() -> None:
            process.start(self.launcher, "/bin/py", ["py"], {})

        self.launcher.refusal = "no such file"
        self.leavesNothingOpen(work)
        self.assertEqual(owner.told, [("exited", "no such file", None)])
        self.assertTrue(process.over)

    def make(self) -> tuple[Owner, WarmProcess]:
        """Return another process."""
        owner = Owner()
        process = WarmProcess(owner, self.reactor, set(), START)
        self.addCleanup(process.close)
        return owner, process

    def test_noDescriptors(self) -> None:
        """A process is not started, and nothing is left open, without descriptors."""
        exits = ExitWatcher(self.reactor)
        self.patch(exits.descriptors, "spare", lambda count: True)
        started = len(self.launcher.programs)

        def work() -> None:
            process = WarmProcess(Owner(), self.reactor, set(), START, exits=exits)
            self.addCleanup(process.close)
            process.start(self.launcher, "/bin/py", ["py"], {})

        for left in range(4):
            fails = partial(self.assertRaises, OSError, work)
            self.leavesNothingOpen(partial(self.noDescriptors, fails, left))
        self.assertEqual(len(self.launcher.programs), started)

    def test_counted(self) -> None:
        """The descriptors of a process are counted, if it can have them."""
        exits = ExitWatcher(self.reactor, self.runtime.descriptors)
        account = exits.descriptors
        self.patch(account, "spare", lambda count: False)
        make = partial(WarmProcess, Owner(), self.reactor, set(), START, exits=exits)
        why = self.assertRaises(OSError, make)
        self.assertEqual(why.errno, errno.EMFILE)
        self.assertEqual(account.taken(Purpose.HELPER), 0)
        self.patch(account, "spare", lambda count: True)
        process = make()
        self.assertEqual(account.taken(Purpose.HELPER), OF_WARM)
        process.start(self.launcher, "/bin/py", ["py"], {})
        process.close()
        self.assertEqual(account.taken(Purpose.HELPER), 0)
        self.launcher.last.fail()
        self.assertTrue(process.over)


class LaunchTests(WarmProcessTestCase):
    """Tests for launch requests to a L{WarmProcess}."""

    def setUp(self) -> None:
        """Have the process be up."""
        super().setUp()
        self.greet()
        self.owner.told.clear()

    def test_launch(self) -> None:
        """A request has the variables of its program, and each descriptor once."""
        child = self.launch(B="2", C="3")
        number, what, extra, fds = self.played.take()
        self.assertEqual((what, extra, len(fds)), (LAUNCH, b"B=2\0C=3", 1))
        os.close(fds[0])
        self.assertEqual((self.process.load, child.told), (1, []))
        self.report((STARTED, number, PID, 0))
        self.assertEqual((self.process.load, child.told), (0, [PID]))
        self.assertIs(child.warm, True)

    def test_apart(self) -> None:
        """A request has three descriptors if they differ."""
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
        """A child that has executed the interpreter was not started warm."""
        child = self.launch()
        self.report((STARTED, self.played.number(), PID, 1))
        self.assertEqual((child.told, child.warm), ([PID], False))

    def test_ended(self) -> None:
        """The exit of a program is reported with its status and CPU time."""
        child = self.running()
        self.report((ENDED, 1, PID, 3 << 8))
        self.assertEqual(child.told, [PID, ExitStatus(3, cpu=1.5)])

    def test_endedAtOnce(self) -> None:
        """A child that was killed before it reported its start has started."""
        child = self.launch()
        self.report((ENDED, self.played.number(), PID, 9))
        self.assertEqual(child.told, [PID, ExitStatus(signal=9, cpu=1.5)])

    def test_failed(self) -> None:
        """A program that could not be forked is started cold."""
        child = self.launch()
        self.report((FAILED, self.played.number(), 0, 11))
        inode = os.stat(os.devnull).st_ino
        self.assertEqual(self.owner.told, [("startCold", [inode] * 3)])
        self.assertEqual(self.owner.coldChildren, [child])
        self.assertEqual(self.process.load, 0)

    def test_unknown(self) -> None:
        """Reports about unknown requests are ignored."""
        self.report((STARTED, 9, PID, 0), (FAILED, 9, 0, 0), (ENDED, 9, PID, 0))
        self.report((77, 9, PID, 0))
        self.assertEqual(self.owner.told, [])

    def test_stale(self) -> None:
        """A stale process is reported."""
        self.report((STALE, 0, PID, 0))
        self.assertEqual(self.owner.told, [("stale",)])

    def fill(self) -> None:
        """Send launch requests until the channel is full."""
        while True:
            self.launch(B="x" * 10000)

    def test_full(self) -> None:
        """A request raises when the channel is full, and leaves nothing open."""
        self.assertRaises(BlockingIOError, self.fill)
        load = self.process.load
        fails = partial(self.assertRaises, OSError, self.launch, B="x" * 9999)
        self.leavesNothingOpen(fails)
        self.assertEqual(self.process.load, load)

    def test_noDescriptors(self) -> None:
        """A request raises when descriptors are short."""

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
        """No descriptor is kept open for a program that runs."""
        self.leavesNothingOpen(lambda: self.running() and None)


class EndTests(WarmProcessTestCase):
    """Tests for the end of a L{WarmProcess}."""

    def setUp(self) -> None:
        """Have the process be up."""
        super().setUp()
        self.greet()
        self.owner.told.clear()

    def delegate(self, watcher: Watcher) -> None:
        """Have the process accept from a socket."""
        self.process.delegate(5, Delegation(watcher, b"", 0))

    def words(self) -> list[str]:
        """Return the names of what was called."""
        return [each[0] for each in self.owner.told]

    def test_died(self) -> None:
        """Programs that were not started are started cold when a process has died."""
        children = [self.launch(), self.launch()]
        self.played.die()
        self.reactor.settle()
        self.assertEqual(
            self.words(), ["startCold", "startCold", "disconnected", "exited"]
        )
        self.assertEqual(self.owner.coldChildren, children)
        self.assertEqual(self.owner.told[-1], ("exited", "signal=9", None))
        self.assertTrue(self.process.over)
        self.assertRaises(OSError, self.launch)

    def test_diedAccepting(self) -> None:
        """The reason names a client whose connection may be closed."""
        self.delegate(Watcher())
        self.played.die()
        self.reactor.settle()
        reason = "signal=9; a connection it was accepting may have been dropped"
        self.assertEqual(self.owner.told[-1], ("exited", reason, None))

    def test_status(self) -> None:
        """The exit status is reported."""
        self.played.die(ExitStatus(78))
        self.reactor.settle()
        self.assertEqual(self.owner.told[-1], ("exited", "status=78", 78))

    def test_channelFirst(self) -> None:
        """A process is over when it has exited and its channel is closed."""
        self.played.disconnect()
        self.reactor.settle()
        self.assertEqual((self.words(), self.process.up), (["disconnected"], False))
        self.played.program.end(killed())
        self.assertEqual(self.words(), ["disconnected", "exited"])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_childLeft(self) -> None:
        """A child can report its start after the process has exited."""
        child = self.launch()
        number = self.played.number()
        self.played.program.end(killed())
        self.reactor.settle()
        self.assertEqual((self.words(), self.process.up), ([], False))
        self.report((STARTED, number, os.getpid(), 0))
        self.assertEqual(child.told, [os.getpid()])
        self.played.channel.close()
        self.reactor.settle()
        self.assertEqual(self.words(), ["disconnected", "exited"])

    def test_closedMeanwhile(self) -> None:
        """Nothing is waited for when the process is closed then."""
        self.played.program.end(killed())
        self.assertNotEqual(self.reactor.getDelayedCalls(), [])
        self.process.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_channelLeft(self) -> None:
        """A channel that stays open is not waited for longer than a while."""
        self.launch()
        self.played.program.end(killed())
        self.reactor.settle()
        self.reactor.advance(LINGER)
        self.assertEqual(self.words(), ["startCold", "disconnected", "exited"])
        self.reactor.settle()
        self.assertEqual(len(self.owner.told), 3)

    def test_channelClosed(self) -> None:
        """A process that has closed its channel is not waited for either."""
        self.played.disconnect()
        self.reactor.settle()
        self.reactor.advance(LINGER)
        gone = ("exited", "it has closed its channel", None)
        self.assertEqual(self.owner.told, [("disconnected",), gone])

    def test_helloAfterEnd(self) -> None:
        """A process that has exited is never up."""
        self.played.program.end(killed())
        self.report((HELLO, 0, PID, 0))
        self.assertFalse(self.process.up)
        self.assertEqual(self.owner.told, [])

    def test_lastWords(self) -> None:
        """Output before the death of a process is reported."""
        os.write(self.launcher.last.fds[2], b"because\n")
        self.played.die()
        self.reactor.settle()
        self.assertIn(("printed", "because"), self.owner.told)

    def test_stderrLeft(self) -> None:
        """Output of others after the exit of a process is ignored."""
        heir = os.dup(self.launcher.last.fds[2])
        self.addCleanup(os.close, heir)
        self.played.die()
        self.reactor.settle()
        self.assertEqual(
            (self.words(), self.process._readers), (["disconnected", "exited"], set())
        )
        self.assertEqual(self.reactor.getReaders(), [])

    def test_orphans(self) -> None:
        """The exits of programs are noticed without their process."""
        child = self.running()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.told, [PID, ExitStatus()])

    def test_watched(self) -> None:
        """Programs of its user are watched after a process has died."""
        process = WarmProcess(self.owner, self.reactor, set(), START)
        self.addCleanup(process.close)
        process.start(self.launcher, "/bin/py", ["py"], {})
        self.process, self.played = process, self.play()
        self.launcher.last.child.started(os.getpid())
        child = self.running(os.getpid())
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.told, [os.getpid()])

    def test_violation(self) -> None:
        """A process that sends an impossible report is over."""
        child = self.launch()
        self.report((STARTED, self.played.number(), -1, 0), (STALE, 0, PID, 0))
        self.assertEqual(self.words(), ["startCold", "disconnected", "exited"])
        self.assertIn("impossible report", self.owner.told[-1][1])
        self.assertEqual(child.told, [])
        self.assertTrue(self.process.over)

    def test_violationAfterExit(self) -> None:
        """A process that has exited and sends one is over once."""
        self.delegate(Watcher())
        self.launcher.last.child.ended(ExitStatus(0))
        self.report((ACCEPTED, 5, 0, 0))
        self.assertEqual(self.words().count("exited"), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_violationAccepted(self) -> None:
        """A process that reports an impossible connection is over."""
        watcher = Watcher()
        self.delegate(watcher)
        self.report((ACCEPTED, 5, 0, 0))
        self.assertEqual((self.words(), watcher.told), (["disconnected", "exited"], []))

    def test_retireIdle(self) -> None:
        """A retired process without programs is stopped at once."""
        self.process.retire()
        self.assertEqual(self.played.channel.recv(10), b"")
        self.played.die(ExitStatus(0))
        self.assertEqual(self.owner.told, [("exited", "status=0", 0)])

    def test_retire(self) -> None:
        """A retired process is stopped when its last program has ended."""
        child, other = self.running(), self.launch()
        number = self.played.number()
        self.process.retire()
        self.report((ENDED, 1, PID, 0))
        self.assertEqual(child.told[1:], [ExitStatus(0, cpu=1.5)])
        self.report((STARTED, number, PID, 0))
        self.assertEqual(other.told, [PID])
        self.assertFalse(self.process.channel.closed)
        self.report((ENDED, 1, PID, 0))
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_retireOrphans(self) -> None:
        """A retired process is waited for while its programs run."""
        child = self.running(os.getpid())
        self.process.running.uid = os.geteuid()
        self.process.retire()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(child.told, [os.getpid()])
        self.process.close()
        self.assertEqual(self.reactor.getReaders(), [])

    def test_close(self) -> None:
        """A process that is closed leaves nothing open or scheduled."""
        self.launch()
        self.running(PID)
        self.process.close()
        self.assertFalse(self.process.up)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class DelegationTests(WarmProcessTestCase):
    """
    Tests for a L{WarmProcess} that accepts from a listening socket.

    @ivar watcher: the delegate of the socket.
    @ivar freed: what was called when a socket was free.
    """

    def setUp(self) -> None:
        """Delegate a socket to a process that is up."""
        super().setUp()
        self.greet()
        self.watcher = Watcher()
        self.freed: list[str] = []
        with open("/dev/zero") as file:
            self.delegate(5, file.fileno())

    def delegate(self, number: int, fd: int = 0) -> None:
        """Delegate a socket."""
        self.process.delegate(number, Delegation(self.watcher, b"", fd))

    def withdraw(self, name: str = "5") -> None:
        """Withdraw the socket."""
        self.process.withdraw(5, lambda: self.freed.append(name))

    def test_delegated(self) -> None:
        """A process gets the socket, and the limit on its programs."""
        number, kind, extra, (fd,) = self.played.take()
        self.assertEqual((number, kind, extra), (5, ACCEPT, b""))
        self.assertEqual(self.played.most, 0)
        self.assertEqual(os.readlink(f"/proc/self/fd/{fd}"), "/dev/zero")
        os.close(fd)

    def test_accepted(self) -> None:
        """A program is the watcher's, and its start and exit are reported."""
        for pid, cold in ((PID, 0), (PID + 1, 1)):
            self.report((ACCEPTED, 5, pid, cold), peer=PEER)
            child = self.watcher.children[-1]
            self.assertEqual((child.told, child.warm), ([pid], not cold))
            self.report((ENDED, 5, pid, 3 << 8))
            self.assertEqual(child.told, [pid, ExitStatus(3, cpu=1.5)])
        self.assertEqual(self.watcher.told, [PEER, PEER])

    def test_withdraw(self) -> None:
        """A socket is free when the process reports it; until then it may accept."""
        self.played.number()
        self.withdraw()
        self.assertEqual(self.played.take(), (5, WITHDRAW, b"", []))
        self.report((ACCEPTED, 5, PID, 0))
        self.assertEqual((self.freed, len(self.watcher.children)), ([], 1))
        self.report((WITHDRAWN, 5, 0, 0), (WITHDRAWN, 5, 0, 0))
        self.played.die()
        self.reactor.settle()
        self.assertEqual(self.freed, ["5"])

    def test_withdrawAfterDeath(self) -> None:
        """A socket is free once when the process has died."""
        self.withdraw()
        self.played.die()
        self.reactor.settle()
        self.assertEqual(self.freed, ["5"])
        self.assertEqual(len(self.process.delegations), 0)
        self.withdraw("again")
        self.assertEqual(self.freed, ["5", "again"])

    def test_exhausted(self) -> None:
        """A process that reports more programs than it may have is not trusted."""
        self.process.lease._budget = ProcessBudget(64)
        for pid in range(PID, PID + 5):
            self.assertFalse(self.process.over)
            self.report((ACCEPTED, 5, pid, 0))
        self.assertEqual(len(self.watcher.children), 4)
        self.assertEqual(self.owner.told[-1][0], "exited")
        self.assertIn("more than 4 programs", self.owner.told[-1][1])

    def test_lease(self) -> None:
        """A process has a lease while it accepts, without the programs that run."""
        budget = ProcessBudget(640)
        lease, most = self.process.lease, budget.leaseSize
        lease._budget = budget
        self.withdraw()
        self.report((WITHDRAWN, 5, 0, 0))
        self.delegate(7)
        self.assertEqual(budget.leased, most)
        self.report((ACCEPTED, 7, PID, 0))
        self.assertEqual(budget.leased, most - 1)
        self.report((ENDED, 7, PID, 0))
        self.assertEqual(budget.leased, most)
        self.process.withdraw(7, lambda: None)
        self.report((WITHDRAWN, 7, 0, 0))
        self.assertEqual(budget.leased, 0)
        self.delegate(8)
        self.assertEqual(budget.leased, most)
        self.played.die()
        self.reactor.settle()
        self.assertEqual(budget.leased, 0)

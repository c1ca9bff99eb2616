# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.warm.process}; the test plays the process."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from functools import partial

from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import ENDED, FAILED, HELLO, STALE, STARTED
from inetdtw.helpers.requests import LAUNCH
from inetdtw.interfaces import ExitStatus, IChild, LaunchRequest
from inetdtw.launch.warm.command import OWN, VERSION, program, warmCommand
from inetdtw.launch.warm.process import OF_WARM
from inetdtw.launch.warm.test import played
from inetdtw.launch.warm.test.played import (
    ENVIRONMENT,
    KEPT,
    PID,
    START,
    RunningTestCase,
    WarmOwner,
    WarmProcessTestCase,
)
from inetdtw.model.process import Credentials, ProcessContext
from inetdtw.system.descriptors import Purpose
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import FakeChild


class StartTests(WarmProcessTestCase):
    """Tests for the start of a L{WarmProcess}."""

    def test_interface(self) -> None:
        """Its launcher has a child."""
        child = self.launcher.last.child
        verifyObject(IChild, child)

    def test_request(self) -> None:
        """An interpreter is launched with its program, the channel and a pipe."""
        request = self.launcher.last.request
        self.assertEqual(request.executable, "/bin/py")
        self.assertEqual(request.argv, ("py", "/dev/fd/0", "script.py"))
        self.assertEqual(request.environment, {**OWN, **ENVIRONMENT})
        links = [os.readlink(f"/proc/self/fd/{fd}") for fd in self.launcher.last.fds]
        _, _, parameters = warmCommand(KEPT, START, "auto", ProcessContext())
        with open(f"/proc/self/fd/{self.launcher.last.fds[0]}", "rb") as file:
            self.assertEqual(file.read(), program(parameters))
        self.assertTrue(links[1].startswith("socket:"), links)
        self.assertTrue(links[2].startswith("pipe:"), links)

    def test_search(self) -> None:
        """An interpreter is searched for by its launcher, unless a script names it."""
        paths = ("/one/py", "/bin/py")
        made = replace(START, search=paths)
        for starter, wanted in (("", paths), ("/bin/env", ("/bin/env",))):
            process = self.make(self.owner, made)
            process.start(self.launcher, replace(KEPT, starter=starter), "")
            self.assertEqual(self.launcher.last.request.paths, wanted)
            self.launcher.last.start()

    def test_ready(self) -> None:
        """A process is up when it reports that, once."""
        self.assertFalse(self.process.up)
        self.assertEqual(self.process.pid, 1 << 22)
        self.report((HELLO, 0, PID, 0), (HELLO, 0, PID, 0))
        self.assertTrue(self.process.up)
        self.assertEqual(self.owner.calls, [("ready",)])

    def test_readyFirst(self) -> None:
        """A process is not up before its launcher has reported its process id."""
        owner = WarmOwner()
        process = self.make(owner)
        process.start(self.launcher, KEPT, "")
        self.played = self.play()
        self.greet()
        self.assertEqual((process.up, owner.calls), (False, []))
        self.launcher.last.child.started(PID)
        self.assertEqual((process.up, owner.calls), (True, [("ready",)]))

    def test_otherVersion(self) -> None:
        """A process of another version is never up."""
        self.patch(played, "CPU", {HELLO: VERSION + 1})
        self.greet()
        self.assertFalse(self.process.up)
        self.assertEqual(
            [each[0] for each in self.owner.calls], ["disconnected", "exited"]
        )
        self.assertIn("another version", self.owner.calls[-1][1])
        self.assertEqual(self.played.channel.recv(10), b"")

    def test_otherUser(self) -> None:
        """A process of another user is never up."""
        owner = WarmOwner()
        credentials = Credentials(os.geteuid() + 1, os.getegid(), ())
        process = self.make(owner, context=ProcessContext(credentials))
        process.start(self.launcher, KEPT, "")
        self.played = self.play()
        self.launcher.last.child.started(os.getpid())
        self.greet()
        self.assertFalse(process.up)
        self.assertEqual([each[0] for each in owner.calls], ["disconnected", "exited"])
        self.assertIn("not the service's user: its Uid", owner.calls[-1][1])

    def test_sameUser(self) -> None:
        """A process of its service's user is up."""
        process = self.make(self.owner)
        process.start(self.launcher, KEPT, "")
        self.played = self.play()
        self.launcher.last.child.started(os.getpid())
        self.greet()
        self.assertTrue(process.up)

    def test_printed(self) -> None:
        """Standard error is reported line by line."""
        os.write(self.launcher.last.fds[2], b"one\ntwo\n")
        self.reactor.settle()
        self.assertEqual(self.owner.calls, [("printed", "one"), ("printed", "two")])

    def test_failed(self) -> None:
        """A process that could not be started is over, and leaves nothing open."""
        owner = WarmOwner()
        process = self.make(owner)

        def work() -> None:
            process.start(self.launcher, KEPT, "")

        self.launcher.refusal = "no such file"
        self.leavesNothingOpen(work)
        self.assertEqual(owner.calls, [("exited", "no such file", None)])
        self.assertTrue(process.over)

    def test_noDescriptors(self) -> None:
        """A process is not started, and nothing is left open, without descriptors."""
        exits = ExitWatcher(self.reactor)
        self.patch(exits.descriptors, "spare", lambda count: True)
        started = len(self.launcher.programs)

        def work() -> None:
            process = self.make(WarmOwner(), exits=exits)
            process.start(self.launcher, KEPT, "")

        for left in range(4):
            fails = partial(self.assertRaises, OSError, work)
            self.leavesNothingOpen(partial(self.noDescriptors, fails, left))
        self.assertEqual(len(self.launcher.programs), started)

    def test_counted(self) -> None:
        """The descriptors of a process are counted, if it can have them."""
        exits = ExitWatcher(self.reactor, self.runtime.descriptors)
        account = exits.descriptors
        self.patch(account, "spare", lambda count: False)
        make = partial(self.make, WarmOwner(), exits=exits)
        why = self.assertRaises(OSError, make)
        self.assertEqual(why.errno, errno.EMFILE)
        self.assertEqual(account.taken(Purpose.HELPER), 0)
        self.patch(account, "spare", lambda count: True)
        process = make()
        self.assertEqual(account.taken(Purpose.HELPER), OF_WARM)
        process.start(self.launcher, KEPT, "")
        process.close()
        self.assertEqual(account.taken(Purpose.HELPER), 0)
        self.launcher.last.fail()
        self.assertTrue(process.over)


class LaunchTests(RunningTestCase):
    """Tests for launch requests to a L{WarmProcess}."""

    def test_launch(self) -> None:
        """A request has the variables of its program, and each descriptor once."""
        child = self.launch(B="2", C="3")
        number, what, extra, fds = self.played.take()
        self.assertEqual((what, extra, len(fds)), (LAUNCH, b"B=2\0C=3", 1))
        os.close(fds[0])
        self.assertEqual((self.process.load, child.calls), (1, []))
        self.report((STARTED, number, PID, 0))
        self.assertEqual((self.process.load, child.calls), (0, [PID]))
        self.assertIs(child.warm, True)

    def test_apart(self) -> None:
        """A request has three descriptors if they differ."""
        with open("/dev/zero") as one, open(os.devnull) as two:
            fds = (one.fileno(), one.fileno(), two.fileno())
            request = LaunchRequest("/bin/py", START.argv, ENVIRONMENT, {}, fds)
            self.process.launch(FakeChild(), request)
        _, _, _, given = self.played.take()
        links = [os.readlink(f"/proc/self/fd/{fd}") for fd in given]
        self.assertEqual(links, ["/dev/zero", "/dev/zero", os.devnull])
        for fd in given:
            os.close(fd)

    def test_cold(self) -> None:
        """A child that has executed the interpreter was not started warm."""
        child = self.launch()
        self.report((STARTED, self.played.number(), PID, 1))
        self.assertEqual((child.calls, child.warm), ([PID], False))

    def test_ended(self) -> None:
        """The exit of a program is reported with its status and CPU time."""
        child = self.running()
        self.report((ENDED, 1, PID, 3 << 8))
        self.assertEqual(child.calls, [PID, ExitStatus(3, cpu=1.5)])

    def test_endedAtOnce(self) -> None:
        """A child that was killed before it reported its start has started."""
        child = self.launch()
        self.report((ENDED, self.played.number(), PID, 9))
        self.assertEqual(child.calls, [PID, ExitStatus(signal=9, cpu=1.5)])

    def test_failed(self) -> None:
        """A program that could not be forked is started cold."""
        child = self.launch()
        self.report((FAILED, self.played.number(), 0, 11))
        inode = os.stat(os.devnull).st_ino
        self.assertEqual(self.owner.calls, [("startCold", [inode] * 3)])
        self.assertEqual(self.owner.coldChildren, [child])
        self.assertEqual(self.process.load, 0)

    def test_unknown(self) -> None:
        """Reports about unknown requests are ignored."""
        self.report((STARTED, 9, PID, 0), (FAILED, 9, 0, 0), (ENDED, 9, PID, 0))
        self.report((77, 9, PID, 0))
        self.assertEqual(self.owner.calls, [])

    def test_stale(self) -> None:
        """A stale process is reported."""
        self.report((STALE, 0, PID, 0))
        self.assertEqual(self.owner.calls, [("stale",)])

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
            self.assertRaises(OSError, self.process.launch, FakeChild(), request)

        with open(os.devnull) as null:
            fds = (null.fileno(),) * 3
            request = LaunchRequest("/bin/py", START.argv, ENVIRONMENT, {}, fds)
            self.noDescriptors(work)
            # Nor when what is left is for something else.
            self.patch(self.process._descriptors, "short", lambda count: count == 3)
            why = self.assertRaises(OSError, self.process.launch, FakeChild(), request)
            self.assertEqual(why.errno, errno.EMFILE)
        self.assertEqual(self.process.load, 0)

    def test_open(self) -> None:
        """No descriptor is kept open for a program that runs."""
        self.leavesNothingOpen(lambda: self.running() and None)

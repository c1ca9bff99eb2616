# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.exitwatch}."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from functools import partial
from typing import Any

from zope.interface.verify import verifyObject

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.system import exitwatch as watching
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.exitwatch import (
    ENDED,
    INTERVAL,
    ExitWatcher,
    PidfdWatch,
    Polls,
    PollWatch,
    hasPidfds,
)
from inetdtw.test.fakes import FakeReactor, ServingTestCase


def endedChild() -> int:
    """Return the process id of a zombie."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def endedStranger() -> int:
    """Return the process id of a process that was reaped."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    return child.pid


class PidfdWatchTests(ServingTestCase):
    """Tests for L{PidfdWatch}."""

    if not hasPidfds():
        skip = "This system has no pidfds."

    def sleeper(self) -> subprocess.Popen[bytes]:
        """Start a process that runs until it is killed."""
        process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        assert process.stdin is not None
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdin.close)
        return process

    def test_interface(self) -> None:
        """The watch provides C{IReadDescriptor}."""
        watch = PidfdWatch(self.reactor, os.getpid(), lambda: None)
        self.addCleanup(watch.cancel)
        verifyObject(IReadDescriptor, watch)
        self.assertEqual(watch.logPrefix(), "pidfd")

    def test_gone(self) -> None:
        """The exit is reported once, and no descriptor is leaked."""
        process = self.sleeper()
        calls: list[None] = []

        def work() -> None:
            PidfdWatch(self.reactor, process.pid, lambda: calls.append(None))
            self.assertFalse(self.reactor.turn())
            process.kill()
            self.reactor.turnUntil(lambda: bool(calls))

        self.leavesNothingOpen(work)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(calls, [None])

    def test_dropped(self) -> None:
        """
        The exit is reported though the reactor drops the pidfd.

        The log has a line about that.
        """
        for gone in (False, True):
            pid = endedChild()
            calls: list[int] = []
            watch = PidfdWatch(self.reactor, pid, partial(calls.append, 1))
            watch.connectionLost(Failure(CONNECTION_LOST))
            if gone:
                os.waitpid(pid, 0)
            self.reactor.advance(0)
            self.reactor.advance(INTERVAL)
            if not gone:
                os.waitpid(pid, 0)
            self.assertEqual(calls, [1])
        dropped = [each["service"] for each in self.logged("socket-error")]
        self.assertEqual(dropped, ["pidfd"] * 2)

    def test_cancelDropped(self) -> None:
        """Nothing is reported after C{cancel}."""
        for turns in (0, 1):
            watch = PidfdWatch(self.reactor, os.getpid(), lambda: self.fail("notified"))
            watch.connectionLost(Failure(CONNECTION_LOST))
            for _ in range(turns):
                self.reactor.advance(0)
            watch.cancel()
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_zombie(self) -> None:
        """The exit of a zombie is reported, and it can be reaped then."""
        pid = endedChild()
        statuses: list[int] = []
        PidfdWatch(
            self.reactor, pid, lambda: statuses.append(os.waitpid(pid, os.WNOHANG)[1])
        )
        self.reactor.turnUntil(lambda: bool(statuses))
        self.assertEqual(statuses, [0])

    def test_cancel(self) -> None:
        """Nothing is reported after C{cancel}, which can be called twice."""
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)

        def work() -> None:
            watch = PidfdWatch(self.reactor, pid, lambda: self.fail("notified"))
            watch.cancel()
            watch.cancel()

        self.leavesNothingOpen(work)
        self.assertFalse(self.reactor.turn())

    def test_connectionLost(self) -> None:
        """
        The process is polled when the reactor does not wait for the pidfd.

        Nothing stays open, and nothing is polled after C{cancel}.
        """

        def work() -> None:
            watch = PidfdWatch(self.reactor, os.getpid(), lambda: None)
            watch.connectionLost(Failure(CONNECTION_LOST))

        self.leavesNothingOpen(work)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_nobody(self) -> None:
        """Watching a process that does not exist is an error."""
        pid = endedStranger()
        self.assertRaises(OSError, PidfdWatch, self.reactor, pid, lambda: None)
        self.assertEqual(self.reactor.getReaders(), [])


class PollWatchTests(SynchronousTestCase):
    """Tests for L{PollWatch}."""

    def setUp(self) -> None:
        """Fake kill(2) and waitid(2)."""
        self.reactor = FakeReactor()
        self.answer: Exception | None = None
        self.polls = Polls(self.reactor)
        self.start: str | None = "1"
        self.patch(watching, "_startOf", lambda pid: self.start)
        self.calls: list[None] = []
        self.patch(os, "kill", self.kill)
        self.patch(os, "waitid", self.waitid)

    def kill(self, pid: int, number: int) -> None:
        """Fake the system call."""
        self.assertEqual((pid, number), (4, 0))
        if self.answer is not None:
            raise self.answer

    def waitid(self, *arguments: Any) -> None:
        """Fail as for a process that is not a child."""
        raise ChildProcessError

    def watch(self) -> PollWatch:
        """Wait for the process."""
        return PollWatch(self.polls, 4, lambda: self.calls.append(None))

    def test_gone(self) -> None:
        """The exit of a process is reported at the next poll, once."""
        self.watch()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.calls, [])
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.calls, [None])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_anotherUser(self) -> None:
        """A process of another user (EPERM) is running."""
        self.watch()
        self.answer = PermissionError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.calls, [])
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.calls, [None])

    def test_notTouched(self) -> None:
        """A process of another user can be watched."""
        self.answer = PermissionError()
        self.watch()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.calls, [])

    def test_start(self) -> None:
        """
        A process is another one when its start time is later.

        A zombie has exited, and a process with an unknown start time is the same one.
        """
        for start, notified in (("2", 1), (ENDED, 1), (None, 0)):
            self.start = "1"
            self.calls.clear()
            watch = self.watch()
            self.reactor.advance(INTERVAL)
            self.assertEqual(self.calls, [])
            self.start = start
            self.reactor.advance(INTERVAL)
            self.assertEqual(self.calls, [None] * notified)
            watch.cancel()

    def test_many(self) -> None:
        """All polled processes share one timer."""
        watches = [self.watch() for _ in range(3)]
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        watches[0].cancel()
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.calls, [None, None])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """Nothing is reported after C{cancel}, which can be called twice."""
        watch = self.watch()
        watch.cancel()
        watch.cancel()
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.calls, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """Watching a process that does not exist is an error."""
        self.answer = ProcessLookupError()
        self.assertRaises(OSError, self.watch)


class ZombieTests(SynchronousTestCase):
    """Tests for L{PollWatch} and a child of this process."""

    if not hasattr(os, "waitid"):
        skip = "This system cannot look at a child without waiting for it."

    def test_zombie(self) -> None:
        """A child that is a zombie has exited."""
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        self.notices(pid)

    def test_noProc(self) -> None:
        """A child that is a zombie has exited, also without a proc file system."""
        self.patch(watching, "_startOf", lambda pid: None)
        self.test_zombie()

    def notices(self, pid: int) -> None:
        """Assert that the exit of a process is reported, once."""
        reactor = FakeReactor()
        calls: list[None] = []
        PollWatch(Polls(reactor), pid, lambda: calls.append(None))
        reactor.advance(INTERVAL)
        reactor.advance(INTERVAL)
        self.assertEqual(calls, [None])


class StartTests(SynchronousTestCase):
    """Tests for when a process was started."""

    if not os.path.exists("/proc/self/stat"):
        skip = "This system has no proc file system as Linux has it."

    def test_startOf(self) -> None:
        """The start time of a process is constant, and unknown without it."""
        before = watching._startOf(os.getpid())
        assert before is not None
        self.assertTrue(before.isdigit(), before)
        self.assertEqual(watching._startOf(os.getpid()), before)
        self.assertIsNone(watching._startOf(endedStranger()))
        with open("/proc/self/stat") as file:
            # The field of proc(5) with the number 22.
            self.assertEqual(file.read().split(")")[1].split()[19], before)

    def test_ended(self) -> None:
        """The start time of a zombie is C{ENDED}."""
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        self.assertEqual(watching._startOf(pid), ENDED)


class ExitWatcherTests(ServingTestCase):
    """Tests for L{ExitWatcher}."""

    def test_best(self) -> None:
        """A process is watched by a pidfd where these are supported."""
        watch = ExitWatcher(self.reactor).watch(os.getpid(), lambda: None)
        self.addCleanup(watch.cancel)
        self.assertIsInstance(watch, PidfdWatch if hasPidfds() else PollWatch)

    def test_noDescriptors(self) -> None:
        """The exit is reported when no descriptors are left."""

        def pidfd_open(pid: int) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.patch(os, "pidfd_open", pidfd_open)
        self.notices()

    def test_noPidfds(self) -> None:
        """The exit is reported where pidfds are not supported."""
        if hasattr(os, "pidfd_open"):
            self.patch(os, "pidfd_open", None)
            del os.pidfd_open
        self.notices()

    def notices(self) -> None:
        """Assert that the exit of a child is reported, without a descriptor."""
        account = Descriptors()
        calls: list[None] = []
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        ExitWatcher(self.reactor, account).watch(pid, lambda: calls.append(None))
        self.assertEqual(account.taken(Purpose.PIDFD), 0)
        self.reactor.advance(INTERVAL)
        self.assertEqual(calls, [None])

    def test_share(self) -> None:
        """
        Processes are polled beyond the share of pidfds.

        A pidfd is given back when its process has exited, or is not watched any more.
        """
        account = Descriptors()
        self.patch(account, "share", lambda purpose: 4)
        exits = ExitWatcher(self.reactor, account)
        watches = [exits.watch(os.getpid(), lambda: None) for _ in range(5)]
        kinds = [type(each) for each in watches]
        self.assertEqual(kinds, [PidfdWatch] * 3 + [PollWatch] * 2)
        self.assertEqual(account.taken(Purpose.PIDFD), 3)
        # The daemon's own reserve is not touched, and one more than that is enough.
        for left, wanted in ((0, PollWatch), (1, PidfdWatch)):
            account = Descriptors()
            self.patch(account, "short", lambda count, left=left: count > left)
            last = ExitWatcher(self.reactor, account).watch(os.getpid(), lambda: None)
            self.assertIs(type(last), wanted)
            watches.append(last)
        for each in watches:
            each.cancel()
        self.assertEqual(exits.descriptors.taken(Purpose.PIDFD), 0)

    if not hasPidfds():
        test_share.skip = "This system has no pidfds."  # type: ignore[attr-defined]

    def test_nobody(self) -> None:
        """Watching a process that does not exist is an error."""
        exits = ExitWatcher(self.reactor)
        self.assertRaises(OSError, exits.watch, endedStranger(), lambda: None)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class PidfdsTests(ServingTestCase):
    """Tests for L{hasPidfds}."""

    def test_none(self) -> None:
        """Without support of Python or of the system, there are no pidfds."""

        def pidfd_open(pid: int) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        if hasattr(os, "pidfd_open"):
            self.patch(os, "pidfd_open", pidfd_open)
            self.assertFalse(hasPidfds())
            del os.pidfd_open
        self.assertFalse(hasPidfds())

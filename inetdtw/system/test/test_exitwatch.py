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
    """The process id of a child that has ended and that nobody has waited for."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def endedStranger() -> int:
    """A process id that is nobody's any more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    return child.pid


class PidfdWatchTests(ServingTestCase):
    """Tests for L{PidfdWatch}."""

    if not hasPidfds():
        skip = "This system has no pidfds."

    def sleeper(self) -> subprocess.Popen[bytes]:
        """A process that goes on until it is killed."""
        process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        assert process.stdin is not None
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdin.close)
        return process

    def test_interface(self) -> None:
        """The reactor can read it."""
        watch = PidfdWatch(self.reactor, os.getpid(), lambda: None)
        self.addCleanup(watch.cancel)
        verifyObject(IReadDescriptor, watch)
        self.assertEqual(watch.logPrefix(), "pidfd")

    def test_gone(self) -> None:
        """It tells once that a process has ended, and leaves nothing behind."""
        process = self.sleeper()
        told: list[None] = []

        def work() -> None:
            PidfdWatch(self.reactor, process.pid, lambda: told.append(None))
            self.assertFalse(self.reactor.turn())
            process.kill()
            self.reactor.turnUntil(lambda: bool(told))

        self.leavesNothingOpen(work)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(told, [None])

    def test_dropped(self) -> None:
        """
        The end of the process is told all the same, also if it has ended already, with
        a line in the log.
        """
        for gone in (False, True):
            pid = endedChild()
            told: list[int] = []
            watch = PidfdWatch(self.reactor, pid, partial(told.append, 1))
            watch.connectionLost(Failure(CONNECTION_LOST))
            if gone:
                os.waitpid(pid, 0)
            self.reactor.advance(0)
            self.reactor.advance(INTERVAL)
            if not gone:
                os.waitpid(pid, 0)
            self.assertEqual(told, [1])
        dropped = [each["service"] for each in self.said("socket-error")]
        self.assertEqual(dropped, ["pidfd"] * 2)

    def test_cancelDropped(self) -> None:
        """Nothing is told after it was cancelled."""
        for turns in (0, 1):
            watch = PidfdWatch(self.reactor, os.getpid(), lambda: self.fail("told"))
            watch.connectionLost(Failure(CONNECTION_LOST))
            for _ in range(turns):
                self.reactor.advance(0)
            watch.cancel()
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_zombie(self) -> None:
        """
        A process that nobody has waited for has ended all the same, and can be
        waited for then.
        """
        pid = endedChild()
        statuses: list[int] = []
        PidfdWatch(
            self.reactor, pid, lambda: statuses.append(os.waitpid(pid, os.WNOHANG)[1])
        )
        self.reactor.turnUntil(lambda: bool(statuses))
        self.assertEqual(statuses, [0])

    def test_cancel(self) -> None:
        """Nothing is told after it was cancelled, which may be done twice."""
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)

        def work() -> None:
            watch = PidfdWatch(self.reactor, pid, lambda: self.fail("told"))
            watch.cancel()
            watch.cancel()

        self.leavesNothingOpen(work)
        self.assertFalse(self.reactor.turn())

    def test_connectionLost(self) -> None:
        """
        When the reactor does not wait for it any more, nothing is open; the process is
        looked at then, unless nobody wants to know any more.
        """

        def work() -> None:
            watch = PidfdWatch(self.reactor, os.getpid(), lambda: None)
            watch.connectionLost(Failure(CONNECTION_LOST))

        self.leavesNothingOpen(work)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_nobody(self) -> None:
        """A process that is not there cannot be waited for."""
        pid = endedStranger()
        self.assertRaises(OSError, PidfdWatch, self.reactor, pid, lambda: None)
        self.assertEqual(self.reactor.getReaders(), [])


class PollWatchTests(SynchronousTestCase):
    """Tests for L{PollWatch}."""

    def setUp(self) -> None:
        """Have processes that are there or not as the test says."""
        self.reactor = FakeReactor()
        self.answer: Exception | None = None
        self.polls = Polls(self.reactor)
        self.start: str | None = "1"
        self.patch(watching, "_startOf", lambda pid: self.start)
        self.told: list[None] = []
        self.patch(os, "kill", self.kill)
        self.patch(os, "waitid", self.waitid)

    def kill(self, pid: int, number: int) -> None:
        """A kill(2) that must not do anything."""
        self.assertEqual((pid, number), (4, 0))
        if self.answer is not None:
            raise self.answer

    def waitid(self, *arguments: Any) -> None:
        """A waitid(2) to which the process is a stranger."""
        raise ChildProcessError

    def watch(self) -> PollWatch:
        """Wait for the process."""
        return PollWatch(self.polls, 4, lambda: self.told.append(None))

    def test_gone(self) -> None:
        """A process that is not there any more is missed at the next look, once."""
        self.watch()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [None])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_anotherUser(self) -> None:
        """A process that may not be touched is there."""
        self.watch()
        self.answer = PermissionError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [None])

    def test_notTouched(self) -> None:
        """So it is with one that may not be touched from the beginning."""
        self.answer = PermissionError()
        self.watch()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])

    def test_another(self) -> None:
        """A process that has the same process id, and was started later, is another one."""
        self.watch()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])
        self.start = "2"
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [None])

    def test_unreaped(self) -> None:
        """A process that nobody has waited for has ended."""
        self.watch()
        self.start = ENDED
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [None])

    def test_unknown(self) -> None:
        """A process is not taken for another one where nothing says when it was started."""
        self.watch()
        self.start = None
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])

    def test_many(self) -> None:
        """One timer is for all processes."""
        watches = [self.watch() for _ in range(3)]
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        watches[0].cancel()
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [None, None])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_cancel(self) -> None:
        """Nothing is told after it was cancelled, which may be done twice."""
        watch = self.watch()
        watch.cancel()
        watch.cancel()
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """A process that is not there cannot be waited for."""
        self.answer = ProcessLookupError()
        self.assertRaises(OSError, self.watch)


class ZombieTests(SynchronousTestCase):
    """Tests for L{PollWatch} and a child of this process."""

    if not hasattr(os, "waitid"):
        skip = "This system cannot look at a child without waiting for it."

    def test_zombie(self) -> None:
        """A child that has ended has ended, though nobody has waited for it yet."""
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        self.notices(pid)

    def test_noProc(self) -> None:
        """So it is where no proc file system says that."""
        self.patch(watching, "_startOf", lambda pid: None)
        self.test_zombie()

    def notices(self, pid: int) -> None:
        """Assert that the end of a process is noticed, once."""
        reactor = FakeReactor()
        told: list[None] = []
        PollWatch(Polls(reactor), pid, lambda: told.append(None))
        reactor.advance(INTERVAL)
        reactor.advance(INTERVAL)
        self.assertEqual(told, [None])


class StartTests(SynchronousTestCase):
    """Tests for when a process was started."""

    if not os.path.exists("/proc/self/stat"):
        skip = "This system has no proc file system as Linux has it."

    def test_startOf(self) -> None:
        """
        It is the same each time, and another one for a process that is started later;
        nobody knows it of one that is not there.
        """
        before = watching._startOf(os.getpid())
        assert before is not None
        self.assertTrue(before.isdigit(), before)
        self.assertEqual(watching._startOf(os.getpid()), before)
        self.assertIsNone(watching._startOf(endedStranger()))
        with open("/proc/self/stat") as file:
            # The field of proc(5) with the number 22.
            self.assertEqual(file.read().split(")")[1].split()[19], before)

    def test_ended(self) -> None:
        """One that nobody has waited for is known to have ended."""
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        self.assertEqual(watching._startOf(pid), ENDED)


class ExitsTests(ServingTestCase):
    """Tests for L{ExitWatcher}."""

    def test_best(self) -> None:
        """A process is waited for through a pidfd where there are any."""
        watch = ExitWatcher(self.reactor).watch(os.getpid(), lambda: None)
        self.addCleanup(watch.cancel)
        self.assertIsInstance(watch, PidfdWatch if hasPidfds() else PollWatch)

    def test_noDescriptors(self) -> None:
        """
        When there are no descriptors left, the end of a process is noticed all the
        same.
        """

        def pidfd_open(pid: int) -> int:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

        self.patch(os, "pidfd_open", pidfd_open)
        self.notices()

    def test_noPidfds(self) -> None:
        """So it is where there are no pidfds."""
        if hasattr(os, "pidfd_open"):
            self.patch(os, "pidfd_open", None)
            del os.pidfd_open
        self.notices()

    def notices(self) -> None:
        """
        Assert that the end of a child is noticed after some time, and that no
        descriptor counts as taken.
        """
        account = Descriptors()
        told: list[None] = []
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        ExitWatcher(self.reactor, account).watch(pid, lambda: told.append(None))
        self.assertEqual(account.taken(Purpose.PIDFD), 0)
        self.reactor.advance(INTERVAL)
        self.assertEqual(told, [None])

    def test_share(self) -> None:
        """
        Beyond the share of pidfds processes are looked at; each pidfd is given back
        when its process has ended, or is not waited for any more.
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
        """A process that is not there cannot be waited for."""
        exits = ExitWatcher(self.reactor)
        self.assertRaises(OSError, exits.watch, endedStranger(), lambda: None)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class PidfdsTests(ServingTestCase):
    """Tests for L{hasPidfds}."""

    def test_none(self) -> None:
        """There are none where Python or the system has none."""

        def pidfd_open(pid: int) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        if hasattr(os, "pidfd_open"):
            self.patch(os, "pidfd_open", pidfd_open)
            self.assertFalse(hasPidfds())
            del os.pidfd_open
        self.assertFalse(hasPidfds())

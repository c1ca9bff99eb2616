# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.watch}.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import Any

from zope.interface.verify import verifyObject

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.test.fakes import FakeReactor, ServingTestCase
from inetdtw.watch import INTERVAL, PidfdWatch, PollWatch, hasPidfds, onExit


def endedChild() -> int:
    """
    The process id of a child that has ended and that nobody has waited for.
    """
    pid = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def endedStranger() -> int:
    """
    A process id that is nobody's any more.
    """
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    return child.pid


class PidfdWatchTests(ServingTestCase):
    """
    Tests for L{PidfdWatch}.
    """

    if not hasPidfds():
        skip = "This system has no pidfds."

    def sleeper(self) -> subprocess.Popen[bytes]:
        """
        A process that goes on until it is killed.
        """
        process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
        assert process.stdin is not None
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdin.close)
        return process

    def test_interface(self) -> None:
        """
        The reactor can read it.
        """
        watch = PidfdWatch(self.reactor, os.getpid(), lambda: None)
        self.addCleanup(watch.cancel)
        verifyObject(IReadDescriptor, watch)
        self.assertEqual(watch.logPrefix(), "pidfd")

    def test_gone(self) -> None:
        """
        It tells once that a process has ended, and leaves nothing behind.
        """
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
        """
        Nothing is told after it was cancelled, which may be done twice.
        """
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
        It gives up when the reactor does.
        """

        def work() -> None:
            watch = PidfdWatch(self.reactor, os.getpid(), lambda: None)
            watch.connectionLost(Failure(CONNECTION_LOST))

        self.leavesNothingOpen(work)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_nobody(self) -> None:
        """
        A process that is not there cannot be waited for.
        """
        pid = endedStranger()
        self.assertRaises(OSError, PidfdWatch, self.reactor, pid, lambda: None)
        self.assertEqual(self.reactor.getReaders(), [])


class PollWatchTests(SynchronousTestCase):
    """
    Tests for L{PollWatch}.
    """

    def setUp(self) -> None:
        """
        Have processes that are there or not as the test says.
        """
        self.reactor = FakeReactor()
        self.answer: Exception | None = None
        self.told: list[None] = []
        self.patch(os, "kill", self.kill)
        self.patch(os, "waitid", self.waitid)

    def kill(self, pid: int, number: int) -> None:
        """
        A kill(2) that must not do anything.
        """
        self.assertEqual((pid, number), (4, 0))
        if self.answer is not None:
            raise self.answer

    def waitid(self, *arguments: Any) -> None:
        """
        A waitid(2) to which the process is a stranger.
        """
        raise ChildProcessError

    def watch(self) -> PollWatch:
        """
        Wait for the process.
        """
        return PollWatch(self.reactor, 4, lambda: self.told.append(None))

    def test_gone(self) -> None:
        """
        A process that is not there any more is missed at the next look, once.
        """
        self.watch()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [None])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_anotherUser(self) -> None:
        """
        A process that may not be touched is there.
        """
        self.watch()
        self.answer = PermissionError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [None])

    def test_cancel(self) -> None:
        """
        Nothing is told after it was cancelled, which may be done twice.
        """
        watch = self.watch()
        watch.cancel()
        watch.cancel()
        self.answer = ProcessLookupError()
        self.reactor.advance(INTERVAL)
        self.assertEqual(self.told, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_nobody(self) -> None:
        """
        A process that is not there cannot be waited for.
        """
        self.answer = ProcessLookupError()
        self.assertRaises(OSError, self.watch)


class ZombieTests(SynchronousTestCase):
    """
    Tests for L{PollWatch} and a child of this process.
    """

    if not hasattr(os, "waitid"):
        skip = "This system cannot look at a child without waiting for it."

    def test_zombie(self) -> None:
        """
        A child that has ended has ended, though nobody has waited for it yet.
        """
        reactor = FakeReactor()
        told: list[None] = []
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        PollWatch(reactor, pid, lambda: told.append(None))
        reactor.advance(INTERVAL)
        self.assertEqual(told, [None])


class OnExitTests(ServingTestCase):
    """
    Tests for L{onExit}.
    """

    def test_best(self) -> None:
        """
        A process is waited for through a pidfd where there are any.
        """
        watch = onExit(self.reactor, os.getpid(), lambda: None)
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
        """
        So it is where there are no pidfds.
        """
        if hasattr(os, "pidfd_open"):
            self.patch(os, "pidfd_open", None)
            del os.pidfd_open
        self.notices()

    def notices(self) -> None:
        """
        Assert that the end of a child is noticed after some time.
        """
        told: list[None] = []
        pid = endedChild()
        self.addCleanup(os.waitpid, pid, 0)
        onExit(self.reactor, pid, lambda: told.append(None))
        self.reactor.advance(INTERVAL)
        self.assertEqual(told, [None])

    def test_nobody(self) -> None:
        """
        A process that is not there cannot be waited for.
        """
        self.assertRaises(OSError, onExit, self.reactor, endedStranger(), lambda: None)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class PidfdsTests(ServingTestCase):
    """
    Tests for L{hasPidfds}.
    """

    def test_none(self) -> None:
        """
        There are none where Python or the system has none.
        """

        def pidfd_open(pid: int) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        if hasattr(os, "pidfd_open"):
            self.patch(os, "pidfd_open", pidfd_open)
            self.assertFalse(hasPidfds())
            del os.pidfd_open
        self.assertFalse(hasPidfds())

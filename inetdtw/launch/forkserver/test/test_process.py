# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.launch.forkserver.process}.

The tests play the process.
"""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

from inetdtw.helpers.protocol import BEGIN
from inetdtw.helpers.reports import (
    ENDED,
    FAILED,
    HELLO,
    NO_DIRECTORY,
    REPORT,
    SHORTAGE,
    STARTED,
)
from inetdtw.interfaces import ExitStatus
from inetdtw.launch.forkserver import process
from inetdtw.launch.forkserver.code import Code
from inetdtw.launch.forkserver.process import OVERDUE, ForkServerProcess
from inetdtw.launch.forkserver.test.played import PID, HelperTestCase
from inetdtw.limits.backoff import FIRST_PAUSE
from inetdtw.model.process import Credentials
from inetdtw.test.fakes import FakeChild, FakeProcess, openDescriptors, openedSince


class HelperTests(HelperTestCase):
    """Tests for L{ForkServerProcess} while nothing goes wrong."""

    def test_process(self) -> None:
        """
        The process has an empty environment, and no descriptor but 0 to 3.

        Descriptor 0 is a pipe from the daemon, and 3 the channel.
        """
        (process,) = self.reactor.processes
        self.assertEqual((process.executable, process.args[1:]), ("/py", ["helper"]))
        self.assertEqual(process.env, {})
        self.assertEqual((set(process.fds), process.pipes), ({1, 3}, {0: "w", 2: "r"}))
        path = os.readlink(f"/proc/self/fd/{process.fds[1]}")
        self.assertEqual(path, os.devnull)

    def test_begin(self) -> None:
        """A fork server may begin once it has reported its version."""
        helper = ForkServerProcess(
            self.owner, self.reactor, ["/py"], "/", code=Code(b"c", "1f")
        )
        self.addCleanup(helper.stop)
        helper.start()
        played = self.play()
        self.assertEqual(played.process.written, {BEGIN: [b"c"]})
        for _ in range(2):
            played.report((HELLO, 0, 4, 0x1F))
            self.reactor.settle()
            self.assertEqual(played.process.written, {BEGIN: [b"c", b"\n", None]})
        self.assertTrue(helper.up)
        played.die()

    def refused(self, why: str, version: int = 0) -> None:
        """Assert that a fork server may not begin, and is killed."""
        process = self.restarted()
        self.helper.withdraw(1, lambda: None)
        child = self.launch()
        self.report((HELLO, 1, 5, version))
        self.assertFalse(self.helper.up)
        self.assertEqual((process.signals, process.left), (["KILL"], True))
        self.assertEqual(process.written, {BEGIN: [b""]})
        self.played.die()
        self.assertEqual([death[1] for death in self.owner.deaths[1:]], [why])
        self.assertEqual(child.calls, ["no fork server can be started"])
        self.assertFalse(self.helper.channel.unread)
        self.replace(0)
        self.assertTrue(self.helper.up)

    def restarted(self) -> FakeProcess:
        """Make a fork server that has not reported anything."""
        self.played.die()
        self.reactor.advance(FIRST_PAUSE)
        self.played = self.play()
        return self.played.process

    def test_otherVersion(self) -> None:
        """A fork server of another version is killed, and gets no client."""
        self.refused("its code is of version 1, not 0", 1)

    def test_otherUser(self) -> None:
        """A fork server with other credentials is killed, and gets no client."""
        asked: list[Any] = []

        def mismatch(*given: Any) -> str | None:
            asked.append(given)
            return "its Uid is '0 0 0 0'" if len(asked) == 1 else None

        self.patch(process, "mismatch", mismatch)
        self.helper._credentials = Credentials(3, 4, ())
        self.refused("its Uid is '0 0 0 0'")
        (_, first, last) = self.reactor.processes
        pids = [first.pid, last.pid]
        self.assertEqual(asked, [(pid, Credentials(3, 4, ())) for pid in pids])

    def test_helloOfTheDead(self) -> None:
        """A report of a fork server that has exited since raises no error."""
        process = self.restarted()

        def writeToChild(childFD: int, data: bytes) -> None:
            raise KeyError(childFD)

        self.patch(process, "writeToChild", writeToChild)
        self.played.report((HELLO, 0, 4, 0))
        self.played.die()
        self.assertEqual(len(self.owner.deaths), 2)

    def test_up(self) -> None:
        """A fork server is up when it has reported that."""
        helper = ForkServerProcess(self.owner, self.reactor, ["/py"], "/")
        self.addCleanup(helper.stop)
        helper.start()
        self.assertFalse(helper.up)
        played = self.play()
        played.report((HELLO, 0, 4, 0))
        self.reactor.settle()
        self.assertTrue(helper.up)
        self.assertEqual(helper.pid, played.process.pid)
        played.die()

    def test_launch(self) -> None:
        """A launch request is one packet with its parts and descriptors."""
        child = FakeChild()
        with open(os.devnull) as one, open("/dev/zero") as two:
            fds = [one.fileno(), two.fileno(), one.fileno()]
            self.helper.launch(child, b"shared\0x", b"A=1\0B=2", fds)
        number, shared, extra, given = self.played.take()
        self.assertEqual((shared, extra), (b"shared\0x", b"A=1\0B=2"))
        paths = [os.readlink(f"/proc/self/fd/{fd}") for fd in given]
        self.assertEqual(paths, [os.devnull, "/dev/zero", os.devnull])
        for fd in given:
            os.close(fd)
        self.assertEqual((self.helper.load, child.calls), (1, []))
        self.report((STARTED, number, PID, 0))
        self.assertEqual((self.helper.load, child.calls), (0, [PID]))

    def test_shortage(self) -> None:
        """A shortage is passed on, and the request still holds."""
        child = self.launch()
        self.report((SHORTAGE, 1, 0, errno.EAGAIN))
        self.assertEqual(self.owner.stalls, [os.strerror(errno.EAGAIN)])
        self.report((STARTED, 1, PID, 0))
        self.assertEqual(child.calls, [PID])

    def test_together(self) -> None:
        """A packet may have several reports, also about the same program."""
        one, two = self.launch(), self.launch()
        self.report(
            (STARTED, 1, PID, 0),
            (ENDED, 1, PID, 0),
            (STARTED, 2, PID, 0),
        )
        self.assertEqual(one.calls, [PID, ExitStatus(0, cpu=1.5)])
        self.assertEqual(two.calls, [PID])

    def test_garbage(self) -> None:
        """
        Reports that make no sense are ignored.

        They are about unknown requests and processes, of unknown kinds, or cut off.
        """
        child = self.launch()
        for kind in (STARTED, FAILED, NO_DIRECTORY, ENDED, 99):
            self.report((kind, 12345, 12345, 0))
        self.played.channel.send(b"garbage")
        whole = REPORT.pack(STARTED, 1, PID, 0, 0)
        self.played.channel.send(whole + whole[:5])
        self.reactor.settle()
        self.assertEqual(child.calls, [PID])
        self.assertEqual(self.owner.deaths, [])

    def test_violation(self) -> None:
        """A fork server that reports an impossible process id is killed."""
        child = self.launch()
        self.report((STARTED, 1, -1, 0))
        self.assertEqual(self.played.process.signals, ["KILL"])
        self.assertEqual(child.calls, [])
        self.played.die()
        why = "impossible report: -1 is not a process id"
        self.assertEqual([death[1] for death in self.owner.deaths], [why])

    def test_notify(self) -> None:
        """The owner is notified after each report."""
        before = self.owner.notes
        self.report((ENDED, 1, PID, 0))
        self.assertEqual(self.owner.notes, before + 1)


class StopTests(HelperTestCase):
    """Tests for a L{Helper} that is given up."""

    def test_stop(self) -> None:
        """A fork server exits at the end of the channel, and leaves nothing."""
        stopped = self.helper.stop()
        self.assertNoResult(stopped)
        self.assertEqual(self.played.channel.recv(100), b"")
        self.played.die(0)
        self.successResultOf(stopped)
        self.assertEqual(self.owner.deaths, [])
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopTwice(self) -> None:
        """To stop it twice is to stop it once."""
        stopped = self.helper.stop()
        self.assertIs(self.helper.stop(), stopped)
        self.played.die(0)
        self.successResultOf(stopped)

    def test_overdue(self) -> None:
        """A fork server that does not exit is killed: its user may have stopped it."""
        stopped = self.helper.stop()
        self.reactor.advance(OVERDUE * 0.99)
        self.assertEqual(self.played.process.signals, [])
        self.reactor.advance(OVERDUE)
        self.assertEqual(self.played.process.signals, ["KILL"])
        self.assertNoResult(stopped)
        self.played.process.exit(number=signal.SIGKILL)
        self.successResultOf(stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_standardError(self) -> None:
        """A fork server has exited although another process has its standard error."""
        self.helper.stop()
        process = self.played.process
        process.exited = True
        self.assertFalse(process.left)
        self.reactor.advance(OVERDUE)
        self.assertTrue(process.left)
        self.played.die()

    def test_queued(self) -> None:
        """Requests that were sent before are received, and then the end."""
        self.launch()
        self.helper.stop()
        number, _, _, fds = self.played.take()
        os.close(fds[0])
        self.assertEqual(number, 1)
        self.assertEqual(self.played.channel.recv(100), b"")

    def stopUnready(self) -> None:
        """Stop a fork server that has not reported anything."""
        self.played.die()
        self.reactor.advance(FIRST_PAUSE)
        self.played = self.play()
        self.launch()
        self.stopped = self.helper.stop()

    def test_stopEarly(self) -> None:
        """A fork server that is starting handles the requests, and exits."""
        self.stopUnready()
        self.report((HELLO, 1, 5, 0))
        self.assertEqual(self.played.process.written, {BEGIN: [b"", b"\n", None]})
        self.assertFalse(self.helper.up)
        number, _, _, fds = self.played.take()
        os.close(fds[0])
        self.assertEqual(number, 1)
        self.assertEqual(self.played.channel.recv(100), b"")
        self.assertNotIn(self.helper.channel, self.reactor.getReaders())
        self.played.die(0)
        self.successResultOf(self.stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(openedSince(self.before), {})

    def test_stopRefused(self) -> None:
        """A fork server that may not begin is killed when it is stopped, too."""
        self.stopUnready()
        self.report((HELLO, 1, 5, 1))
        self.assertEqual(self.played.process.signals, ["KILL"])
        self.played.die()
        self.successResultOf(self.stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_stopUnheard(self) -> None:
        """A fork server that never reports is killed, and leaves nothing."""
        self.stopUnready()
        self.reactor.advance(OVERDUE)
        self.assertEqual(self.played.process.signals, ["KILL"])
        self.played.die()
        self.successResultOf(self.stopped)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(openedSince(self.before), {})

    def test_stopDead(self) -> None:
        """A fork server that has died is over at once, and not replaced."""
        self.played.die()
        self.successResultOf(self.helper.stop())
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(openedSince(self.before), {})

    def test_stopUnstarted(self) -> None:
        """A fork server that was never started is over at once."""
        before = openDescriptors()
        helper = ForkServerProcess(self.owner, self.reactor, ["/py"], "/")
        self.successResultOf(helper.stop())
        self.assertTrue(helper.over)
        self.assertEqual(openedSince(before), {})

    def test_retire(self) -> None:
        """A fork server without programs is stopped at once when it is retired."""
        self.helper.retire()
        self.assertEqual(self.played.channel.recv(100), b"")

    def test_retireBusy(self) -> None:
        """A fork server with programs is stopped when all have ended."""
        child = self.running()
        last = self.launch()
        os.close(self.played.take()[3][0])
        self.helper.retire()
        self.report((ENDED, 1, PID, 0))
        self.report((STARTED, 2, PID, 0))
        self.assertEqual((len(child.calls), last.calls), (2, [PID]))
        self.assertIn(self.helper.channel, self.reactor.getReaders())
        self.report((ENDED, 2, PID, 0))
        self.assertEqual(self.played.channel.recv(100), b"")

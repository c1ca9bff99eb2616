# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for what a process of L{inetdtw._warmhelper} does when something goes wrong, and
how it gives back sockets: in this process, where fork(2) only seems to fork.
"""

from __future__ import annotations

import errno
import io
import os
import posix
import resource
import select
import socket
import sys
import time
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw import _warmhelper
from inetdtw._warmhelper import (
    ACCEPTED,
    ADDRESSED,
    CROWDED,
    DROPPED,
    ENDED,
    FAILED,
    REPORT,
    TAKEN,
    WITHDRAWN,
    Command,
    Directory,
    Server,
)
from inetdtw.helpers.connection import packAddress
from inetdtw.test.fakes import PATIENCE, ServingTestCase

#: A process id that is nobody's.
PID = (1 << 22) + 77
#: Orders of a process that starts nothing.
ORDERS = {"paths": [b"/x"], "cold": [b"x"], "asked": ""}


def report(kind: int, number: int, pid: int, value: int) -> bytes:
    """
    Return a report without processor time.
    """
    return REPORT.pack(kind, number, pid, value, 0)


class ServerTestCase(ServingTestCase):
    """
    Have a L{Server} in this process.

    @ivar server: it.
    @ivar daemon: the other end of its socket.
    @ivar forks: what fork(2) gives, in order: process ids, or the errors to raise.
    @ivar slept: for how long it has slept.
    @ivar told: what it has said to the log.
    """

    def setUp(self) -> None:
        """
        Make it.
        """
        super().setUp()
        daemon, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.daemon = self.closing(daemon)
        self.daemon.settimeout(PATIENCE)
        # From 3.13 on, code needs a module that is not imported in advance here.
        self.patch(Command, "needs", ())
        program = Command(["-c", "1"])
        self.server = Server(theirs.detach(), program, Directory(""), dict(ORDERS))
        self.addCleanup(self.server._channel.close)
        self.forks: list[int | OSError] = []
        self.slept: list[float] = []
        self.told: list[str] = []
        self.ended: list[tuple[int, int]] = []
        self.now = 0.0
        self.patch(posix, "fork", self.fork)
        self.patch(posix, "wait4", self.wait4)
        self.patch(time, "sleep", self.sleep)
        self.patch(time, "monotonic", lambda: self.now)
        self.patch(_warmhelper, "say", self.told.append)

    def fork(self) -> int:
        """
        Seem to fork.
        """
        found = self.forks.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def wait4(self, pid: int, options: int) -> tuple[int, int, Any]:
        """
        Be told of a child that has ended.
        """
        self.assertEqual((pid, options), (-1, os.WNOHANG))
        if not self.ended:
            raise ChildProcessError
        return (*self.ended.pop(0), resource.struct_rusage([0.0] * 16))

    def sleep(self, seconds: float) -> None:
        """
        Let time go on.
        """
        self.slept.append(seconds)
        self.now += seconds

    def isOpen(self, fd: int) -> bool:
        """
        True if a descriptor is open.
        """
        try:
            os.fstat(fd)
        except OSError:
            return False
        return True

    def listen(self, number: int = 5, most: int = 0) -> socket.socket:
        """
        Have it accept from a socket.

        @return: the daemon's own descriptor of that.
        """
        listening = self.closing(socket.create_server(("127.0.0.1", 0)))
        listening.setblocking(False)
        self.again(listening, number, most)
        return listening

    def again(self, listening: socket.socket, number: int = 5, most: int = 0) -> None:
        """
        Have it accept from a socket once more.
        """
        self.server._mostAccepted = most
        self.server._listen(number, os.dup(listening.fileno()))

    def numbers(self) -> list[int]:
        """
        Return the sockets that it accepts from.
        """
        return [number for number, _ in self.server._listening.values()]

    def accept(self) -> None:
        """
        Have it take one connection from the first of them.
        """
        fd = next(iter(self.server._listening))
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        self.assertEqual(len(poll.poll(PATIENCE * 1000)), 1)
        self.assertIsNone(self.server._accept(*self.server._listening[fd]))

    def reports(self) -> list[bytes]:
        """
        Return what it has to tell, and forget that.
        """
        found = list(self.server._reports)
        self.server._reports.clear()
        return found


class OrderTests(ServerTestCase):
    """
    Tests for orders.
    """

    def test_forked(self) -> None:
        """
        The descriptors of a client are closed when a child has them.
        """
        self.forks = [PID]
        fd = os.open(os.devnull, os.O_RDWR)
        self.assertIsNone(self.server._order(3, b"", [fd]))
        self.assertFalse(self.isOpen(fd))
        self.assertEqual((self.reports(), self.server._running), ([], {PID: 3}))

    def test_failed(self) -> None:
        """
        An order for which there is no process is reported with the reason, its
        descriptors are closed, and it has no child.
        """
        for why, number in (
            (OSError(errno.ENOMEM, "x"), errno.ENOMEM),
            (OSError(), errno.EAGAIN),
        ):
            self.forks = [why]
            fds = [os.open(os.devnull, os.O_RDWR) for _ in range(2)]
            self.assertIsNone(self.server._order(3, b"", fds))
            self.assertEqual(self.reports(), [report(FAILED, 3, 0, number)])
            self.assertEqual(list(map(self.isOpen, fds)), [False, False])
            self.assertEqual(self.server._running, {})

    def test_unknown(self) -> None:
        """
        A child of nobody is of no order.
        """
        self.ended = [(PID, 0)]
        self.server._reap()
        self.assertEqual(self.reports(), [report(ENDED, 0, PID, 0)])

    def test_time(self) -> None:
        """
        Processor time is told in microseconds.
        """
        usage = resource.struct_rusage([1.5, 0.75, *[0.0] * 14])
        self.patch(posix, "wait4", lambda *told: self.usages.pop(0))
        self.usages: list[Any] = [(PID, 0, usage), (0, 0, None)]
        self.server._reap()
        self.assertEqual(self.reports(), [REPORT.pack(ENDED, 0, PID, 0, 2250000)])
        self.assertEqual(self.usages, [])


class AcceptTests(ServerTestCase):
    """
    Tests for connections that it accepts.
    """

    def test_accepted(self) -> None:
        """
        A connection that has a child is reported, with the client, and only the child
        has it.
        """
        client = self.client(self.listen())
        self.forks = [PID]
        self.accept()
        address = packAddress(ADDRESSED, client.getsockname())
        self.assertEqual(self.reports(), [address, report(ACCEPTED, 5, PID, 0)])
        self.assertEqual(client.recv(10), b"")
        self.assertEqual(self.server._running, {PID: 5})

    def test_patient(self) -> None:
        """
        When there is no room for another process it waits, longer each time; what has
        ended meanwhile is reported, and so is all that there was to report before.
        """
        why = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        self.client(self.listen())
        self.server._report(WITHDRAWN, 9, 0, 0)
        self.server._running = {PID + 1: 8}
        self.ended = [(PID + 1, 256)]
        self.forks = [why, why, why, PID]
        self.accept()
        self.assertEqual(self.slept, [0.02, 0.04, 0.08])
        told = report(WITHDRAWN, 9, 0, 0) + report(ENDED, 8, PID + 1, 256)
        self.assertEqual(self.daemon.recv(1000), told)
        self.assertEqual(self.reports()[-1], report(ACCEPTED, 5, PID, 0))
        self.assertEqual(self.told, [f"no room for another process: {why.strerror}"])
        self.assertEqual(self.server._running, {PID: 5})

    def test_impatient(self) -> None:
        """
        When that takes too long, the client is closed and reported, and the socket is
        left to the daemon.
        """
        for why, number in (
            (OSError(errno.ENOMEM, "Cannot allocate memory"), errno.ENOMEM),
            (OSError(), errno.EAGAIN),
        ):
            self.now = 0.0
            client = self.client(self.listen())
            self.forks = [why] * 100
            self.accept()
            self.assertTrue(9 < self.now < 13, self.now)
            address = packAddress(ADDRESSED, client.getsockname())
            self.assertEqual(
                self.reports(), [address, report(DROPPED, 5, TAKEN, number)]
            )
            self.assertEqual(client.recv(10), b"")
            self.assertEqual(self.numbers(), [])
            self.assertEqual(self.server._running, {})

    def test_pauses(self) -> None:
        """
        It never waits for more than a second at once.
        """
        self.client(self.listen())
        self.forks = [OSError(errno.EAGAIN, "x")] * 100
        self.accept()
        self.assertEqual(max(self.slept), 1.0)

    def test_crowded(self) -> None:
        """
        All sockets are left to the daemon when there are as many children as may be;
        one that has ended makes room for another.
        """
        one, other = self.listen(5, 2), self.listen(6, 2)
        for pid in (PID, PID + 1):
            self.client(one)
            self.forks = [pid]
            self.assertEqual(self.numbers(), [5, 6])
            self.accept()
        self.assertEqual(self.numbers(), [])
        crowded = [report(CROWDED, number, 0, 0) for number in (5, 6)]
        self.assertEqual(self.reports()[-2:], crowded)
        self.again(other, 6, 2)
        self.assertEqual((self.numbers(), self.reports()), ([], crowded[1:]))
        self.ended = [(PID, 0)]
        self.server._reap()
        self.assertEqual(self.reports(), [report(ENDED, 5, PID, 0)])
        self.again(other, 6, 2)
        self.assertEqual((self.numbers(), self.reports()), ([6], []))

    def test_ordered(self) -> None:
        """
        Children that were ordered are not among these.
        """
        self.forks = [PID]
        self.server._order(1, b"", [os.open(os.devnull, os.O_RDWR)])
        self.listen(5, 1)
        self.assertEqual(self.numbers(), [5])


class WithdrawTests(ServerTestCase):
    """
    Tests for sockets that are taken back.
    """

    def test_withdraw(self) -> None:
        """
        It accepts no more from the socket, has it no more, and says so; it does from
        others.
        """
        one, other = self.listen(5), self.listen(6)
        fds = list(self.server._listening)
        taken = self.server._listening[fds[0]][1]
        self.server._withdraw(5)
        self.assertEqual(taken.fileno(), -1)
        self.assertEqual(self.reports(), [report(WITHDRAWN, 5, 0, 0)])
        self.assertEqual(self.numbers(), [6])
        self.assertEqual(list(map(self.isOpen, fds)), [False, True])
        self.client(one)
        self.client(other)
        found = self.server._poll.poll(PATIENCE * 1000)
        self.assertEqual(found, [(fds[1], select.POLLIN)])

    def test_unknown(self) -> None:
        """
        That it has left one already is said as well.
        """
        self.listen(6)
        self.server._withdraw(5)
        self.assertEqual(self.reports(), [report(WITHDRAWN, 5, 0, 0)])
        self.assertEqual(self.numbers(), [6])


def _inner() -> None:
    """
    Raise.
    """
    raise ValueError("because")


def _raised() -> ValueError:
    """
    Return an exception that has gone through two frames.
    """
    try:
        _inner()
    except ValueError as why:
        found = why
    return found


class UnraisableTests(SynchronousTestCase):
    """
    Tests for L{_warmhelper.unraisable}.
    """

    def setUp(self) -> None:
        """
        Have standard error where it can be read.
        """
        self.stderr = io.StringIO()
        self.patch(sys, "stderr", self.stderr)

    def printed(self, version: tuple[int, int]) -> list[str]:
        """
        Return the lines that are printed in a version of Python.
        """
        self.patch(_warmhelper, "_VERSION", version)
        _warmhelper.unraisable(_raised(), "thing", "on flushing sys.stdout")
        return self.stderr.getvalue().splitlines()

    def test_before(self) -> None:
        """
        Before 3.13 it says of what it is, then what went wrong, without the frame that
        called it.
        """
        first, second, *_, last = self.printed((3, 12))
        self.assertEqual(first, "Exception ignored in: 'thing'")
        self.assertEqual(second, "Traceback (most recent call last):")
        self.assertEqual(last, "ValueError: because")
        self.assertIn("in _inner", self.stderr.getvalue())
        self.assertNotIn("in _raised", self.stderr.getvalue())

    def test_since(self) -> None:
        """
        From then on it says when.
        """
        first, second, *_ = self.printed((3, 13))
        self.assertEqual(first, "Exception ignored on flushing sys.stdout:")
        self.assertEqual(second, "Traceback (most recent call last):")

    def test_noTraceback(self) -> None:
        """
        One that was never raised has no traceback.
        """
        self.patch(_warmhelper, "_VERSION", (3, 12))
        _warmhelper.unraisable(ValueError("x"), "thing", "")
        said = "Exception ignored in: 'thing'\nValueError: x\n"
        self.assertEqual(self.stderr.getvalue(), said)

    def test_noHook(self) -> None:
        """
        So it is when there is no hook.
        """
        self.patch(sys, "unraisablehook", None)
        self.assertIn("Exception ignored", self.printed((3, 12))[0])

    def test_hook(self) -> None:
        """
        A hook of the script's own is told all of it, and nothing is printed.
        """
        told: list[Any] = []
        self.patch(sys, "unraisablehook", told.append)
        why = _raised()
        _warmhelper.unraisable(why, "thing", "on flushing sys.stdout")
        (found,) = told
        self.assertEqual(
            (found.exc_type, found.exc_value, found.err_msg, found.object),
            (ValueError, why, None, "thing"),
        )
        self.assertIs(found.exc_traceback, why.__traceback__)
        self.assertEqual(found.exc_traceback.tb_frame.f_code.co_name, "_inner")
        self.assertEqual(self.stderr.getvalue(), "")

    def test_badHook(self) -> None:
        """
        One that raises is nobody's concern.
        """

        def bad(told: Any) -> None:
            raise KeyError

        self.patch(sys, "unraisablehook", bad)
        _warmhelper.unraisable(_raised(), "thing", "")
        self.assertEqual(self.stderr.getvalue(), "")


class FlushTests(SynchronousTestCase):
    """
    Tests for L{_warmhelper.flushStandard}.
    """

    def test_fails(self) -> None:
        """
        That standard output cannot be flushed is said; of standard error it is not,
        where nobody would read it.
        """

        class Full(io.StringIO):
            def flush(self) -> None:
                raise OSError("full")

        told: list[Any] = []
        self.patch(_warmhelper, "unraisable", lambda *given: told.append(given[1:]))
        full = Full()
        for name, wanted in (
            ("stdout", [(full, "on flushing sys.stdout")]),
            ("stderr", []),
        ):
            before = getattr(sys, name)
            setattr(sys, name, full)
            try:
                self.assertFalse(_warmhelper.flushStandard())
            finally:
                setattr(sys, name, before)
            self.assertEqual(told, wanted)
            told.clear()
        self.patch(sys, "stdout", None)
        self.patch(sys, "stderr", io.StringIO())
        sys.stderr.close()
        self.assertTrue(_warmhelper.flushStandard())

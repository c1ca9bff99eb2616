# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.process}."""

from __future__ import annotations

import errno
import fcntl
import os
import posix
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm.process import (
    ChildSignal,
    CpuLimit,
    SignalState,
    countThreads,
    endWithDaemon,
    moveHigh,
    quietly,
    takeChannel,
    unset,
)
from inetdtw.helpers.warm.test.cases import ExitedError, exitWith


def make(calls: Iterable[tuple[Any, Any]]) -> None:
    """Make the calls that are given."""
    for function, given in calls:
        function(*given)


class DescriptorTests(SynchronousTestCase):
    """Tests for L{moveHigh} and L{takeChannel}."""

    def test_high(self) -> None:
        """
        A descriptor is moved as high as possible, and is close-on-exec.

        It stays if it cannot be moved.
        """
        control = fcntl.fcntl
        for most, least in ((1000, 400), (300, 100), (50, 30), (10, 0)):

            def limited(fd: int, command: int, value: int = 0, most: int = most) -> int:
                if value > most:
                    raise OSError(errno.EINVAL, "x")
                return int(control(fd, command, value))

            fd = os.open(os.devnull, os.O_RDONLY)
            os.set_inheritable(fd, True)
            with mock.patch.object(fcntl, "fcntl", limited):
                moved = moveHigh(fd)
            self.assertGreaterEqual(moved, least)
            self.assertFalse(os.get_inheritable(moved))
            if least:
                self.assertRaises(OSError, os.fstat, fd)
            else:
                self.assertEqual(moved, fd)
            os.close(moved)

    def record(self) -> list[tuple[int, int]]:
        """
        Copy a pipe instead of descriptor 1, and copy nothing to 0 and 1.

        @return: the copies that are not made.
        """
        self.pipe, other = os.pipe()
        self.addCleanup(os.close, self.pipe)
        self.addCleanup(os.close, other)
        copies: list[tuple[int, int]] = []
        dup = os.dup

        def copied(fd: int) -> int:
            self.assertEqual(fd, 1)
            return dup(self.pipe)

        self.patch(posix, "dup", copied)
        self.patch(posix, "dup2", lambda *given: copies.append(given))
        return copies

    def test_channel(self) -> None:
        """The channel is moved away from 1, and /dev/null takes its place."""
        copies = self.record()
        opened: list[int] = []
        opens = os.open

        def openNull(*given: Any) -> int:
            opened.append(opens(*given))
            return opened[-1]

        self.patch(posix, "open", openNull)
        channel = takeChannel()
        self.assertTrue(os.path.sameopenfile(channel, self.pipe))
        os.close(channel)
        self.assertEqual(copies, [(opened[0], 0), (opened[0], 1)])
        self.assertRaises(OSError, os.fstat, opened[0])

    def test_noNull(self) -> None:
        """Sockets take the place of the channel where /dev/null is missing."""
        copies = self.record()
        sockets: Any = sys.modules["_socket"]
        pair, made = sockets.socketpair, list[Any]()

        def noNull(*given: Any) -> int:
            raise FileNotFoundError

        def makePair() -> Any:
            made.extend(pair())
            return tuple(made)

        self.patch(posix, "open", noNull)
        self.patch(sockets, "socketpair", makePair)
        os.close(takeChannel())
        (fd, first), (same, second) = copies
        self.assertEqual((fd, first, second), (same, 0, 1))
        self.assertEqual([each.fileno() for each in made], [-1, -1])


class StateTests(SynchronousTestCase):
    """Tests for L{SignalState} and L{countThreads}."""

    def test_signals(self) -> None:
        """
        Signals that were ignored at the start are ignored again, and no others.

        Those that the interpreter ignores itself do not count.
        """
        first, last = signal.SIGHUP, signal.NSIG - 1
        does: dict[int, Any] = {first: signal.SIG_IGN, signal.SIGPIPE: signal.SIG_IGN}
        signals: Any = sys.modules["_signal"]
        self.patch(signals, "getsignal", lambda number: does.get(number))
        self.patch(signals, "signal", does.__setitem__)
        masks: list[Any] = []

        def mask(how: int, which: Any) -> Any:
            masks.append((how, which))
            return {signal.SIGUSR1}

        self.patch(signals, "pthread_sigmask", mask)
        umasks: list[int] = []

        def umask(value: int) -> int:
            umasks.append(value)
            return 0o27

        self.patch(posix, "umask", umask)
        start = SignalState()
        self.assertEqual((masks, umasks), ([(signal.SIG_BLOCK, ())], [0, 0o27]))
        does.update({signal.SIGTERM: signal.SIG_IGN, last: signal.SIG_IGN})
        start.restore()
        ignored = [number for number in does if does[number] == signal.SIG_IGN]
        self.assertEqual(ignored, [first])
        self.assertEqual(masks[1:], [(signal.SIG_SETMASK, {signal.SIGUSR1})])
        self.assertEqual(umasks[2:], [0o27])
        # One that was not ignored then but is now, though it is the first.
        does[first] = signal.SIG_DFL
        start = SignalState()
        does[first] = signal.SIG_IGN
        start.restore()
        self.assertEqual(does[first], signal.SIG_DFL)

    def test_threads(self) -> None:
        """Threads are counted in /proc, or else by the threading module."""
        self.assertEqual(countThreads(), len(os.listdir("/proc/self/task")))

        def nothing(path: str) -> list[str]:
            raise FileNotFoundError

        self.patch(posix, "listdir", nothing)
        self.patch(sys.modules["threading"], "active_count", lambda: 3)
        self.assertEqual(countThreads(), 3)
        modules = {**sys.modules}
        del modules["threading"]
        self.patch(sys, "modules", modules)
        self.assertEqual(countThreads(), 1)


class CpuLimitTests(SynchronousTestCase):
    """Tests for L{CpuLimit}."""

    def limit(self, soft: int, hard: int) -> CpuLimit:
        """Return a limit; remember the limits that are set."""
        self.set: list[tuple[int, tuple[int, int]]] = []
        self.patch(resource, "getrlimit", lambda which: (soft, hard))
        self.patch(resource, "setrlimit", lambda *given: self.set.append(given))
        return CpuLimit()

    def test_soft(self) -> None:
        """The soft limit is raised in this process, and restored in a child."""
        none = resource.RLIM_INFINITY
        for soft, hard in ((50, 100), (50, none)):
            limit = self.limit(soft, hard)
            self.assertEqual(self.set, [(resource.RLIMIT_CPU, (hard, hard))])
            self.set.clear()
            make(limit.restoring())
            self.assertEqual(self.set, [(resource.RLIMIT_CPU, (soft, hard))])

    def test_none(self) -> None:
        """No limit is set where there is none."""
        none = resource.RLIM_INFINITY
        make(self.limit(none, none).restoring())
        self.assertEqual(self.set, [])

    def test_near(self) -> None:
        """The limit is near when 80 % of the hard limit are used."""
        for hard, used, near in (
            (100, 81.0, True),
            (100, 79.0, False),
            (resource.RLIM_INFINITY, 81.0, False),
        ):
            self.patch(time, "process_time", lambda used=used: used)
            self.assertIs(self.limit(50, hard).isNear(), near)


class EndWithDaemonTests(SynchronousTestCase):
    """Tests for L{endWithDaemon}."""

    def test_signal(self) -> None:
        """SIGIO is asked for while modules are imported, and only then."""
        daemon, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(daemon.close)
        self.addCleanup(theirs.close)
        self.patch(posix, "_exit", exitWith)
        fd = theirs.fileno()
        endWithDaemon(fd, True)
        owner = fcntl.fcntl(fd, fcntl.F_GETOWN)
        flags = fcntl.fcntl(fd, fcntl.F_GETFL)
        endWithDaemon(fd, False)
        self.assertEqual(owner, os.getpid())
        self.assertEqual(fcntl.fcntl(fd, fcntl.F_GETFL), flags & ~fcntl.FASYNC)
        self.assertTrue(flags & fcntl.FASYNC)
        daemon.close()
        gone = self.assertRaises(ExitedError, endWithDaemon, fd, False)
        self.assertEqual(gone.args, (0,))


class ChildSignalTests(SynchronousTestCase):
    """Tests for L{ChildSignal}."""

    def setUp(self) -> None:
        """Note what is called instead of changing the handlers of this process."""
        self.called: list[Any] = []
        signals: Any = sys.modules["_signal"]
        self.handler: Any = "handler"
        self.patch(signals, "signal", self.setHandler)
        self.patch(signals, "set_wakeup_fd", self.setWakeup)
        self.signal = ChildSignal()
        for fd in self.signal.fds:
            self.addCleanup(os.close, fd)

    def setHandler(self, number: int, handler: Any) -> Any:
        """Note a handler, and return the one before."""
        self.called.append((number, handler))
        return self.handler

    def setWakeup(self, fd: int, **more: Any) -> int:
        """Note a descriptor, and return the one before."""
        self.called.append((fd, more))
        return 7

    def test_pipe(self) -> None:
        """The pipe never blocks, no program inherits it, and C{clear} empties it."""
        wake = self.signal._wake
        for fd in (self.signal.fd, wake):
            self.assertFalse(os.get_blocking(fd) or os.get_inheritable(fd))
        os.write(wake, b"x" * 5000)
        for _ in range(2):
            self.signal.clear()
            self.assertRaises(BlockingIOError, os.read, self.signal.fd, 1)
        self.assertEqual(self.signal.fds, (self.signal.fd, wake))

    def test_restored(self) -> None:
        """A child has the handlers from before; one that is not Python's is reset."""
        for before, after in (("handler", "handler"), (None, signal.SIG_DFL)):
            self.called.clear()
            self.handler = before
            self.signal.install()
            (number, handler), wakeup = self.called
            self.assertEqual(number, signal.SIGCHLD)
            self.assertIs(handler(1, None), False)
            wanted = (self.signal._wake, {"warn_on_full_buffer": False})
            self.assertEqual(wakeup, wanted)
            self.called.clear()
            make(self.signal.restoring())
            self.assertEqual(self.called, [(signal.SIGCHLD, after), (7, {})])


class UnsetTests(SynchronousTestCase):
    """Tests for L{unset}."""

    def test_unset(self) -> None:
        """A variable is removed, whether C{os} was imported or not."""
        modules = {name: each for name, each in sys.modules.items() if name != "os"}
        for known in (sys.modules, modules):
            # As the interpreter makes it at its start.
            self.patch(posix, "environ", {b"INETDTW_TEST": b"1"})
            os.environ["INETDTW_TEST"] = "1"
            self.addCleanup(os.environ.pop, "INETDTW_TEST", None)
            self.patch(sys, "modules", known)
            for name in (b"INETDTW_TEST", b"INETDTW_NONE"):
                unset(name)
            self.assertEqual(posix.environ, {})
            found = subprocess.check_output(["/usr/bin/env"], env=None)
            self.assertNotIn(b"INETDTW_TEST", found)


class QuietlyTests(SynchronousTestCase):
    """Tests for L{quietly}."""

    def test_quietly(self) -> None:
        """A method is called, and whatever it raises is ignored."""
        calls: list[int] = []
        for name in ("bad", "none", "good"):
            quietly(Exits(calls), name)
        self.assertEqual(calls, [1])


class Exits:
    """An object with a method that returns and one that exits."""

    def __init__(self, calls: list[int]) -> None:
        """@param calls: gets a number at each call of L{good}."""
        self._calls = calls

    def good(self) -> None:
        """Note the call."""
        self._calls.append(1)

    def bad(self) -> Sequence[str]:
        """Raise SystemExit."""
        raise SystemExit

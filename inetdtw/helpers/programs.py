# -*- test-case-name: inetdtw.helpers.test.test_programs -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The programs that a fork server starts: what starts them, again and again where that is
wanted, until they have ended.

A fork server imports this besides L{inetdtw.helpers.forkserver}: it needs nothing but the
standard library.
"""

from __future__ import annotations

import contextlib
import errno
import operator
import os
import signal
import socket
import time

from inetdtw.helpers.accept import owned
from inetdtw.helpers.protocol import SMALL, Decoded, decode
from inetdtw.helpers.reports import (
    ASTRAY,
    ENDED,
    FAILED,
    REPEATED,
    STALLED,
    STARTED,
    Reports,
)
from inetdtw.helpers.socketstate import Original, Spoiled
from inetdtw.helpers.spawn import Limit, forkAndExec, spawn

# Only a type checker wants these; they would double what a fork server imports.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# What says that the machine has no room for one more process at the moment.
TRANSIENT_ERRORS = (errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE)
_PATIENCE = 10.0


def wakeOnExit() -> int:
    """
    Have the exits of children wake up poll(2).

    @return: a descriptor that is readable when there may have been one.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # Something that does nothing of a number and a frame, without a frame of its own.
    signal.signal(signal.SIGCHLD, operator.is_)
    return reading


def drain(fd: int) -> None:
    """Read all there is."""
    while len(os.read(fd, 4096)) == 4096:
        pass  # Only the wake-up matters.


def codeOf(why: Exception) -> int:
    """The number of an error; of one that has none, that of what makes no sense."""
    return getattr(why, "errno", errno.EINVAL) or errno.EIO


class DatagramRestart:
    """
    What starts a program once more for the next datagram in a socket's queue.

    @ivar socket: the socket.
    @ivar program: the path, the arguments and the environment.
    """

    program: Decoded

    def __init__(self, times: int, fd: int) -> None:
        """@param times: how often that may be done."""
        self.socket = owned(os.dup(fd))
        self._times = times
        self._original = Original(self.socket)
        self._first = self._look()

    def wanted(self) -> bool:
        """
        Whether there is a datagram that was not there before, in a socket that is as it
        was.
        """
        try:
            self._original.restore()
        except Spoiled:
            return False
        before, self._first = self._first, self._look()
        self._times -= 1
        return self._times >= 0 and self._first not in (None, before)

    def _look(self) -> Any:
        """The sender of the first datagram, and how it begins."""
        try:
            return self.socket.recvfrom(512, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return None


def datagramRestart(times: int, fd: int) -> DatagramRestart | None:
    """
    What starts a program C{times} more, if that is wanted and there is a descriptor
    left for it.
    """
    if times:
        with contextlib.suppress(OSError):
            return DatagramRestart(times, fd)
    return None


class ChildTable:
    """
    All programs of a fork server.

    @ivar orders: the number of the order of each program that runs, by its pid.
    @ivar accepted: the pids of those that were started for connections which this
        process has accepted itself.
    """

    def __init__(self, reports: Reports, directory: str, limits: list[Limit]) -> None:
        """
        @param reports: takes what the daemon is to be told of them.
        @param directory: where they start.
        @param limits: what they are limited to.
        """
        self._reports = reports
        self._directory = directory
        self._limits = limits
        self._arrived = False
        self._known: dict[bytes, Decoded] = {}
        self.orders: dict[int, int] = {}
        self.accepted: set[int] = set()
        self._repeats: dict[int, DatagramRestart] = {}

    def arrive(self, number: int = 0) -> bool:
        """
        Go to the working directory of the programs, if it is there now.

        Each program starts in what the path means then: it may be a symbolic link that
        was switched, or a directory that was made anew.  Only the root directory stays
        what it is.

        @return: whether it is there.
        """
        if self._arrived and self._directory == "/":
            return True
        try:
            os.chdir(self._directory)
        except OSError as why:
            if number:
                self._reports.add(ASTRAY, number, 0, why.errno or errno.EIO)
            return False
        self._arrived = True
        return True

    def decoded(self, shared: bytes) -> Decoded:
        """
        What the shared part of an order says; it is nearly always the same few.  One
        that is large is not kept in mind.
        """
        if len(shared) > SMALL:
            return decode(shared)
        program = self._known.get(shared)
        if program is None:
            if len(self._known) > 1000:
                self._known.clear()
            program = self._known[shared] = decode(shared)
        return program

    def begin(
        self,
        number: int,
        program: Decoded,
        fds: list[int],
        repeats: int = 0,
    ) -> None:
        """
        Start the program of an order, and report that.

        @param repeats: how often it may be started again.
        """
        repeat = datagramRestart(repeats, fds[0])
        try:
            pid = self.patiently(number, program, fds)
        except (OSError, ValueError) as why:
            self._reports.add(FAILED, number, 0, codeOf(why))
            if repeat is not None:
                repeat.socket.close()
            return
        self._reports.add(STARTED, number, pid, 0)
        if repeat is not None:
            repeat.program = program
            self._repeats[pid] = repeat

    def cancelRestarts(self) -> None:
        """Repeat nothing of what was ordered until now."""
        while self._repeats:
            self._repeats.popitem()[1].socket.close()

    def _repeat(
        self, repeat: DatagramRestart, pid: int, status: int, cpu: float
    ) -> bool:
        """
        Start a program again that has ended, if there is a datagram for it.

        @return: whether it was started; whatever is unusual is for the daemon.
        """
        if not (repeat.wanted() and self.arrive()):
            repeat.socket.close()
            return False
        try:
            following = self._start(repeat.program, [repeat.socket.fileno()])
        except OSError:
            repeat.socket.close()
            return False
        number = self.orders[following] = self.orders.pop(pid)
        self._repeats[following] = repeat
        self._reports.add(REPEATED, number, pid, status, cpu)
        self._reports.add(STARTED, number, following, 0)
        return True

    def patiently(
        self,
        number: int,
        program: Decoded,
        fds: list[int],
    ) -> int:
        """
        Start a program, and wait while the machine has no room for it.

        The orders behind this one wait in the socket, and the daemon stops
        accepting when there are too many.

        @return: its process id.
        @raise OSError: if it cannot be started.
        """
        pause, limit = 0.02, time.monotonic() + _PATIENCE
        while True:
            try:
                pid = self._start(program, fds)
                self.orders[pid] = number
                return pid
            except OSError as why:
                if why.errno not in TRANSIENT_ERRORS or time.monotonic() > limit:
                    raise
                self._reports.add(STALLED, number, 0, why.errno)
            self.reap()
            self._reports.flush()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _start(
        self,
        program: Decoded,
        fds: list[int],
    ) -> int:
        """Start a program.  posix_spawn(3) cannot set limits."""
        if self._limits:
            return forkAndExec(*program, fds, self._limits)
        return spawn(*program, fds)

    def reap(self) -> None:
        """Report the programs that have ended."""
        while self.orders:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            cpu = usage.ru_utime + usage.ru_stime
            repeat = self._repeats.pop(pid, None)
            if repeat is None or not self._repeat(repeat, pid, status, cpu):
                number, urgent = self.orders.pop(pid, 0), pid not in self.accepted
                self._reports.add(ENDED, number, pid, status, cpu, urgent)
            self.accepted.discard(pid)

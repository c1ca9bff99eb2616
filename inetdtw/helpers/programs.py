# -*- test-case-name: inetdtw.helpers.test.test_programs -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The children of a fork server."""

from __future__ import annotations

import errno
import operator
import os
import signal
import time

from inetdtw.helpers.protocol import SMALL, Program, decode
from inetdtw.helpers.reports import (
    FAILED,
    NO_DIRECTORY,
    SHORTAGE,
    STARTED,
    Reports,
)
from inetdtw.helpers.spawn import TRANSIENT_ERRORS, Limit, forkAndExec, spawn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from inetdtw.helpers.delegated import DelegatedDatagrams

#: The seconds for which a start is retried after a transient error.
_PATIENCE = 10.0
#: The seconds between the first two attempts, and at most.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 1.0


def wakeOnExit() -> int:
    """
    Have poll(2) return when a child exits.

    @return: a descriptor that is readable then.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # A function in C that ignores a number and a frame: Python makes no frame for it.
    signal.signal(signal.SIGCHLD, operator.is_)
    return reading


def drain(fd: int) -> None:
    """Discard all bytes in a non-blocking pipe."""
    while len(os.read(fd, 4096)) == 4096:
        pass  # more bytes


def errnoOf(why: Exception) -> int:
    """Return the errno of an exception, or C{EINVAL} for one without."""
    return getattr(why, "errno", errno.EINVAL) or errno.EIO


class ChildTable:
    """
    The children of a fork server.

    @ivar numbers: the number of each child's launch request or delegated socket, by
        pid.
    @ivar accepted: the children for delegated sockets: when each was started, on the
        monotonic clock, by its pid.
    @ivar waited: the sockets that one child at a time has, by the pid of that one.
    @ivar free: those whose child has exited.
    """

    def __init__(self, reports: Reports, directory: str, limits: list[Limit]) -> None:
        """
        Start with no children.

        @param reports: what is reported to the daemon.
        @param directory: the working directory of the programs.
        @param limits: the resource limits of the programs.
        """
        self._reports = reports
        self._directory = directory
        self._limits = limits
        self._entered = False
        self._known: dict[bytes, Program] = {}
        self.numbers: dict[int, int] = {}
        self.accepted: dict[int, float] = {}
        self.waited: dict[int, DelegatedDatagrams] = {}
        self.free: list[DelegatedDatagrams] = []

    def enterDirectory(self, number: int = 0) -> bool:
        """
        Change to the working directory of the programs.

        This resolves the path for each program: it may be a symbolic link that was
        switched, or a directory that was replaced.  Only the root directory cannot
        change.

        @param number: the launch request for which an error is reported.

        @return: whether the directory exists.
        """
        if self._entered and self._directory == "/":
            return True
        try:
            os.chdir(self._directory)
        except OSError as why:
            if number:
                self._reports.add(NO_DIRECTORY, number, 0, why.errno or errno.EIO)
            return False
        self._entered = True
        return True

    def decoded(self, encoded: bytes) -> Program:
        """
        Return a program, and keep it unless it is large.

        Nearly all requests are for the same few.

        @raise Exception: C{ValueError} or C{IndexError} if it cannot be decoded.
        """
        if len(encoded) > SMALL:
            return decode(encoded)
        program = self._known.get(encoded)
        if program is None:
            if len(self._known) > 1000:
                self._known.clear()
            program = self._known[encoded] = decode(encoded)
        return program

    def launch(self, number: int, program: Program, fds: list[int]) -> None:
        """
        Start a program, and report that.

        @param number: the number of the launch request.
        @param fds: what becomes 0, 1 and 2.
        """
        try:
            pid = self.startPatiently(number, program, fds)
        except (OSError, ValueError) as why:
            self._reports.add(FAILED, number, 0, errnoOf(why))
            return
        self._reports.add(STARTED, number, pid, 0)

    def startPatiently(self, number: int, program: Program, fds: list[int]) -> int:
        """
        Start a program; retry with backoff after transient errors.

        Later requests stay in the socket meanwhile, and the daemon stops accepting when
        there are too many.

        @return: its process id.
        @raise OSError: if it cannot be started.
        """
        pause, limit = _FIRST_PAUSE, time.monotonic() + _PATIENCE
        while True:
            try:
                pid = self._start(program, fds)
                self.numbers[pid] = number
                return pid
            except OSError as why:
                if why.errno not in TRANSIENT_ERRORS or time.monotonic() > limit:
                    raise
                self._reports.add(SHORTAGE, number, 0, why.errno)
            self.reap()
            self._reports.flush()
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _start(self, program: Program, fds: list[int]) -> int:
        """
        Start a program.

        @raise OSError: if it cannot be started.
        """
        if self._limits:
            # posix_spawn(3) cannot set limits.
            return forkAndExec(program, fds, self._limits)
        return spawn(program, fds)

    def reap(self) -> None:
        """Report the children that have exited."""
        while self.numbers:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            cpu = usage.ru_utime + usage.ru_stime
            number, since = self.numbers.pop(pid, 0), self.accepted.pop(pid, None)
            self._reports.addExit(number, pid, status, cpu, since)
            if pid in self.waited:
                self.free.append(self.waited.pop(pid))

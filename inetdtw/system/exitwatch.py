# -*- test-case-name: inetdtw.system.test.test_exitwatch -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Learning that a process has ended, whoever its parent is."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Callable, Union

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.process import (
    registerReapProcessHandler,
    unregisterReapProcessHandler,
)
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from inetdtw.log.failures import logSocketError
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.timer import Timer

#: The seconds between two looks at a process, where it can only be looked at.
INTERVAL = 0.5
#: What is in the place of the start of a process that has ended.
ENDED = "ended"


@implementer(IReadDescriptor)
class PidfdWatch:
    """
    Waits for one process through a pidfd (pidfd_open(2)): at no cost while the
    process runs, however many there are.
    """

    def __init__(
        self,
        reactor: Any,
        pid: int,
        gone: Callable[[], None],
        closed: Callable[[], object] = lambda: None,
    ) -> None:
        """
        @param closed: called when the pidfd is closed.

        @raise OSError: if the system has no pidfds, or there is no such process.
        """
        self._reactor = reactor
        self._pid = pid
        self._gone = gone
        self._closed = closed
        self._later = Timer(reactor)
        self._poll: PollWatch | None = None
        self._fd = os.pidfd_open(pid)
        reactor.addReader(self)

    def fileno(self) -> int:
        """The pidfd; it is readable once the process has ended."""
        return self._fd

    def doRead(self) -> None:
        """The process has ended."""
        self.cancel()
        self._gone()

    def cancel(self) -> None:
        """Wait no more."""
        if self._fd >= 0:
            self._reactor.removeReader(self)
            os.close(self._fd)
            self._fd = -1
            self._closed()
        self._later.cancel()
        if self._poll is not None:
            self._poll.cancel()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor cannot wait for it, or stops: look at the process instead."""
        if self._fd >= 0:
            self.cancel()
            self._later.start(0, self._look)

    def _look(self) -> None:
        """See whether the process is still there, and when it is not."""
        logSocketError(self.logPrefix())
        try:
            self._poll = PollWatch(Polls(self._reactor), self._pid, self._gone)
        except ProcessLookupError:
            self._gone()

    def logPrefix(self) -> str:
        """The name of this reader for the reactor."""
        return "pidfd"


class Polls:
    """
    Looks at processes twice a second, at all of them together, for those that have no
    pidfd.
    """

    def __init__(self, reactor: Any) -> None:
        self._watches: set[PollWatch] = set()
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    def add(self, watch: PollWatch) -> None:
        """Look at one more."""
        self._watches.add(watch)
        if not self._loop.running:
            self._loop.start(INTERVAL, now=False)

    def discard(self, watch: PollWatch) -> None:
        """Look at one no more."""
        self._watches.discard(watch)
        if not self._watches and self._loop.running:
            self._loop.stop()

    def _look(self) -> None:
        """See which are still there."""
        for watch in list(self._watches):
            watch.look()


class PollWatch:
    """Waits for one process by looking whether it is there, without a file descriptor."""

    def __init__(self, polls: Polls, pid: int, gone: Callable[[], None]) -> None:
        """@raise OSError: if there is no such process."""
        with suppress(PermissionError):
            os.kill(pid, 0)
        self._pid = pid
        self._since = _startOf(pid)
        self._gone = gone
        self._polls = polls
        polls.add(self)

    def look(self) -> None:
        """See whether it is still there, and is no other that has its process id now."""
        since = _startOf(self._pid)
        another = None not in (since, self._since) and since != self._since
        if _hasEnded(self._pid) or since == ENDED or another:
            self.cancel()
            self._gone()

    def cancel(self) -> None:
        """Wait no more."""
        self._polls.discard(self)


Watch = Union[PidfdWatch, PollWatch]


class ExitWatcher:
    """
    Learns of the ends of processes: by pidfds, where the system has them and as far as
    their share of the file descriptors goes, and else by looking.

    @ivar descriptors: the account of all file descriptors of this process.
    """

    def __init__(self, reactor: Any, descriptors: Descriptors | None = None) -> None:
        """@param descriptors: the account of all file descriptors of this process."""
        self._reactor = reactor
        self.descriptors = Descriptors() if descriptors is None else descriptors
        self._polls = Polls(reactor)

    def watch(self, pid: int, gone: Callable[[], None]) -> Watch:
        """
        Wait for one process.

        @param gone: called when it has ended.

        @raise OSError: if there is no such process.
        """
        account = self.descriptors
        if account.fits(1, Purpose.PIDFD) and not account.short(1):
            with suppress(AttributeError, OSError):
                return self._byPidfd(pid, gone)
        return PollWatch(self._polls, pid, gone)

    def _byPidfd(self, pid: int, gone: Callable[[], None]) -> PidfdWatch:
        """
        Wait for one process through a pidfd.

        @raise OSError: if the system has no pidfds, or there is no such process.
        """
        claim = self.descriptors.take(1, Purpose.PIDFD)
        try:
            return PidfdWatch(self._reactor, pid, gone, claim.give)
        except BaseException:
            claim.give()
            raise


def _startOf(pid: int) -> str | None:
    """
    Return when a process was started, as proc(5) says; L{ENDED} if it has ended and
    nobody has waited for it, C{None} if that cannot be known.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return None
    return ENDED if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")


def _hasEnded(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        # A child that has ended is there until somebody waits for it.
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, pid, look) is not None:
            return True
    except (AttributeError, ChildProcessError):
        pass  # Not a child, or unknown.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass  # It exists, as another user's.
    return False


def hasPidfds() -> bool:
    """Whether this system has pidfds (Linux 5.3)."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class Reaper:
    """
    Has Twisted, when it waits for its own processes, wait for a program that nobody
    here waits for any more.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        if not self._ended():
            registerReapProcessHandler(pid, self)

    def _ended(self) -> bool:
        """Whether it has ended."""
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def reapProcess(self) -> None:
        """Some process has ended."""
        if self._ended():
            unregisterReapProcessHandler(self._pid, self)

    def processEnded(self, status: int) -> None:
        """It has ended just now."""

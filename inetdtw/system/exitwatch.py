# -*- test-case-name: inetdtw.system.test.test_exitwatch -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Notification of the exit of any process, not only of children."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any, Callable, Union

from zope.interface import implementer

from twisted.internet.interfaces import IReactorTime, IReadDescriptor
from twisted.internet.process import (
    registerReapProcessHandler,
    unregisterReapProcessHandler,
)
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from inetdtw.log.failures import logSocketError
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.timer import Timer

#: The seconds between two polls of a process.
INTERVAL = 0.5
#: The start time of a zombie.
ENDED = "ended"


@implementer(IReadDescriptor)
class PidfdWatch:
    """Wait for one process by a pidfd (pidfd_open(2)), at no cost while it runs."""

    def __init__(
        self,
        reactor: Any,
        pid: int,
        gone: Callable[[], None],
        closed: Callable[[], object] = lambda: None,
    ) -> None:
        """
        Begin to wait.

        @param gone: called when the process has exited.
        @param closed: called when the pidfd is closed.

        @raise OSError: if the system has no pidfds, or the process does not exist.
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
        """Return the pidfd, which is readable once the process has exited."""
        return self._fd

    def doRead(self) -> None:
        """Report the exit."""
        self.cancel()
        self._gone()

    def cancel(self) -> None:
        """Cancel the watch."""
        if self._fd >= 0:
            self._reactor.removeReader(self)
            os.close(self._fd)
            self._fd = -1
            self._closed()
        self._later.cancel()
        if self._poll is not None:
            self._poll.cancel()

    def connectionLost(self, reason: Failure) -> None:
        """Poll in place of the reactor, which cannot wait for the pidfd or stops."""
        if self._fd >= 0:
            self.cancel()
            self._later.start(0, self._look)

    def _look(self) -> None:
        logSocketError(self.logPrefix())
        try:
            self._poll = PollWatch(Polls(self._reactor), self._pid, self._gone)
        except ProcessLookupError:
            self._gone()

    def logPrefix(self) -> str:
        """Return the name of this reader for the reactor."""
        return "pidfd"


class Polls:
    """Poll, twice a second, all processes together that have no pidfd."""

    def __init__(self, reactor: IReactorTime) -> None:
        """@param reactor: the clock of the polls."""
        self._watches: set[PollWatch] = set()
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor

    def add(self, watch: PollWatch) -> None:
        """Poll one more process."""
        self._watches.add(watch)
        if not self._loop.running:
            self._loop.start(INTERVAL, now=False)

    def discard(self, watch: PollWatch) -> None:
        """Stop polling a process."""
        self._watches.discard(watch)
        if not self._watches and self._loop.running:
            self._loop.stop()

    def _look(self) -> None:
        for watch in list(self._watches):
            watch.look()


class PollWatch:
    """Wait for one process by polling, without a file descriptor."""

    def __init__(self, polls: Polls, pid: int, gone: Callable[[], None]) -> None:
        """
        Begin to poll.

        @param gone: called when the process has exited.

        @raise OSError: if the process does not exist.
        """
        with suppress(PermissionError):
            os.kill(pid, 0)
        self._pid = pid
        self._since = _startOf(pid)
        self._gone = gone
        self._polls = polls
        polls.add(self)

    def look(self) -> None:
        """Report the exit, also if another process has the process id now."""
        since = _startOf(self._pid)
        another = None not in (since, self._since) and since != self._since
        if _hasEnded(self._pid) or since == ENDED or another:
            self.cancel()
            self._gone()

    def cancel(self) -> None:
        """Cancel the watch."""
        self._polls.discard(self)


Watch = Union[PidfdWatch, PollWatch]


class ExitWatcher:
    """
    Watch for the exit of processes.

    It uses pidfds, where the system has them and their share of the descriptors allows
    it, and polls otherwise.

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

        @param gone: called when it has exited.

        @raise OSError: if the process does not exist.
        """
        account = self.descriptors
        if account.fits(1, Purpose.PIDFD) and not account.short(1):
            with suppress(AttributeError, OSError):
                return self._byPidfd(pid, gone)
        return PollWatch(self._polls, pid, gone)

    def _byPidfd(self, pid: int, gone: Callable[[], None]) -> PidfdWatch:
        """
        Wait for one process by a pidfd.

        @raise OSError: if the system has no pidfds, or the process does not exist.
        """
        claim = self.descriptors.take(1, Purpose.PIDFD)
        try:
            return PidfdWatch(self._reactor, pid, gone, claim.release)
        except BaseException:
            claim.release()
            raise


def _startOf(pid: int) -> str | None:
    """
    Return the start time of a process from proc(5).

    @return: L{ENDED} for a zombie, C{None} if it is unknown.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b") ")[2].split()
    except OSError:
        return None
    return ENDED if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")


def _hasEnded(pid: int) -> bool:
    """Tell whether a process has exited."""
    try:
        # A child that has exited is a zombie until its parent waits for it.
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, pid, look) is not None:
            return True
    except (AttributeError, ChildProcessError):
        pass  # Not a child, or unknown.
    return not exists(pid)


def exists(pid: int) -> bool:
    """Tell whether a process exists, of any user."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It exists, as another user's.
    return True


def hasPidfds() -> bool:
    """Tell whether this system has pidfds (Linux 5.3)."""
    try:
        os.close(os.pidfd_open(os.getpid()))
    except (AttributeError, OSError):
        return False
    return True


class Reaper:
    """Reap a child by Twisted's SIGCHLD handler when nothing else waits for it."""

    def __init__(self, pid: int) -> None:
        """
        Reap the child now, or register for it.

        @param pid: its process id.
        """
        self._pid = pid
        if not self._ended():
            registerReapProcessHandler(pid, self)

    def _ended(self) -> bool:
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def reapProcess(self) -> None:
        """Reap the child if it is this one that has exited."""
        if self._ended():
            unregisterReapProcessHandler(self._pid, self)

    def processEnded(self, status: int) -> None:
        """Ignore that Twisted has reaped it."""

# -*- test-case-name: inetdtw.test.test_watch -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Learning that a process has ended, whoever its parent is.
"""

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

#: The seconds between two looks at a process, where it can only be looked at.
INTERVAL = 0.5


@implementer(IReadDescriptor)
class PidfdWatch:
    """
    Waits for one process through a pidfd (pidfd_open(2)): at no cost while the
    process runs, however many there are.
    """

    def __init__(self, reactor: Any, pid: int, gone: Callable[[], None]) -> None:
        """
        @raise OSError: if the system has no pidfds, or there is no such process.
        """
        self._reactor = reactor
        self._gone = gone
        self._fd = os.pidfd_open(pid)
        reactor.addReader(self)

    def fileno(self) -> int:
        """
        The pidfd; it is readable once the process has ended.
        """
        return self._fd

    def doRead(self) -> None:
        """
        The process has ended.
        """
        self.cancel()
        self._gone()

    def cancel(self) -> None:
        """
        Wait no more.
        """
        if self._fd >= 0:
            self._reactor.removeReader(self)
            os.close(self._fd)
            self._fd = -1

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor cannot wait for it, or stops.
        """
        self.cancel()

    def logPrefix(self) -> str:
        """
        The name of this reader for the reactor.
        """
        return "pidfd"


class PollWatch:
    """
    Waits for one process by looking twice a second, for systems without pidfds.
    """

    def __init__(self, reactor: Any, pid: int, gone: Callable[[], None]) -> None:
        """
        @raise OSError: if there is no such process.
        """
        os.kill(pid, 0)
        self._pid = pid
        self._gone = gone
        self._loop = LoopingCall(self._look)
        self._loop.clock = reactor
        self._loop.start(INTERVAL, now=False)

    def _look(self) -> None:
        """
        See whether it is still there.
        """
        if _hasEnded(self._pid):
            self.cancel()
            self._gone()

    def cancel(self) -> None:
        """
        Wait no more.
        """
        if self._loop.running:
            self._loop.stop()


Watch = Union[PidfdWatch, PollWatch]


def onExit(reactor: Any, pid: int, gone: Callable[[], None]) -> Watch:
    """
    Wait for one process in the best way there is: a pidfd, if the system has them
    and this process has a descriptor left.

    @param gone: called when it has ended.

    @raise OSError: if there is no such process.
    """
    with suppress(AttributeError, OSError):
        return PidfdWatch(reactor, pid, gone)
    return PollWatch(reactor, pid, gone)


def _hasEnded(pid: int) -> bool:
    """
    Whether a process has ended.
    """
    try:
        # A child that has ended is there until somebody waits for it.
        look = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, pid, look) is not None:
            return True
    except (AttributeError, ChildProcessError):
        """It is no child, or that cannot be known."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        """It is there, as another user's."""
    return False


def hasPidfds() -> bool:
    """
    Whether this system has pidfds (Linux 5.3).
    """
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
        """
        Whether it has ended.
        """
        try:
            return os.waitpid(self._pid, os.WNOHANG)[0] != 0
        except ChildProcessError:
            return True

    def reapProcess(self) -> None:
        """
        Some process has ended.
        """
        if self._ended():
            unregisterReapProcessHandler(self._pid, self)

    def processEnded(self, status: int) -> None:
        """
        It has ended just now.
        """

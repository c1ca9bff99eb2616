# -*- test-case-name: inetdtw.launch.test.test_direct -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Launch programs as children of the daemon.

Where the system has pidfds, the daemon watches a pidfd for the exit of each child, at a
cost that does not depend on the number of services and children.  posix_spawn(3) starts
a program with the daemon's user and working directory, fork(2) any other.  Where there
are no pidfds, C{reactor.spawnProcess} starts it, which makes no session.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from inetdtw.helpers.protocol import Program
from inetdtw.helpers.spawn import (
    TRANSIENT_ERRORS,
    forkAndExec,
    parseContext,
    reasonOf,
    spawn,
)
from inetdtw.interfaces import ExitStatus, IChild, ILauncher, LaunchRequest
from inetdtw.launch.retryqueue import RetryQueue
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.system.executable import ExecutableNotFound, checkExecutable
from inetdtw.system.exitwatch import ExitWatcher, Reaper, Watch, hasPidfds
from inetdtw.text import native, toBytes


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    """Set another umask for a while, for a child to inherit."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


class _ChildProtocol(ProcessProtocol):
    """Passes the exit of a process to an L{inetdtw.interfaces.IChild}."""

    def __init__(self, child: IChild) -> None:
        self._child = child

    def processEnded(self, reason: Failure) -> None:
        """Pass on the exit status."""
        why: Any = reason.value
        self._child.ended(ExitStatus.fromWait(why.status))


@implementer(ILauncher)
class DirectLauncher:
    """Starts programs in one process context as children of this process."""

    def __init__(
        self,
        context: ProcessContext,
        reactor: Any,
        report: Report,
        pidfds: bool | None = None,
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        Start no program yet.

        @param pidfds: whether to use pidfds; by default if the system has them.
        @param exits: watches the pidfds.
        """
        self._context = context
        self._reactor = reactor
        self._pidfds = hasPidfds() if pidfds is None else pidfds
        self._exits = ExitWatcher(reactor) if exits is None else exits
        self._retries = RetryQueue(reactor, report, self._start)
        self._watches: dict[int, Watch] = {}
        self._assumed = parseContext(map(native, context.toArguments()))

    def start(self) -> None:
        """Have programs inherit no other descriptors than 0, 1 and 2."""
        _keepInherited()

    def retire(self) -> None:
        """Do nothing: there is no helper process."""

    @property
    def over(self) -> bool:
        """Whether no program runs, or is still to be started."""
        return not (self._watches or self._retries)

    def stop(self) -> None:
        """Launch nothing more, and leave the programs that run alone."""
        while self._watches:
            pid, watch = self._watches.popitem()
            watch.cancel()
            Reaper(pid)
        self._retries.failAll()

    def awaits(self, pid: int) -> bool:
        """Return whether a child of this process is watched by its pidfd."""
        return pid in self._watches

    @property
    def hasCapacity(self) -> bool:
        """Whether the last program could be started."""
        return not self._retries

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is capacity."""
        self._retries.whenEmpty(callback)

    def launch(self, child: IChild, request: LaunchRequest) -> None:
        """Start a program, or retry later after a transient error."""
        try:
            self._start(child, request)
        except ExecutableNotFound as missing:
            child.failed(str(missing))
        except OSError as why:
            if why.errno not in TRANSIENT_ERRORS or not self._retries.add(
                child, request, why
            ):
                child.failed(reasonOf(why))

    def _start(self, child: IChild, request: LaunchRequest) -> None:
        """
        Start a program in the way that suits its context.

        @raise OSError: if it cannot be started.
        """
        context = self._context
        if self._pidfds and not (context.credentials is None and self._isHere()):
            pid = forkAndExec(_encoded(request), request.fds, (), self._assumed)
            self._watch(child, pid)
            return
        with _umask(context.umask):
            if self._pidfds:
                self._watch(child, spawn(_encoded(request), request.fds))
            else:
                self._spawnProcess(child, request)

    def _isHere(self) -> bool:
        """
        Return whether the program is to have this process' working directory.

        posix_spawn(3) cannot change it.
        """
        with suppress(OSError):
            where = native(self._context.directory)
            return os.path.samestat(os.stat(where), os.stat("."))
        return False

    def _watch(self, child: IChild, pid: int) -> None:
        """Watch for the exit of a program that was started."""
        child.started(pid)

        def gone() -> None:
            del self._watches[pid]
            try:
                _, status, usage = os.wait4(pid, 0)
            except ChildProcessError:
                child.ended(ExitStatus())
            else:
                cpu = usage.ru_utime + usage.ru_stime
                child.ended(ExitStatus.fromWait(status, cpu))

        self._watches[pid] = self._exits.watch(pid, gone)

    def _spawnProcess(self, child: IChild, request: LaunchRequest) -> None:
        """Start a program by C{reactor.spawnProcess}."""
        credentials = self._context.credentials
        # Twisted's child would write a traceback to the client.
        checkExecutable(request.executable, credentials)
        _, argv, environment = _encoded(request)
        process = self._reactor.spawnProcess(
            _ChildProtocol(child),
            toBytes(request.executable),
            *(argv, environment),
            native(self._context.directory),
            uid=None if credentials is None else credentials.uid,
            gid=None if credentials is None else credentials.gid,
            childFDs=dict(enumerate(request.fds)),
        )
        child.started(process.pid)


def _encoded(request: LaunchRequest) -> Program:
    """Return the program of a request."""
    environment = {**request.environment, **request.extra}
    variables = {toBytes(name): toBytes(each) for name, each in environment.items()}
    paths, argv = (list(map(toBytes, each)) for each in (request.paths, request.argv))
    return paths, argv, variables


def _keepInherited() -> None:
    """Make the descriptors that this process has inherited non-inheritable."""
    for fd in os.listdir("/dev/fd"):
        with suppress(OSError):
            os.set_inheritable(int(fd), int(fd) < 3)

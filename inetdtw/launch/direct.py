# -*- test-case-name: inetdtw.launch.test.test_direct -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Starting programs as children of the daemon itself.

Where the system has pidfds, the end of a program is learned from its pidfd: at the
same cost however many services, descriptors and children there are.  A program that
is to run as and where the daemon does is started by posix_spawn(3), any other by
fork(2).  Everywhere else C{reactor.spawnProcess} does it, which makes no session.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from inetdtw.helpers.spawn import (
    TRANSIENT_ERRORS,
    forkAndExec,
    parseContext,
    reasonOf,
    spawn,
)
from inetdtw.interfaces import ExitStatus, ILauncher, LaunchRequest
from inetdtw.launch.retryqueue import RetryQueue
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.system.executable import ExecutableNotFound, checkExecutable
from inetdtw.system.exitwatch import ExitWatcher, Reaper, Watch, hasPidfds
from inetdtw.text import native, toBytes


@contextmanager
def _umask(mask: int) -> Iterator[None]:
    """Have another file creation mask, which a child inherits."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


class _Told(ProcessProtocol):
    """Tells a child what Twisted finds out about it."""

    def __init__(self, child: Any) -> None:
        self._child = child

    def processEnded(self, reason: Failure) -> None:
        """The program has ended."""
        why: Any = reason.value
        self._child.ended(ExitStatus.fromWait(why.status))


@implementer(ILauncher)
class Direct:
    """Starts programs in one context as children of this process."""

    def __init__(
        self,
        context: ProcessContext,
        reactor: Any,
        report: Report,
        pidfds: bool | None = None,
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        @param pidfds: whether to use pidfds; by default if the system has them.
        @param exits: learns of the ends of programs then.
        """
        self._context = context
        self._reactor = reactor
        self._pidfds = hasPidfds() if pidfds is None else pidfds
        self._exits = ExitWatcher(reactor) if exits is None else exits
        self._held = RetryQueue(reactor, report, self._start)
        self._watches: dict[int, Watch] = {}
        self._assumed = parseContext(map(native, context.toArguments()))

    def start(self) -> None:
        """See to it that programs inherit nothing but what they are given."""
        _keepInherited()

    def retire(self) -> None:
        """There is nothing to end."""

    @property
    def over(self) -> bool:
        """Whether no program runs that has to be waited for, or is held."""
        return not (self._watches or self._held)

    def stop(self) -> None:
        """Launch nothing more, and leave what runs to itself."""
        while self._watches:
            pid, watch = self._watches.popitem()
            watch.cancel()
            Reaper(pid)
        self._held.giveUp()

    def awaits(self, pid: int) -> bool:
        """Whether a child is one that it waits for by its pidfd."""
        return pid in self._watches

    @property
    def hasCapacity(self) -> bool:
        """Whether the last program could be started."""
        return not self._held

    def cancelRestarts(self) -> None:
        """Nothing is repeated here."""

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is room."""
        self._held.whenNone(callback)

    def launch(self, child: Any, order: LaunchRequest) -> None:
        """Start a program, at once if the machine has room for it."""
        try:
            self._start(child, order)
        except ExecutableNotFound as missing:
            child.failed(str(missing))
        except OSError as why:
            if why.errno not in TRANSIENT_ERRORS or not self._held.hold(
                child, order, why
            ):
                child.failed(reasonOf(why))

    def _start(self, child: Any, order: LaunchRequest) -> None:
        """
        Start a program.

        @raise OSError: if it cannot be started.
        """
        context = self._context
        if self._pidfds and not (context.credentials is None and self._here()):
            self._fork(child, order)
            return
        with _umask(context.umask):
            if self._pidfds:
                self._spawn(child, order)
            else:
                self._spawnProcess(child, order)

    def _here(self) -> bool:
        """
        Whether this process is in the folder that the program is to be in, whatever
        that is called: posix_spawn(3) cannot go anywhere.
        """
        with suppress(OSError):
            where = native(self._context.directory)
            return os.path.samestat(os.stat(where), os.stat("."))
        return False

    def _spawn(self, child: Any, order: LaunchRequest) -> None:
        """Start a program by posix_spawn(3)."""
        pid = spawn(_pathsOf(order), *_given(order), order.fds)
        self._await(child, pid)

    def _fork(self, child: Any, order: LaunchRequest) -> None:
        """Start a program by fork(2), which takes on the context on the way."""
        pid = forkAndExec(_pathsOf(order), *_given(order), order.fds, (), self._assumed)
        self._await(child, pid)

    def _await(self, child: Any, pid: int) -> None:
        """A program runs: wait for its end."""
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

    def _spawnProcess(self, child: Any, order: LaunchRequest) -> None:
        """Start a program by the reactor."""
        credentials = self._context.credentials
        # Twisted's child would say what it misses, to the client.
        checkExecutable(order.executable, credentials)
        process = self._reactor.spawnProcess(
            _Told(child),
            toBytes(order.executable),
            *_given(order),
            native(self._context.directory),
            uid=None if credentials is None else credentials.uid,
            gid=None if credentials is None else credentials.gid,
            childFDs=dict(enumerate(order.fds)),
        )
        child.started(process.pid)


def _pathsOf(order: LaunchRequest) -> list[bytes]:
    """Return where the program may be as the system takes it."""
    return list(map(toBytes, order.paths))


def _given(order: LaunchRequest) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return the arguments and the environment of a program as the system takes them."""
    environment = {**order.environment, **order.extra}
    variables = {toBytes(name): toBytes(each) for name, each in environment.items()}
    return list(map(toBytes, order.argv)), variables


def _keepInherited() -> None:
    """Have no program inherit what whoever started this process left open."""
    for fd in os.listdir("/dev/fd"):
        with suppress(OSError):
            os.set_inheritable(int(fd), int(fd) < 3)

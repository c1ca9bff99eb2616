# -*- test-case-name: inetdtw.launch.warm.test.test_supervisor -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Supervise the warm processes of one program.

A replacement is started before the current process exits, if possible: when the daemon
reloads, or when the current process reports that it is stale.  A process that died is
restarted with backoff.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Any

from inetdtw.helpers.warm.protocol import THREADED, UNFIT
from inetdtw.interfaces import IChild, ILauncher, LaunchRequest
from inetdtw.launch.stderr import StderrReader
from inetdtw.launch.warm.process import WarmProcess
from inetdtw.limits.backoff import Backoff
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import WarmSpec
from inetdtw.system.exitwatch import ExitWatcher, Watch
from inetdtw.system.timer import Timer

#: The seconds within which a stale process is replaced once.
STALE_INTERVAL = 1.0


class WarmSupervisor(ABC):
    """
    The warm processes of one program.

    It is the owner of each L{WarmProcess}.  A subclass launches programs.

    @ivar current: the process that takes launch requests, or that has died and has no
        replacement yet.
    @ivar request: a cold start of the program, for the next process.
    """

    def __init__(
        self,
        cold: ILauncher,
        spec: WarmSpec,
        reactor: Any,
        report: Report,
        name: str,
        budget: ProcessBudget,
        context: ProcessContext,
        exits: ExitWatcher,
    ) -> None:
        """
        Start no process yet.

        @param cold: the launcher of the process context.
        @param spec: how to start the interpreter.
        @param name: the service, for the log.
        @param budget: counts the programs of all services.
        @param context: the process context.
        @param exits: watches programs whose warm process is gone.
        """
        self._cold, self._spec = cold, spec
        self._reactor, self._report, self._name = reactor, report, name
        self._preload = spec.preload
        self._next: WarmProcess | None = None
        self._replaced: set[WarmProcess] = set()
        self._readers: set[StderrReader] = set()
        self._orphans: dict[int, Watch] = {}
        given = (reactor, self._readers, self._orphans, budget, context, exits)
        self._make = partial(WarmProcess, self, *given)
        self._backoff = Backoff()
        self._timer = Timer(reactor)
        self._unsupported = False
        self.current: WarmProcess | None = None
        self.request: LaunchRequest | None = None
        self.stopped = False

    def prepare(self, request: LaunchRequest) -> None:
        """Start the first process, for launch requests like this one."""
        if self.request is None:
            self.request = request
            self._start()

    def renew(self) -> None:
        """Start a replacement for the current process."""
        self._unsupported = False
        self._backoff.reset()
        self._preload = self._spec.preload
        if self.request is not None and not self.stopped:
            self._start()

    def _start(self) -> None:
        assert self.request is not None
        self._timer.cancel()
        if self._next is not None:
            self._replaced.add(self._next)
            self._next.retire()
        try:
            process = self._next = self._make(self.request)
            process.start(self._cold, self._spec, self._preload)
            process.moves = getattr(self._cold, "moves", 0)
        except OSError as why:
            self._next = None
            self._restart(None, 0.0, why.strerror or str(why), None)

    def _startAfter(self, seconds: float) -> None:
        """Schedule a start, unless a process is starting or scheduled."""
        busy = self._timer.active or self._next is not None
        if not (busy or self.stopped or self._unsupported):
            self._timer.start(seconds, self._start)

    def ready(self, process: WarmProcess) -> None:
        """Replace the current process by one that is ready."""
        before, self.current, self._next = self.current, process, None
        if before is not None:
            self._replaced.add(before)
            before.retire()
        self._report.emit(events.WARM_READY, self._name, pid=process.pid)
        self.notify()

    def stale(self, process: WarmProcess) -> None:
        """Schedule a replacement of a process."""
        if process is self.current:
            age = self._reactor.seconds() - process.startedAt
            self._startAfter(max(0.0, STALE_INTERVAL - age))

    def printed(self, process: WarmProcess, line: str) -> bool:
        """
        Log a line of a process' standard error.

        @return: false if it was left out.
        """
        return self._report.emit(
            events.WARM_STDERR, self._name, pid=process.pid, text=line
        )

    def suppressed(self, lines: int) -> bool:
        """
        Count lines that were left out of the log.

        @return: whether the next lines are to be left out, too.
        """
        return self._report.isLimited(events.WARM_STDERR, self._name, lines)

    def disconnected(self, process: WarmProcess) -> None:
        """Announce that a process takes no launch requests any more."""
        if not self.stopped:
            self.notify()

    @abstractmethod
    def notify(self) -> None:
        """Note that there may be capacity again."""

    def startCold(self, child: IChild, request: LaunchRequest) -> None:
        """Start a program cold."""
        self._cold.launch(child, request)

    def exited(self, process: WarmProcess, reason: str, status: int | None) -> None:
        """
        Schedule a restart of a process that has exited.

        @param reason: why it has exited, for the log.

        @param status: its exit status, if it has one.
        """
        self._replaced.discard(process)
        if self.stopped or process not in (self.current, self._next):
            return
        if process is self._next:
            self._next = None
        else:
            self.current = None
        age = self._reactor.seconds() - process.startedAt
        self._restart(process.pid, age, reason, status)
        self.notify()

    def _restart(
        self, pid: int | None, age: float, reason: str, status: int | None
    ) -> None:
        pause = self._backoff.after(age)
        if status == THREADED:
            self._preload = "-"
        self._unsupported = status == UNFIT
        if self._unsupported:
            reason = "warm services need CPython 3.7 or newer"
        retry = None if self._unsupported else pause
        self._report.emit(
            events.WARM_EXIT, self._name, pid=pid, retry=retry, reason=reason
        )
        self._startAfter(pause)

    def retire(self) -> None:
        """Stop each process when no program runs that it has started."""
        self.stopped = True
        self._timer.cancel()
        for process in self._all():
            process.retire()

    @property
    def over(self) -> bool:
        """Whether all processes have exited, and none will be started."""
        return self.stopped and all(process.over for process in self._all())

    def stop(self) -> None:
        """Stop all processes; their programs continue."""
        self.stopped = True
        self._timer.cancel()
        for process in self._all():
            process.close()
        # Programs whose process had exited before.
        while self._orphans:
            self._orphans.popitem()[1].cancel()
        for reader in list(self._readers):
            reader.leave()

    def _all(self) -> list[WarmProcess]:
        now = [each for each in (self.current, self._next) if each is not None]
        return [*now, *self._replaced]

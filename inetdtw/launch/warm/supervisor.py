# -*- test-case-name: inetdtw.launch.warm.test.test_supervisor -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The warm processes of one program, one after the other.

The next one is started before the current one ends, where that can be: because the
daemon was told to reload, or because something that was imported in advance is not what
would be imported now.  After one that died the next is started after a pause, which
grows as long as they die young.
"""

from __future__ import annotations

from typing import Any

from inetdtw.helpers.warm.protocol import THREADED, UNFIT
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.stderr import StderrReader
from inetdtw.launch.warm.command import warmCommand
from inetdtw.launch.warm.process import WarmProcess
from inetdtw.limits.backoff import Backoff
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import WarmSpec
from inetdtw.system.exitwatch import ExitWatcher, Watch

#: The seconds within which a process is replaced once, however often it is stale.
CALM = 1.0


class Succession:
    """
    The warm processes of one program.

    @ivar current: the one that takes orders, or has died and has no successor yet.
    @ivar template: the cold start that the next one is for.
    """

    def __init__(
        self,
        owner: Any,
        kept: WarmSpec,
        cold: Any,
        reactor: Any,
        report: Report,
        name: str,
        budget: ProcessBudget | None = None,
        context: ProcessContext | None = None,
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        @param owner: is told: C{ready(process)} of a new current one, C{notify()},
            C{left(child, order)}, and C{lost(process)}, as
            L{inetdtw.launch.warm.process.WarmProcess} says.
        @param kept: how to start the interpreter.
        @param cold: the launcher of its context.
        @param name: the service, for the log.
        @param budget: what counts the programs of all services.
        @param context: what the processes take on, if it is known.
        @param exits: learns of the ends of programs whose process is gone.
        """
        self.notify, self.left = owner.notify, owner.left
        self._owner = owner
        self._kept = kept
        self._cold = cold
        self._reactor = reactor
        self._report = report
        self._name = name
        self._budget = ProcessBudget() if budget is None else budget
        self._context = context
        self._exits = ExitWatcher(reactor) if exits is None else exits
        self._preload = kept.preload
        self._next: WarmProcess | None = None
        self._old: set[WarmProcess] = set()
        self._complaints: set[StderrReader] = set()
        self._adopted: dict[int, Watch] = {}
        self._backoff = Backoff()
        self._later: Any = None
        self._hopeless = False
        self.current: WarmProcess | None = None
        self.template: LaunchRequest | None = None
        self.stopped = False

    def prepare(self, order: LaunchRequest) -> None:
        """Start the first process, for orders like this one."""
        if self.template is None:
            self.template = order
            self._begin()

    def renew(self) -> None:
        """Have another process take the place of this one, as soon as it is ready."""
        self._hopeless = False
        self._backoff.reset()
        self._preload = self._kept.preload
        if self.template is not None and not self.stopped:
            self._begin()

    def _begin(self) -> None:
        """Start the next process."""
        assert self.template is not None
        self._calm()
        if self._next is not None:
            self._old.add(self._next)
            self._next.retire()
        order = self.template
        how = (self._kept, order, self._preload, self._context)
        command = warmCommand(*how)
        process = WarmProcess(
            *(self, self._reactor, self._complaints, order),
            budget=self._budget,
            adopted=self._adopted,
            context=self._context,
            exits=self._exits,
        )
        self._next = process
        process.start(self._cold, *command)
        process.moves = getattr(self._cold, "moves", 0)

    def _calm(self) -> None:
        """Plan nothing."""
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _plan(self, seconds: float) -> None:
        """Start a process after some time, unless that is planned, or one is starting."""

        def begin() -> None:
            self._later = None
            self._begin()

        busy = self._later is not None or self._next is not None
        if not (busy or self.stopped or self._hopeless):
            self._later = self._reactor.callLater(seconds, begin)

    def ready(self, process: WarmProcess) -> None:
        """A process can take orders."""
        before, self.current, self._next = self.current, process, None
        self._owner.ready(process)
        if before is not None:
            self._old.add(before)
            before.retire()
        self._report.warmed(self._name, process.pid)
        self.notify()

    def stale(self, process: WarmProcess) -> None:
        """A process is not what would be started now."""
        if process is self.current:
            since = self._reactor.seconds() - process.born
            self._plan(max(0.0, CALM - since))

    def said(self, process: WarmProcess, line: str) -> bool:
        """
        A process has something to say.

        @return: false if that was left out.
        """
        return self._report.warmSaid(self._name, process.pid, line)

    def tooMuch(self, lines: int) -> bool:
        """
        A process has said lines that are left out.

        @return: whether those that come now are to be, too.
        """
        return self._report.stillTooMuch("warm", self._name, lines)

    def lost(self, process: WarmProcess) -> None:
        """A process can take no orders any more."""
        if not self.stopped:
            self._owner.lost(process)
            self.notify()

    def gone(self, process: WarmProcess, reason: str, status: int | None) -> None:
        """A process has ended."""
        self._old.discard(process)
        if self.stopped or process not in (self.current, self._next):
            return
        if process is self._next:
            self._next = None
        else:
            self.current = None
        self._afterDeath(process, reason, status)
        self.notify()

    def _afterDeath(
        self, process: WarmProcess, reason: str, status: int | None
    ) -> None:
        """Plan for another process, if that makes sense."""
        pause = self._backoff.after(self._reactor.seconds() - process.born)
        if status == THREADED:
            self._preload = "-"
        self._hopeless = status == UNFIT
        if self._hopeless:
            reason = "the interpreter is no CPython 3.7 or later"
        retry = None if self._hopeless else pause
        self._report.cooled(self._name, process.pid, retry, reason)
        self._plan(pause)

    def retire(self) -> None:
        """End when no program runs that a process of these has started."""
        self.stopped = True
        self._calm()
        for process in self._all():
            process.retire()

    @property
    def over(self) -> bool:
        """Whether all of them have ended, and nobody follows."""
        return self.stopped and all(process.over for process in self._all())

    def stop(self) -> None:
        """End at once, whatever runs."""
        self.stopped = True
        self._calm()
        for process in self._all():
            process.close()
        # Those of processes that are gone already.
        while self._adopted:
            self._adopted.popitem()[1].cancel()
        for complaints in list(self._complaints):
            complaints.leave()

    def _all(self) -> list[WarmProcess]:
        """All processes that may be there."""
        now = [each for each in (self.current, self._next) if each is not None]
        return [*now, *self._old]

# -*- test-case-name: inetdtw.test.test_warm -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Warm starts: programs in Python that are forked from an interpreter that is ready.

A L{Warm} stands before the launcher of a context.  Whatever it cannot do at the
moment, as there is no interpreter, or none that can take an order, that launcher does:
no client waits for it.
"""

from __future__ import annotations

from typing import Any, Callable

from zope.interface import implementer

from inetdtw import interpreter
from inetdtw._warmhelper import THREADED, UNFIT
from inetdtw.complaints import Complaints
from inetdtw.interfaces import (
    IAccepting,
    IAcceptingLauncher,
    IPreparing,
    Order,
)
from inetdtw.report import Report
from inetdtw.service import Interpreted
from inetdtw.total import Total
from inetdtw.warmprocess import IN_FLIGHT, WarmProcess

#: The seconds before a process that died is followed by another: the first pause, what
#: it grows by, the longest, and how long one must live for a new start.
FIRST_PAUSE, GROWTH, LONGEST_PAUSE, GOOD_LIFE = 0.05, 2.0, 30.0, 5.0
#: The seconds within which a process is replaced once, however often it is stale.
CALM = 1.0


@implementer(IAccepting)
class _Cold:
    """
    A listening socket that is accepted from by the cold launcher.
    """

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher

    def accepted(self, peer: Any) -> Any:
        """
        A program was started for a connection.
        """
        child = self._watcher.accepted(peer)
        child.warm = False
        return child

    def dropped(self, peer: Any, reason: str) -> None:
        """
        Something went wrong.
        """
        self._watcher.dropped(peer, reason)

    def crowded(self) -> None:
        """
        Too many programs run.
        """
        self._watcher.crowded()


class _Delegation:
    """
    A listening socket that somebody else than the daemon accepts from.

    @ivar watcher: an L{IAccepting}.
    @ivar order: the socket and a cold start.
    @ivar cold: what the cold launcher calls it, if that accepts.
    @ivar process: who accepts, if a process does.
    """

    def __init__(self, watcher: Any, order: Order) -> None:
        self.watcher = watcher
        self.order = order
        self.cold: int | None = None
        self.process: WarmProcess | None = None


@implementer(IPreparing)
class Warm:
    """
    The warm process of one program, and those that follow it.

    @ivar pid: its process id, while there is one.
    """

    def __init__(
        self,
        kept: Interpreted,
        cold: Any,
        reactor: Any,
        report: Report,
        name: str,
        total: Total | None = None,
    ) -> None:
        """
        @param kept: how to start the interpreter.
        @param cold: the launcher of its context.
        @param name: the service, for the log.
        @param total: what counts the programs of all services.
        """
        self._kept = kept
        self._cold = cold
        self._reactor = reactor
        self._report = report
        self._name = name
        self._total = Total() if total is None else total
        self._preload = kept.preload
        self._template: Order | None = None
        self._process: WarmProcess | None = None
        self._next: WarmProcess | None = None
        self._old: set[WarmProcess] = set()
        self._complaints: set[Complaints] = set()
        self._waiters: list[Callable[[], None]] = []
        self._delegations: dict[int, _Delegation] = {}
        self._number = 0
        self._pause = FIRST_PAUSE
        self._born = 0.0
        self._later: Any = None
        self._hopeless = False
        self._stopped = False

    @property
    def pid(self) -> int | None:
        """
        The process id of the one that is forked.
        """
        process = self._process
        return process.pid if process is not None and process.up else None

    def start(self) -> None:
        """
        Nothing can be started before there is an order.
        """

    def prepare(self, order: Order) -> None:
        """
        Start the process for orders like this one.
        """
        if self._template is None:
            self._template = order
            self._begin()

    def renew(self) -> None:
        """
        Have another process take the place of this one, as soon as it is ready.
        """
        self._hopeless, self._pause = False, FIRST_PAUSE
        self._preload = self._kept.preload
        if self._template is not None and not self._stopped:
            self._begin()

    def _begin(self) -> None:
        """
        Start a process, which is the next one.
        """
        assert self._template is not None
        self._calm()
        if self._next is not None:
            self._old.add(self._next)
            self._next.retire()
        order = self._template
        executable, argv = interpreter.command(self._kept, order, self._preload)
        self._born = self._reactor.seconds()
        self._next = WarmProcess(self, self._reactor, self._complaints, self._total)
        self._next.start(self._cold, executable, argv, order)

    def _calm(self) -> None:
        """
        Plan nothing.
        """
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _plan(self, seconds: float) -> None:
        """
        Start a process after some time.
        """

        def begin() -> None:
            self._later = None
            self._begin()

        if self._later is None and not self._stopped and not self._hopeless:
            self._later = self._reactor.callLater(seconds, begin)

    def ready(self, process: WarmProcess) -> None:
        """
        A process can take orders.
        """
        if process is not self._next:
            return
        before, self._process, self._next = self._process, process, None
        for number, delegation in self._delegations.items():
            self._lead(number, delegation, process)
        if before is not None:
            self._old.add(before)
            before.retire()
        self._report.warmed(self._name, process.pid)
        self.notify()

    def _lead(self, number: int, delegation: _Delegation, process: WarmProcess) -> None:
        """
        Have a process accept from a socket, and no other.
        """
        if not process.share.fits():
            # It can be given orders still.
            self._reactor.callLater(0, delegation.watcher.crowded)
            return
        if not process.accept(number, delegation.watcher, delegation.order.fds[0]):
            return
        before, cold = delegation.process, delegation.cold
        delegation.process, delegation.cold = process, None
        if before is not None:
            before.withdraw(number, lambda: None)
        if cold is not None:
            self._cold.withdraw(cold, lambda: None)

    def stale(self, process: WarmProcess) -> None:
        """
        A process is not what would be started now.
        """
        if process is self._process and self._next is None:
            since = self._reactor.seconds() - self._born
            self._plan(max(0.0, CALM - since))

    def said(self, process: WarmProcess, line: str) -> None:
        """
        A process has something to say.
        """
        self._report.warmSaid(self._name, process.pid, line)

    def left(self, child: Any, order: Order) -> None:
        """
        An order has to be started cold.
        """
        child.warm = False
        self._cold.launch(child, order)

    def lost(self, process: WarmProcess) -> None:
        """
        A process can take no orders any more.
        """
        if not self._stopped:
            self._handBack(process)
            self.notify()

    def gone(self, process: WarmProcess, reason: str, status: int | None) -> None:
        """
        A process has ended.
        """
        self._old.discard(process)
        if self._stopped or process not in (self._process, self._next):
            return
        if process is self._next:
            self._next = None
        else:
            self._process = None
        self._afterDeath(process.pid, reason, status)
        self.notify()

    def _afterDeath(self, pid: int | None, reason: str, status: int | None) -> None:
        """
        Plan for another process, if that makes sense.
        """
        if self._reactor.seconds() - self._born >= GOOD_LIFE:
            self._pause = FIRST_PAUSE
        if status == THREADED:
            self._preload = "-"
        self._hopeless = status == UNFIT
        if self._hopeless:
            reason = "the interpreter is no CPython 3.7 or later"
        retry = None if self._hopeless else self._pause
        self._report.cooled(self._name, pid, retry, reason)
        self._plan(self._pause)
        self._pause = min(self._pause * GROWTH, LONGEST_PAUSE)

    def _handBack(self, process: WarmProcess) -> None:
        """
        Have the cold launcher accept from what a process accepted from.
        """
        for delegation in self._delegations.values():
            if delegation.process is process:
                delegation.process = None
                self._delegateCold(delegation)

    def _delegateCold(self, delegation: _Delegation) -> None:
        """
        Have the cold launcher accept from a socket.
        """
        watcher = _Cold(delegation.watcher)
        delegation.cold = self._cold.delegate(watcher, delegation.order)

    def launch(self, child: Any, order: Order) -> None:
        """
        Start a program, warm if that can be.
        """
        process = self._process
        if process is not None and process.up and self._suits(order):
            try:
                process.order(child, order)
                return
            except OSError:
                """It cannot take it now."""
        self.left(child, order)

    def _suits(self, order: Order) -> bool:
        """
        Whether the process is what this order would start.
        """
        made = self._template
        assert made is not None
        if (order.executable, order.argv) != (made.executable, made.argv):
            return False
        given = order.environment
        return given is made.environment or given == made.environment

    @property
    def room(self) -> bool:
        """
        Whether another program can be ordered.
        """
        process = self._process
        if process is not None and process.up:
            return process.load < IN_FLIGHT
        return bool(self._cold.room)

    def whenRoom(self, callback: Callable[[], None]) -> None:
        """
        Call once when there is room.
        """
        if self.pid is None:
            self._cold.whenRoom(callback)
        else:
            self._waiters.append(callback)

    def notify(self) -> None:
        """
        Tell those who wait, if there is room.
        """
        while self._waiters and self.room:
            self._waiters.pop(0)()
        if self.pid is None:
            while self._waiters:
                self._cold.whenRoom(self._waiters.pop(0))

    def settle(self) -> None:
        """
        Repeat nothing.
        """
        self._cold.settle()

    def retire(self) -> None:
        """
        End when no program runs that a process of these has started.
        """
        self._stopped = True
        self._calm()
        for process in self._all():
            process.retire()

    def stop(self) -> None:
        """
        End at once, whatever runs.
        """
        self._stopped = True
        self._calm()
        for process in self._all():
            process.close()
        for complaints in list(self._complaints):
            complaints.leave()

    def _all(self) -> list[WarmProcess]:
        """
        All processes that may be there.
        """
        now = [each for each in (self._process, self._next) if each is not None]
        return [*now, *self._old]


@implementer(IAcceptingLauncher)
class AcceptingWarm(Warm):
    """
    A L{Warm} whose cold launcher can accept connections.
    """

    def delegate(self, watcher: Any, order: Order) -> int:
        """
        Accept from the socket that is descriptor 0 of an order: warm if that can be,
        and otherwise until it can.
        """
        self.prepare(order)
        self._number += 1
        delegation = self._delegations[self._number] = _Delegation(watcher, order)
        if self.pid is not None and self._process is not None and self._suits(order):
            self._lead(self._number, delegation, self._process)
        if delegation.process is None:
            self._delegateCold(delegation)
        return self._number

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Accept from a socket no more.
        """
        delegation = self._delegations.pop(number)
        if delegation.process is not None:
            delegation.process.withdraw(number, free)
        elif delegation.cold is not None:
            self._cold.withdraw(delegation.cold, free)
        else:
            free()


def warmBefore(cold: Any, *given: Any) -> Warm:
    """
    Make what stands before a launcher, in place of which it can be used.
    """
    accepting = IAcceptingLauncher.providedBy(cold)
    kept, *rest = given
    return (AcceptingWarm if accepting else Warm)(kept, cold, *rest)

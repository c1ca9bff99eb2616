# -*- test-case-name: inetdtw.launch.forkserver.test.test_launcher -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Fork servers: helper processes that start programs in the daemon's place.

A helper (L{inetdtw.helpers.forkserver}) takes on one context when it starts, before it
has seen any client.  It is sent every connection, starts the program, and reports
its process id, its exit status and its use of the processor.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.defer import Deferred, DeferredList

from inetdtw.interfaces import IDelegatingLauncher, LaunchRequest
from inetdtw.launch.forkserver.channel import encode
from inetdtw.launch.forkserver.code import BOOT, MODULES, codeOf
from inetdtw.launch.forkserver.delegation import Delegation
from inetdtw.launch.forkserver.process import ForkServerProcess
from inetdtw.launch.retryqueue import HeldRequest
from inetdtw.launch.sendqueue import SendQueue, isTransient
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.system.waitlist import WaitList
from inetdtw.text import native

#: Orders that one helper may have before it.
IN_FLIGHT = 4

# It is read when the daemon starts, and belongs to what the daemon consists of.
_CODE = codeOf(*MODULES)


def usualCount() -> int:
    """Return how many fork servers a context has: one for each processor, up to four."""
    return min(os.cpu_count() or 1, 4)


@implementer(IDelegatingLauncher)
class ForkServerPool:
    """
    The fork servers of one context.

    @ivar count: how many there are.
    """

    def __init__(
        self,
        context: ProcessContext,
        reactor: Any,
        report: Report,
        count: int | None = None,
        budget: ProcessBudget | None = None,
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        @param context: what the fork servers take on.
        @param count: how many there are to be; by default one for each processor,
            up to four.
        @param budget: what counts the programs of all services.
        @param exits: learns of the ends of programs whose fork server is gone.

        @raise OSError: if there are no descriptors left.
        """
        self.context = context
        self._report = report
        self._waiting = WaitList(lambda: self.hasCapacity)
        self._posts = SendQueue(reactor, lambda call, *given: call(*given))
        self._delegated = 0
        self._encoded: dict[tuple[Any, ...], tuple[Any, bytes]] = {}
        self._helpers: list[ForkServerProcess] = []
        self.count = count = count or usualCount()
        try:
            for _ in range(count):
                self._helpers.append(self._helper(reactor, budget, exits))
        except OSError:
            self.stop()
            raise

    def _helper(
        self, reactor: Any, budget: ProcessBudget | None, exits: ExitWatcher | None
    ) -> ForkServerProcess:
        """
        One more helper.

        @raise OSError: if there are no descriptors left.
        """
        context = self.context
        command = [sys.executable, "-I", "-S", "-c", BOOT]
        command += [*_CODE.arguments(), *map(native, context.toArguments())]
        given = (context.directory, budget, _CODE, context.credentials, exits)
        return ForkServerProcess(self, reactor, command, *given)

    def start(self) -> None:
        """Start all helpers."""
        for helper in self._helpers:
            helper.spawn()

    def retire(self) -> None:
        """Have the helpers end once no program of theirs runs."""
        self._posts.add(self._retire)

    def _retire(self) -> None:
        """The helpers have all orders that they will have."""
        for helper in self._helpers:
            helper.retire()

    @property
    def over(self) -> bool:
        """Whether all helpers have ended after they were retired."""
        return all(helper.over for helper in self._helpers)

    def stop(self) -> Deferred[Any]:
        """
        Have the helpers end at once, whatever runs.

        @return: fires when they are gone.
        """
        for _, *given in self._posts.takeAll():
            for kept in given:
                kept.close()
                kept.child.failed("the daemon stops")
        return DeferredList([helper.stop() for helper in self._helpers])

    @property
    def hasCapacity(self) -> bool:
        """Whether a helper can take another order."""
        return not self._posts and any(
            helper.up and helper.load < IN_FLIGHT for helper in self._helpers
        )

    def cancelRestarts(self) -> None:
        """Repeat nothing."""
        for helper in self._helpers:
            helper.cancelRestarts()

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is room."""
        self._waiting.add(callback)

    def launch(self, child: Any, order: LaunchRequest) -> None:
        """
        Give an order to the helper that has the fewest before it, as soon as there is
        room for it: there may be much that goes with it.
        """
        try:
            self._order(child, order)
        except OSError as why:
            if not (isTransient(why) and self._keep(child, order)):
                self._fail(child, why)

    def _order(self, child: Any, order: LaunchRequest) -> None:
        """
        Give an order to a helper.

        @raise OSError: if it cannot be sent.
        """
        helper = min(self._helpers, key=lambda each: (not each.up, each.load))
        helper.order(child, self._shared(order), *order.own(), order.restarts)

    def _fail(self, child: Any, why: OSError) -> None:
        """An order cannot be sent."""
        where = "" if why.errno == errno.E2BIG else "cannot reach the fork server: "
        child.failed(f"{where}{why.strerror}")

    def _keep(self, child: Any, order: LaunchRequest) -> bool:
        """
        Give an order later.

        @return: whether there are descriptors for that.
        """
        try:
            # Nothing may be to be repeated any more by then.
            kept = HeldRequest(child, replace(order, restarts=0))
        except OSError:
            return False
        self._posts.add(self._orderKept, kept)
        return True

    def _orderKept(self, kept: HeldRequest) -> None:
        """
        Give an order that there was no room for before.

        @raise OSError: if there is none still.
        """
        try:
            self._order(kept.child, kept.order)
        except OSError as why:
            if isTransient(why):
                raise
            self._fail(kept.child, why)
        kept.close()

    def delegate(self, watcher: Any, order: LaunchRequest) -> int:
        """Have all helpers accept from the socket that is descriptor 0 of an order."""
        self._delegated += 1
        shared = self._shared(order)
        for helper in self._helpers:
            delegation = Delegation(watcher, shared, order.fds[0])
            helper.delegate(self._delegated, delegation)
        return self._delegated

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Have no helper accept from a socket any more."""
        left = len(self._helpers)

        def one() -> None:
            nonlocal left
            left -= 1
            if not left:
                free()

        for helper in self._helpers:
            helper.withdraw(number, one)

    def _shared(self, order: LaunchRequest) -> bytes:
        """The part of the order that its service has in common, which is kept."""
        key = (order.paths, order.argv, id(order.environment))
        found = self._encoded.get(key)
        if found is None:
            if len(self._encoded) > 1000:
                self._encoded.clear()
            found = self._encoded[key] = (order.environment, encode(order))
        return found[1]

    def notify(self) -> None:
        """Tell those who wait, if there is room."""
        if self._waiting:
            self._waiting.notify()

    def stalled(self, reason: str) -> None:
        """A helper waits until the machine can start another process."""
        self._report.emit(events.SHORTAGE, reason=reason)

    def died(self, pid: int | None, why: str, pause: float) -> None:
        """A helper has died, and is followed by another after C{pause} seconds."""
        credentials = self.context.credentials
        uid = os.geteuid() if credentials is None else credentials.uid
        self._report.emit(
            events.FORKSERVER_EXIT, uid=uid, pid=pid, retry=pause, reason=why
        )

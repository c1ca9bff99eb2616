# -*- test-case-name: inetdtw.launch.forkserver.test.test_launcher -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Launch programs by fork servers.

A fork server (L{inetdtw.helpers.forkserver}) applies one process context when it
starts, before it has received any connection.  It receives every connection, starts the
program and reports its process id, its exit status and its CPU time.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.defer import Deferred, DeferredList

from inetdtw.helpers.requests import ACCEPT, WAIT
from inetdtw.interfaces import (
    IAcceptDelegate,
    IChild,
    IWaitDelegatingLauncher,
    LaunchRequest,
)
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.forkserver.code import BOOT, MODULES, codeOf
from inetdtw.launch.forkserver.process import ForkServerProcess
from inetdtw.launch.packets import encodeExtra, encodeProgram
from inetdtw.launch.retryqueue import QueuedRequest
from inetdtw.launch.sendqueue import SendQueue, isTransient
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.system.waitlist import WaitList
from inetdtw.text import native

#: The launch requests that one fork server may have before it.
IN_FLIGHT = 4

# It is read when the daemon starts, because it must be of the daemon's version.
_CODE = codeOf(*MODULES)


def usualCount() -> int:
    """Return the number of fork servers of a context: one per CPU, at most four."""
    return min(os.cpu_count() or 1, 4)


@implementer(IWaitDelegatingLauncher)
class ForkServerPool:
    """
    The fork servers of one process context.

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
        Make fork servers, and start none yet.

        @param context: what the fork servers apply.
        @param count: how many there are; by default L{usualCount}.
        @param budget: counts the programs of all services.
        @param exits: watches for the exits of programs whose fork server is gone.

        @raise OSError: if descriptors are short.
        """
        self.context = context
        self._report = report
        self._waiting = WaitList(lambda: self.hasCapacity)
        self._queue = SendQueue(reactor, lambda call, *given: call(*given))
        self._delegated = 0
        self._encoded: dict[tuple[Any, ...], tuple[Any, bytes]] = {}
        self._processes: list[ForkServerProcess] = []
        self.count = count = count or usualCount()
        try:
            for _ in range(count):
                self._processes.append(self._make(reactor, budget, exits))
        except OSError:
            self.stop()
            raise

    def _make(
        self,
        reactor: Any,
        budget: ProcessBudget | None,
        exits: ExitWatcher | None,
    ) -> ForkServerProcess:
        """
        Make a fork server, without starting it.

        @raise OSError: if descriptors are short.
        """
        context = self.context
        command = [sys.executable, "-I", "-S", "-c", BOOT, *_CODE.arguments()]
        command += map(native, context.toArguments())
        return ForkServerProcess(
            *(self, reactor, command, context.directory),
            *(budget, _CODE, context.credentials, exits),
        )

    def start(self) -> None:
        """Start all fork servers."""
        for process in self._processes:
            process.start()

    def retire(self) -> None:
        """Have each fork server exit once none of its programs runs."""
        self._queue.add(self._retire)

    def _retire(self) -> None:
        for process in self._processes:
            process.retire()

    @property
    def over(self) -> bool:
        """Whether all fork servers have exited after they were retired or stopped."""
        return all(process.over for process in self._processes)

    def stop(self) -> Deferred[Any]:
        """
        Stop all fork servers, and leave their programs alone.

        @return: fires when they are gone.
        """
        for _, *arguments in self._queue.takeAll():
            for queued in arguments:
                queued.close()
                queued.child.failed("the daemon stops")
        return DeferredList([process.stop() for process in self._processes])

    @property
    def hasCapacity(self) -> bool:
        """Whether a fork server can take another launch request."""
        return not self._queue and any(
            process.up and process.load < IN_FLIGHT for process in self._processes
        )

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is capacity."""
        self._waiting.add(callback)

    def launch(self, child: IChild, request: LaunchRequest) -> None:
        """
        Send a request to the fork server with the fewest unanswered ones.

        If its channel is full, the request is queued: it may be large.
        """
        try:
            self._send(child, request)
        except OSError as why:
            if not (isTransient(why) and self._enqueue(child, request)):
                self._fail(child, why)

    def _send(self, child: IChild, request: LaunchRequest) -> None:
        """
        Send a request to a fork server.

        @raise OSError: if it cannot be sent.
        """
        process = min(self._processes, key=lambda each: (not each.up, each.load))
        extra, fds = encodeExtra(request)
        process.launch(child, self._program(request), extra, fds)

    def _fail(self, child: IChild, why: OSError) -> None:
        """Fail a request that cannot be sent."""
        where = "" if why.errno == errno.E2BIG else "cannot reach the fork server: "
        child.failed(f"{where}{why.strerror}")

    def _enqueue(self, child: IChild, request: LaunchRequest) -> bool:
        """
        Queue a request.

        @return: whether descriptors are left for it.
        """
        try:
            queued = QueuedRequest(child, request)
        except OSError:
            return False
        self._queue.add(self._sendQueued, queued)
        return True

    def _sendQueued(self, queued: QueuedRequest) -> None:
        """
        Send a queued request.

        @raise OSError: if the channel is still full.
        """
        try:
            self._send(queued.child, queued.request)
        except OSError as why:
            if isTransient(why):
                raise
            self._fail(queued.child, why)
        queued.close()

    def delegate(self, watcher: IAcceptDelegate, request: LaunchRequest) -> int:
        """Have all fork servers accept from descriptor 0 of a request."""
        return self._delegate(watcher, request, ACCEPT, self._processes)

    def delegateWait(self, watcher: IAcceptDelegate, request: LaunchRequest) -> int:
        """Have one fork server start programs for the datagrams of descriptor 0."""
        process = self._processes[self._delegated % self.count]
        return self._delegate(watcher, request, WAIT, [process])

    def _delegate(
        self,
        watcher: IAcceptDelegate,
        request: LaunchRequest,
        kind: int,
        processes: list[ForkServerProcess],
    ) -> int:
        """Delegate a socket to some of the fork servers."""
        self._delegated += 1
        program = self._program(request)
        fd, _, stderr = request.fds
        apart = kind == WAIT and stderr != fd
        for process in processes:
            delegation = Delegation(watcher, program, fd, kind)
            delegation.stderr = stderr if apart else -1
            process.delegate(self._delegated, delegation)
        return self._delegated

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Have no fork server start programs for a socket any more."""
        left = len(self._processes)

        def freeOne() -> None:
            nonlocal left
            left -= 1
            if not left:
                free()

        for process in self._processes:
            process.withdraw(number, freeOne)

    def _program(self, request: LaunchRequest) -> bytes:
        """Return the encoded program of a request, which is cached."""
        key = (request.paths, request.argv, id(request.environment))
        found = self._encoded.get(key)
        if found is None:
            if len(self._encoded) > 1000:
                self._encoded.clear()
            # With the environment, so that no other one gets its id.
            encoded = (request.environment, encodeProgram(request))
            found = self._encoded[key] = encoded
        return found[1]

    def notify(self) -> None:
        """Call those that wait, while there is capacity."""
        if self._waiting:
            self._waiting.notify()

    def shortage(self, reason: str) -> None:
        """Log that a fork server waits for resources."""
        self._report.emit(events.SHORTAGE, reason=reason)

    def died(self, pid: int | None, why: str, pause: float) -> None:
        """Log that a fork server has died, and is replaced after C{pause} seconds."""
        credentials = self.context.credentials
        uid = os.geteuid() if credentials is None else credentials.uid
        self._report.emit(
            events.FORKSERVER_EXIT, uid=uid, pid=pid, retry=pause, reason=why
        )

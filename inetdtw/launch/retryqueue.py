# -*- test-case-name: inetdtw.launch.test.test_retryqueue -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Queue launch requests that failed for lack of processes, memory or descriptors."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from typing import Callable

from twisted.internet.interfaces import IReactorTime

from inetdtw.helpers.spawn import TRANSIENT_ERRORS, reasonOf
from inetdtw.interfaces import IChild, LaunchRequest
from inetdtw.limits.backoff import Backoff
from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.system.executable import ExecutableNotFound
from inetdtw.system.timer import Timer
from inetdtw.system.waitlist import WaitList

#: The seconds between two tries then: the first pause, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
#: The seconds after which a request fails.
PATIENCE = 10.0


class QueuedRequest:
    """
    A launch request with descriptors of its own, which may be needed again.

    @ivar child: an L{inetdtw.interfaces.IChild}.
    @ivar request: the request, with descriptors of its own.
    """

    def __init__(self, child: IChild, request: LaunchRequest) -> None:
        """
        Duplicate the descriptors of a request.

        @raise OSError: if descriptors are short.
        """
        self.child = child
        self._own: list[int] = []
        try:
            for fd in dict.fromkeys(request.fds):
                self._own.append(os.dup(fd))
        except OSError:
            self.close()
            raise
        own = dict(zip(dict.fromkeys(request.fds), self._own))
        first, second, third = (own[fd] for fd in request.fds)
        self.request = replace(request, fds=(first, second, third))

    def close(self) -> None:
        """Close the descriptors."""
        while self._own:
            os.close(self._own.pop())


class RetryQueue:
    """The launch requests of one launcher that are retried with backoff."""

    def __init__(
        self,
        reactor: IReactorTime,
        report: Report,
        start: Callable[[IChild, LaunchRequest], None],
    ) -> None:
        """
        Start with an empty queue.

        @param start: starts a program for a child; raises C{OSError} or
            L{ExecutableNotFound}.
        """
        self._reactor = reactor
        self._report = report
        self._start = start
        self._requests: deque[tuple[QueuedRequest, float]] = deque()
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._later = Timer(reactor)
        self._waiting = WaitList(lambda: not self._requests)

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self._requests)

    def whenEmpty(self, callback: Callable[[], None]) -> None:
        """Call once when there are none."""
        self._waiting.add(callback)

    def add(self, child: IChild, request: LaunchRequest, why: OSError) -> bool:
        """
        Retry a request later.

        @param why: the error of the first attempt.

        @return: false if descriptors are short.
        """
        try:
            queued = QueuedRequest(child, request)
        except OSError:
            return False
        self._requests.append((queued, self._reactor.seconds() + PATIENCE))
        if not self._later.active:
            self._report.emit(events.SHORTAGE, reason=why.strerror or str(why))
            self._later.start(self._backoff.next(), self._again)
        return True

    def _again(self) -> None:
        """Retry all requests, until one fails."""
        while self._requests:
            queued, limit = self._requests[0]
            try:
                self._start(queued.child, queued.request)
            except ExecutableNotFound as missing:
                queued.child.failed(str(missing))
            except OSError as why:
                if why.errno in TRANSIENT_ERRORS and self._reactor.seconds() < limit:
                    self._later.start(self._backoff.next(), self._again)
                    return
                queued.child.failed(reasonOf(why))
            self._requests.popleft()
            queued.close()
        self._backoff.reset()
        self._waiting.notify()

    def failAll(self) -> None:
        """Fail all requests."""
        self._later.cancel()
        while self._requests:
            queued, _ = self._requests.popleft()
            queued.close()
            queued.child.failed("the daemon stops")

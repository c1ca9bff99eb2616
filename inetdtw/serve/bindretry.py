# -*- test-case-name: inetdtw.serve.test.test_bindretry -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Attempts to bind a service's socket, with backoff."""

from __future__ import annotations

from typing import Callable

from inetdtw.limits.backoff import Backoff
from inetdtw.log import events
from inetdtw.log.failures import reasonOf
from inetdtw.log.report import logFailure
from inetdtw.model.service import Service
from inetdtw.serve.runtime import Runtime
from inetdtw.system.timer import Timer

#: The seconds before another attempt: at first, and at most.
FIRST_RETRY, LONGEST_RETRY = 1.0, 16.0
#: The same where a socket was just closed, which helpers may have for a moment.
SOON = 1 / 64
#: The seconds before the log repeats why a socket cannot be bound.
QUIET = 64.0
#: The first port that every user may bind.
PRIVILEGED = 1024


class BindRetry:
    """
    The attempts to bind the socket of one service.

    @ivar reason: why the last one failed; C{None} if it did not.
    """

    def __init__(self, runtime: Runtime, again: Callable[[], None]) -> None:
        """@param again: called when it is time for another attempt."""
        self.reason: str | None = None
        self._runtime = runtime
        self._again = again
        self._backoff = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._quiet = 0.0
        self._timer = Timer(runtime.reactor)

    def begin(self, first: float = FIRST_RETRY) -> None:
        """
        Forget the failures.

        @param first: the seconds after the next one.  The log has none of the failures
            that come before L{FIRST_RETRY}.
        """
        self._backoff = Backoff(first, LONGEST_RETRY)

    def succeeded(self) -> None:
        """Forget the failures, and their reason."""
        self.reason = None
        self.begin()

    def explain(self, service: Service, why: Exception) -> str:
        """
        Return why a service has no socket.

        An exception that is not the system's is logged with its traceback, once.

        @param why: the exception that is being handled.
        """
        reason, port = reasonOf(why), service.address.port
        if isinstance(why, PermissionError) and 0 < port < PRIVILEGED:
            reason += (
                f": ports below {PRIVILEGED} need root, CAP_NET_BIND_SERVICE, or a "
                "supervisor that passes the socket"
            )
        if not isinstance(why, OSError) and reason != self.reason:
            logFailure(service.name)
        return reason

    def failed(self, service: Service, reason: str) -> None:
        """
        Plan another attempt, and log the reason.

        The log has it every time while the backoff grows, then when it is another one,
        or was logged L{QUIET} seconds ago.
        """
        now, retry = self._runtime.reactor.seconds(), self._backoff.next()
        news = retry < LONGEST_RETRY or reason != self.reason or now >= self._quiet
        if news and retry >= FIRST_RETRY:
            self._quiet = now + QUIET
            fields = {"address": str(service.address), "retry": retry, "reason": reason}
            self._runtime.report.emit(events.BIND_FAILED, service.name, **fields)
        self.reason = reason
        self._timer.start(retry, self._again)

    def cancel(self) -> bool:
        """Plan no further attempt; return whether one was planned."""
        planned = self._timer.active
        self._timer.cancel()
        return planned

    @property
    def due(self) -> float | None:
        """When the next attempt is, in seconds of the reactor's clock, if planned."""
        return self._timer.time

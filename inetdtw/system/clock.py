# -*- test-case-name: inetdtw.system.test.test_clock -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Monotonic time for the reactor: timers do not depend on wall-clock changes.

Twisted's reactors use the time of day.  When an operator sets the clock back by an
hour, a timer of half a second takes an hour longer.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from twisted.application.service import Service
from twisted.internet.base import ReactorBase
from twisted.internet.interfaces import IReactorTime


def clockOf(reactor: IReactorTime) -> Callable[[], float]:
    """Return C{seconds} of a reactor, or the monotonic clock for wall-clock time."""
    return time.monotonic if isinstance(reactor, ReactorBase) else reactor.seconds


class MonotonicClock(Service):
    """
    Let the reactor use the monotonic clock from the start of the daemon on.

    It is a service of its own, because an application that embeds a superserver may not
    want its reactor changed.
    """

    name = "inetd time"

    def __init__(self, reactor: Any) -> None:
        """Change nothing yet."""
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        """Change the clock, unless a delayed call was scheduled with the other one."""
        super().privilegedStartService()
        reactor = self._reactor
        if isinstance(reactor, ReactorBase) and not reactor.getDelayedCalls():
            reactor.seconds = time.monotonic

# -*- test-case-name: inetdtw.system.test.test_clock -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Time that goes on at its own pace, whatever is done to the clock of the machine.

Reactors of Twisted count the time of the day.  When somebody sets that back by an hour,
a pause of half a second takes an hour and half a second.
"""

from __future__ import annotations

import time
from typing import Any, Callable

from twisted.application.service import Service
from twisted.internet.base import ReactorBase


def clockOf(reactor: Any) -> Callable[[], float]:
    """What tells durations: a reactor's own time, unless that can be set."""
    return time.monotonic if isinstance(reactor, ReactorBase) else reactor.seconds


class MonotonicClock(Service):
    """
    Has the reactor count by a clock that nobody can set, from the start of the daemon.

    It is a service of its own, as not every application that has a superserver among
    its services wants its reactor changed.
    """

    name = "inetd time"

    def __init__(self, reactor: Any = None) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        """Change the clock, unless something is planned by the other one."""
        super().privilegedStartService()
        reactor = self._reactor
        if isinstance(reactor, ReactorBase) and not reactor.getDelayedCalls():
            reactor.seconds = time.monotonic

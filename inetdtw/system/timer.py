# -*- test-case-name: inetdtw.system.test.test_timer -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A delayed call of the reactor that can be started, cancelled and started again."""

from __future__ import annotations

from typing import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Timer:
    """
    At most one delayed call at a time.

    It refers to what it calls only while it is active, so that an owner with an
    inactive timer is not a reference cycle.
    """

    __slots__ = ("_delayed", "_reactor")

    def __init__(self, reactor: IReactorTime) -> None:
        """@param reactor: what the call is scheduled with."""
        self._reactor = reactor
        self._delayed: IDelayedCall | None = None

    @property
    def active(self) -> bool:
        """Whether the call is still to come."""
        return self._delayed is not None

    @property
    def time(self) -> float | None:
        """When the call comes, in seconds of the reactor's clock, if it is active."""
        return None if self._delayed is None else self._delayed.getTime()

    def start(
        self, seconds: float, call: Callable[..., object], *arguments: object
    ) -> None:
        """
        Schedule C{call} with C{arguments}; cancel the call that was scheduled before.

        @param seconds: from now.  The timer is inactive when the call comes.
        """
        self.cancel()
        self._delayed = self._reactor.callLater(seconds, self._fire, call, arguments)

    def cancel(self) -> None:
        """Cancel the call.  An inactive timer can be cancelled too."""
        if self._delayed is not None:
            self._delayed.cancel()
            self._delayed = None

    def _fire(self, call: Callable[..., object], arguments: tuple[object, ...]) -> None:
        self._delayed = None
        call(*arguments)

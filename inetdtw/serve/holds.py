# -*- test-case-name: inetdtw.serve.test.test_holds -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The reasons why a service accepts no clients for now."""

from __future__ import annotations

from functools import partial
from typing import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from inetdtw.model.state import PauseReason


class Holds:
    """
    The reasons why a service accepts no clients for now.  It is true if it has any.

    Each has one end: L{resume}, a timer, or a callback of what lacks capacity.  A
    reason that is given twice counts once.

    @ivar clock: the reactor's clock.
    """

    def __init__(
        self,
        clock: IReactorTime,
        paused: Callable[[], None],
        resumed: Callable[[], None],
    ) -> None:
        """
        Begin with L{PauseReason.IDLE}.

        @param paused: called when the first reason is given.
        @param resumed: called when the last one has ended.
        """
        self.clock = clock
        self._paused = paused
        self._resumed = resumed
        self._reasons = {PauseReason.IDLE}
        self._timers: dict[PauseReason, IDelayedCall] = {}
        # One for each reason: it keeps its place in what may call it already.
        self._callbacks: dict[PauseReason, Callable[[], None]] = {}

    def __bool__(self) -> bool:
        """Return whether there is any reason."""
        return bool(self._reasons)

    def __contains__(self, reason: PauseReason) -> bool:
        """Return whether this is one of the reasons."""
        return reason in self._reasons

    def pause(self, reason: PauseReason) -> None:
        """Pause until L{resume} is called for the same reason."""
        if not self._reasons:
            self._paused()
        self._reasons.add(reason)

    def pauseFor(
        self,
        reason: PauseReason,
        seconds: float,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Pause for some time.  A time that runs already stays as it is.

        @param then: called when the time is over, unless L{resume} came first.
        """
        self.pause(reason)
        if reason not in self._timers:
            over = partial(self._over, reason, then)
            self._timers[reason] = self.clock.callLater(seconds, over)

    def _over(self, reason: PauseReason, then: Callable[[], None]) -> None:
        """End a pause whose time is over."""
        del self._timers[reason]
        self.resume(reason)
        then()

    def pauseUntil(
        self,
        reason: PauseReason,
        whenCapacity: Callable[[Callable[[], None]], None],
        most: float | None = None,
    ) -> None:
        """
        Pause until there is capacity again.

        @param whenCapacity: calls its argument once when there is, as that of
            L{ICapacity<inetdtw.interfaces.ICapacity>} does.
        @param most: the seconds after which to resume in any case.
        """
        if reason in self._reasons:
            return
        self.pause(reason)
        if most is not None:
            self.pauseFor(reason, most)
        callback = self._callbacks.setdefault(reason, partial(self.resume, reason))
        whenCapacity(callback)

    def resume(self, reason: PauseReason) -> None:
        """End the pause that has this reason, if there is one."""
        if reason not in self._reasons:
            return
        self._reasons.remove(reason)
        timer = self._timers.pop(reason, None)
        if timer is not None:
            timer.cancel()
        if not self._reasons:
            self._resumed()

    def resumeAll(self) -> None:
        """End all pauses that have a time."""
        for reason in list(self._timers):
            self.resume(reason)

    def stop(self) -> None:
        """Pause for L{PauseReason.IDLE}, and for nothing that has a time."""
        self.pause(PauseReason.IDLE)
        self.resumeAll()

    def isOnly(self, reason: PauseReason) -> bool:
        """Return whether this is the one reason."""
        return self._reasons == {reason}

    @property
    def resumes(self) -> float | None:
        """When the last timer ends, in seconds of the clock; C{None} without any."""
        times = [timer.getTime() for timer in self._timers.values()]
        return max(times, default=None)

    @property
    def reasons(self) -> list[PauseReason]:
        """The reasons, in the order of their words."""
        return sorted(self._reasons, key=lambda reason: str(reason.value))

# -*- test-case-name: inetdtw.serve.test.test_baseslot -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The base of slots with and without a socket."""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable

from inetdtw.launch.warm.launcher import isReady
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Service
from inetdtw.model.state import (
    FAILING,
    PauseReason,
    ServiceState,
    conditionOf,
    explanationOf,
    kindOf,
)
from inetdtw.serve.runtime import Runtime, ServiceRuntime
from inetdtw.system.clock import clockOf

#: The reasons of a service that serves no more clients.
_STOPPING = frozenset((PauseReason.DRAIN, PauseReason.IDLE))


def failing(method: Callable[..., None]) -> Callable[..., None]:
    """Decorate a method of a slot: an exception makes only that slot fail."""

    @wraps(method)
    def call(slot: Any, *arguments: Any) -> None:
        try:
            method(slot, *arguments)
        except Exception as why:
            slot.fail(why)

    return call


class BaseSlot:
    """
    A service from when it is configured until it is removed.

    @ivar service: the service as it is configured now.
    @ivar idle: called whenever a program has exited or the socket was closed.
    """

    idle: Callable[[], None] = staticmethod(lambda: None)

    def __init__(self, service: Service, runtime: Runtime) -> None:
        """Start with the counters that the daemon has for the service."""
        self.service = service
        self._runtime = runtime
        self._launcherOf = runtime.launcherOf
        clock, tally = clockOf(runtime.reactor), runtime.tallies[service.name]
        self._limits = ServiceLimits(service.bounds, clock, tally)

    @property
    def running(self) -> int:
        """The number of its running programs."""
        return self._limits.running

    def _serviceRuntime(self, released: Callable[[], None]) -> ServiceRuntime:
        """
        Return the runtime of the service as it is configured now.

        @raise OSError: if the service has no launcher for lack of a resource.
        """
        service = self.service
        self._limits.bounds = service.bounds
        self._limits.tally = self._runtime.tallies[service.name]
        launcher = self._launcherOf(service)
        return ServiceRuntime(service, self._runtime, self._limits, launcher, released)

    def address(self) -> str:
        """Return the address that it listens on, for the log."""
        return str(self.service.address)

    def _stateOf(
        self,
        pauses: list[PauseReason],
        reason: str | None,
        resumes: float | None,
        serves: bool,
    ) -> ServiceState:
        """
        Return its state and counters.

        @param pauses: why it accepts no clients, or is in trouble.
        @param reason: what is wrong, if C{pauses} does not explain it.
        @param resumes: when it accepts clients again, in seconds of the reactor.
        @param serves: whether it is being served.
        """
        service, tally = self.service, self._limits.tally
        pauses, reason = self._withFailures(pauses, reason)
        wait = service.wait and service.internal is None
        return ServiceState(
            name=service.name,
            address=self.address(),
            kind=kindOf(service),
            pauses=tuple(pauses),
            reason=reason or explanationOf(pauses),
            until=None if resumes is None else self._runtime.timeOf(resumes),
            running=self.running,
            most=1 if wait else service.bounds.acceptMax or None,
            started=tally.admitted if service.internal else tally.warm + tally.cold,
            warm=tally.warm,
            ready=self._ready() if serves and service.warm else None,
            refused=tally.refused,
            failed=tally.failed,
            dropped=tally.dropped,
            ended=tally.ended,
            exitFailures=tally.exitFailures,
            last=tally.last,
            failure=tally.failures.last,
            cpu=tally.cpu,
        )

    def _withFailures(
        self, pauses: list[PauseReason], reason: str | None
    ) -> tuple[list[PauseReason], str | None]:
        """Add to what is wrong that its programs fail every client, if they do."""
        failures = self._limits.tally.failures
        if not failures.fatal or not _STOPPING.isdisjoint(pauses):
            return pauses, reason
        pauses = [*pauses, PauseReason.FAILURES]
        if reason is None and failures.last and conditionOf(pauses) == FAILING:
            reason = failures.last.reason
        return pauses, reason

    def _ready(self) -> bool:
        """Return whether the warm process is ready."""
        try:
            return isReady(self._launcherOf(self.service))
        except Exception:
            # The service fails when it needs its launcher.
            return False

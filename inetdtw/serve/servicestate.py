# -*- test-case-name: inetdtw.serve.test.test_servicestate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The state of a service, collected from its limits and counters."""

from __future__ import annotations

from collections.abc import Collection

from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Service
from inetdtw.model.state import PauseReason, ServiceState, explanationOf, kindOf


def stateOf(
    service: Service,
    address: str,
    limits: ServiceLimits,
    held: Collection[PauseReason],
    reason: str | None = None,
    until: float | None = None,
    ready: bool | None = None,
) -> ServiceState:
    """
    Return the state and the counters of a service.

    @param limits: counts its clients and programs.
    """
    wait = service.wait and service.internal is None
    bound = 1 if wait else service.bounds.acceptMax
    tally = limits.tally
    started = tally.admitted if service.internal else tally.warm + tally.cold
    return ServiceState(
        name=service.name,
        address=address,
        kind=kindOf(service),
        held=tuple(held),
        reason=reason or explanationOf(held),
        until=until,
        running=limits.running,
        most=bound or None,
        started=started,
        warm=tally.warm,
        ready=ready,
        refused=tally.refused,
        failed=tally.failed,
        dropped=tally.dropped,
        ended=tally.ended,
        bad=tally.bad,
        last=tally.last,
        cpu=tally.cpu,
    )

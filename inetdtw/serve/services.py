# -*- test-case-name: inetdtw.test.test_operation -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The services of a superserver from its start to its stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred

from inetdtw.launch.pool import LauncherPool
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log import events
from inetdtw.model.changes import Changes
from inetdtw.model.service import Service
from inetdtw.serve.runtime import Runtime
from inetdtw.serve.slots import SlotTable


class RunningServices:
    """
    The slots and launchers of one run of the superserver, and its process budget.

    Children of an earlier run are not counted, because its launchers are stopped.

    @ivar bound: whether the sockets were created.
    @ivar launchers: start the programs.
    @ivar slots: serve the services.
    """

    def __init__(self, runtime: Runtime, most: int) -> None:
        """@param most: how many programs of all services may run at once; 0 is any."""
        budget = ProcessBudget(most, runtime.report.atLimit)
        self._runtime = runtime = replace(runtime, budget=budget)
        self.launchers = LauncherPool(
            runtime.reactor, runtime.report, budget, runtime.descriptors
        )
        self.slots = SlotTable(runtime, self.launchers)
        self.bound = False

    def bind(self, services: Sequence[Service]) -> None:
        """Create the sockets of the services."""
        self.bound = True
        self._allot(services)
        self.launchers.expect(services)
        for service in services:
            self.slots.add(service)

    def place(self, services: Sequence[Service], serving: bool) -> None:
        """Move services whose host names have other addresses now."""
        self._allot(services)
        self.slots.apply(services, serving)

    def apply(self, services: Sequence[Service], serving: bool) -> Changes:
        """
        Serve the services of a new configuration.

        @return: the changes.
        """
        self._allot(services)
        if serving:
            self.launchers.need(services)
        changes = self.slots.apply(services, serving)
        self._runtime.report.emit(
            events.RELOAD,
            kept=len(changes.keep),
            changed=len(changes.change),
            started=len(changes.start),
            stopped=len(changes.stop),
        )
        return changes

    def stop(self) -> Deferred[Any]:
        """
        Close all sockets; running children continue.

        @return: fires when the helper processes have exited.
        """
        self.slots.abandon()
        for reader in list(self._runtime.stderrReaders):
            reader.leave()
        self._runtime.portless.close()
        return self.launchers.stop()

    def _allot(self, services: Sequence[Service]) -> None:
        """Assign inherited sockets to services, and shares of the descriptors."""
        for unused in self._runtime.inherited.assign(services):
            self._runtime.report.emit(
                events.UNUSED_SOCKET,
                fd=unused.fd,
                name=unused.name,
                address=unused.where,
                reason=unused.reason,
            )
        accounts = [self._runtime.accountOf(service) for service in services]
        wanting = [each.purpose for each in accounts if each.each + each.more]
        self._runtime.descriptors.expect(Counter(wanting))

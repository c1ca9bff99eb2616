# -*- test-case-name: inetdtw.serve.test.test_slots -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The table of all slots: start, stop, reload, pause, resume and drain."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Union

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from inetdtw.launch.pool import LauncherPool
from inetdtw.limits.budget import ProcessBudget
from inetdtw.limits.failures import Failures
from inetdtw.log import events
from inetdtw.log.failures import reasonOf, survived
from inetdtw.log.report import logFailure
from inetdtw.model.changes import Changes, diff
from inetdtw.model.clients import ClientList
from inetdtw.model.selection import findService
from inetdtw.model.service import Key, Service
from inetdtw.model.state import Draining, PauseReason, ServiceState, kindOf
from inetdtw.serve.bindretry import FIRST_RETRY, SOON
from inetdtw.serve.clients import clientList
from inetdtw.serve.portless import PortlessSlot
from inetdtw.serve.runtime import Runtime
from inetdtw.serve.slot import Slot

#: The seconds between two checks whether clients can still reach every socket.
CHECK = 5.0

AnySlot = Union[Slot, PortlessSlot]


class SlotTable:
    """
    The slots and launchers of one run of the superserver, and its process budget.

    Children of an earlier run are not counted, because its launchers are stopped.

    @ivar bound: whether the sockets were created.
    @ivar launchers: start the programs.
    """

    def __init__(self, runtime: Runtime, most: int) -> None:
        """@param most: how many programs of all services may run at once; 0 is any."""
        budget = ProcessBudget(most, runtime.report.atLimit)
        self.launchers = LauncherPool(
            runtime.reactor, runtime.report, budget, runtime.descriptors
        )
        self._runtime = replace(runtime, budget=budget, launcherOf=self.launchers.of)
        self.bound = False
        self._slots: dict[Key, AnySlot] = {}
        self._gone: list[AnySlot] = []
        self._drained: Deferred[None] | None = None
        self._checks = LoopingCall(self.check)
        self._checks.clock = runtime.reactor

    @property
    def draining(self) -> bool:
        """Whether no clients are accepted any more."""
        return self._drained is not None

    def bind(self, services: Sequence[Service]) -> None:
        """Create the sockets of the services."""
        self.bound = True
        self._allot(services)
        self.launchers.expect(services)
        for service in services:
            self.add(service)

    def add(self, service: Service, retry: float = FIRST_RETRY) -> AnySlot:
        """
        Open a service's socket.

        @param retry: the seconds until another attempt, if that fails.
        """
        make = PortlessSlot if service.isPortless else Slot
        slot: AnySlot = make(service, self._runtime)
        slot.idle = self._idle
        self._slots[service.key] = slot
        # The log has a name that is looked up only if that takes long.
        slot.bind(SOON if service.address.isName else retry)
        return slot

    def _allot(self, services: Sequence[Service]) -> None:
        """Assign inherited sockets to services, and shares of the descriptors."""
        for unused in self._runtime.inherited.assign(services):
            self._runtime.report.emit(events.UNUSED_SOCKET, **unused)
        accounts = [self._runtime.accountOf(service) for service in services]
        wanting = [each.purpose for each in accounts if each.each + each.more]
        self._runtime.descriptors.expect(Counter(wanting))

    def start(self) -> None:
        """Serve the sockets that are open, and the others as soon as they open."""
        slots = self._slots.values()
        # The launchers of others are made with their sockets.
        ready = [each for each in slots if each.bound or each.service.isPortless]
        self.launchers.need(each.service for each in ready)
        for slot in self._slots.values():
            slot.start()
        self._keepChecking()

    def _keepChecking(self) -> None:
        """Check the sockets periodically, if other processes can change any."""
        wanted = bool(self._runtime.checks) or any(
            slot.service.wait or slot.service.address.family == socket.AF_UNIX
            for slot in self._slots.values()
        )
        if wanted and not self._checks.running:
            self._checks.start(CHECK, now=False)

    def check(self) -> None:
        """Check whether clients can still reach every socket."""
        for slot in self._slots.values():
            slot.check()
        for check in self._runtime.checks:
            check()

    def stop(self) -> Deferred[Any]:
        """
        Close all sockets; running children continue.

        @return: fires when the helper processes have exited.
        """
        if self._checks.running:
            self._checks.stop()
        drained, self._drained = self._drained, None
        for slot in self._slots.values():
            survived(slot.service.name, slot.stop)
        self._slots.clear()
        self._gone.clear()
        if drained is not None and not drained.called:
            drained.callback(None)
        for reader in list(self._runtime.stderrReaders):
            reader.leave()
        self._runtime.portless.close()
        self._runtime.clients.clear()
        return self.launchers.stop()

    def apply(self, services: Sequence[Service], serving: bool) -> Changes:
        """
        Serve the services of a new configuration.

        What made programs fail may have been mended.

        @return: the changes.
        """
        for tally in self._runtime.tallies.values():
            tally.failures.begin()
        self._allot(services)
        if serving:
            self.launchers.need(services)
        changes = self._change(services, serving)
        for each in (*changes.change, *changes.start):
            self._runtime.tallies[each.name].failures = Failures()
        self._runtime.report.emit(
            events.RELOAD,
            kept=len(changes.keep),
            changed=len(changes.change),
            started=len(changes.start),
            stopped=len(changes.stop),
        )
        return changes

    def useAddresses(self, services: Sequence[Service], serving: bool) -> None:
        """Move services whose host names have other addresses now."""
        self._allot(services)
        self._change(services, serving)

    def _change(self, services: Sequence[Service], serving: bool) -> Changes:
        """
        Start, change and stop services, as a new configuration requires.

        A service that an operator has paused stays paused, also with another socket.

        @param serving: whether services are served; else only their sockets are opened.
        """
        old = {key: slot.service for key, slot in self._slots.items()}
        new = {service.key: service for service in services}
        changes = diff(old, new)
        paused = {slot.service.name for slot in self._slots.values() if slot.paused}
        paused.difference_update(each.name for each in (*changes.keep, *changes.change))
        for service in changes.stop:
            slot = self._slots.pop(service.key)
            survived(service.name, slot.stop)
            # Its programs may still run.
            self._gone = [each for each in (*self._gone, slot) if each.running]
        for service in changes.change:
            self._slots[service.key].change(service)
            self._runtime.report.emit(events.CHANGE, service.name)
        for service in changes.start:
            slot = self.add(service, SOON if changes.stop else FIRST_RETRY)
            if paused.intersection((service.name, _lineName(service))):
                slot.pause()
            if serving:
                slot.start()
        self._slots = {key: self._slots[key] for key in new}
        if serving:
            self.check()
            self._keepChecking()
        return changes

    def pause(self, word: str) -> ServiceState:
        """
        Pause a service until L{resume}; clients wait.

        @raise AmbiguousService: unless the word matches exactly one service.
        @raise Draining: if no clients are accepted any more.
        """
        slot = self._chosen(word)
        if not slot.paused:
            slot.pause()
            fields = {"seconds": None, "peer": None, "reason": "by an operator"}
            self._runtime.report.emit(events.PAUSE, slot.service.name, **fields)
        return slot.state()

    def resume(self, word: str) -> ServiceState:
        """
        Resume a service that accepts no clients for any reason.

        @raise AmbiguousService: unless the word matches exactly one service.
        @raise Draining: if no clients are accepted any more.
        """
        slot = self._chosen(word)
        # Only a check detects that clients cannot reach a socket any more.
        slot.check()
        if not slot.state().working:
            self._runtime.tallies[slot.service.name].failures.begin()
            slot.resume()
            self._runtime.report.emit(events.RESUME, slot.service.name)
        return slot.state()

    def _chosen(self, word: str) -> AnySlot:
        """Return the slot of the one service that a word matches."""
        if self.draining:
            raise Draining()
        return findService(
            word, [(_stateOf(slot), slot) for slot in self._slots.values()]
        )

    def drain(self) -> Deferred[None]:
        """
        Stop accepting clients until the daemon exits.

        @return: fires when no program runs any more and all sockets are closed, or at
            L{stop}.
        """
        if self._drained is None:
            self._runtime.report.emit(events.DRAIN, running=self.running)
            for slot in self._slots.values():
                slot.drain()
            self._drained = Deferred()
            self._idle()
        return self._drained

    def _idle(self) -> None:
        """End a drain, if that was the last program or socket."""
        drained = self._drained
        if drained is None or drained.called:
            return
        bound = any(slot.bound for slot in self._slots.values())
        if not (self.running or bound):
            drained.callback(None)

    @property
    def running(self) -> int:
        """The number of running programs and of clients of internal services."""
        return sum(slot.running for slot in (*self._slots.values(), *self._gone))

    def states(self) -> tuple[ServiceState, ...]:
        """Return the states of all services, in the order of the configuration."""
        return tuple(_stateOf(slot) for slot in self._slots.values())

    def clients(self, word: str | None) -> ClientList:
        """Return who is served now; see L{clientList}."""
        return clientList(self._runtime, self.states(), word)

    def hosts(self) -> dict[str, Any]:
        """Return the address of each service that has its socket, by its name."""
        bound = (slot for slot in self._slots.values() if slot.bound)
        return {slot.service.name: slot.getHost() for slot in bound}


def _lineName(service: Service) -> str:
    """Return the name of a service while its line had one address, a host name."""
    return service.name.rpartition(":")[2]


def _stateOf(slot: AnySlot) -> ServiceState:
    """Return the state of a service; an exception becomes its reason."""
    try:
        return slot.state()
    except Exception as why:
        service = slot.service
        logFailure(service.name)
        return ServiceState(
            name=service.name,
            address=str(service.address),
            kind=kindOf(service),
            pauses=(PauseReason.ERROR,),
            reason=reasonOf(why),
        )

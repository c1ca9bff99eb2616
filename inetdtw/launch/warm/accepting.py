# -*- test-case-name: inetdtw.launch.warm.test.test_accepting -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Warm starts where the warm process accepts the connections itself.

A listening socket is always with somebody: with the process that is ready, or else with
the cold launcher.  The one who is to accept is told before the other is told not to, so
that no connection waits longer than it must.
"""

from __future__ import annotations

from typing import Any, Callable

from zope.interface import implementer

from inetdtw.interfaces import IAcceptDelegate, IDelegatingLauncher, LaunchRequest
from inetdtw.launch.warm.launcher import Warm
from inetdtw.launch.warm.process import WarmProcess


@implementer(IAcceptDelegate)
class _Cold:
    """A listening socket that is accepted from by the cold launcher."""

    def __init__(self, watcher: Any) -> None:
        self._watcher = watcher

    def accepted(self, peer: Any) -> Any:
        """A program was started for a connection."""
        child = self._watcher.accepted(peer)
        child.warm = False
        return child

    def dropped(self, peer: Any, reason: str) -> None:
        """Something went wrong."""
        self._watcher.dropped(peer, reason)

    def crowded(self) -> None:
        """Too many programs run."""
        self._watcher.crowded()


class _Delegation:
    """
    A listening socket that somebody else than the daemon accepts from.

    @ivar watcher: an L{IAcceptDelegate}.
    @ivar order: the socket and a cold start.
    @ivar cold: what the cold launcher calls it, if that accepts.
    @ivar process: who accepts, if a process does.
    """

    def __init__(self, watcher: Any, order: LaunchRequest) -> None:
        self.watcher = watcher
        self.order = order
        self.cold: int | None = None
        self.process: WarmProcess | None = None


@implementer(IDelegatingLauncher)
class AcceptingWarm(Warm):
    """A L{Warm} whose cold launcher can accept connections."""

    def __init__(self, cold: Any, *given: Any) -> None:
        super().__init__(cold, *given)
        self._reactor = given[1]
        self._delegations: dict[int, _Delegation] = {}
        self._number = 0

    def delegate(self, watcher: Any, order: LaunchRequest) -> int:
        """
        Accept from the socket that is descriptor 0 of an order: warm if that can be,
        and otherwise until it can.
        """
        self.prepare(order)
        self._number += 1
        delegation = self._delegations[self._number] = _Delegation(watcher, order)
        if self._up is not None:
            self._lead(self._number, delegation, self._up)
        if delegation.process is None:
            self._delegateCold(delegation)
        return self._number

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Accept from a socket no more."""
        delegation = self._delegations.pop(number)
        if delegation.process is not None:
            delegation.process.accepting.withdraw(number, free)
        else:
            self._cold.withdraw(delegation.cold, free)

    def ready(self, process: WarmProcess) -> None:
        """A process can take orders: have it accept from all sockets."""
        for number, delegation in self._delegations.items():
            self._lead(number, delegation, process)
            if delegation.process not in (None, process):
                # It is for other orders, as the one before, which is to end.
                self._cool(number, delegation)

    def _lead(self, number: int, delegation: _Delegation, process: WarmProcess) -> None:
        """Have a process accept from a socket, and no other, if it suits."""
        order = delegation.order
        if not self._suits(process, order):
            return
        if not process.lease.fits():
            # It can be given orders still.
            self._reactor.callLater(0, delegation.watcher.crowded)
            return
        if process.accepting.accept(number, delegation.watcher, order.fds[0]):
            before, cold = delegation.process, delegation.cold
            delegation.process, delegation.cold = process, None
            if before is not None:
                before.accepting.withdraw(number, lambda: None)
            if cold is not None:
                self._cold.withdraw(cold, lambda: None)

    def _cool(self, number: int, delegation: _Delegation) -> None:
        """Have the cold launcher accept from a socket instead of a process."""
        assert delegation.process is not None
        delegation.process.accepting.withdraw(number, lambda: None)
        delegation.process = None
        self._delegateCold(delegation)

    def lost(self, process: WarmProcess) -> None:
        """
        A process can take no orders any more: have the cold launcher accept from what
        it accepted from.
        """
        for delegation in self._delegations.values():
            if delegation.process is process:
                delegation.process = None
                self._delegateCold(delegation)

    def _delegateCold(self, delegation: _Delegation) -> None:
        """Have the cold launcher accept from a socket."""
        watcher = _Cold(delegation.watcher)
        delegation.cold = self._cold.delegate(watcher, delegation.order)


def warmBefore(cold: Any, *given: Any) -> Warm:
    """
    Make what stands before a launcher, in place of which it can be used.

    @param given: what else L{Warm} takes.
    """
    accepting = IDelegatingLauncher.providedBy(cold)
    return (AcceptingWarm if accepting else Warm)(cold, *given)

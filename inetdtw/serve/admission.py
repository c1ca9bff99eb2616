# -*- test-case-name: inetdtw.serve.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Admission control: whether a service may accept a client now, and serve it.

The limits of the service decide, the process budget, the headroom of descriptors, and
the capacity of the launcher.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import Admission
from inetdtw.log import events
from inetdtw.log.failures import survived
from inetdtw.model.source import hostOf
from inetdtw.model.state import PauseReason
from inetdtw.serve.holds import Holds
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.undecided import AcceptedClient, Undecided
from inetdtw.system.descriptoraccount import DescriptorAccount

#: What a service, or an address, has too much of.
SHARE = "share of the file descriptors"


class AdmissionControl:
    """
    Pauses a service while it may accept no client, and decides on each that it accepts.

    @ivar holds: the reasons why the service is paused.
    """

    def __init__(
        self,
        given: ServiceRuntime,
        holds: Holds,
        account: DescriptorAccount | None = None,
    ) -> None:
        """
        Take the limits, budget and launcher of a service.

        @param holds: the pauses of the service.
        @param account: the descriptors of the service's clients, if not those of
            C{given}.
        """
        self.holds = holds
        self._name = given.service.name
        self._limits = given.limits
        self._report = given.runtime.report
        self._launcher = given.launcher
        self._budget = None if given.launcher is None else given.runtime.budget
        self._undecided = Undecided(
            holds.clock, self._limits.busy, self.free, self._decide
        )
        self._account = given.account if account is None else account

    def open(self) -> bool:
        """Tell whether a client may be accepted; if not, the service is paused."""
        return self.free() and not self.holds

    def free(self) -> bool:
        """Tell whether a program may be started, whatever else pauses the service."""
        if self._limits.full:
            self.holds.pause(PauseReason.LIMIT)
            return False
        if self._budget is not None and not self._budget.hasCapacity:
            self.holds.pauseUntil(PauseReason.TOTAL, self._budget.whenCapacity)
            return False
        if self._account.short():
            self.holds.pauseFor(PauseReason.SHORTAGE, SHORTAGE_PAUSE)
            self.short(os.strerror(errno.EMFILE))
            return False
        if self._account.full():
            self._waitForShare()
            return False
        if self._launcher is not None and not self._launcher.hasCapacity:
            self.holds.pauseUntil(PauseReason.CAPACITY, self._launcher.whenCapacity)
            return False
        return True

    def _waitForShare(self) -> None:
        """
        Pause until a client with the same purpose has given back its descriptors.

        The pause is short, because RLIMIT_NOFILE may be raised meanwhile.
        """
        whenCapacity = self._account.descriptors.whenCapacity
        self.holds.pauseUntil(PauseReason.DESCRIPTORS, whenCapacity, SHORTAGE_PAUSE)
        self._report.emit(
            events.SHORTAGE, reason=f"clients of '{self._name}' have their {SHARE}"
        )

    def let(self, client: AcceptedClient) -> None:
        """
        Have a client served or refused.

        If a program for its source may have exited already, that is decided in a
        moment.
        """
        limits, most = self._limits, self._limits.bounds.perSource
        if most:
            client.source = limits.sourceOf(hostOf(client.peer))
            if limits.busy(client.source) and self._keep(client, most):
                return
        self._decide(client)

    def _keep(self, client: AcceptedClient, most: int) -> bool:
        """Keep a client undecided; return C{False} without a descriptor for that."""
        client.claim = self._account.claim(1)
        if client.claim is None:
            return False
        if self._undecided.keep(client, most):
            return True
        client.giveBack()
        return False

    def _decide(self, client: AcceptedClient) -> None:
        """Serve or refuse a client by the limits as they are now."""
        if client.claim is not None:
            client.giveBack()
        if not self.admit(client.peer):
            survived(self._name, client.refuse)
        elif not survived(self._name, client.serve):
            # No program was started: its end would give that back.
            self.release(client.peer)

    def mayAnswer(self, peer: Any, cost: int = 1, take: bool = True) -> bool:
        """
        Tell whether a datagram may be answered by the rate of its source.

        If it may not, that is logged.

        @param cost: how many answers this one counts as.
        @param take: whether to count it.
        """
        if self._limits.mayAnswer(peer, cost, take):
            return True
        reason = self._limits.about(Admission.PEER_ANSWERED, hostOf(peer))
        # Sources may be forged, and must not fill the log.
        self._report.emit(events.REFUSE_ONCE, self._name, peer=peer, reason=reason)
        return False

    def unanswered(self) -> None:
        """Count a datagram that is not answered."""
        self._limits.refuse()

    def close(self) -> None:
        """Refuse the undecided clients, as the service stops."""
        for client in self._undecided.takeAll():
            client.giveBack()
            self._limits.refuse()
            self._refused(Admission.PEER_BUSY, client.peer)
            survived(self._name, client.refuse)

    def admit(self, peer: Any = None) -> bool:
        """
        Count a client that was accepted.

        @return: whether it may be served.
        """
        if self._account.refuses(peer):
            self._limits.refuse()
            self._report.emit(
                events.REFUSE_ONCE,
                self._name,
                peer=peer,
                reason=f"the client's address has used its {SHARE}",
            )
            return False
        verdict = self._limits.admit(hostOf(peer))
        if verdict is Admission.ADMIT:
            self._account.take(peer)
            if self._budget is not None:
                self._budget.started()
            return True
        reason = self._refused(verdict, peer)
        if verdict is Admission.TRIPPED:
            seconds = self._limits.bounds.pause
            self._report.emit(
                events.PAUSE, self._name, seconds=seconds, peer=peer, reason=reason
            )
            self.holds.pauseFor(PauseReason.RATE, seconds, self._resumed)
        return False

    def _refused(self, verdict: Admission, peer: Any) -> str:
        """Log that a client is refused, and return the reason."""
        reason = self._limits.about(verdict, hostOf(peer))
        self._report.emit(events.REFUSE, self._name, peer=peer, reason=reason)
        return reason

    def _resumed(self) -> None:
        """Reset the rate after the pause for it."""
        self._limits.resetRate()
        self._report.emit(events.RESUME, self._name)

    def release(self, peer: Any = None) -> None:
        """Count an admitted client no more: it is served."""
        self._limits.release(hostOf(peer))
        self._account.release(peer)
        if self._budget is not None:
            self._budget.ended()

    def reopen(self) -> None:
        """Decide on kept clients, and resume below the limit."""
        if self._undecided:
            self._undecided.look()
        if self.holds and not self._limits.full:
            self.holds.resume(PauseReason.LIMIT)

    def short(self, reason: str) -> None:
        """Log that a resource is exhausted."""
        self._report.emit(events.SHORTAGE, reason=reason)

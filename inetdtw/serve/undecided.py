# -*- test-case-name: inetdtw.serve.test.test_undecided -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Clients over the limit of their address, while a program may have exited unreported.

A program that exits closes its connection before the daemon is notified of its exit:
the kernel closes its descriptors first, then a helper process waits for it and reports.
A client that sees its connection closed and connects again at once must not be refused
for that.  So such a client is kept for a moment, and decided on as soon as the daemon
is notified of an exit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from twisted.internet.interfaces import IReactorTime

from inetdtw.system.descriptors import Claim
from inetdtw.system.timer import Timer

#: The seconds after which a client is refused if no program has exited until then.
MOMENT = 0.5
#: The most clients of one service that are kept.
MOST = 256


@dataclass(eq=False)
class AcceptedClient:
    """
    A client that was accepted and waits for a decision.

    @ivar peer: its address.
    @ivar serve: serves it; its connection belongs to what serves it from then on.
    @ivar refuse: refuses it, likewise; a datagram is refused by leaving it.
    @ivar source: what counts as its address.
    @ivar claim: the descriptor of its connection, while it waits.
    """

    peer: Any
    serve: Callable[[], object]
    refuse: Callable[[], object] = lambda: None
    source: str = ""
    claim: Claim | None = None

    def giveBack(self) -> None:
        """Release its claim, if it has one."""
        if self.claim is not None:
            self.claim.release()
            self.claim = None


class Undecided:
    """The undecided clients of one service, in order."""

    def __init__(
        self,
        clock: IReactorTime,
        busy: Callable[[str], bool],
        free: Callable[[], bool],
        decide: Callable[[AcceptedClient], None],
    ) -> None:
        """
        Keep no client.

        @param clock: the reactor's clock.
        @param busy: returns whether a source has as many programs as it may have.
        @param free: returns whether the service may start a program at all.
        @param decide: serves or refuses a client by the limits as they are then.
        """
        self._clock = clock
        self._busy = busy
        self._free = free
        self._decide = decide
        self._kept: dict[AcceptedClient, Timer] = {}

    def __len__(self) -> int:
        """Return how many clients are undecided."""
        return len(self._kept)

    def keep(self, client: AcceptedClient, most: int) -> bool:
        """
        Keep a client for a moment.

        @param most: how many programs its source may have, as no more can exit.

        @return: C{False} if it is not kept.
        """
        same = sum(each.source == client.source for each in self._kept)
        if same >= most or len(self._kept) >= MOST:
            return False
        self._kept[client] = Timer(self._clock)
        self._wait(client)
        return True

    def _wait(self, client: AcceptedClient) -> None:
        """
        Decide on a client in a moment, after the reports that have come by then.

        The reactor makes delayed calls before it reads.
        """
        self._kept[client].start(MOMENT, self._lastReports, client)

    def _lastReports(self, client: AcceptedClient) -> None:
        """Decide on a client in the next reactor iteration."""
        self._kept[client].start(0, self._overdue, client)

    def _overdue(self, client: AcceptedClient) -> None:
        """Decide on a client, unless it only waits for capacity."""
        if self._busy(client.source) or self._free():
            self._end(client)
        else:
            self._wait(client)

    def look(self) -> None:
        """Decide on the clients whose sources are below their limit again."""
        for client in list(self._kept):
            decidable = client in self._kept and not self._busy(client.source)
            if decidable and self._free():
                self._end(client)

    def _end(self, client: AcceptedClient) -> None:
        self._kept.pop(client).cancel()
        self._decide(client)

    def takeAll(self) -> list[AcceptedClient]:
        """Remove and return all undecided clients."""
        kept, self._kept = self._kept, {}
        for timer in kept.values():
            timer.cancel()
        return list(kept)

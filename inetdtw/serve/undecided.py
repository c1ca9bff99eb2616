# -*- test-case-name: inetdtw.serve.test.test_undecided -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Clients that a limit for one address would refuse, though a program of that address may
have exited already.

A program that exits closes its connection before the daemon is notified of its exit:
the kernel closes its descriptors first, then a helper process has to wait for it and
report.  A client that sees its connection closed and comes again at once must not be
refused for that.  So such a client is kept for a moment, and decided on as soon as the
daemon is notified of an exit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from inetdtw.system.descriptors import Claim

#: The seconds after which a client is refused if no program has exited until then.
MOMENT = 0.5
#: The most clients of one service that are kept.
MOST = 256


def _nothing() -> None:
    pass  # a datagram is refused by leaving it


@dataclass(eq=False)
class Client:
    """
    A client that was accepted and waits for a decision.

    @ivar peer: its address.
    @ivar serve: serves it; its connection belongs to what serves it from then on.
    @ivar refuse: refuses it, likewise.
    @ivar source: what counts as its address.
    @ivar claim: the descriptor of its connection, while it is undecided.
    @ivar timer: the call that decides on it, while it is undecided.
    """

    peer: Any
    serve: Callable[[], object]
    refuse: Callable[[], object] = _nothing
    source: str = ""
    claim: Claim | None = None
    timer: Any = None


class Undecided:
    """The clients of one service that are kept, the first one first."""

    def __init__(
        self,
        later: Callable[..., Any],
        busy: Callable[[str], bool],
        free: Callable[[], bool],
        decide: Callable[[Client], None],
    ) -> None:
        """
        @param later: calls something after so many seconds; it returns what has a
            C{cancel()}.
        @param busy: True if a source has as many programs as it may have.
        @param free: True if the service may start a program at all.
        @param decide: serves or refuses a client by what holds now.
        """
        self._later = later
        self._busy = busy
        self._free = free
        self._decide = decide
        self._kept: dict[Client, None] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, client: Client, most: int) -> bool:
        """
        Keep a client for a moment.

        @param most: how many programs its source may have: no more can exit.

        @return: False if it is not kept.
        """
        same = sum(each.source == client.source for each in self._kept)
        if same >= most or len(self._kept) >= MOST:
            return False
        self._kept[client] = None
        self._wait(client)
        return True

    def _wait(self, client: Client) -> None:
        """
        Decide on a client in a moment.  What has been reported by then is taken first:
        the reactor calls what is due before it reads.
        """
        client.timer = self._later(MOMENT, self._lastReports, client)

    def _lastReports(self, client: Client) -> None:
        """Decide on a client in the next iteration of the reactor."""
        client.timer = self._later(0, self._overdue, client)

    def _overdue(self, client: Client) -> None:
        """Decide on a client, unless all that it waits for is capacity."""
        if self._busy(client.source) or self._free():
            self._end(client)
        else:
            self._wait(client)

    def look(self) -> None:
        """Decide on those whose sources have fewer programs now than they may have."""
        for client in list(self._kept):
            decidable = client in self._kept and not self._busy(client.source)
            if decidable and self._free():
                client.timer.cancel()
                self._end(client)

    def _end(self, client: Client) -> None:
        """Decide on a client."""
        del self._kept[client]
        self._decide(client)

    def takeAll(self) -> list[Client]:
        """Return all clients, undecided, and keep none of them any longer."""
        kept, self._kept = self._kept, {}
        for client in kept:
            client.timer.cancel()
        return list(kept)

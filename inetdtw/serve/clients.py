# -*- test-case-name: inetdtw.serve.test.test_clients -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The clients that are served now, whatever serves them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from inetdtw.launch.pool import wayOf
from inetdtw.model.address import peerText
from inetdtw.model.clients import INTERNAL, WARM, ClientList, ClientState
from inetdtw.model.selection import AmbiguousService, listed, namesOf, select
from inetdtw.model.service import Service
from inetdtw.model.source import hostOf
from inetdtw.model.state import ServiceState
from inetdtw.serve.runtime import Runtime
from inetdtw.text import printable

#: The most clients in one list, which the daemon makes within some milliseconds.
MOST = 1000


@dataclass(frozen=True)
class InternalClient:
    """
    A client of an internal service.

    @ivar peer: its address, as accept(2) returns it.
    @ivar since: when it was accepted, in seconds of the reactor's clock.
    """

    service: Service
    peer: Any
    since: float
    pid: None = None
    warm: None = None


def clientList(
    runtime: Runtime, states: Collection[ServiceState], word: str | None = None
) -> ClientList:
    """
    Return the clients that are served now, at most L{MOST}.

    @param states: the states of all services.
    @param word: the name or the address of the services, see L{namesOf}; C{None} for
        all, including those that were removed and still have clients.

    @raise AmbiguousService: if the word matches no service.
    """
    names = None if word is None else _matched(word, states)
    found = runtime.clients.values()
    chosen = [each for each in found if names is None or each.service.name in names]
    clients = _states(runtime, islice(chosen, MOST))
    return ClientList(runtime.wallclock(), os.geteuid(), len(chosen), tuple(clients))


def _matched(word: str, states: Collection[ServiceState]) -> set[str]:
    """Return the names of the services that a word matches."""
    pairs = ((namesOf(it.name, it.address, it.kind), it.name) for it in states)
    found = set(select(word, pairs))
    if not found:
        names = listed(each.name for each in states)
        raise AmbiguousService(f"'{printable(word)}' is not a service ({names})")
    return found


def _states(runtime: Runtime, clients: Iterator[Any]) -> Iterator[ClientState]:
    """Yield the states of children and of L{InternalClient}s."""
    for each in clients:
        service = each.service
        yield ClientState(
            service=service.name,
            pid=each.pid,
            peer=peerText(each.peer) if hostOf(each.peer) else None,
            user=None if service.login is None else service.login.name,
            since=runtime.timeOf(each.since),
            how=_how(service, each.warm),
        )


def _how(service: Service, warm: bool | None) -> str:
    """Return how a client is served."""
    if service.program is None:
        return INTERNAL
    return WARM if warm else wayOf(service)

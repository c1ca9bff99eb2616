# -*- test-case-name: inetdtw.config.test.test_conflicts -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Find services that need the same socket, and services that clients cannot reach."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from inetdtw.model.address import Address
from inetdtw.model.errors import ConfWarning, DuplicateService
from inetdtw.model.service import Key, Service

_EVERY = ("0.0.0.0", "::")
#: A family, a port and a type of socket.
_Port = tuple[int, int, int]


def unreachable(services: Iterable[Service]) -> Iterator[ConfWarning]:
    """Warn of each service behind tcpmux, if no service is tcpmux."""
    found = tuple(services)
    if any(each.internal == "tcpmux" for each in found):
        return
    for service in found:
        if service.isPortless:
            reason = "not reachable over the network: no tcpmux service is configured"
            yield ConfWarning(service.location, "service", reason)


def overlapping(services: Iterable[Service]) -> Iterator[ConfWarning]:
    """
    Warn of each service whose port another one has at every address or at one address.

    Most systems bind only one of both.
    """
    seen: dict[tuple[_Port, bool], Service] = {}
    for service in services:
        # For port 0 the system chooses a free port.
        needed = _needed(service.address, service.socktype)
        for address, socktype in needed if service.address.port else ():
            every = address.host in _EVERY
            port = (address.family, address.port, socktype)
            other = seen.get((port, not every))
            if other is not None:
                yield _beside(service, other)
            seen.setdefault((port, every), service)


def _beside(service: Service, other: Service) -> ConfWarning:
    reason = (
        f"{service.address} overlaps {other.address} ({other.location}); outside the "
        "BSDs only one of them can be bound"
    )
    return ConfWarning(service.location, "service", reason)


def _needed(address: Address, socktype: int) -> Iterator[Key]:
    """
    Yield the sockets that no other service can have.

    A socket of both families has the address of IPv4 as well.
    """
    if address.isName:
        yield address, socktype
        return
    yield replace(address, dual=False) if address.dual else address, socktype
    if address.dual and address.port:
        yield Address(socket.AF_INET, "0.0.0.0", address.port), socktype


def dropDuplicates(services: Iterable[Service]) -> Iterator[Service | ConfWarning]:
    """
    Yield services with unique names, and a warning for each that is dropped.

    A service is dropped if an earlier one has its socket; the warning names both lines.
    Lines for port 0 get a socket each.
    """
    seen: dict[Key, Service] = {}
    ordinals: Counter[Key] = Counter()
    names: Counter[str] = Counter()
    for service in services:
        name, address = service.name, service.address
        if not address.port and address.family in (socket.AF_INET, socket.AF_INET6):
            ordinal = ordinals[service.key]
            ordinals[service.key] += 1
            address = replace(address, ordinal=ordinal)
        needed = tuple(_needed(address, service.socktype))
        taken = next((key for key in needed if key in seen), None)
        if taken is not None:
            reason = (
                f"{taken[0]} is already served by {seen[taken].location}: remove one "
                "of the lines; most other inetds serve the last"
            )
            yield DuplicateService(service.location, "service", reason)
            continue
        seen.update(dict.fromkeys(needed, service))
        names[name] += 1
        if names[name] > 1:
            name = f"{name}#{names[name]}"
        # A copy of a service takes as long as parsing its line.
        same = (name, address) == (service.name, service.address)
        yield service if same else replace(service, name=name, address=address)

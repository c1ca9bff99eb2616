# -*- test-case-name: inetdtw.config.test.test_conflicts -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Services that need the same socket, and services that nobody can reach."""

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
    """A warning for each service that is behind tcpmux when there is no tcpmux."""
    found = tuple(services)
    if any(each.internal == "tcpmux" for each in found):
        return
    for service in found:
        if service.isPortless:
            reason = (
                "only an application can lead clients here: there is no line for tcpmux"
            )
            yield ConfWarning(service.location, "service", reason)


def overlapping(services: Iterable[Service]) -> Iterator[ConfWarning]:
    """
    A warning for each service that has the port of another one at every address, or
    at one of them: most systems give only one of both its socket.
    """
    seen: dict[tuple[_Port, bool], Service] = {}
    for service in services:
        # Without a number the system chooses a port that nobody has.
        needed = _needed(service.address, service.socktype)
        for address, socktype in needed if service.address.port else ():
            every = address.host in _EVERY
            port = (address.family, address.port, socktype)
            other = seen.get((port, not every))
            if other is not None:
                yield _beside(service, other)
            seen.setdefault((port, every), service)


def _beside(service: Service, other: Service) -> ConfWarning:
    """The warning for one of two services that may not both be had."""
    reason = (
        f"{service.address} goes with {other.address} of {other.location} on the BSDs "
        "only; elsewhere one of them cannot be had"
    )
    return ConfWarning(service.location, "service", reason)


def _needed(address: Address, socktype: int) -> Iterator[Key]:
    """
    What a service needs for itself alone: a socket of both families has the address
    of IPv4 as well.
    """
    if address.isName:
        yield address, socktype
        return
    yield replace(address, dual=False) if address.dual else address, socktype
    if address.dual and address.port:
        yield Address(socket.AF_INET, "0.0.0.0", address.port), socktype


def dropDuplicates(services: Iterable[Service]) -> Iterator[Service | ConfWarning]:
    """
    Leave out the services whose socket another one has already, with a warning
    that names both lines, and give every service a name of its own.

    Lines that ask for port 0 each get a socket.
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
            reason = f"{taken[0]} is served by {seen[taken].location} already"
            yield DuplicateService(service.location, "service", reason)
            continue
        seen.update(dict.fromkeys(needed, service))
        names[name] += 1
        if names[name] > 1:
            name = f"{name}#{names[name]}"
        # To copy a service costs as much as to parse its line.
        same = (name, address) == (service.name, service.address)
        yield service if same else replace(service, name=name, address=address)

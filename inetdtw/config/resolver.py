# -*- test-case-name: inetdtw.config.test.test_resolver -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Entries to services: names become numbers, and what does not go together is found."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Callable

from inetdtw.config import compat
from inetdtw.config.entry import Entry
from inetdtw.config.programs import ProgramResolver
from inetdtw.config.resolution import Resolution, orElse
from inetdtw.config.sockets import SocketResolver, atEach
from inetdtw.model.address import Address
from inetdtw.model.errors import ConfError, ConfWarning
from inetdtw.model.service import INTERNAL_NAMES, Bounds, Service, Settings
from inetdtw.system import lookups
from inetdtw.system.lookups import Lookups, NotFound

#: The internal services by the ports that RFC 862-868 and RFC 1078 give them.
_INTERNAL_PORTS = {
    1: "tcpmux",
    7: "echo",
    9: "discard",
    13: "daytime",
    19: "chargen",
    37: "time",
    113: "auth",
}
_INTERNAL = {"tcpmux", *INTERNAL_NAMES}
#: What the services behind tcpmux are written with in front.
_MUX = "tcpmux/"


#: Gives the numeric addresses of an address that is a host name, or the address itself.
At = Callable[[Address], Iterable[Address]]


def unknown(address: Address) -> Iterable[Address]:
    """An L{At} that knows no host name."""
    return (address,)


@dataclass(frozen=True)
class Resolved:
    """
    What an entry comes to.

    @ivar services: one for each socket that is needed; none if it is C{off}.
    @ivar warnings: what is wrong with it for the time being.
    @ivar base: the service without an address, if some address is a host name.
    """

    services: tuple[Service, ...]
    warnings: tuple[ConfWarning, ...] = ()
    base: Service | None = None

    def names(self) -> Iterator[str]:
        """The host names."""
        named = self.services if self.base is not None else ()
        return (each.address.host for each in named if each.address.isName)

    def placed(self, at: At) -> Sequence[Service]:
        """
        Return the services at the addresses that host names have.

        @param at: gives these, as L{HostNames.at} does.
        """
        if self.base is None:
            return self.services
        found = (each for service in self.services for each in at(service.address))
        return tuple(atEach(self.base, found))


def resolve(entry: Entry, settings: Settings, ask: Lookups) -> Resolved:
    """
    Look up all that an entry names.

    @raise ConfError: if it cannot be served.
    """
    try:
        return _Resolver(Resolution(entry, settings, ask)).resolved()
    except NotFound as missing:
        location = _place(entry, missing.field)
        raise ConfError(location, missing.field, missing.reason) from None


def _place(entry: Entry, field: str) -> Any:
    """Where a field is written."""
    if field == "group" and "group" not in entry.locations:
        field = "user"
    return entry.where(field)


class _Resolver:
    """The look-ups for one entry."""

    def __init__(self, question: Resolution) -> None:
        self._entry = question.entry
        self._settings = question.settings
        self._ask = question.ask
        self._error = question.error
        self._endpoint = SocketResolver(question)
        self._execution = ProgramResolver(question)
        self._base = self._endpoint.base

    def resolved(self) -> Resolved:
        """The services."""
        entry = self._entry
        socktype = self._endpoint.socktype()
        internal = self._internal() if entry.exec is None else None
        wait = self._wait(internal)
        found = self._execution.account()
        service = Service(
            location=entry.location,
            name=entry.id or f"{entry.service}/{self._base}",
            address=Address(socket.AF_UNIX, entry.service),
            socktype=socktype,
            wait=wait,
            internal=internal,
            program=self._execution.program(),
            login=found.login,
            context=self._execution.context(found),
            launch=self._execution.launch(),
            bounds=self._bounds(wait, internal),
            options=self._endpoint.options(),
            ownership=self._endpoint.ownership(),
            stderr=entry.stderr or "socket",
            variables=self._execution.variables(),
        )
        warm, refusal = self._execution.warm(service), self._refusal(service)
        if warm is not None or refusal:
            service = replace(service, warm=warm, refusal=refusal)
        if entry.service.startswith(_MUX):
            services: tuple[Service, ...] = (self._muxed(service),)
        else:
            services = tuple(self._endpoint.placed(service))
        warnings = (
            *self._execution.missing(service),
            *self._endpoint.notGiven(service.ownership),
        )
        if not entry.enabled:
            return Resolved((), warnings)
        named = any(each.address.isName for each in services)
        return Resolved(services, warnings, service if named else None)

    def _wait(self, internal: str | None) -> bool:
        """Whether one program at a time has the socket; internal ones never do."""
        if internal is not None:
            return False
        if self._entry.wait is None:
            raise self._error("wait", "must be given: yes or no")
        return self._entry.wait

    def _internal(self) -> str:
        """Which internal service it is: by its argument, its name, or its port."""
        entry = self._entry
        if entry.service.startswith(_MUX):
            raise self._error("exec", "must be given: it leads to programs only")
        if self._base == "unix":
            name = entry.args[0] if entry.args else os.path.basename(entry.service)
        elif entry.args:
            name = entry.args[0]
        else:
            port = lookups.port(entry.service, self._base, self._ask)
            name = _INTERNAL_PORTS.get(port, entry.service)
        if name == "tcpmux" and self._base != "tcp":
            raise self._error("protocol", "tcpmux is for tcp only")
        if name in compat.INTERNALS:
            raise self._error(
                "args", f"'{name}' {compat.missing(compat.INTERNALS[name])}"
            )
        if name not in _INTERNAL:
            known = ", ".join(sorted(_INTERNAL))
            raise self._error("args", f"there is no internal '{name}', only {known}")
        return name

    def _muxed(self, service: Service) -> Service:
        """A service behind tcpmux."""
        written = self._entry.service[len(_MUX) :].lower()
        greets = written.startswith("+")
        name = written[greets:]
        if not name or name == "help" or not name.isprintable() or len(name) > 128:
            reason = f"'{name}' is no name that a client can ask tcpmux for"
            raise self._error("service", reason)
        if self._base != "tcp":
            raise self._error("protocol", "tcpmux is for tcp only")
        if service.wait:
            raise self._error("wait", "goes with no service behind tcpmux, nowait does")
        address = Address(socket.AF_UNSPEC, _MUX + name)
        called = self._entry.id or address.host
        return replace(service, name=called, address=address, greets=greets)

    def _bounds(self, wait: bool, internal: str | None) -> Bounds:
        """What the line says of counts, and the defaults for the rest."""
        entry, default = self._entry, self._settings.bounds
        stranger = self._stranger(wait, internal)
        return Bounds(
            orElse(entry.accept_max, default.acceptMax),
            orElse(entry.service_max, default.serviceMax),
            self._forEach("ip_max", default.ipMax, stranger),
            self._forEach("per_source", default.perSource, stranger),
            orElse(entry.pause, default.pause),
            self._prefix(wait, default.sourcePrefix),
            self._answerMax(wait, default.answerMax),
        )

    def _answerMax(self, wait: bool, default: int) -> int:
        """How many answers one client address may get in a minute."""
        given = self._entry.answer_max
        stream = self._endpoint.socktype() != socket.SOCK_DGRAM
        if given is not None and (wait or stream):
            reason = "is only for datagrams that the daemon answers: internal or nowait"
            raise self._error("answer_max", reason)
        return orElse(given, default)

    def _prefix(self, wait: bool, default: tuple[int, int]) -> tuple[int, int]:
        """How many bits of an address count."""
        given = self._entry.per_source_prefix
        # An internal service over udp counts addresses for its answers.
        stranger = self._stranger(wait, None)
        if given is not None and stranger is not None:
            raise self._error("per_source_prefix", stranger)
        return default if given is None else given

    def _stranger(self, wait: bool, internal: str | None) -> str | None:
        """Why the daemon does not know the addresses of clients, if it does not."""
        if wait:
            return "goes with nowait only: with wait, only the program sees the clients"
        if self._base == "unix":
            return "is for tcp and udp only: clients of a UNIX socket have no address"
        if internal is not None and self._base == "udp":
            # Each would be remembered for a minute, true or not.
            return (
                "goes with no internal service over udp, where anybody can forge an "
                "address; service_max does"
            )
        return None

    def _forEach(self, key: str, default: int, stranger: str | None) -> int:
        """
        What holds for each client address, of which the defaults mean only what has
        such clients.
        """
        given: int | None = getattr(self._entry, key)
        if stranger is None:
            return orElse(given, default)
        if given:
            raise self._error(key, stranger)
        return 0

    def _refusal(self, service: Service) -> bytes:
        """What a client is told that a limit turns away."""
        said = self._entry.refusal or ""
        if said and (service.wait or not service.isStream):
            raise self._error("refusal", "is only for stream nowait, as nobody is told")
        if said and self._entry.service.startswith(_MUX):
            reason = "goes with no service behind tcpmux, which says that itself"
            raise self._error("refusal", reason)
        return said.encode("utf-8", "surrogateescape")

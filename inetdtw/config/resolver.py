# -*- test-case-name: inetdtw.config.test.test_resolver -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Resolve entries to services.

Names are looked up, defaults applied, and values that exclude each other rejected.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Callable

from inetdtw.config.doubts import doubts
from inetdtw.config.entry import Entry
from inetdtw.config.internal import InternalResolver
from inetdtw.config.programs import ProgramResolver
from inetdtw.config.resolution import Resolution
from inetdtw.config.sockets import SocketResolver, atEach
from inetdtw.model.address import Address
from inetdtw.model.errors import ConfError, ConfWarning, RootNeeded
from inetdtw.model.service import Bounds, Service, Settings
from inetdtw.system.lookups import Lookups, NotFound, RootWanted

#: The maximum length of the name of a service behind tcpmux.
_LONGEST_NAME = 128
#: The prefix of the names of services behind tcpmux.
_MUX = "tcpmux/"


#: Returns the numeric addresses of a host name, or the address itself.
At = Callable[[Address], Iterable[Address]]


def unknown(address: Address) -> Iterable[Address]:
    """Return the address: an L{At} that knows no host name."""
    return (address,)


@dataclass(frozen=True)
class Resolved:
    """
    The services of an entry.

    @ivar services: one for each socket; none if the entry is C{off}.
    @ivar warnings: what may not work now.
    @ivar base: the service without an address, if an address is a host name.
    """

    services: tuple[Service, ...]
    warnings: tuple[ConfWarning, ...] = ()
    base: Service | None = None

    def names(self) -> Iterator[str]:
        """Yield the host names."""
        named = self.services if self.base is not None else ()
        return (each.address.host for each in named if each.address.isName)

    def withAddresses(self, at: At) -> Sequence[Service]:
        """
        Return the services at the addresses that host names have.

        @param at: returns these, as L{HostNames.at} does.
        """
        if self.base is None:
            return self.services
        found = (each for service in self.services for each in at(service.address))
        return tuple(atEach(self.base, found))


def resolve(entry: Entry, settings: Settings, ask: Lookups) -> Resolved:
    """
    Look up all names in an entry, and return its services.

    @raise ConfError: if it cannot be served.
    """
    try:
        return _Resolver(entry, settings, ask).resolve()
    except NotFound as missing:
        raise _confError(entry, missing) from None


def _confError(entry: Entry, missing: NotFound) -> ConfError:
    """Return the error for a name of an entry that is not found."""
    field = missing.field
    if field == "group" and "group" not in entry.locations:
        field = "user"
    where = entry.where(field)
    if isinstance(missing, RootWanted):
        return RootNeeded(where, missing.field, missing.reason, missing.account)
    return ConfError(where, missing.field, missing.reason)


class _Resolver(Resolution):
    """The look-ups for one entry."""

    def __init__(self, entry: Entry, settings: Settings, ask: Lookups) -> None:
        super().__init__(entry, settings, ask)
        self._sockets = SocketResolver(entry, settings, ask)
        self._programs = ProgramResolver(entry, settings, ask)
        self._base = self._sockets.base
        self._internals = InternalResolver(entry, settings, ask, self._base)
        self._isMuxed = self._entry.service.startswith(_MUX)

    def resolve(self) -> Resolved:
        """Return the services, with an address for each."""
        service = self._service()
        if self._isMuxed:
            services: tuple[Service, ...] = (self._muxed(service),)
        else:
            services = tuple(self._sockets.withAddresses(service))
        warnings = (
            *self._programs.warnings(service),
            *self._sockets.warnings(service.ownership),
            *self._internals.warnings(service.internal),
            *doubts(self._entry, service),
        )
        if not self._entry.enabled:
            return Resolved((), warnings)
        named = any(each.address.isName for each in services)
        return Resolved(services, warnings, service if named else None)

    def _service(self) -> Service:
        """Return the service without its address."""
        entry = self._entry
        socktype = self._sockets.socktype()
        internal = self._internal() if entry.get("exec") is None else None
        wait = self._wait(internal)
        account = self._programs.account()
        service = Service(
            location=entry.location,
            name=entry.get("id") or f"{entry.service}/{self._base}",
            address=Address(socket.AF_UNIX, entry.service),
            socktype=socktype,
            wait=wait,
            internal=internal,
            program=self._programs.program(),
            login=account.login,
            context=self._programs.context(account),
            launch=self._programs.launch(),
            bounds=self._bounds(wait, internal),
            options=self._sockets.options(),
            ownership=self._sockets.ownership(),
            stderr=self._stderr(wait, internal),
            variables=self._programs.variables(),
        )
        warm, refusal = self._programs.warm(service), self._refusal(service)
        if warm is None and not refusal:
            return service
        return replace(service, warm=warm, refusal=refusal)

    def _wait(self, internal: str | None) -> bool:
        if internal is not None:
            return False
        wait: bool | None = self._entry.get("wait")
        if wait is None:
            raise self._error("wait", "must be given: yes or no")
        return wait

    def _stderr(self, wait: bool, internal: str | None) -> str:
        """
        Return where the standard error of programs goes.

        The socket of a C{wait} service leads to no client.
        """
        usual = "log" if wait else "socket"
        default = None if internal is not None else self._settings.stderr
        chosen: str = self._entry.get("stderr", default or usual)
        return chosen

    def _internal(self) -> str:
        if self._isMuxed:
            reason = "must be given: internal services cannot be behind tcpmux"
            raise self._error("exec", reason)
        return self._internals.name()

    def _muxed(self, service: Service) -> Service:
        """Return a service behind tcpmux, which has a name in place of an address."""
        written = self._entry.service[len(_MUX) :].lower()
        greets = written.startswith("+")
        name = written[greets:]
        if not name.isprintable() or not 0 < len(name) <= _LONGEST_NAME:
            reason = f"'{name}' is not 1 to {_LONGEST_NAME} printable characters"
            raise self._error("service", reason)
        if name == "help":
            raise self._error("service", "'help' is reserved by tcpmux (RFC 1078)")
        if self._base != "tcp":
            raise self._error("protocol", "tcpmux is only for tcp")
        if service.wait:
            raise self._error("wait", "tcpmux services must be nowait")
        address = Address(socket.AF_UNSPEC, _MUX + name)
        called = self._entry.get("id", address.host)
        return replace(service, name=called, address=address, greets=greets)

    def _bounds(self, wait: bool, internal: str | None) -> Bounds:
        entry, default = self._entry, self._settings.bounds
        unknown = self._unknownClients(wait, internal)
        return Bounds(
            entry.get("accept_max", default.acceptMax),
            entry.get("service_max", default.serviceMax),
            self._perClient("ip_max", default.ipMax, unknown),
            self._perClient("per_source", default.perSource, unknown),
            entry.get("pause", default.pause),
            self._prefix(wait, default.sourcePrefix),
            self._answerMax(wait, default.answerMax),
        )

    def _answerMax(self, wait: bool, default: int) -> int:
        given: int | None = self._entry.get("answer_max")
        stream = self._sockets.socktype() != socket.SOCK_DGRAM
        if given is not None and (wait or stream):
            reason = "is only for internal services over udp and for dgram nowait"
            raise self._error("answer_max", reason)
        return default if given is None else given

    def _prefix(self, wait: bool, default: tuple[int, int]) -> tuple[int, int]:
        given: tuple[int, int] | None = self._entry.get("per_source_prefix")
        # An internal service over udp counts addresses for its answers.
        unknown = self._unknownClients(wait, None)
        if given is not None and unknown is not None:
            raise self._error("per_source_prefix", unknown)
        return default if given is None else given

    def _unknownClients(self, wait: bool, internal: str | None) -> str | None:
        """Return why the daemon does not know the addresses of clients, or C{None}."""
        if wait:
            return "is only for nowait: with wait only the program sees the clients"
        if self._base == "unix":
            return "is only for tcp and udp: clients of a UNIX socket have no address"
        if internal is not None and self._base == "udp":
            # Each would be remembered for a minute, true or not.
            return (
                "is not supported for internal services over udp, where source "
                "addresses can be forged; use service_max"
            )
        return None

    def _perClient(self, key: str, default: int, unknown: str | None) -> int:
        """
        Return a limit for each client address.

        @param default: the limit if the key is not given and addresses are known.
        @param unknown: why addresses are not known.
        """
        given: int | None = self._entry.get(key)
        if given and unknown is not None:
            raise self._error(key, unknown)
        if unknown is not None:
            return 0
        return default if given is None else given

    def _refusal(self, service: Service) -> bytes:
        """Return the message to clients that a limit rejects."""
        refusal: str = self._entry.get("refusal", "")
        if refusal and (service.wait or not service.isStream):
            raise self._error("refusal", "is only for stream nowait")
        if refusal and self._isMuxed:
            reason = "is not supported behind tcpmux, which sends a message of its own"
            raise self._error("refusal", reason)
        return refusal.encode("utf-8", "surrogateescape")

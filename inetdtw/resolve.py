# -*- test-case-name: inetdtw.test.test_resolve -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Entries to services: names become numbers, and what does not go together is found.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from inetdtw import builtin, lookups, program
from inetdtw.conf import Warned
from inetdtw.entry import ConfError, Entry
from inetdtw.lookups import Account, Lookups
from inetdtw.service import (
    Address,
    Bounds,
    Context,
    Key,
    Ownership,
    Program,
    Service,
    Settings,
    SocketOptions,
)

_SOCKTYPES = {
    "stream": socket.SOCK_STREAM,
    "dgram": socket.SOCK_DGRAM,
    "seqpacket": socket.SOCK_SEQPACKET,
}
_SOCKTYPES_OF = {
    "tcp": ("stream",),
    "udp": ("dgram",),
    "unix": ("stream", "dgram", "seqpacket"),
}
_FAMILIES = {
    "": (socket.AF_INET,),
    "4": (socket.AF_INET,),
    "6": (socket.AF_INET6,),
    "46": (socket.AF_INET6, socket.AF_INET),
}
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
#: The internal services by the ports that RFC 862-868 give them.
_INTERNAL_PORTS = {7: "echo", 9: "discard", 13: "daytime", 19: "chargen", 37: "time"}


@dataclass(frozen=True)
class Resolved:
    """
    What an entry comes to.

    @ivar services: one for each socket that is needed; none if it is C{off}.
    @ivar warnings: what is wrong with it for the time being.
    """

    services: tuple[Service, ...]
    warnings: tuple[Warned, ...] = ()


def resolve(entry: Entry, settings: Settings, ask: Lookups) -> Resolved:
    """
    Look up all that an entry names.

    @raise ConfError: if it cannot be served.
    """
    try:
        return _Resolution(entry, settings, ask).resolved()
    except LookupError as missing:
        field, reason = missing.args
        raise ConfError(_place(entry, field), field, reason) from None


def _place(entry: Entry, field: str) -> Any:
    """
    Where a field is written.
    """
    if field == "group" and "group" not in entry.places:
        field = "user"
    return entry.where(field)


class _Resolution:
    """
    The look-ups for one entry.
    """

    def __init__(self, entry: Entry, settings: Settings, ask: Lookups) -> None:
        self._entry = entry
        self._settings = settings
        self._ask = ask
        protocol = self._protocol()
        self._base = protocol.rstrip("46")
        self._suffix = protocol[len(self._base) :]

    def _error(self, field: str, reason: str) -> ConfError:
        """
        Something is wrong with a field.
        """
        return ConfError(self._entry.where(field), field, reason)

    def _protocol(self) -> str:
        """
        The protocol: for a path it can only be one.
        """
        protocol = self._entry.protocol
        unix = self._entry.service.startswith("/")
        if protocol is None and not unix:
            raise self._error("protocol", "must be given")
        if protocol is not None and unix != (protocol == "unix"):
            reason = f"'{protocol}' does not go with the service {self._entry.service}"
            raise self._error("protocol", reason)
        return (protocol or "unix").replace("6only", "6")

    def resolved(self) -> Resolved:
        """
        The services.
        """
        entry = self._entry
        socktype = self._socktype()
        internal = self._internal() if entry.exec is None else None
        wait = self._wait(internal)
        found = self._account()
        service = Service(
            place=entry.place,
            name=entry.id or f"{entry.service}/{self._base}",
            address=Address(socket.AF_UNIX, entry.service),
            socktype=_SOCKTYPES[socktype],
            wait=wait,
            internal=internal,
            program=self._program(),
            login=found.login,
            context=Context(found.identity),
            launch=entry.launch or self._settings.launch,
            bounds=self._bounds(),
            options=self._options(),
            ownership=self._ownership(),
        )
        services = tuple(self._placed(service)) if entry.enabled else ()
        return Resolved(services, tuple(self._missing(service)))

    def _socktype(self) -> str:
        """
        The type of the socket, which must go with the protocol.
        """
        allowed = _SOCKTYPES_OF[self._base]
        given = self._entry.socktype or allowed[0]
        if given not in allowed:
            reason = f"'{given}' does not go with {self._base}, {allowed[0]} would"
            raise self._error("socktype", reason)
        return given

    def _wait(self, internal: str | None) -> bool:
        """
        Whether one program at a time has the socket; internal ones never do.
        """
        if internal is not None:
            return False
        if self._entry.wait is None:
            raise self._error("wait", "must be given: yes or no")
        return self._entry.wait

    def _internal(self) -> str:
        """
        Which internal service it is: by its argument, its name, or its port.
        """
        entry = self._entry
        if self._base == "unix":
            name = entry.args[0] if entry.args else os.path.basename(entry.service)
        elif entry.args:
            name = entry.args[0]
        else:
            port = lookups.port(entry.service, self._base, self._ask)
            name = _INTERNAL_PORTS.get(port, entry.service)
        if name not in builtin.NAMES:
            known = ", ".join(sorted(builtin.NAMES))
            raise self._error("args", f"there is no internal '{name}', only {known}")
        return name

    def _account(self) -> Account:
        """
        Who the program runs as.
        """
        entry = self._entry
        if entry.exec is None:
            return Account()
        if entry.user is None:
            raise self._error("user", "must be given; - is whoever runs the daemon")
        return lookups.account(entry.user, entry.group, self._ask)

    def _program(self) -> Program | None:
        """
        What to execute, if it is not an internal service.

        A path that is not absolute begins in the folder of the file that names it.
        """
        entry = self._entry
        if entry.exec is None:
            return None
        name, folders = entry.exec, ()
        if "/" not in name:
            path = self._ask.environ.get("PATH", os.defpath)
            return Program(name, tuple(path.split(os.pathsep)), self._argv(name))
        folder = os.path.dirname(os.path.abspath(entry.place.file))
        absolute = os.path.normpath(os.path.join(folder, name))
        return Program(absolute, folders, self._argv(name))

    def _argv(self, name: str) -> tuple[str, ...]:
        """
        The arguments, beginning with the program's own name.
        """
        argv = self._entry.args or (os.path.basename(name),)
        if any("\0" in argument for argument in (name, *argv)):
            raise self._error("args", "cannot hold a NUL character")
        return argv

    def _missing(self, service: Service) -> Iterator[Warned]:
        """
        A warning, if there is no program now.
        """
        if service.program is None:
            return
        try:
            program.locate(service.program, service.context.identity)
        except program.ProgramMissing as why:
            yield Warned(self._entry.where("exec"), "exec", f"{why} (yet)")

    def _bounds(self) -> Bounds:
        """
        What the line says of counts, and the defaults for the rest.
        """
        entry, default = self._entry, self._settings.bounds
        return Bounds(
            _given(entry.accept_max, default.acceptMax),
            _given(entry.service_max, default.serviceMax),
            _given(entry.ip_max, default.ipMax),
            _given(entry.per_source, default.perSource),
        )

    def _options(self) -> SocketOptions:
        """
        How to set up the socket.
        """
        entry = self._entry
        return SocketOptions(
            _given(entry.backlog, self._settings.backlog),
            entry.sndbuf,
            entry.recvbuf,
            entry.acceptfilter,
        )

    def _ownership(self) -> Ownership:
        """
        Whose the socket is, if it is a UNIX one.
        """
        entry = self._entry
        given = (entry.socket_user, entry.socket_group, entry.socket_mode)
        if given == (None, None, None):
            return Ownership()
        if self._base != "unix":
            key = next(key for key in entry.places if key.startswith("socket_"))
            raise self._error(key, "is only for UNIX sockets")
        return Ownership(
            -1 if given[0] is None else lookups.userId(given[0], self._ask),
            -1
            if given[1] is None
            else lookups.groupId("socket_group", given[1], self._ask),
            0o600 if given[2] is None else given[2],
        )

    def _placed(self, service: Service) -> Iterator[Service]:
        """
        The service at each of its addresses.
        """
        if self._base == "unix":
            yield service
            return
        port = lookups.port(self._entry.service, self._base, self._ask)
        found = list(dict.fromkeys(self._addresses(port)))
        for address in found:
            name = service.name
            if len(found) > 1:
                host = f"[{address.host}]" if ":" in address.host else address.host
                name = f"{host}:{name}"
            yield replace(service, name=name, address=address)

    def _addresses(self, port: int) -> Iterator[Address]:
        """
        The addresses that the line names.
        """
        families = _FAMILIES[self._suffix]
        for host in self._entry.bind or ("*",):
            if host in ("*", ""):
                family = families[0]
                yield Address(family, _ANY[family], port, len(families) > 1)
                continue
            # A numeric address says itself which family is meant.
            wide = not self._suffix and ":" in host
            wanted = _FAMILIES["6"] if wide else families
            for family, numeric in lookups.addresses(host, wanted, self._ask):
                dual = numeric == "::" and len(families) > 1
                yield Address(family, numeric, port, dual)


def _given(value: int | None, default: int) -> int:
    """
    A value, or else the default.
    """
    return default if value is None else value


def distinct(services: Iterable[Service]) -> Iterator[Service | Warned]:
    """
    Leave out the services whose socket another one has already, with a warning
    that names both lines, and give every service a name of its own.

    Lines that ask for port 0 each get a socket.
    """
    seen: dict[Key, Service] = {}
    turns: Counter[Key] = Counter()
    names: Counter[str] = Counter()
    for service in services:
        address = service.address
        if not address.port and address.family != socket.AF_UNIX:
            turn = turns[service.key]
            turns[service.key] += 1
            service = replace(service, address=replace(address, turn=turn))
        first = seen.setdefault(service.key, service)
        if first is not service:
            reason = f"{service.address} is served by {first.place} already"
            yield Warned(service.place, "service", reason)
            continue
        names[service.name] += 1
        if names[service.name] > 1:
            name = f"{service.name}#{names[service.name]}"
            service = replace(service, name=name)
        yield service

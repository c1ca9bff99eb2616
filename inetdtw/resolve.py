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

from inetdtw import builtin, foreign, lookups, program, values
from inetdtw.conf import Duplicate, Warned
from inetdtw.entry import KEYS, Entry
from inetdtw.interpreter import Unfit, interpretedBy
from inetdtw.lookups import Account, Lookups
from inetdtw.place import ConfError
from inetdtw.service import (
    Address,
    Bounds,
    Context,
    Interpreted,
    Key,
    Ownership,
    Program,
    Service,
    Settings,
    SocketOptions,
    Variables,
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
#: The keys that are resource limits, and their names in C{resource}.
LIMITS = {
    key: f"RLIMIT_{key[7:].upper().replace('FILES', 'NOFILE')}"
    for key in KEYS
    if key.startswith("rlimit_")
}
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


_INTERNAL = {"tcpmux", *builtin.NAMES}
#: What the services behind tcpmux are written with in front.
_MUX = "tcpmux/"


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
            context=self._context(found),
            launch=self._launch(),
            bounds=self._bounds(),
            options=self._options(),
            ownership=self._ownership(),
            stderr=entry.stderr or "socket",
            variables=self._variables(),
        )
        service = replace(service, warm=self._warm(service))
        if entry.service.startswith(_MUX):
            services: tuple[Service, ...] = (self._muxed(service),)
        else:
            services = tuple(self._placed(service))
        warnings = tuple(self._missing(service))
        return Resolved(services if entry.enabled else (), warnings)

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
        if name in foreign.INTERNALS:
            raise self._error(
                "args", f"'{name}' {foreign.missing(foreign.INTERNALS[name])}"
            )
        if name not in _INTERNAL:
            known = ", ".join(sorted(_INTERNAL))
            raise self._error("args", f"there is no internal '{name}', only {known}")
        return name

    def _muxed(self, service: Service) -> Service:
        """
        A service behind tcpmux.
        """
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

    def _account(self) -> Account:
        """
        Who the program runs as.
        """
        entry = self._entry
        if entry.exec is None:
            return Account()
        if entry.user is None:
            raise self._error("user", "must be given; - is whoever runs the daemon")
        groups = ("yes",) if entry.groups is None else entry.groups
        return lookups.account(entry.user, entry.group, self._ask, groups)

    def _context(self, found: Account) -> Context:
        """
        What a process takes on before it becomes the program.
        """
        entry = self._entry
        context = Context(
            found.identity,
            0o022 if entry.umask is None else entry.umask,
            self._directory(found),
            _given(entry.nice, 0),
            entry.chroot,
            tuple(self._limits()),
        )
        if not context.plain and self._launch() == "direct":
            reason = "direct goes with no nice, chroot or rlimit_...; forkserver does"
            raise self._error("launch", reason)
        self._permitted(context)
        return context

    def _launch(self) -> str:
        """
        How programs are started.
        """
        return self._entry.launch or self._settings.launch

    def _directory(self, found: Account) -> str:
        """
        The working directory.
        """
        directory = self._entry.directory
        if directory != "~":
            return directory or "/"
        if found.login is not None:
            return found.login.home
        return self._ask.environ.get("HOME", "/")

    def _limits(self) -> Iterator[tuple[str, int, int]]:
        """
        The resource limits.
        """
        for key, name in LIMITS.items():
            given: tuple[int, int] | None = getattr(self._entry, key)
            if given is not None:
                yield name, *given

    def _permitted(self, context: Context) -> None:
        """
        @raise ConfError: for what only root can do, if the daemon is not root's.
        """
        if context.chroot is not None and not os.path.isdir(context.chroot):
            raise self._error("chroot", f"'{context.chroot}' is not a folder")
        if self._ask.uid == 0:
            return
        if context.chroot is not None:
            raise self._error("chroot", "only root can do that")
        if context.nice < 0:
            raise self._error("nice", "only root can raise a priority")
        for name, _, hard in context.limits:
            most = self._ask.hardLimit(name)
            if most != values.UNLIMITED and not 0 <= hard <= most:
                key = next(key for key in LIMITS if LIMITS[key] == name)
                raise self._error(key, f"only root can go above {most}")

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

    def _warm(self, service: Service) -> Interpreted | None:
        """
        How to keep an interpreter for the program, if one is wanted and can be kept.
        """
        entry = self._entry
        wanted = self._settings.warm if entry.warm is None else entry.warm
        if entry.preload and not wanted:
            raise self._error("preload", "goes with warm = yes only")
        if not wanted:
            return None
        try:
            if service.program is None:
                raise Unfit("is for programs only, not for what is internal")
            chroot = service.context.chroot
            preload = ",".join(entry.preload or ())
            return interpretedBy(service.program, chroot, preload)
        except Unfit as why:
            if entry.warm:
                raise self._error("warm", str(why)) from None
            return None

    def _missing(self, service: Service) -> Iterator[Warned]:
        """
        A warning, if there is no program now.
        """
        if service.program is None:
            return
        try:
            context = service.context
            program.locate(service.program, context.identity, context.chroot)
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
            self._ofConnections("nodelay"),
            self._ofConnections("keepalive"),
        )

    def _ofConnections(self, key: str) -> bool:
        """
        The value of a flag that TCP connections can have.
        """
        on: bool | None = getattr(self._entry, key)
        if on and self._base != "tcp":
            raise self._error(key, "is only for tcp")
        return bool(on)

    def _variables(self) -> Variables:
        """
        What the line says of the environment.
        """
        pairs = [each.partition("=") for each in self._entry.env or ()]
        added = tuple((name, value) for name, _, value in pairs)
        return Variables(added, self._entry.passenv)

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
        for host in self._entry.bind or self._settings.bind:
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


def unreachable(services: Iterable[Service]) -> Iterator[Warned]:
    """
    A warning for each service that is behind tcpmux when there is no tcpmux.
    """
    found = tuple(services)
    if any(each.internal == "tcpmux" for each in found):
        return
    for service in found:
        if service.isMuxed:
            reason = "nobody comes here: there is no line for tcpmux itself"
            yield Warned(service.place, "service", reason)


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
        if not address.port and address.family in _ANY:
            turn = turns[service.key]
            turns[service.key] += 1
            service = replace(service, address=replace(address, turn=turn))
        first = seen.setdefault(service.key, service)
        if first is not service:
            reason = f"{service.address} is served by {first.place} already"
            yield Duplicate(service.place, "service", reason)
            continue
        names[service.name] += 1
        if names[service.name] > 1:
            name = f"{service.name}#{names[service.name]}"
            service = replace(service, name=name)
        yield service

# -*- test-case-name: inetdtw.cli.test.test_explain -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{--explain SERVICE}: print the definition of a service, with all keys.

It has the values after defaults, and can be used in a configuration file.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from inetdtw.cli.output import err, out
from inetdtw.config import loader
from inetdtw.config.conflicts import dropDuplicates
from inetdtw.config.diagnosis import resolveFully, summarized
from inetdtw.config.entry import Entry, EntryError
from inetdtw.config.keys import KEYS
from inetdtw.config.programs import LIMITS
from inetdtw.model.address import Address, inBrackets
from inetdtw.model.errors import ConfError, Location
from inetdtw.model.selection import listed, namesOf, select
from inetdtw.model.service import SOCKTYPE_NAMES, Service, Settings
from inetdtw.model.state import kindOf
from inetdtw.system.hostnames import CHECK_WAIT, HostNames
from inetdtw.system.lookups import Lookups
from inetdtw.text import printable

#: Words that need no quotes, anywhere.
_PLAIN = re.compile(r"[A-Za-z0-9_./:+@%~^*!?\[\](){}|&<>$-]+")
#: A numeric address.
_NUMERIC = re.compile(r"[0-9.]+|.*:.*")
_ESCAPES = {"\n": r"\n", "\t": r"\t", "\r": r"\r", "\\": r"\\", '"': r"\""}


def explain(
    wanted: str,
    paths: Iterable[str],
    settings: Settings,
    ask: Lookups,
) -> bool:
    """
    Print the definitions of the services with a name, a port or a path.

    @param wanted: the name of a service in the log, or the first word of its line.

    @return: whether there is one.
    """
    # Other errors are printed only if they may be why there is no such service.
    wrong: list[tuple[ConfError, Entry | None]] = []
    services = list(_all(paths, settings, ask, wrong))
    shown = _shownNames(services)
    names = [shown.get(_placeOf(each), each.name) for _, each in services]
    found = select(
        wanted,
        ((_namesOf(name, *each), each) for name, each in zip(names, services)),
    )
    for entry, service in found:
        out(f"# {entry.location}")
        out(explanation(entry, service))
    meant = [each for each, bad in wrong if not found or _isFor(wanted, bad)]
    for problem in summarized(meant):
        err(str(problem))
    if not found:
        err(printable(f"'{wanted}' is not a service ({listed(names) or 'none'})"))
    return bool(found)


def _isFor(wanted: str, bad: Entry | None) -> bool:
    """Tell whether a word is a name of an entry that cannot be served."""
    if bad is None:
        return False
    full = f"{bad.service}/{bad.get('protocol')}"
    return wanted in (bad.service, full, bad.get("id"))


def _placeOf(service: Service) -> tuple[Location, Address]:
    """Return what distinguishes a service from all others."""
    return service.location, replace(service.address, ordinal=0)


def _shownNames(
    services: Iterable[tuple[Entry, Service]],
) -> dict[tuple[Location, Address], str]:
    """Return the names that the daemon has for the services that it serves."""
    served = dropDuplicates(service for entry, service in services if entry.enabled)
    return {_placeOf(each): each.name for each in served if isinstance(each, Service)}


def _namesOf(name: str, entry: Entry, service: Service) -> Sequence[str]:
    """Return all names of a service, in the daemon and in its file."""
    hosts: tuple[str, ...] = entry.get("bind", ("*",))
    # One of several numeric addresses is another service's.
    words = [each for each in hosts if not _NUMERIC.fullmatch(each)]
    words.append(",".join(map(inBrackets, hosts)))
    called = (entry.service, entry.get("id", entry.service))
    return namesOf(name, str(service.address), kindOf(service), called, words)


def _all(
    paths: Iterable[str],
    settings: Settings,
    ask: Lookups,
    wrong: list[tuple[ConfError, Entry | None]],
) -> Iterator[tuple[Entry, Service]]:
    """
    Yield the services of all entries, also of those that are off.

    @param wrong: collects errors, and the entry of each, if it is one.
    """
    found = []
    for statement in loader.statements(paths):
        try:
            if isinstance(statement, Entry):
                on = replace(statement, enabled=True)
                found.append((statement, resolveFully(on, settings, ask)))
            elif isinstance(statement, EntryError):
                resolveFully(statement, settings, ask)
            elif isinstance(statement, ConfError):
                raise statement
        except ConfError as problem:
            bad = problem.entry if isinstance(problem, EntryError) else None
            wrong += ((each, bad) for each in problem.problems)
    names = HostNames()
    names.ask(name for _, resolved in found for name in resolved.names())
    names.wait(CHECK_WAIT)
    for entry, resolved in found:
        for service in resolved.withAddresses(names.at):
            yield entry, service


def explanation(entry: Entry, service: Service) -> str:
    """
    Return the definition of a service.

    @param service: one of those of the entry.
    """
    values = dict(_values(entry, service))
    lines = []
    for key, type in KEYS.items():
        if values.get(key) is not None:
            words = " ".join(map(quoted, type.write(values[key])))
            lines.append(f"    {key} = {words}".rstrip())
    switch = "on" if entry.enabled else "off"
    return f"{_head(_service(service))} {switch}\n" + ",\n".join(lines) + ";"


def _values(entry: Entry, service: Service) -> Iterator[tuple[str, object]]:
    """Yield the value of every key, of the service, or else of the entry."""
    yield from entry.values.items()
    yield from _socketKeys(service)
    bounds, options = service.bounds, service.options
    yield "wait", service.wait
    yield "accept_max", bounds.acceptMax
    yield "service_max", bounds.serviceMax
    yield "ip_max", bounds.ipMax
    yield "per_source", bounds.perSource
    if not (service.wait or service.address.family == socket.AF_UNIX):
        yield "per_source_prefix", bounds.sourcePrefix
    if not (service.isStream or service.wait):
        yield "answer_max", bounds.answerMax
    yield "pause", bounds.pause
    if service.refusal:
        yield "refusal", service.refusal.decode("utf-8", "surrogateescape")
    if service.isStream:
        yield "backlog", options.backlog
    if service.isStream and _isInternet(service.address):
        yield "nodelay", options.noDelay
        yield "keepalive", options.keepAlive
    if service.program is None:
        yield "args", (service.internal,)
        # It has no program.
        yield from dict.fromkeys(("user", "group", "groups")).items()
        return
    yield "exec", service.program.name
    yield "args", service.program.argv
    yield "groups", entry.get("groups", ("yes",))
    yield "launch", service.launch
    yield "stderr", service.stderr
    yield "warm", service.warm is not None
    yield from _context(service)


def _socketKeys(service: Service) -> Iterator[tuple[str, object]]:
    """Yield the keys for the name and the socket."""
    address = service.address
    protocol = _protocol(service)
    plain = f"{_service(service)}/{protocol.rstrip('46')}"
    name = address.host if service.isPortless else plain
    yield "id", service.name if service.name != name else None
    yield "protocol", protocol
    yield "socktype", SOCKTYPE_NAMES[service.socktype]
    if address.family == socket.AF_UNIX:
        yield "socket_mode", service.ownership.mode
    # A service behind tcpmux has no address.
    yield "bind", None
    if _isInternet(address):
        yield "bind", ("*" if address.host in ("0.0.0.0", "::") else address.host,)


def _isInternet(address: Address) -> bool:
    return address.family in (socket.AF_INET, socket.AF_INET6)


def _service(service: Service) -> str:
    """Return the port or the path; behind tcpmux, the name."""
    address = service.address
    if service.greets:
        return address.host.replace("/", "/+", 1)
    return str(address.port) if _isInternet(address) else address.host


def _protocol(service: Service) -> str:
    """Return the protocol that selects only the family of the address."""
    address = service.address
    if address.family == socket.AF_UNIX:
        return "unix"
    base = "tcp" if service.isStream else "udp"
    if address.dual:
        return f"{base}46"
    return f"{base}6" if address.family == socket.AF_INET6 else base


def _context(service: Service) -> Iterator[tuple[str, object]]:
    """Yield the keys for the process context."""
    context = service.context
    yield "umask", context.umask
    yield "nice", context.nice
    # For other homes only "~" can be written.
    if os.path.isabs(context.directory) and context.directory.isprintable():
        yield "directory", context.directory
    limits = {name: (soft, hard) for name, soft, hard in context.limits}
    for key, name in LIMITS.items():
        yield key, limits.get(name)


def _head(service: str) -> str:
    """Return the first word of a definition, in quotes if it needs them."""
    if _PLAIN.fullmatch(service):
        return service
    if "'" not in service:
        return f"'{service}'"
    return '"' + re.sub(r'(["\\])', r"\\\1", service) + '"'


def quoted(word: str) -> str:
    """Return a word as it is written in a definition."""
    if _PLAIN.fullmatch(word):
        return word
    return '"' + "".join(map(_escaped, word)) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    data = character.encode("utf-8", "surrogateescape")
    codes = "".join(f"\\x{byte:02x}" for byte in data)
    # Two such bytes must not be decoded as one character.
    return f'{codes}""' if "\ud800" <= character <= "\udfff" else codes

# -*- test-case-name: inetdtw.config.test.test_diagnosis -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Find all errors of an entry, and report each cause once.

L{resolve<inetdtw.config.resolver.resolve>} raises the first error.  The value that has
it is then replaced by one that is always good, and the entry is resolved again, until
no error is left.  Values that depend on the replaced one are replaced as well, so
that one cause gives one error.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from inetdtw.config.entry import Entry, EntryError
from inetdtw.config.keys import KEYS
from inetdtw.config.resolver import Resolved, resolve
from inetdtw.model.errors import (
    ConfError,
    ConfWarning,
    OnlyIPv6,
    ProgramMissing,
    RootNeeded,
)
from inetdtw.model.selection import listed
from inetdtw.model.service import Service, Settings
from inetdtw.system.lookups import Lookups

#: The keys whose values depend on the protocol.
_OF_PROTOCOL = frozenset(
    (
        *("socktype", "acceptfilter", "nodelay", "keepalive", "bind", "refusal"),
        *("socket_user", "socket_group", "socket_mode", "answer_max"),
        *("ip_max", "per_source", "per_source_prefix"),
    )
)
#: The keys whose values depend on the user, unless the daemon runs as root.
_OF_USER = frozenset(("group", "groups"))
#: The maximum number of accounts, and of lines, in a summary.
_LISTED = 10


def resolveFully(
    written: Entry | EntryError, settings: Settings, ask: Lookups
) -> Resolved:
    """
    Return the services of an entry.

    @param written: an entry, or the errors in its values.

    @raise EntryError: if it cannot be served, with all of its errors.
    """
    if isinstance(written, EntryError):
        raise _diagnosed(written.entry, written.problems, settings, ask)
    try:
        return resolve(written, settings, ask)
    except ConfError as first:
        raise _diagnosed(written, [first], settings, ask) from None


def _diagnosed(
    entry: Entry, known: Iterable[ConfError], settings: Settings, ask: Lookups
) -> EntryError:
    """Return all errors of an entry, of which some are known."""
    problems = list(known)
    wrong = {each.field for each in problems}
    warnings: Sequence[ConfWarning] = ()
    while True:
        try:
            good = _without(entry, wrong, ask.uid == 0)
            warnings = resolve(good, settings, ask).warnings
        except ConfError as another:
            if another.field not in wrong:
                problems.append(another)
                wrong.add(another.field)
                continue
        break
    given = entry.locations.keys() - wrong
    kept = (each for each in warnings if each.field in given)
    problems.sort(key=lambda each: each.location)
    return EntryError(entry, problems, tuple(_beside(problems, kept)))


def _beside(
    problems: Sequence[ConfError], warnings: Iterable[ConfWarning]
) -> Iterator[ConfWarning]:
    """Yield the warnings that say more than the errors of the same entry."""
    for each in warnings:
        known = any(each.reason.startswith(problem.reason) for problem in problems)
        # Whether a service has IPv4 too is of no interest before it is served.
        if not (known or isinstance(each, OnlyIPv6)):
            yield each


def _without(entry: Entry, wrong: Iterable[str], root: bool) -> Entry:
    """
    Return an entry with good values for some keys, and for those that depend on them.

    @param wrong: the keys.  With one that does not exist, any other may be missing.
    @param root: whether the daemon runs as root.
    """
    wrong, service = set(wrong), entry.service
    incomplete = not wrong <= {*KEYS, "service"}
    isPath = service.startswith("/")
    if "protocol" in wrong or (incomplete and not isPath and not entry.get("protocol")):
        wrong |= {"protocol", *_OF_PROTOCOL}
    if {"user", "group"} & wrong:
        wrong |= {"user"} if root else {"user", *_OF_USER}
    values: dict[str, Any] = {
        key: value for key, value in entry.values.items() if key not in wrong
    }
    for key, value in (("wait", False), ("user", "-")):
        if key in wrong or incomplete:
            values.setdefault(key, value)
    if "protocol" in wrong and not isPath:
        values["protocol"] = "tcp"
    if "exec" in wrong or (incomplete and not entry.get("exec")):
        values["exec"] = "/"
    if not isPath and wrong & {"service", "protocol"}:
        service = "0"
    if not values.get("exec") and wrong & {"service", "protocol", "args"}:
        service, values["args"] = service if isPath else "0", ("discard",)
    return replace(entry, service=service, values=values)


def summarized(problems: Sequence[ConfError]) -> list[ConfError]:
    """
    Return errors, with one summary in place of all L{RootNeeded} errors.

    It has the location of the first one.
    """
    needing = [each for each in problems if isinstance(each, RootNeeded)]
    if len(needing) < 2:
        return list(problems)
    first = needing[0].location
    accounts = _listed(each.account for each in needing)
    lines = _listed(
        str(where.line) if where.file == first.file else f"{where.file}:{where.line}"
        for where in (each.location for each in needing)
    )
    reason = (
        f"{len(needing)} services need root: only root can run a service as {accounts} "
        f"(lines {lines}); write '-' for the daemon's user"
    )
    summary = ConfError(first, needing[0].field, reason)
    found = (summary if each is needing[0] else each for each in problems)
    return [each for each in found if not isinstance(each, RootNeeded)]


def _listed(words: Iterable[str]) -> str:
    """Return different words, as a message has them."""
    return listed(dict.fromkeys(words), _LISTED)


def relevant(
    warnings: Iterable[ConfWarning],
    services: Iterable[Service],
    wrong: Iterable[EntryError],
) -> list[ConfWarning]:
    """
    Leave out warnings that another statement resolves.

    C{tcp6} needs no warning if another line serves the same port over IPv4; PATH is
    printed once.

    @param wrong: the entries that are left out.
    """
    found: list[ConfWarning] = []
    path: str | None = None
    beside: set[object] | None = None
    for each in warnings:
        if isinstance(each, OnlyIPv6):
            beside = _atIPv4(services, wrong) if beside is None else beside
            if beside & {(each.port, each.socktype), each.service}:
                continue
        elif isinstance(each, ProgramMissing) and each.path != path:
            path = each.path
            each = replace(each, reason=f"{each.reason}: PATH is {path}")
        found.append(each)
    return found


def _atIPv4(services: Iterable[Service], wrong: Iterable[EntryError]) -> set[object]:
    """Return the ports of services at IPv4, and the names of those with an error."""
    ports = (
        (each.address.port, each.socktype)
        for each in services
        if each.address.dual or each.address.family == socket.AF_INET
    )
    return {*ports, *(each.entry.service for each in wrong)}

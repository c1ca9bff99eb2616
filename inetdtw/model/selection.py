# -*- test-case-name: inetdtw.model.test.test_selection -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Find the service that a word on the command line refers to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from inetdtw.text import printable

if TYPE_CHECKING:
    # Commands do not need what this imports.
    from inetdtw.model.state import ServiceState

_T = TypeVar("_T")
#: The maximum number of names in a message.
LISTED = 20
_MUX = "tcpmux/"
#: What distinguishes services that would have the same name.
_ORDINAL = re.compile(r"#[0-9]+\Z")


class AmbiguousService(ValueError):
    """A word matches no service, or several; the message lists them."""


def findService(word: str, among: Iterable[tuple[ServiceState, _T]]) -> _T:
    """
    Return the object of the service that a word refers to, see L{select}.

    @param among: the services, each with an object.

    @raise AmbiguousService: if it refers to none, or to several.
    """
    pairs = [(state, (state.name, what)) for state, what in among]
    found = select(
        word, [(namesOf(each.name, each.address, each.kind), it) for each, it in pairs]
    )
    if len(found) == 1:
        return found[0][1]
    names = listed(name for name, _ in found or (it for _, it in pairs))
    why = "is ambiguous" if found else "is not a service"
    raise AmbiguousService(f"'{printable(word)}' {why} ({names})")


def select(word: str, among: Iterable[tuple[Sequence[str], _T]]) -> list[_T]:
    """
    Return the objects of the services that a word refers to.

    A service whose name is the word has precedence.

    @param among: the names of each service, see L{namesOf}, with an object.
    """
    pairs, wanted = list(among), _bare(word)
    named = [what for names, what in pairs if wanted == names[0]]
    return named or [what for names, what in pairs if wanted in names]


def _bare(word: str) -> str:
    """Return a word without quotes, and a path without C{:USER:GROUP:MODE:}."""
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        word = word[1:-1]
    return word[word.index("/") :] if word.startswith(":") and "/" in word else word


def namesOf(
    name: str,
    address: str,
    kind: str = "",
    services: Iterable[str] = (),
    hosts: Iterable[str] = (),
) -> Sequence[str]:
    """
    Return all names of a service, beginning with C{name}.

    @param name: the name in the log.
    @param address: the address of its socket.
    @param kind: begins with the type of the socket.
    @param services: further names, as the file has them.
    @param hosts: further names of the host.
    """
    host, _, port = address.rpartition(":")
    if "/" in address or not host:
        short = address[len(_MUX) :] if address.startswith(_MUX) else address
        base = "tcp" if address.startswith(_MUX) else "unix"
        each = (name, address, short, *services)
        return (*each, *(f"{one}/{base}" for one in each))
    base = "udp" if kind.startswith("dgram") else "tcp"
    called, slash, protocol = _ORDINAL.sub("", name).rpartition("/")
    if slash and protocol in ("tcp", "udp"):
        base = protocol
    else:
        called = name
    own = called[len(host) + 1 :] if called.startswith(f"{host}:") else called
    places = dict.fromkeys(("", *(f"{one}:" for one in (host, *hosts))))
    suffixes = [f"/{base}{version}" for version in _versions(host)]
    ends = ("", *suffixes)
    found = [name]
    for service in (own, port, *services):
        found += (f"{place}{service}{end}" for place in places for end in ends)
        found += (f"{service}{end}@{host.strip('[]')}" for end in suffixes)
    return found


def _versions(host: str) -> tuple[str, ...]:
    """Return the suffixes of the protocols that may have an address."""
    if not host.startswith("["):
        return ("", "4")
    return ("", "6", "6only", "46")


def listed(names: Iterable[str], most: int = LISTED) -> str:
    """Return up to C{most} names, and how many are left."""
    names = list(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

# -*- test-case-name: inetdtw.model.test.test_selection -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Which service somebody means who types a word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from inetdtw.text import printable

if TYPE_CHECKING:
    # The command that asks the daemon needs none of what this imports.
    from inetdtw.model.state import ServiceState

_T = TypeVar("_T")
#: How many names are listed to somebody who has to choose.
LISTED = 20


class AmbiguousService(ValueError):
    """A word means no service, or more than one; the message says which there are."""


def findService(word: str, among: Iterable[tuple[ServiceState, _T]]) -> _T:
    """
    Find the service that is meant: by its name as the log has it, by what the
    configuration calls it, which is the name without the protocol, or by its address.

    @param among: the services, each with what is wanted of it.

    @raise AmbiguousService: if there is none, or more than one.
    """
    pairs = list(among)
    named = [what for state, what in pairs if state.name == word]
    if len(named) == 1:
        return named[0]
    found = [pair for pair in pairs if matches(word, pair[0].name, pair[0].address)]
    if len(found) == 1:
        return found[0][1]
    if found:
        names = listed(state.name for state, _ in found)
        raise AmbiguousService(f"'{printable(word)}' is ambiguous ({names})")
    names = listed(state.name for state, _ in pairs)
    raise AmbiguousService(f"'{printable(word)}' is not a service ({names})")


def matches(word: str, name: str, address: str) -> bool:
    """Whether a word is one for a service."""
    called, slash, protocol = name.rpartition("/")
    words = {name, address, f"{address}/{protocol}"}
    if slash:
        words.add(called)
    return word in words


def listed(names: Iterable[str]) -> str:
    """Names, as many as a person wants to read."""
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more

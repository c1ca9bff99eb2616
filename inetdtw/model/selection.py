# -*- test-case-name: inetdtw.model.test.test_selection -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Find the service that a word on the command line refers to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from inetdtw.text import printable

if TYPE_CHECKING:
    # Commands do not need what this imports.
    from inetdtw.model.state import ServiceState

_T = TypeVar("_T")
#: The maximum number of names in a message.
LISTED = 20


class AmbiguousService(ValueError):
    """A word matches no service, or several; the message lists them."""


def findService(word: str, among: Iterable[tuple[ServiceState, _T]]) -> _T:
    """
    Return the object of the service that a word matches, see L{matches}.

    A service whose name is the word has precedence.

    @param among: the services, each with an object.

    @raise AmbiguousService: if the word matches none, or several.
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
    """
    Tell whether a word is the name or the address of a service.

    @param name: the name in the log; without its protocol it matches too.
    """
    called, slash, protocol = name.rpartition("/")
    words = {name, address, f"{address}/{protocol}"}
    if slash:
        words.add(called)
    return word in words


def listed(names: Iterable[str]) -> str:
    """Return up to L{LISTED} names, and how many are left."""
    names = list(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more

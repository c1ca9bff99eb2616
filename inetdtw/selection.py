# -*- test-case-name: inetdtw.test.test_selection -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Which service somebody means who types a word.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from inetdtw.place import printable
from inetdtw.state import ServiceState

_T = TypeVar("_T")
#: How many names are listed to somebody who has to choose.
LISTED = 20


class NotOneService(ValueError):
    """
    A word means no service, or more than one; the message says which there are.
    """


def chosen(word: str, among: Iterable[tuple[ServiceState, _T]]) -> _T:
    """
    Find the service that is meant: by its name as the log has it, by what the
    configuration calls it, which is the name without the protocol, or by its address.

    @param among: the services, each with what is wanted of it.

    @raise NotOneService: if there is none, or more than one.
    """
    pairs = list(among)
    named = [what for state, what in pairs if state.name == word]
    if len(named) == 1:
        return named[0]
    found = [pair for pair in pairs if _isMeant(word, pair[0])]
    if len(found) == 1:
        return found[0][1]
    if found:
        names = _listed(state for state, _ in found)
        raise NotOneService(f"'{printable(word)}' may be any of: {names}")
    names = _listed(state for state, _ in pairs)
    raise NotOneService(f"there is no service '{printable(word)}', only: {names}")


def _isMeant(word: str, state: ServiceState) -> bool:
    """
    Whether a word is one for a service.
    """
    called, slash, protocol = state.name.rpartition("/")
    words = {state.address, f"{state.address}/{protocol}"}
    if slash:
        words.add(called)
    return word in words


def _listed(states: Iterable[ServiceState]) -> str:
    """
    Names, as many as a person wants to read.
    """
    names = [state.name for state in states]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more

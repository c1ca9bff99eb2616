# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Words of a configuration for tests, and the entries that they make."""

from __future__ import annotations

from inetdtw.config.entry import Entry
from inetdtw.config.keyvalue import buildEntry
from inetdtw.model.errors import Location, Word


def wordAt(text: str, column: int) -> Word:
    """Return a word of the fourth line."""
    return Word(text, Location("inetd.conf", 4, column))


def entryOf(*said: tuple[str, tuple[str, ...]]) -> Entry:
    """
    Return the entry that has these keys.

    The n-th key is in column 100 n, and its value ten columns behind it.
    """
    pairs = [
        (wordAt(name, at), tuple(wordAt(each, at + 10) for each in value))
        for at, (name, value) in zip(range(100, 10000, 100), said)
    ]
    return buildEntry(wordAt("7", 1), True, pairs)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Statements of a text, for tests, and lines for them."""

from __future__ import annotations

from inetdtw.config.entry import Entry
from inetdtw.config.parser import Statement, parse

CAT = "stream tcp nowait nobody /bin/cat cat"
#: The same in the other form.
CAT_KEYS = (
    "on socktype=stream, protocol=tcp, wait=no, user=nobody, exec=/bin/cat, args=cat;"
)


def statements(text: str, bind: tuple[str, ...] = ()) -> list[Statement]:
    """Return the statements of a text."""
    return list(parse(text, "inetd.conf", bind))


def entries(text: str) -> list[Entry]:
    """Return the entries of a text that has nothing else."""
    found = []
    for statement in statements(text):
        assert isinstance(statement, Entry), statement
        found.append(statement)
    return found


def entry(text: str) -> Entry:
    """Return the only entry of a text."""
    (found,) = entries(text)
    return found


def services(text: str) -> list[str]:
    """Return the services of a text that has only entries."""
    return [each.service for each in entries(text)]

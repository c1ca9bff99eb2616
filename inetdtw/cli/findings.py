# -*- test-case-name: inetdtw.cli.test.test_check -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Print the errors and warnings of a configuration, with their lines.

For example::

    /etc/inetd.conf:3:9: socktype: 'steam' is not a socket type (stream, dgram, ...)
        echo    steam   tcp     nowait  root    internal
                ^
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache

from inetdtw.cli.output import out
from inetdtw.config import loader
from inetdtw.model.errors import Finding, Location

#: The maximum number of characters of an excerpt, and of those before the field.
WIDTH, BEFORE = 100, 50

_INDENT = "    "


def printFindings(errors: Iterable[Finding], warnings: Iterable[Finding]) -> None:
    """Print errors and warnings in the order of their lines, and mark warnings."""
    marked = [(each, "") for each in errors] + [
        (each, "warning: ") for each in warnings
    ]
    for finding, mark in sorted(marked, key=lambda each: each[0].location):
        out(f"{finding.location}: {mark}{finding.field}: {finding.reason}")
        # A finding about a file has no line.
        for line in () if finding.field == "file" else excerpt(finding.location):
            out(_INDENT + line)


def summary(**counts: int) -> str:
    """Return counts of things in words, which are the names of arguments."""
    return ", ".join(
        f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items()
    )


def excerpt(location: Location) -> Iterator[str]:
    """
    Yield the line of a location, and a line with a caret.

    If the file cannot be read, yield nothing.
    """
    lines = _linesOf(location.file)
    if not location.line <= len(lines):
        return
    start = max(0, location.column - 1 - BEFORE)
    shown = lines[location.line - 1][start : start + WIDTH]
    yield "".join(map(_visible, shown))
    yield "".join(map(_blank, shown[: location.column - 1 - start])) + "^"


@cache
def _linesOf(file: str) -> list[str]:
    """Return the lines of a file, none if it cannot be read."""
    try:
        return loader.read(file).split("\n")
    except OSError:
        return []


def _visible(character: str) -> str:
    """Return a printable character in place of one."""
    if character == "\t":
        return " "
    return character if character.isprintable() else "\ufffd"


def _blank(character: str) -> str:
    """Return spaces of the width of a character."""
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "

# -*- test-case-name: inetdtw.cli.test.test_check -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{--check}: print all errors and warnings in configuration files, with their lines.

For example::

    /etc/inetd.conf:3:9: socktype: 'steam' is not a socket type (stream, dgram, ...)
        echo    steam   tcp     nowait  root    internal
                ^

Files are parsed and names looked up as for the daemon; no socket is opened.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Union

from inetdtw.cli.output import out
from inetdtw.config import loader
from inetdtw.config.loader import Configuration
from inetdtw.model.errors import ConfError, ConfWarning, DuplicateService, Location
from inetdtw.model.service import Settings
from inetdtw.system.hostnames import CHECK_WAIT, HostNames
from inetdtw.system.lookups import Lookups

#: The maximum number of characters of an excerpt, and of those before the field.
WIDTH, BEFORE = 100, 50

_INDENT = "    "

_Finding = Union[ConfError, ConfWarning]


def check(paths: Sequence[str], settings: Settings, ask: Lookups) -> bool:
    """
    Print the errors and warnings in files, and in directories of such files.

    @return: whether there is no error.
    """
    names = HostNames()
    configuration = loader.load(paths, settings, ask)
    names.ask(configuration.names)
    names.wait(CHECK_WAIT)
    configuration = configuration.withAddresses(names.at)
    errors, warnings = _divided(configuration)
    warnings += _unresolved(configuration, names)
    if not configuration.services and not errors:
        errors = [loader.nothingToServe(paths)]
    printed = [each for each in errors if each not in configuration.problems]
    marked = [(each, "") for each in (*configuration.messages, *printed)]
    marked += [(each, "warning: ") for each in warnings]
    for finding, mark in sorted(marked, key=lambda each: each[0].location):
        out(f"{finding.location}: {mark}{finding.field}: {finding.reason}")
        # A finding about a file has no line.
        for line in () if finding.field == "file" else excerpt(finding.location):
            out(_INDENT + line)
    out(_summary(len(configuration.services), len(errors), len(warnings)))
    return not errors


def _divided(configuration: Configuration) -> tuple[list[_Finding], list[ConfWarning]]:
    """
    Return errors and warnings.

    Two lines for the same socket are an error here, because one is not served.
    """
    warnings = configuration.warnings
    others = [each for each in warnings if not isinstance(each, DuplicateService)]
    return list(configuration.leftOut), others


def _unresolved(
    configuration: Configuration, names: HostNames
) -> Iterator[ConfWarning]:
    """Warn of each service whose host name has no address."""
    for service in configuration.services:
        if service.address.isName:
            reason = f"{names.missing(service.address)}: the daemon retries"
            yield ConfWarning(service.location, "bind", reason)


def _summary(services: int, errors: int, warnings: int) -> str:
    counts = {"service": services, "error": errors, "warning": warnings}
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

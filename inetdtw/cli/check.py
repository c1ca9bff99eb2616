# -*- test-case-name: inetdtw.cli.test.test_check -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{--check}: everything that is wrong or strange about configuration files, each with
the line that it is on::

    /etc/inetd.conf:3:9: socktype: 'steam' is none of stream, dgram, seqpacket
        echo    steam   tcp     nowait  root    internal
                ^

All is parsed and looked up as for the daemon, and no socket is opened.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any, Callable

from inetdtw.cli.output import printTo
from inetdtw.config import loader
from inetdtw.config.loader import Configuration
from inetdtw.model.errors import ConfWarning, DuplicateService, Location
from inetdtw.model.service import Settings
from inetdtw.system.hostnames import CHECK_WAIT, HostNames
from inetdtw.system.lookups import Lookups

#: How many characters of a line are shown, and how many of them before the field.
WIDTH, BEFORE = 100, 50

_INDENT = "    "


def check(
    paths: Sequence[str],
    settings: Settings,
    ask: Lookups,
    write: Callable[[str], object],
) -> bool:
    """
    Say what is wrong with configuration files and the folders of such files.

    @param write: called with each line.

    @return: whether all of it can be served.
    """
    names = HostNames()
    configuration = loader.load(paths, settings, ask)
    names.ask(configuration.names)
    names.wait(CHECK_WAIT)
    configuration = configuration.placed(names.at)
    errors, warnings = _divided(configuration)
    warnings += _unplaced(configuration, names)
    if not configuration.services and not errors:
        errors = [loader.nothingToServe(paths)]
    marked = [(each, "") for each in errors] + [
        (each, "warning: ") for each in warnings
    ]
    excerpts = Excerpts()
    for finding, mark in sorted(marked, key=_where):
        write(f"{finding.location}: {mark}{finding.field}: {finding.reason}")
        # What is about a file is about none of its lines.
        for line in () if finding.field == "file" else excerpts.of(finding.location):
            write(_INDENT + line)
    write(_summary(len(configuration.services), len(errors), len(warnings)))
    return not errors


def _divided(configuration: Configuration) -> tuple[list[Any], list[Any]]:
    """
    What makes the check fail, and what does not.  Of two lines that want the same
    socket one is not served, which is nothing that anybody writes on purpose.
    """
    warnings = configuration.warnings
    twice = [each for each in warnings if isinstance(each, DuplicateService)]
    others = [each for each in warnings if not isinstance(each, DuplicateService)]
    return [*configuration.problems, *twice], others


def _unplaced(configuration: Configuration, names: HostNames) -> Iterator[ConfWarning]:
    """A warning for each service whose host name has no address."""
    for service in configuration.services:
        if service.address.isName:
            reason = f"{names.missing(service.address)}: the daemon retries"
            yield ConfWarning(service.location, "bind", reason)


def _where(marked: tuple[Any, str]) -> tuple[str, int, int]:
    """What findings are sorted by."""
    location: Location = marked[0].location
    return location.file, location.line, location.column


def _summary(services: int, errors: int, warnings: int) -> str:
    """All in one line."""
    counts = {"service": services, "error": errors, "warning": warnings}
    return ", ".join(
        f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items()
    )


class Excerpts:
    """The lines of files, to be shown to a person."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def of(self, location: Location) -> Iterator[str]:
        """
        The line of a location, and one with a caret under it; nothing if the file
        cannot be read.
        """
        lines = self._linesOf(location.file)
        if not location.line <= len(lines):
            return
        start = max(0, location.column - 1 - BEFORE)
        shown = lines[location.line - 1][start : start + WIDTH]
        yield "".join(map(_visible, shown))
        yield "".join(map(_blank, shown[: location.column - 1 - start])) + "^"

    def _linesOf(self, file: str) -> list[str]:
        """The lines of a file; none if it cannot be read."""
        if file not in self._lines:
            try:
                self._lines[file] = loader.read(file).split("\n")
            except OSError:
                self._lines[file] = []
        return self._lines[file]


def _visible(character: str) -> str:
    """A character as it can be shown: one that a terminal would obey cannot."""
    if character == "\t":
        return " "
    return character if character.isprintable() else "\ufffd"


def _blank(character: str) -> str:
    """What takes as much room as a character."""
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "


def main(paths: Sequence[str], settings: Settings) -> int:
    """
    Check files for a person.

    @return: the exit status.
    """
    ask = Lookups.ofThisProcess()
    return 0 if check(paths, settings, ask, printTo(sys.stdout)) else 1

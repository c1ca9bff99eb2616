# -*- test-case-name: inetdtw.config.test.test_parser -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The parser of inetd.conf(5): from text to entries, without any look-up.

Two forms may be mixed in one file.  A positional line (see
L{inetdtw.config.positional})::

    7 stream tcp nowait nobody /bin/cat cat

and NetBSD's key-value definition, whose second word is C{on} or C{off}, and which goes
on to its semicolon, over several lines::

    7 on socktype = stream, protocol = tcp, wait = no, user = nobody,
        exec = /bin/cat, args = cat;

A line with only an address and a colon sets the default address of the following lines,
and C{.include "pattern"} stands for the lines of other files.

An error never hides another line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from inetdtw.config import foreign
from inetdtw.config.entry import Entry
from inetdtw.config.keyvalue import Assignment, buildEntry, parseAssignments
from inetdtw.config.lexer import Source, wordsIn
from inetdtw.config.lines import lineWarnings, logicalLine, toStatement, wordsOf
from inetdtw.config.positional import hostsOf, parseLine, splitService
from inetdtw.config.tokens import Tokens
from inetdtw.config.wordwarnings import wordWarnings
from inetdtw.model.errors import ConfError, ConfWarning, Word

_SWITCHED = re.compile(
    r"""
    (?: (?: [^ \t\r\n'"] | '[^'\n]*' | "(?: [^"\\\n] | \\. )*" )+
      | [^ \t\r\n]+
    )
    [ \t]+ (?:on|off) (?= [ \t\r\n;\#] | \Z )
    """,
    re.VERBOSE,
)

#: The maximum numbers of errors and of statements in one file.
ERRORS, STATEMENTS = 1000, 1 << 16


@dataclass(frozen=True)
class Include:
    """
    An C{.include} statement.

    @ivar pattern: a glob(7) pattern, relative to the file that has the statement.
    @ivar bind: the default addresses for the included lines.
    """

    pattern: Word
    bind: tuple[str, ...]


Statement = Union[Entry, Include, ConfError, ConfWarning]


class _Parser:
    """Parses one text, statement by statement."""

    def __init__(self, text: str, file: str, bind: tuple[str, ...]) -> None:
        self._source = Source(text, file)
        self._bindTo(bind)

    def _bindTo(self, bind: tuple[str, ...]) -> None:
        """Set the default addresses of the following lines."""
        self._bind = bind
        here = self._source.location(self._source.position)
        self._otherHosts = tuple(Word(host, here) for host in bind[1:])

    def statements(self) -> Iterator[Statement]:
        """Yield all statements, in order."""
        source = self._source
        while toStatement(source):
            yield from self._warnings()
            try:
                head = _SWITCHED.match(source.text, source.position)
                if head is not None:
                    yield self._definition(head)
                else:
                    yield from self._positional()
            except ConfError as problem:
                yield problem
            yield from self._warnings()
        yield from self._warnings()

    def _warnings(self) -> list[ConfWarning]:
        """Return the warnings about what was read since the last call."""
        warnings, self._source.warnings = self._source.warnings, []
        return warnings

    def _positional(self) -> Iterator[Statement]:
        """Parse a line that is not a definition."""
        parts = logicalLine(self._source)
        for location, text in parts:
            self._source.checkBytes(text, location)
        words = wordsOf(parts)
        if not words:
            return
        if words[0].text == ".include":
            yield self._include(words)
        elif len(words) == 1 and words[0].text.endswith(":"):
            self._bindTo(tuple(host.text for host in hostsOf(words[0])))
        else:
            yield self._lineEntry(words)
            yield from wordWarnings(words, parts)
        yield from lineWarnings(self._source, parts)

    def _lineEntry(self, words: list[Word]) -> Entry:
        """
        Return the entry of a positional line.

        @raise ConfError: if it cannot be used, or is in the form of another system.
        """
        if words[0].text == "rpc":
            foreign.checkLine(words)
        try:
            service, assignments, problems = parseLine(words)
            return self._entry(service, assignments, True, problems)
        except ConfError:
            foreign.checkLine(words)
            raise

    def _include(self, words: list[Word]) -> Include:
        if len(words) != 2 or not words[1].text:
            reason = "takes one path or pattern"
            raise ConfError(words[0].location, ".include", reason)
        return Include(words[1], self._bind)

    def _entry(
        self,
        service: Word,
        assignments: list[Assignment],
        enabled: bool,
        problems: Sequence[ConfError] = (),
    ) -> Entry:
        """Return an entry, with the default address if it has none."""
        given = {name.text for name, _ in assignments}
        if self._bind and "bind" not in given and not service.text.startswith("/"):
            first = Word(self._bind[0], service.location)
            assignments = [
                *assignments,
                (Word("bind", service.location), (first, *self._otherHosts)),
            ]
        return buildEntry(service, enabled, assignments, problems)

    def _definition(self, head: re.Match[str]) -> Entry:
        """
        Parse a key-value definition.

        @param head: its service and C{on} or C{off}.
        """
        source = self._source
        location = source.location(head.start())
        source.goTo(head.end())
        definition = Tokens(source)
        try:
            service, switch = wordsIn(location, head.group())
            assignments = [*parseAssignments(definition, switch)]
        except ConfError:
            definition.skip()
            raise
        # In "addr:service on bind = ..." the latter counts.
        name, prefix = splitService(service)
        keys = {key.text for key, _ in assignments}
        assignments += [each for each in prefix if each[0].text not in keys]
        return self._entry(name, assignments, switch.text == "on")


def parse(
    text: str, file: str = "inetd.conf", bind: tuple[str, ...] = ()
) -> Iterator[Statement]:
    """
    Parse the text of a configuration file.

    @param file: the path of the file, for messages.
    @param bind: the default addresses where the file is included.

    @return: its statements in order, with a L{ConfError} in place of each that cannot
        be used.
    """
    return _limited(_Parser(text, file, bind).statements())


def _limited(statements: Iterator[Statement]) -> Iterator[Statement]:
    """
    Yield statements up to the maximum numbers of errors and of statements.

    A file that has more is not a configuration.
    """
    errors = 0
    for count, each in enumerate(statements):
        errors += len(each.problems) if isinstance(each, ConfError) else 0
        if errors > ERRORS or count >= STATEMENTS:
            location = (
                each.pattern.location if isinstance(each, Include) else each.location
            )
            wrong = errors > ERRORS
            many = f"{ERRORS} errors" if wrong else f"{STATEMENTS} statements"
            reason = f"more than {many}: the rest of the file is ignored"
            yield ConfError(location, "file", reason)
            return
        yield each

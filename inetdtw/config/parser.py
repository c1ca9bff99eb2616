# -*- test-case-name: inetdtw.config.test.test_parser -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The text of an inetd.conf(5) to entries, exactly as they are written.

Two forms may be mixed in one file.  A positional line (see
L{inetdtw.config.positional})::

    7 stream tcp nowait nobody /bin/cat cat

and NetBSD's key-value definition, which the second word C{on} or C{off} tells
from it, and which may go over several lines to its semicolon::

    7 on socktype = stream, protocol = tcp, wait = no, user = nobody,
        exec = /bin/cat, args = cat;

An address and a colon alone on a line set the address of the lines after it, and
C{.include "pattern"} stands for the lines of other files.

Nothing is looked up here: not a file, a user or a port.  A mistake never hides
another line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Union

from inetdtw.config.entry import Entry
from inetdtw.config.keyvalue import (
    WORDS,
    Assignment,
    buildEntry,
    checkCount,
    parseAssignments,
)
from inetdtw.config.lexer import Source, wordsIn
from inetdtw.config.positional import defaultHosts, parseLine, splitService
from inetdtw.config.tokens import Tokens
from inetdtw.model.errors import ConfError, ConfWarning, Location, Word

_SPACE = re.compile(r"[ \t\r\n\f\v]*")
#: All lines that go on with the one before.
_MORE = re.compile(r"(?:[ \t][^\n]*(?:\n|\Z))+")
_SWITCHED = re.compile(
    r"""
    (?: (?: [^ \t\r\n'"] | '[^'\n]*' | "(?: [^"\\\n] | \\. )*" )+
      | [^ \t\r\n]+
    )
    [ \t]+ (?:on|off) (?= [ \t\r\n;\#] | \Z )
    """,
    re.VERBOSE,
)

#: What looks like the beginning of a statement, wherever it stands.
_STATEMENT = re.compile(
    r"""
      \S+ [ \t]+ (?: stream | dgram | seqpacket | raw | rdm ) (?: [,:]\S+ )?
      [ \t]+ \S+ [ \t]+ (?:no)?wait (?! \w )
    | \S+ [ \t]+ (?:on|off) [ \t]+ \w+ [ \t]* =
    | \.include [ \t]+ \S
    | \S+ : [ \t]* \Z
    """,
    re.VERBOSE,
)


#: The mistakes, and the statements, in one file after which nothing else is read of it.
MISTAKES, STATEMENTS = 1000, 1 << 16


@dataclass(frozen=True)
class Include:
    """
    The lines of other files are wanted here.

    @ivar pattern: a glob(7) pattern; relative to the file that it stands in.
    @ivar bind: the default addresses that hold at this location.
    """

    pattern: Word
    bind: tuple[str, ...]


Statement = Union[Entry, Include, ConfError, ConfWarning]


class _Parser:
    """Goes through one text, statement by statement."""

    def __init__(self, text: str, file: str, bind: tuple[str, ...]) -> None:
        self._source = Source(text, file)
        self._bindTo(bind)
        self._noted: list[Location] = []

    def _bindTo(self, bind: tuple[str, ...]) -> None:
        """From here on, these are the default addresses."""
        self._bind = bind
        here = self._source.location(self._source.position)
        self._otherHosts = tuple(Word(host, here) for host in bind[1:])

    def statements(self) -> Iterator[Statement]:
        """Everything the text says, in order."""
        source = self._source
        while self._toStatement():
            yield from self._policies()
            try:
                head = _SWITCHED.match(source.text, source.position)
                if head is not None:
                    yield self._definition(head)
                else:
                    yield from self._positional()
            except ConfError as problem:
                yield problem
            yield from self._foreignBytes()
        yield from self._policies()

    def _foreignBytes(self) -> Iterator[ConfWarning]:
        """A warning for each line of the statement that is not all UTF-8."""
        for location, byte in self._source.foreignBytes():
            reason = f"the byte {byte} is not UTF-8; it is passed on as it is"
            yield ConfWarning(location, "line", reason)

    def _policies(self) -> Iterator[ConfWarning]:
        """A warning for each IPsec policy among the comments that were passed."""
        policies, self._noted = self._noted, []
        for location in policies:
            reason = (
                "an IPsec policy is taken for a comment here: what follows is served "
                "without it"
            )
            yield ConfWarning(location, "ipsec", reason)

    def _toStatement(self) -> bool:
        """
        Pass over blanks and comments.

        @return: whether there is another statement.
        """
        source = self._source
        while True:
            space = _SPACE.match(source.text, source.position)
            source.goTo(space.end() if space else source.position)
            if not source.text.startswith("#", source.position):
                return not source.ended
            location, comment = source.restOfLine()
            # Nothing but the mark is the end of a policy.
            if comment.startswith("#@") and comment[2:].strip():
                self._noted.append(location)

    def _logicalLine(self) -> list[tuple[Location, str]]:
        """A line and those that continue it, each with where it begins."""
        source = self._source
        parts = [source.restOfLine()]
        while source.text.startswith((" ", "\t"), source.position):
            if len(parts) > WORDS:
                source.goTo(_MORE.match(source.text, source.position).end())  # type: ignore[union-attr] # it begins with a blank
                break
            location, more = source.restOfLine()
            if not more.lstrip(" \t").startswith("#"):
                parts.append((location, more))
        return parts

    def _positional(self) -> Iterator[Statement]:
        """What a positional line says."""
        parts = self._logicalLine()
        for location, text in parts:
            self._source.checkBytes(text, location)
        words = _wordsOf(parts)
        if words[0].text == ".include":
            yield self._include(words)
        elif len(words) == 1 and words[0].text.endswith(":"):
            self._bindTo(tuple(host.text for host in defaultHosts(words[0])))
        else:
            yield self._entry(*parseLine(words), True)
            yield from _warnings(words)
            yield from _continuationWarnings(parts[1:])

    def _include(self, words: list[Word]) -> Include:
        """A request for the lines of other files."""
        if len(words) != 2 or not words[1].text:
            reason = "takes one file name or pattern"
            raise ConfError(words[0].location, ".include", reason)
        return Include(words[1], self._bind)

    def _entry(self, service: Word, said: list[Assignment], enabled: bool) -> Entry:
        """An entry, with the default address where it gives none."""
        given = {name.text for name, _ in said}
        if self._bind and "bind" not in given and service.text[0] != "/":
            first = Word(self._bind[0], service.location)
            said = [*said, (Word("bind", service.location), (first, *self._otherHosts))]
        return buildEntry(service, enabled, said)

    def _definition(self, head: re.Match[str]) -> Entry:
        """
        What a key-value definition says.

        @param head: the service and C{on} or C{off}, which come next.
        """
        source = self._source
        location = source.location(head.start())
        source.goTo(head.end())
        definition = Tokens(source)
        try:
            service, switch = wordsIn(location, head.group())
            said = [*parseAssignments(definition, switch)]
        except ConfError:
            definition.skip()
            raise
        # "addr:service on bind = ..." means the latter.
        name, prefix = splitService(service)
        keys = {key.text for key, _ in said}
        said += [each for each in prefix if each[0].text not in keys]
        return self._entry(name, said, switch.text == "on")


def _wordsOf(parts: list[tuple[Location, str]]) -> list[Word]:
    """
    The words of a line and of those that continue it.

    @raise ConfError: if there are too many, or a quote is not closed.
    """
    words: list[Word] = []
    for part in parts:
        words += islice(wordsIn(*part), WORDS + 1 - len(words))
    if len(words) > WORDS:
        checkCount(words, words[-1])
    return words


def _continuationWarnings(parts: list[tuple[Location, str]]) -> Iterator[ConfWarning]:
    """A warning for each line that continues another, and looks as if it was not to."""
    for location, text in parts:
        bare = text.lstrip(" \t")
        if _STATEMENT.match(bare):
            reason = "goes on with the line before it here, as a blank is in front"
            column = location.column + len(text) - len(bare)
            yield ConfWarning(
                Location(location.file, location.line, column), "line", reason
            )


def _warnings(words: list[Word]) -> Iterator[ConfWarning]:
    """What is strange about a positional line."""
    login = words[4].text.partition("/")[2]
    if login:
        reason = f"the login class '{login}' is not used; rlimit_ keys are, with a user"
        yield ConfWarning(words[4].location, "user", reason)
    returned = next((word for word in words if "\r" in word.text), None)
    if returned is not None:
        reason = "a word has a carriage return in it, which ends no line by itself"
        yield ConfWarning(returned.location, "line", reason)
    for word in words[6:]:
        if word.text.startswith("#"):
            reason = "is an argument of the program here, not the start of a comment"
            yield ConfWarning(word.location, "args", f"'{word.text}' {reason}")
            return


def parse(
    text: str, file: str = "inetd.conf", bind: tuple[str, ...] = ()
) -> Iterator[Statement]:
    """
    Read the text of a configuration file.

    @param text: the text.
    @param file: the file's name, for messages.
    @param bind: the default addresses that hold where the file is included.

    @return: what it says, in order: L{Entry}, L{Include}, and a L{ConfError} in
        the place of each statement that cannot be used.
    """
    return _upToMistakes(_Parser(text, file, bind).statements())


def _upToMistakes(statements: Iterator[Statement]) -> Iterator[Statement]:
    """
    What is said before there is so much, or so much that is wrong, that this cannot be
    meant as a configuration.
    """
    mistakes = 0
    for count, each in enumerate(statements):
        mistakes += isinstance(each, ConfError)
        if mistakes > MISTAKES or count >= STATEMENTS:
            location = (
                each.pattern.location if isinstance(each, Include) else each.location
            )
            wrong = mistakes > MISTAKES
            many = f"{MISTAKES} mistakes" if wrong else f"{STATEMENTS} statements"
            reason = f"has more than {many}; nothing else is read of it"
            yield ConfError(location, "file", reason)
            return
        yield each

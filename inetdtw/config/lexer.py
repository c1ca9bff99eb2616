# -*- test-case-name: inetdtw.config.test.test_lexer -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The lexer of positional lines: whitespace, quotes, comments and continuation lines.

A line that begins with C{#} is a comment.  A line that begins with whitespace
continues the previous one (inetd.conf(5) of the BSDs), unless its first word begins
with C{#}: then it is a comment too.  Elsewhere C{#} is an ordinary character.

Whitespace separates words.  Single and double quotes join them anywhere in a word, as
in a shell.  In double quotes a backslash escapes C{"} and itself; outside of quotes it
is an ordinary character.

Every function takes linear time, for any text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inetdtw.model.errors import ConfError, ConfWarning, Location, Word

_PIECE = re.compile(
    r"""
      (?P<space>[ \t]+)
    | '(?P<single>[^']*)'
    | "(?P<double>[^"\\]*(?:\\.[^"\\]*)*)"
    | (?P<open>['"])
    | (?P<plain>[^ \t'"]+)
    """,
    re.VERBOSE | re.DOTALL,
)
#: A byte that is not UTF-8 (PEP 383).
_FOREIGN = re.compile("[\udc80-\udcff]")
_ESCAPE = re.compile(r'\\(["\\])')


class Source:
    """
    The text of a file, and how far it was read.

    @ivar text: all of it.
    @ivar position: the index of the next character.
    @ivar warnings: about what was read.
    """

    def __init__(self, text: str, file: str) -> None:
        """@param file: the name of the file, for messages."""
        self.text = text
        self.position = 0
        self.warnings: list[ConfWarning] = []
        self._plain = _FOREIGN.search(text) is None
        self._file = file
        self._line = 1
        self._lineStart = 0

    @property
    def ended(self) -> bool:
        """Tell whether all of it was read."""
        return self.position >= len(self.text)

    def location(self, index: int) -> Location:
        """Return the location of an index on the line of C{position}."""
        return Location(self._file, self._line, index - self._lineStart + 1)

    def goTo(self, position: int) -> None:
        """Go to C{position}, which must not be before the current one."""
        newline = self.text.rfind("\n", self.position, position)
        if newline >= 0:
            self._line += self.text.count("\n", self.position, position)
            self._lineStart = newline + 1
        self.position = position

    def checkBytes(self, text: str, location: Location) -> None:
        """
        Warn of the first byte that is not UTF-8 on a line.

        @param text: a part of the line that is not a comment.
        @param location: where C{text} begins.
        """
        match = None if self._plain else _FOREIGN.search(text)
        known = self.warnings and self.warnings[-1].location.line == location.line
        if match is not None and not known:
            byte = f"0x{ord(match.group()) - 0xDC00:02x}"
            reason = f"byte {byte} is not UTF-8; it is passed on unchanged"
            where = location.after(match.start())
            self.warnings.append(ConfWarning(where, "line", reason))

    def restOfLine(self) -> tuple[Location, str]:
        """
        Go to the next line.

        @return: where the rest of this line begins, and the rest.
        """
        location, start = self.location(self.position), self.position
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        self.goTo(min(end + 1, len(self.text)))
        return location, self.text[start:end].rstrip("\r")


def wordsIn(location: Location, text: str) -> Iterator[Word]:
    """
    Yield the words of one physical line, or of a part of one.

    @param location: where C{text} begins.

    @raise ConfError: if a quote is not closed, or a character is NUL.
    """
    checkNul(text, location)
    start: int | None = None
    pieces: list[str] = []
    for match in _PIECE.finditer(text):
        kind = match.lastgroup
        if kind == "open":
            reason = "unclosed quote: it must end on the same line"
            raise ConfError(location.after(match.start()), "line", reason)
        if kind != "space":
            start = match.start() if start is None else start
            piece: str = match[kind or 0]
            pieces.append(_ESCAPE.sub(r"\1", piece) if kind == "double" else piece)
        elif start is not None:
            yield Word("".join(pieces), location.after(start))
            start, pieces = None, []
    if start is not None:
        yield Word("".join(pieces), location.after(start))


def checkNul(text: str, location: Location) -> None:
    """
    Check that a text has no NUL character.

    @param location: where C{text} begins.

    @raise ConfError: if it has one.
    """
    index = text.find("\0")
    if index >= 0:
        raise ConfError(
            location.after(index), "line", "must not have a NUL character in it"
        )

# -*- test-case-name: inetdtw.config.test.test_lexer -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Text to words: blanks, quotes, comments and continuation lines.

A line that begins with C{#} is a comment.  A line that begins with a blank goes
on with the line before it (inetd.conf(5) of the BSDs); if its first word begins
with C{#} it is a comment all the same.  Elsewhere C{#} is a word like any other.

Blanks divide words.  Quotes of both kinds join them, anywhere in a word, as in a
shell.  In double quotes a backslash makes C{"} and itself literal; outside of
quotes it is a character like any other.

Everything here goes through a text once, from its beginning to its end, whatever
is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inetdtw.model.errors import ConfError, Location, Word

_PIECE = re.compile(
    r"""
      (?P<blank>[ \t]+)
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
    A text that is read from its beginning to its end.

    @ivar text: all of it.
    @ivar position: the index of what comes next.
    """

    def __init__(self, text: str, file: str) -> None:
        """@param file: the name of the file that it is in."""
        self.text = text
        self.position = 0
        self._foreign: list[tuple[Location, str]] = []
        self._plain = _FOREIGN.search(text) is None
        self._file = file
        self._line = 1
        self._lineStart = 0

    @property
    def ended(self) -> bool:
        """Whether nothing comes next."""
        return self.position >= len(self.text)

    def location(self, index: int) -> Location:
        """Where C{index} is, which must be on the line that was reached."""
        return Location(self._file, self._line, index - self._lineStart + 1)

    def goTo(self, position: int) -> None:
        """Pass over the text up to C{position}."""
        newline = self.text.rfind("\n", self.position, position)
        if newline >= 0:
            self._line += self.text.count("\n", self.position, position)
            self._lineStart = newline + 1
        self.position = position

    def checkBytes(self, text: str, location: Location) -> None:
        """
        Note the first byte that is not UTF-8 on a line, in a part of it that counts.

        @param location: where C{text} begins.
        """
        match = None if self._plain else _FOREIGN.search(text)
        known = self._foreign and self._foreign[-1][0].line == location.line
        if match is not None and not known:
            byte = f"0x{ord(match.group()) - 0xDC00:02x}"
            self._foreign.append((_behind(location, match.start()), byte))

    def foreignBytes(self) -> list[tuple[Location, str]]:
        """Take what L{checkBytes} has noted: where each byte is, and its number."""
        noted, self._foreign = self._foreign, []
        return noted

    def restOfLine(self) -> tuple[Location, str]:
        """
        Pass over what is left of a line.

        @return: it, and where it begins.
        """
        location, start = self.location(self.position), self.position
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        self.goTo(min(end + 1, len(self.text)))
        return location, self.text[start:end].rstrip("\r")


def wordsIn(location: Location, text: str) -> Iterator[Word]:
    """
    The words of one physical line, or of a part of one.

    @param location: where C{text} begins.

    @raise ConfError: if a quote is not closed, or a character is NUL.
    """
    checkNul(text, location)
    start: int | None = None
    pieces: list[str] = []
    for match in _PIECE.finditer(text):
        kind = match.lastgroup
        if kind == "open":
            reason = "a quote is not closed on this line"
            raise ConfError(_behind(location, match.start()), "line", reason)
        if kind != "blank":
            start = match.start() if start is None else start
            piece: str = match[kind or 0]
            pieces.append(_ESCAPE.sub(r"\1", piece) if kind == "double" else piece)
        elif start is not None:
            yield Word("".join(pieces), _behind(location, start))
            start, pieces = None, []
    if start is not None:
        yield Word("".join(pieces), _behind(location, start))


def checkNul(text: str, location: Location) -> None:
    """
    See that no character of a text is NUL, which no field can hold.

    @param location: where C{text} begins.

    @raise ConfError: if one is.
    """
    index = text.find("\0")
    if index >= 0:
        raise ConfError(_behind(location, index), "line", "cannot hold a NUL character")


def _behind(location: Location, offset: int) -> Location:
    """What is C{offset} characters behind a location."""
    return Location(location.file, location.line, location.column + offset)

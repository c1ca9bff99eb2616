# -*- test-case-name: inetdtw.test.test_lexer -*-
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
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from inetdtw.entry import ConfError, Place, Word

_PIECE = re.compile(
    r"""
      (?P<blank>[ \t]+)
    | '(?P<single>[^']*)'
    | "(?P<double>(?:[^"\\]|\\.)*)"
    | (?P<open>['"])
    | (?P<plain>[^ \t'"]+)
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r'\\(["\\])')

#: What stands in a key-value definition, see L{Definition}.
_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r\n]+)
    | (?P<comment>\#[^\n]*)
    | (?P<mark>[=,;])
    | '(?P<single>(?:[^'\\\n]|\\[^\n])*)'
    | "(?P<double>(?:[^"\\\n]|\\[^\n])*)"
    | (?P<open>['"])
    | (?P<plain>[^ \t\r\n,;"'=][^ \t\r\n,;"']*)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING_ESCAPE = re.compile(r"""\\(?:x([0-9a-fA-F]{2})|(.))""", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


class Line:
    """
    One logical line: a physical one and those that continue it.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._parts: list[tuple[int, str]] = []

    def append(self, number: int, text: str) -> None:
        """
        Add the physical line of this number.
        """
        self._parts.append((number, text))

    def words(self) -> list[Word]:
        """
        The words of the line.

        @raise ConfError: if a quote is not closed on its line.
        """
        return [word for part in self._parts for word in self._split(*part)]

    def _split(self, number: int, text: str) -> Iterator[Word]:
        """
        The words of one physical line.
        """
        start: int | None = None
        pieces: list[str] = []
        for match in _PIECE.finditer(text):
            if match["open"] is not None:
                place = Place(self._file, number, match.start() + 1)
                raise ConfError(place, "line", "a quote is not closed on this line")
            if match["blank"] is None:
                start = match.start() if start is None else start
                pieces.append(_piece(match))
            elif start is not None:
                yield Word("".join(pieces), Place(self._file, number, start + 1))
                start, pieces = None, []
        if start is not None:
            yield Word("".join(pieces), Place(self._file, number, start + 1))


def _piece(match: re.Match[str]) -> str:
    """
    What a part of a word stands for.
    """
    if match["double"] is not None:
        return _ESCAPE.sub(r"\1", match["double"])
    return match["single"] if match["single"] is not None else match["plain"]


class Definition:
    """
    The tokens of a key-value definition, inetd.conf(5) of NetBSD: words and
    strings, divided by blanks, and the marks C{=}, C{,} and C{;}.  Strings have
    the escapes C{\\\\ \\n \\t \\r \\' \\" \\xXX}.  A comment may stand wherever a
    blank may.

    @ivar position: the index in the text of what comes next.
    @ivar line: the number of the line that it is on.
    """

    def __init__(self, text: str, file: str, position: int, line: int) -> None:
        self.position = position
        self._text = text
        self._file = file
        self.line = line
        self._lineStart = text.rfind("\n", 0, position) + 1

    def __iter__(self) -> Iterator[tuple[bool, Word]]:
        """
        The tokens to the end of the text: whether each is a mark, and its text.

        @raise ConfError: if a string is not closed, or has an unknown escape.
        """
        pieces: list[str] = []
        place = self.place(self.position)
        for match in _TOKEN.finditer(self._text, self.position):
            joins = match.lastgroup in ("plain", "single", "double")
            if pieces and not joins:
                yield False, Word("".join(pieces), place)
                pieces = []
            self.position = match.end()
            if not pieces:
                place = self.place(match.start())
            self._count(match.group(), match.start())
            if match["open"] is not None:
                raise ConfError(place, "definition", "a string is not closed here")
            if match["mark"] is not None:
                yield True, Word(match["mark"], place)
            elif match["blank"] is None and match["comment"] is None:
                pieces.append(_value(match, place))

    def place(self, index: int) -> Place:
        """
        Where C{index} is, which must be on the line that was reached.
        """
        return Place(self._file, self.line, index - self._lineStart + 1)

    def _count(self, text: str, start: int) -> None:
        """
        Pass over C{text}.
        """
        lines = text.count("\n")
        if lines:
            self.line += lines
            self._lineStart = start + text.rfind("\n") + 1


def _value(match: re.Match[str], place: Place) -> str:
    """
    What a token stands for.
    """
    for quoted in (match["single"], match["double"]):
        if quoted is not None:
            return _STRING_ESCAPE.sub(lambda escape: _unescape(escape, place), quoted)
    return match["plain"]


def _unescape(escape: re.Match[str], place: Place) -> str:
    """
    The character that an escape in a string stands for.
    """
    if escape[1] is not None:
        return chr(int(escape[1], 16))
    if escape[2] not in _ESCAPED:
        reason = f"'\\{escape[2]}' is not an escape; \\\\ is a backslash"
        raise ConfError(place, "definition", reason)
    return _ESCAPED[escape[2]]

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

Everything here goes through a text once, from its beginning to its end, whatever
is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from inetdtw.place import ConfError, Place, Word

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
_ESCAPE = re.compile(r'\\(["\\])')

#: What stands in a key-value definition, see L{Definition}.
_TOKEN = re.compile(
    r"""
      (?P<blank>[ \t\r\n]+)
    | (?P<comment>\#[^\n]*)
    | (?P<mark>[=,;])
    | '(?P<single>[^'\\\n]*(?:\\[^\n][^'\\\n]*)*)'
    | "(?P<double>[^"\\\n]*(?:\\[^\n][^"\\\n]*)*)"
    | (?P<open>['"][^\n]*)
    | (?P<plain>[^ \t\r\n,;"'=][^ \t\r\n,;"']*)
    """,
    re.VERBOSE | re.DOTALL,
)
_STRING_ESCAPE = re.compile(rb"""\\(?:x([0-9a-fA-F]{2})|(.))""", re.DOTALL)
_ESCAPED = {
    b"n": b"\n",
    b"t": b"\t",
    b"r": b"\r",
    b"\\": b"\\",
    b"'": b"'",
    b'"': b'"',
}

#: A line that can only be the beginning of a statement.
_BEGINNING = re.compile(
    r"""
      (?! \# )
    (?: [^ \t\r\n=]+ [ \t]+ (?: on | off | stream | dgram | seqpacket | raw | rdm )
        (?= [ \t\r\n;\#,:] | \Z )
      | \.include (?= [ \t\r\n] | \Z )
      | [^ \t\r\n=]+ : [ \t\r]* (?: \n | \Z )
    )
    """,
    re.VERBOSE,
)


class Source:
    """
    A text that is read from its beginning to its end.

    @ivar text: all of it.
    @ivar position: the index of what comes next.
    """

    def __init__(self, text: str, file: str) -> None:
        """
        @param file: the name of the file that it is in.
        """
        self.text = text
        self.position = 0
        self._file = file
        self._line = 1
        self._lineStart = 0

    @property
    def ended(self) -> bool:
        """
        Whether nothing comes next.
        """
        return self.position >= len(self.text)

    def place(self, index: int) -> Place:
        """
        Where C{index} is, which must be on the line that was reached.
        """
        return Place(self._file, self._line, index - self._lineStart + 1)

    def goTo(self, position: int) -> None:
        """
        Pass over the text up to C{position}.
        """
        newline = self.text.rfind("\n", self.position, position)
        if newline >= 0:
            self._line += self.text.count("\n", self.position, position)
            self._lineStart = newline + 1
        self.position = position

    def restOfLine(self) -> tuple[Place, str]:
        """
        Pass over what is left of a line.

        @return: it, and where it begins.
        """
        place, start = self.place(self.position), self.position
        end = self.text.find("\n", start)
        end = len(self.text) if end < 0 else end
        self.goTo(min(end + 1, len(self.text)))
        return place, self.text[start:end].rstrip("\r")


def wordsIn(place: Place, text: str) -> Iterator[Word]:
    """
    The words of one physical line, or of a part of one.

    @param place: where C{text} begins.

    @raise ConfError: if a quote is not closed.
    """
    start: int | None = None
    pieces: list[str] = []
    for match in _PIECE.finditer(text):
        if match["open"] is not None:
            reason = "a quote is not closed on this line"
            raise ConfError(_behind(place, match.start()), "line", reason)
        if match["blank"] is None:
            start = match.start() if start is None else start
            pieces.append(_piece(match))
        elif start is not None:
            yield Word("".join(pieces), _behind(place, start))
            start, pieces = None, []
    if start is not None:
        yield Word("".join(pieces), _behind(place, start))


def _behind(place: Place, offset: int) -> Place:
    """
    What is C{offset} characters behind a place.
    """
    return Place(place.file, place.line, place.column + offset)


def _piece(match: re.Match[str]) -> str:
    """
    What a part of a word stands for.
    """
    if match["double"] is not None:
        return _ESCAPE.sub(r"\1", match["double"])
    return match["single"] if match["single"] is not None else match["plain"]


class Sort(Enum):
    """
    What a token of a definition is.

    @cvar MARK: one of the marks.
    @cvar PLAIN: a word that ends without a quote.
    @cvar QUOTED: a word that ends with a quote.
    """

    MARK = "mark"
    PLAIN = "plain"
    QUOTED = "quoted"


class Definition:
    """
    The tokens of a key-value definition, inetd.conf(5) of NetBSD: words and
    strings, divided by blanks, and the marks C{=}, C{,} and C{;}.  Strings have
    the escapes C{\\\\ \\n \\t \\r \\' \\" \\xXX}, the last of which is a byte.  A
    comment may stand wherever a blank may.

    A definition ends with its semicolon.  One that lacks it ends in front of a line
    that can only be the beginning of another statement: one whose second word is
    C{on}, C{off} or a type of socket, one that is nothing but C{address:}, or an
    C{.include}; all of them without a blank in front.
    """

    def __init__(self, source: Source) -> None:
        """
        @param source: the text, which has reached the definition.
        """
        self._source = source
        self._ended = False

    def __iter__(self) -> Iterator[tuple[Sort, Word]]:
        """
        The tokens up to the end of the definition.

        @raise ConfError: if a string is not closed, or has an unknown escape.
        """
        source = self._source
        pieces: list[str] = []
        place = source.place(source.position)
        sort = Sort.PLAIN
        for match in _TOKEN.finditer(source.text, source.position):
            if pieces and match.lastgroup not in ("plain", "single", "double"):
                yield sort, Word("".join(pieces), place)
                pieces = []
            here = source.place(match.start())
            place = place if pieces else here
            if match["open"] is not None:
                raise ConfError(here, "definition", "a string is not closed here")
            if match["mark"] is not None:
                self._passOver(match)
                yield Sort.MARK, Word(match["mark"], here)
            elif match["blank"] is None and match["comment"] is None:
                pieces.append(_value(match, here))
                sort = Sort.QUOTED if match["plain"] is None else Sort.PLAIN
                self._passOver(match)
            else:
                self._passOver(match)
            if self._ended:
                return
        if pieces:
            yield sort, Word("".join(pieces), place)

    def skip(self) -> None:
        """
        Pass over what is left of the definition.
        """
        if self._ended:
            return
        source = self._source
        for match in _TOKEN.finditer(source.text, source.position):
            if self._passOver(match):
                return

    def _passOver(self, match: re.Match[str]) -> bool:
        """
        Pass over one token.

        @return: whether the definition ends there.
        """
        end = match.end()
        self._source.goTo(end)
        if match["mark"] == ";":
            self._ended = True
        elif match["open"] is not None:
            self._ended = match["open"].rstrip().endswith(";")
        elif match["blank"] is not None and match["blank"].endswith("\n"):
            self._ended = _BEGINNING.match(self._source.text, end) is not None
        return self._ended


def _value(match: re.Match[str], place: Place) -> str:
    """
    What a token stands for.
    """
    for quoted in (match["single"], match["double"]):
        if quoted is not None:
            return _unescaped(quoted, place) if "\\" in quoted else quoted
    return match["plain"]


def _unescaped(quoted: str, place: Place) -> str:
    """
    What a string with escapes stands for, in the way of C{os.fsdecode}: the bytes
    that are no UTF-8 as well can be given to a program.
    """

    def bytesOf(escape: re.Match[bytes]) -> bytes:
        if escape[1] is not None:
            return bytes.fromhex(escape[1].decode("ascii"))
        if escape[2] in _ESCAPED:
            return _ESCAPED[escape[2]]
        reason = "a backslash stands before one of n t r \\ ' \" xXX, not here"
        raise ConfError(place, "definition", reason)

    data = _STRING_ESCAPE.sub(bytesOf, quoted.encode("utf-8", "surrogatepass"))
    return data.decode("utf-8", "surrogateescape")

# -*- test-case-name: inetdtw.config.test.test_tokens -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The lexer of key-value definitions: words, strings with escapes, and marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

from inetdtw.config.lexer import Source, checkNul
from inetdtw.model.errors import ConfError, Location, Word

#: A token of a key-value definition, whitespace or a comment, see L{Tokens}.
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
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
#: A line that can only begin another statement.
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


class TokenType(Enum):
    """
    The type of a token.

    @cvar MARK: one of the marks.
    @cvar PLAIN: a word that ends without a quote.
    @cvar QUOTED: a word that ends with a quote.
    """

    MARK = "mark"
    PLAIN = "plain"
    QUOTED = "quoted"


class Tokens:
    r"""
    The tokens of a key-value definition, see inetd.conf(5) of NetBSD.

    They are words and strings, separated by whitespace, and the marks C{=}, C{,} and
    C{;}.  Strings have the escapes C{\\ \n \t \r \' \" \xXX}; the last one is a
    byte.  A comment is whitespace.

    A definition ends with its semicolon, or, if that is missing, before a line that can
    only begin another statement: its second word is C{on}, C{off} or a socket type, or
    it is C{address:}, or an C{.include}; all without whitespace in front.
    """

    def __init__(self, source: Source) -> None:
        """@param source: the text, whose position is in the definition."""
        self._source = source
        self._ended = False

    def __iter__(self) -> Iterator[tuple[TokenType, Word]]:
        """
        Yield the tokens up to the end of the definition.

        @raise ConfError: if a string is not closed, or has an unknown escape.
        """
        source = self._source
        pieces: list[str] = []
        location = source.location(source.position)
        type_ = TokenType.PLAIN
        for match in _TOKEN.finditer(source.text, source.position):
            kind = match.lastgroup
            if kind in ("plain", "single", "double"):
                here = source.location(match.start())
                checkNul(match.group(), here)
                source.checkBytes(match.group(), here)
                location = location if pieces else here
                pieces.append(_value(match, here))
                type_ = TokenType.PLAIN if kind == "plain" else TokenType.QUOTED
                source.position = match.end()
                continue
            if pieces:
                yield type_, Word("".join(pieces), location)
                pieces = []
            if kind == "open":
                here = source.location(match.start())
                reason = "unclosed string: it must end on the same line"
                raise ConfError(here, "definition", reason)
            if kind == "mark":
                mark = Word(match.group(), source.location(match.start()))
                self._pass(match)
                yield TokenType.MARK, mark
            else:
                self._pass(match)
            if self._ended:
                return
        if pieces:
            yield type_, Word("".join(pieces), location)

    def skip(self) -> None:
        """Go to the end of the definition."""
        if self._ended:
            return
        source = self._source
        for match in _TOKEN.finditer(source.text, source.position):
            if self._pass(match):
                return

    def _pass(self, match: re.Match[str]) -> bool:
        """
        Go past a match.

        @return: whether the definition ends there.
        """
        kind, end = match.lastgroup, match.end()
        if kind != "space":
            # Only whitespace has line ends in it.
            self._source.position = end
            text = match.group()
            if kind == "mark":
                self._ended = text == ";"
            elif kind == "open":
                self._ended = text.rstrip().endswith(";")
            return self._ended
        self._source.goTo(end)
        if self._source.text[end - 1] == "\n":
            self._ended = _BEGINNING.match(self._source.text, end) is not None
        return self._ended


def _value(match: re.Match[str], location: Location) -> str:
    text: str = match[match.lastgroup or 0]
    if match.lastgroup != "plain" and "\\" in text:
        return _unescaped(text, location)
    return text


def _unescaped(quoted: str, location: Location) -> str:
    """
    Return a string without escapes.

    Bytes that are not UTF-8 are surrogates, so that a program gets them unchanged.
    """

    def bytesOf(escape: re.Match[bytes]) -> bytes:
        if escape[1] is not None:
            return bytes.fromhex(escape[1].decode("ascii"))
        if escape[2] in _ESCAPED:
            return _ESCAPED[escape[2]]
        reason = "unknown escape: a backslash must precede one of n t r \\ ' \" xXX"
        raise ConfError(location, "definition", reason)

    data = _STRING_ESCAPE.sub(bytesOf, quoted.encode("utf-8", "surrogatepass"))
    return data.decode("utf-8", "surrogateescape")

# -*- test-case-name: inetdtw.config.test.test_lines -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Logical lines of inetd.conf(5): comments, and lines that continue others.

A line continues the previous one if it begins with whitespace (inetd.conf(5) of the
BSDs), or if the previous one ends in a backslash (busybox, HP-UX).  A backslash does
not hide a line that can only be a statement of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from inetdtw.config.keyvalue import WORDS, tooManyWords
from inetdtw.config.lexer import Source, wordsIn
from inetdtw.model.errors import ConfWarning, Location, Word

#: The parts of a logical line: the physical lines, and where they begin.
Parts = list[tuple[Location, str]]

_SPACE = re.compile(r"[ \t\r\n\f\v]*")
_INDENT, _NOTHING = re.compile(r"[ \t]*"), re.compile("")
#: The beginning of a statement.
_STATEMENT = re.compile(
    r"""
      \S+ [ \t]+ (?: stream | dgram | seqpacket | raw | rdm ) (?: [,:]\S+ )?
      [ \t]+ \S+ [ \t]+ (?:no)?wait (?! \w )
    | \S+ [ \t]+ (?:on|off) [ \t]+ \w+ [ \t]* =
    | \S+ [ \t]+ \S+ [ \t]+ (?: tcp | udp | unix | rpc/ ) \S* [ \t]+ \S+ [ \t]+ \S+
      [ \t]+ (?: / | internal \b )
    | \.include [ \t]+ \S
    | \S+ : [ \t]* \r? (?= \n | \Z )
    """,
    re.VERBOSE | re.IGNORECASE,
)
#: The reasons of warnings.
_POLICY = "IPsec policies are not supported: this one is ignored"
_INDENTED = "leading whitespace makes this a continuation of the previous line"
_COMMENTED = "this line is part of the comment above, which ends in a backslash"
_ENDED = "the backslash does not continue the line, because a statement follows"
_SPACED = "whitespace follows the backslash, so the line does not continue"


def toStatement(source: Source) -> bool:
    """
    Go past whitespace and comments.

    @return: whether a statement follows.
    """
    while True:
        space = _SPACE.match(source.text, source.position)
        source.goTo(space.end() if space else source.position)
        if not source.text.startswith("#", source.position):
            return not source.ended
        location, comment = source.restOfLine()
        # "#@" alone ends a policy.
        if comment.startswith("#@") and comment[2:].strip():
            source.warnings.append(ConfWarning(location, "ipsec", _POLICY))
        if comment.endswith("\\"):
            _restOfComment(source)


def _restOfComment(source: Source) -> None:
    """Go past the lines that continue a comment."""
    lost: ConfWarning | None = None
    comment = "\\"
    while comment.endswith("\\") and not _atStatement(source, _INDENT):
        location, comment = source.restOfLine()
        if lost is None and comment and comment[0] not in " \t#":
            lost = ConfWarning(location, "line", _COMMENTED)
            source.warnings.append(lost)


def _atStatement(source: Source, before: re.Pattern[str] = _NOTHING) -> bool:
    """
    Tell whether what follows can only be a statement, or is nothing.

    @param before: what may be in front of it.
    """
    gap = before.match(source.text, source.position)
    found = _STATEMENT.match(source.text, gap.end() if gap else source.position)
    return found is not None or source.ended


def logicalLine(source: Source) -> Parts:
    """Go past a line and its continuation lines, and return all but comments."""
    parts = [source.restOfLine()]
    more = parts[0][1]
    while not source.ended:
        indented = source.text.startswith((" ", "\t"), source.position)
        if not (indented or (more.endswith("\\") and not _atStatement(source))):
            break
        location, more = source.restOfLine()
        if more.lstrip(" \t").startswith("#"):
            # What follows it is only a continuation if it is indented.
            more = ""
        elif len(parts) <= WORDS:
            # Of a line that is too long, the rest is only gone past.
            parts.append((location, more))
    return parts


def wordsOf(parts: Parts) -> list[Word]:
    """
    Return the words of a logical line.

    A word goes on after a backslash, if there is no whitespace on either side.

    @raise ConfError: if they are too many, or a quote is not closed.
    """
    words: list[Word] = []
    joined = False
    for location, text in parts:
        continues = text.endswith("\\")
        bare = text[:-1] if continues else text
        found = list(islice(wordsIn(location, bare), WORDS + 1 - len(words)))
        if joined and found and bare[0] not in " \t":
            before = words.pop()
            found[0] = Word(before.text + found[0].text, before.location)
        words += found
        joined = continues and bool(found) and bare[-1] not in " \t"
    if len(words) > WORDS or len(parts) > WORDS:
        raise tooManyWords(words[-1] if words else Word("", parts[-1][0]))
    return words


def lineWarnings(source: Source, parts: Parts) -> Iterator[ConfWarning]:
    """
    Warn of continuation lines, and of backslashes, that are probably not meant.

    @param source: the text, whose position is after the logical line.
    """
    if len(parts) == 1 and "\\" not in parts[0][1]:
        return
    for location, text in parts[1:]:
        bare = text.lstrip(" \t")
        if bare != text and _STATEMENT.match(bare):
            where = location.after(len(text) - len(bare))
            yield ConfWarning(where, "line", _INDENTED)
    for location, text in parts:
        bare = text.rstrip(" \t")
        if bare != text and bare.endswith("\\"):
            yield ConfWarning(location.after(len(bare) - 1), "line", _SPACED)
    location, text = parts[-1]
    if text.endswith("\\") and not source.ended:
        yield ConfWarning(location.after(len(text) - 1), "line", _ENDED)

# -*- test-case-name: inetdtw.test.test_conf -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The text of an inetd.conf(5) to entries, exactly as they are written.

Two forms may be mixed in one file.  A positional line (see
L{inetdtw.positional})::

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
from typing import Union

from inetdtw.entry import ConfError, Entry, Place, Word, entryFrom
from inetdtw.lexer import Definition, Line
from inetdtw.positional import Said, defaultHosts, saidBy, splitService

_SWITCHED = re.compile(r"[^ \t]+[ \t]+(on|off)(?=[ \t\r\n;#]|\Z)")


@dataclass(frozen=True)
class Include:
    """
    The lines of other files are wanted here.

    @ivar pattern: a glob(7) pattern; relative to the file that it stands in.
    @ivar bind: the default addresses that hold at this place.
    """

    pattern: Word
    bind: tuple[str, ...]


@dataclass(frozen=True)
class Warned:
    """
    Something that is taken as it is written, but hardly meant so.
    """

    place: Place
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.reason}"


Statement = Union[Entry, Include, ConfError, Warned]


class _Reader:
    """
    Goes through one text, statement by statement.
    """

    def __init__(self, text: str, file: str, bind: tuple[str, ...]) -> None:
        self._text = text
        self._file = file
        self._bind = bind
        self._position = 0
        self._line = 0

    def statements(self) -> Iterator[Statement]:
        """
        Everything the text says, in order.
        """
        while self._position < len(self._text):
            start = self._position
            physical = self._next()
            try:
                if not physical.strip() or physical.lstrip(" \t").startswith("#"):
                    continue
                if _SWITCHED.match(self._text, start):
                    yield self._definition(start)
                    continue
                yield from self._positional(physical)
            except ConfError as problem:
                yield problem

    def _next(self) -> str:
        """
        The next physical line.
        """
        end = self._text.find("\n", self._position)
        end = len(self._text) if end < 0 else end
        physical = self._text[self._position : end]
        self._position = end + 1
        self._line += 1
        return physical.rstrip("\r")

    def _continued(self) -> bool:
        """
        Whether the next physical line goes on with this one.
        """
        return self._text[self._position : self._position + 1] in (" ", "\t")

    def _positional(self, physical: str) -> Iterator[Statement]:
        """
        What a positional line says.
        """
        line = Line(self._file)
        line.append(self._line, physical)
        while self._continued():
            more = self._next()
            if not more.lstrip(" \t").startswith("#"):
                line.append(self._line, more)
        words = line.words()
        if words[0].text == ".include":
            yield self._include(words)
        elif len(words) == 1 and words[0].text.endswith(":"):
            self._bind = tuple(host.text for host in defaultHosts(words[0]))
        else:
            yield self._entry(*saidBy(words), True)
            yield from _warnings(words)

    def _include(self, words: list[Word]) -> Include:
        """
        A request for the lines of other files.
        """
        if len(words) != 2 or not words[1].text:
            reason = "takes one file name or pattern"
            raise ConfError(words[0].place, ".include", reason)
        return Include(words[1], self._bind)

    def _entry(self, service: Word, said: list[Said], enabled: bool) -> Entry:
        """
        An entry, with the default address where it gives none.
        """
        given = {name.text for name, _ in said}
        if self._bind and "bind" not in given and service.text[0] != "/":
            hosts = tuple(Word(host, service.place) for host in self._bind)
            said = [*said, (Word("bind", service.place), hosts)]
        return entryFrom(service, enabled, said)

    def _definition(self, start: int) -> Entry:
        """
        What a key-value definition says.

        After a syntax error, reading goes on with the next line.
        """
        definition = Definition(self._text, self._file, start, self._line)
        tokens = iter(definition)
        service = next(tokens)[1]
        enabled = next(tokens)[1].text == "on"
        said = list(_keys(tokens, service))
        self._resume(definition)
        # "addr:service on bind = ..." means the latter.
        name, prefix = splitService(service)
        keys = {key.text for key, _ in said}
        said += [each for each in prefix if each[0].text not in keys]
        return self._entry(name, said, enabled)

    def _resume(self, definition: Definition) -> None:
        """
        Go on behind a definition: with what stands behind its semicolon.
        """
        end = self._text.find("\n", definition.position)
        end = len(self._text) if end < 0 else end
        rest = self._text[definition.position : end].lstrip(" \t\r")
        self._line = definition.line
        self._position = end + 1
        if rest and not rest.startswith("#"):
            self._line -= 1
            self._position = end - len(rest)


def _keys(tokens: Iterator[tuple[bool, Word]], service: Word) -> Iterator[Said]:
    """
    The keys of a definition up to its semicolon, each with its words.
    """
    name = last = service
    words: list[Word] = []
    step = "name"
    for mark, token in tokens:
        last = token
        if step == "name" and not mark:
            name, equals, value = _divided(token)
            words, step = value, "words" if equals else "equals"
        elif step == "equals" and mark and token.text == "=":
            step = "words"
        elif step == "words" and not mark:
            words.append(token)
        elif step == "words" and token.text != "=":
            yield name, tuple(words)
            step = "name"
            if token.text == ";":
                return
        elif step == "name" and token.text == ";":
            return
        else:
            reason = f"'{token.text}' is not expected here: KEY = VALUE, ... ;"
            raise ConfError(token.place, "definition", reason)
    raise ConfError(last.place, "definition", "is not ended by a semicolon")


def _divided(token: Word) -> tuple[Word, bool, list[Word]]:
    """
    The name of a key, whether C{=} is right behind it, and the word behind that.
    """
    name, equals, value = token.text.partition("=")
    place = token.place
    behind = Place(place.file, place.line, place.column + len(name) + 1)
    return Word(name, place), bool(equals), [Word(value, behind)] if value else []


def _warnings(words: list[Word]) -> Iterator[Warned]:
    """
    What is strange about a positional line.
    """
    for word in words[6:]:
        if word.text.startswith("#"):
            reason = "is an argument of the program here, not the start of a comment"
            yield Warned(word.place, "args", f"'{word.text}' {reason}")
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
    return _Reader(text, file, bind).statements()

# -*- test-case-name: inetdtw.config.test.test_keyvalue -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The keys of a definition and the words of each, and the entry that they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any

from inetdtw.config import compat
from inetdtw.config.entry import KEYS, Entry
from inetdtw.config.tokens import Sort, Tokens
from inetdtw.config.valuetypes import ValueType
from inetdtw.model.errors import ConfError, Location, Word

Assignment = tuple[Word, tuple[Word, ...]]

#: The keys whose words may have commas between them.
LISTS = frozenset(["preload"])


#: The most words of one statement: a program cannot be given that many.
WORDS = 10000


def checkCount(before: Sized, word: Word) -> Word:
    """
    See that a word is not one too many.

    @param before: what its statement has already.

    @return: the word.
    @raise ConfError: if it is.
    """
    if len(before) >= WORDS:
        reason = f"is the word that is too many: a statement has {WORDS} at most"
        raise ConfError(word.location, "line", reason)
    return word


def parseAssignments(definition: Tokens, switch: Word) -> Iterator[Assignment]:
    """
    The keys of a definition up to its semicolon, each with its words.

    @param switch: the word in front of them, C{on} or C{off}.

    @raise ConfError: if they are not of the form KEY = VALUE, ... ;
    """
    name = last = switch
    words: list[Word] = []
    step = "name"
    for count, (sort, token) in enumerate(_joined(definition)):
        last = token if count < WORDS else checkCount(range(count), token)
        mark = sort is Sort.MARK
        if step == "name" and not mark:
            name, equals, value = _divided(token, sort is Sort.QUOTED)
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
            raise ConfError(token.location, "definition", reason)
    raise ConfError(last.location, "definition", "is not ended by a semicolon")


def _joined(tokens: Iterable[tuple[Sort, Word]]) -> Iterator[tuple[Sort, Word]]:
    """
    Leave out the commas within the value of a key whose words may be divided by them:
    those behind which there is no other key.
    """
    held: list[tuple[Sort, Word]] = []
    first, within = True, False
    for sort, token in tokens:
        mark = sort is Sort.MARK
        if not held:
            pass  # The usual case.
        elif len(held) == 1 and not mark and "=" not in token.text:
            held.append((sort, token))
            continue
        elif len(held) == 2 and mark and token.text in ",;":
            yield held.pop()
            held.clear()
        else:
            within = len(held) == 2 and held[1][1].text in LISTS
            first = len(held) == 1
            yield from held
            held.clear()
        if mark and token.text == "," and within:
            held.append((sort, token))
            continue
        if first and not mark:
            within = token.text.partition("=")[0] in LISTS
        first = mark and token.text == ","
        yield sort, token
    yield from held


def _divided(token: Word, quoted: bool) -> tuple[Word, bool, list[Word]]:
    """
    The name of a key, whether C{=} is right behind it, and the word behind that,
    which may be empty only if it is quoted.
    """
    name, equals, value = token.text.partition("=")
    location = token.location
    behind = Location(location.file, location.line, location.column + len(name) + 1)
    found = value or (equals and quoted)
    return Word(name, location), bool(equals), [Word(value, behind)] if found else []


def buildEntry(service: Word, enabled: bool, said: Iterable[Assignment]) -> Entry:
    """
    Make an entry of the keys that a definition gives and the words of each.

    @raise ConfError: if a key is unknown or is given twice, or if a value is not
        of its key's type.
    """
    given: dict[str, Any] = {}
    locations: dict[str, Location] = {}
    for name, value in said:
        key = KEYS.get(name.text)
        if key is None:
            raise ConfError(name.location, name.text, compat.aboutKey(name.text, KEYS))
        if key.name in given:
            raise ConfError(
                name.location, name.text, "is given twice; it takes one value"
            )
        locations[key.name] = value[0].location if value else name.location
        given[key.name] = _valueOf(key.type, key.name, value, locations[key.name])
    return Entry(service.text, service.location, enabled, locations, **given)


def _valueOf(
    type: ValueType[Any], name: str, value: tuple[Word, ...], location: Location
) -> object:
    """The value of one key."""
    try:
        # A generator would take as long again, for the one word that there is mostly.
        return type.read(tuple([word.text for word in value]))
    except ValueError as why:
        raise ConfError(location, name, str(why)) from None

# -*- test-case-name: inetdtw.config.test.test_keyvalue -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The grammar of key-value definitions, and the entry that assignments make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from inetdtw.config import compat
from inetdtw.config.entry import Entry, EntryError
from inetdtw.config.keys import KEYS
from inetdtw.config.tokens import Tokens, TokenType
from inetdtw.model.errors import ConfError, Location, Word

#: A key and the words of its value.
Assignment = tuple[Word, Sequence[Word]]

#: The keys whose words may have commas between them.
LISTS = frozenset(["preload"])

#: The most words of one statement: a program cannot be given that many.
WORDS = 10000


def tooManyWords(word: Word) -> ConfError:
    """Return the error for a word that is one too many."""
    reason = f"too many words: a statement may have at most {WORDS}"
    return ConfError(word.location, "line", reason)


class _Cursor:
    """
    The next token of a definition.

    @ivar mark: the token if it is a mark, or an empty string.
    @ivar quoted: whether it ends with a quote.
    @ivar word: the token.
    """

    def __init__(self, definition: Tokens, switch: Word) -> None:
        self._tokens = enumerate(definition)
        self.word = switch
        self.advance()

    def advance(self) -> None:
        """
        Go to the next token.

        @raise ConfError: if there is none, or if there were too many.
        """
        for count, (type_, word) in self._tokens:
            if count >= WORDS:
                raise tooManyWords(word)
            self.word = word
            self.mark = word.text if type_ is TokenType.MARK else ""
            self.quoted = type_ is TokenType.QUOTED
            return
        raise ConfError(self.word.location, "definition", "must end with a semicolon")

    def accept(self, mark: str) -> bool:
        """Go past a mark, if it is the next token, and return whether it was."""
        accepted = self.mark == mark
        if accepted:
            self.advance()
        return accepted

    def takeWord(self) -> tuple[Word, bool]:
        """
        Return the next token and whether it ends with a quote, and go past it.

        @raise ConfError: if it is a mark.
        """
        if self.mark:
            raise self.unexpected()
        taken = self.word, self.quoted
        self.advance()
        return taken

    def unexpected(self) -> ConfError:
        """Return the error that the token is not expected."""
        reason = f"unexpected '{self.word.text}'; the form is KEY = VALUE, ... ;"
        return ConfError(self.word.location, "definition", reason)


def parseAssignments(definition: Tokens, switch: Word) -> Sequence[Assignment]:
    """
    Return the assignments of a definition.

    The grammar::

        definition: [item {"," item}] [","] ";"
        item: KEY "=" {WORD} | WORD

    An item that is only a word belongs to the value before it, whose key must be one of
    L{LISTS}.

    @param switch: the word in front of them, C{on} or C{off}.

    @raise ConfError: if the definition is of another form, or has no semicolon.
    """
    found: list[tuple[Word, list[Word]]] = []
    tokens = _Cursor(definition, switch)
    while tokens.mark != ";":
        name, words = _item(tokens)
        if words is not None:
            found.append((name, words))
        elif found and found[-1][0].text in LISTS:
            found[-1][1].append(name)
        else:
            raise tokens.unexpected()
        if not tokens.accept(",") and tokens.mark != ";":
            raise tokens.unexpected()
    return found


def _item(tokens: _Cursor) -> tuple[Word, list[Word] | None]:
    """Return a key and the words of its value, or a word and C{None}."""
    name, assigned, words = _divided(*tokens.takeWord())
    if not (assigned or tokens.accept("=")):
        return name, None
    while not tokens.mark:
        words.append(tokens.word)
        tokens.advance()
    return name, words


def _divided(token: Word, quoted: bool) -> tuple[Word, bool, list[Word]]:
    """
    Return the key of a token, whether it has C{=}, and the word after that.

    The word may be empty only if it is quoted.
    """
    name, equals, value = token.text.partition("=")
    location, after = token.location, token.location.after(len(name) + 1)
    found = value or (equals and quoted)
    return Word(name, location), bool(equals), [Word(value, after)] if found else []


def buildEntry(
    service: Word,
    enabled: bool,
    assignments: Iterable[Assignment],
    problems: Sequence[ConfError] = (),
) -> Entry:
    """
    Return the entry that assigns these values.

    @param problems: the errors of assignments that are left out.

    @raise EntryError: if there are any, if a key is unknown or is given twice, or if a
        value is not of its key's type.
    """
    values: dict[str, Any] = {}
    locations: dict[str, Location] = {}
    wrong = list(problems)
    for name, value in assignments:
        key = name.text
        try:
            if key not in KEYS:
                raise ConfError(name.location, key, compat.aboutKey(key, KEYS))
            if key in locations:
                reason = "is given twice; it takes one value"
                raise ConfError(name.location, key, reason)
            locations[key] = value[0].location if value else name.location
            values[key] = _valueOf(key, value, locations[key])
        except ConfError as problem:
            wrong.append(problem)
    entry = Entry(service.text, service.location, enabled, values, locations)
    if wrong:
        raise EntryError(entry, wrong)
    return entry


def _valueOf(key: str, value: Sequence[Word], location: Location) -> object:
    try:
        # Most values have one word, for which a generator takes twice as long.
        return KEYS[key].read(tuple([word.text for word in value]))
    except ValueError as why:
        raise ConfError(location, key, str(why)) from None

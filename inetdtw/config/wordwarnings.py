# -*- test-case-name: inetdtw.config.test.test_wordwarnings -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Warn of words of a positional line that are probably not meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from inetdtw.config.positional import FIELDS, isInternal
from inetdtw.model.errors import ConfWarning, Location, Word


def wordWarnings(
    words: Sequence[Word], parts: Iterable[tuple[Location, str]]
) -> Iterator[ConfWarning]:
    """
    Warn of parts of a positional line that are probably not meant.

    @param parts: the physical lines that have the words.
    """
    login = words[4].text.partition("/")[2]
    if login:
        reason = f"the login class '{login}' is ignored; use the rlimit_* keys"
        yield ConfWarning(words[4].location, "user", reason)
    returned = next((word for word in words if "\r" in word.text), None)
    if returned is not None:
        reason = "a word contains a carriage return; lines must end with a newline"
        yield ConfWarning(returned.location, "line", reason)
    yield from _commentWarning(words, [part for part in parts if "#" in part[1]])


def _commentWarning(
    words: Sequence[Word], parts: Iterable[tuple[Location, str]]
) -> Iterator[ConfWarning]:
    """
    Warn of the first word with a C{#}, which begins a comment in some other inetds.

    @param parts: the physical lines that have such a word.
    """
    texts = {location.line: (location.column, text) for location, text in parts}
    for index, word in enumerate(words if texts else ()):
        if index >= len(FIELDS) and isInternal(words[len(FIELDS) - 1]):
            return
        column, text = texts.get(word.location.line, (0, ""))
        # Quotes show that it is meant.
        if "#" in word.text and text.startswith(
            word.text, word.location.column - column
        ):
            reason = f"the '#' in '{word.text}' is part of the word, not a comment"
            if word.text.startswith("#"):
                reason = f"'{word.text}' is an argument of the program, not a comment"
            key = FIELDS[index] if index < len(FIELDS) else "args"
            yield ConfWarning(word.location, key, reason)
            return

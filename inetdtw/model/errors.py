# -*- test-case-name: inetdtw.model.test.test_errors -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Words of a configuration, where they are written, and what is wrong with them."""

from __future__ import annotations

from typing import NamedTuple


class Location(NamedTuple):
    """
    Where something is written.

    @ivar file: the path of the file as it was given.
    @ivar line: counted from 1.
    @ivar column: counted from 1.
    """

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}:{self.column}"


def printable(text: str, kept: str = "") -> str:
    """
    Return a text as one line, whatever it quotes: control characters, those that change
    the direction of what follows, and bytes that are not UTF-8 are escaped.

    @param kept: control characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(each if each in kept else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    """Return a character as it can be printed."""
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


class ConfError(Exception):
    """
    A part of a configuration cannot be used.

    @ivar place: where it is.
    @ivar field: the name of the field or key that is wrong.
    @ivar reason: what is wrong with it, and what would be right.
    """

    def __init__(self, place: Location, field: str, reason: str) -> None:
        super().__init__(place, field, reason)
        self.place = place
        self.field = printable(field)
        self.reason = printable(reason)

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.reason}"


class Word(NamedTuple):
    """One word of a configuration file, quotes removed, and where it begins."""

    text: str
    place: Location

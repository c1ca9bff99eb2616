# -*- test-case-name: inetdtw.model.test.test_errors -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Words of a configuration, where they are written, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from inetdtw.text import printable


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


class ConfError(Exception):
    """
    A part of a configuration cannot be used.

    @ivar location: where it is.
    @ivar field: the name of the field or key that is wrong.
    @ivar reason: what is wrong with it, and what would be right.
    """

    def __init__(self, location: Location, field: str, reason: str) -> None:
        super().__init__(location, field, reason)
        self.location = location
        self.field = printable(field)
        self.reason = printable(reason)

    def __str__(self) -> str:
        return f"{self.location}: {self.field}: {self.reason}"


class Word(NamedTuple):
    """One word of a configuration file, quotes removed, and where it begins."""

    text: str
    location: Location


@dataclass(frozen=True)
class ConfWarning:
    """Something that is taken as it is written, but hardly meant so."""

    location: Location
    field: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", printable(self.reason))

    def __str__(self) -> str:
        return f"{self.location}: {self.field}: {self.reason}"


class DuplicateService(ConfWarning):
    """A line that asks for what another one has already; it is not served."""

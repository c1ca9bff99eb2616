# -*- test-case-name: inetdtw.model.test.test_errors -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Words of a configuration, their locations, errors and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Union

from inetdtw.text import printable


class Location(NamedTuple):
    """
    A location in a configuration file.

    @ivar file: the path of the file as it was given.
    @ivar line: counted from 1.
    @ivar column: counted from 1.
    """

    file: str
    line: int
    column: int = 1

    def after(self, count: int) -> Location:
        """Return the location some characters later on the line."""
        return Location(self.file, self.line, self.column + count)

    def __str__(self) -> str:
        """Return C{file:line:column}, as compilers do."""
        return f"{printable(self.file)}:{self.line}:{self.column}"


class ConfError(Exception):
    """
    A statement of a configuration cannot be used.

    @ivar location: the location of the error.
    @ivar field: the name of the field or key.
    @ivar reason: what is wrong, and what to do.
    """

    def __init__(self, location: Location, field: str, reason: str) -> None:
        """Escape characters that cannot be printed."""
        super().__init__(location, field, reason)
        self.location = location
        self.field = printable(field)
        self.reason = printable(reason)

    def __str__(self) -> str:
        """Return the location, the field and the reason."""
        return f"{self.location}: {self.field}: {self.reason}"

    @property
    def problems(self) -> tuple[ConfError, ...]:
        """All errors of the statement."""
        return (self,)


class RootNeeded(ConfError):
    """
    Only root's daemon can run the program as this account.

    @ivar account: a user, or a group.
    """

    def __init__(
        self, location: Location, field: str, reason: str, account: str
    ) -> None:
        """Name the account."""
        super().__init__(location, field, reason)
        self.account = printable(account)


class Word(NamedTuple):
    """A word of a configuration file without quotes, and its location."""

    text: str
    location: Location


@dataclass(frozen=True)
class ConfWarning:
    """A warning: a statement is used as written, but may not be meant so."""

    location: Location
    field: str
    reason: str

    def __post_init__(self) -> None:
        """Escape characters that cannot be printed."""
        object.__setattr__(self, "reason", printable(self.reason))

    def __str__(self) -> str:
        """Return the location, the field and the reason."""
        return f"{self.location}: {self.field}: {self.reason}"


@dataclass(frozen=True)
class ProgramMissing(ConfWarning):
    """
    A program is not found.

    @ivar path: the directories in which it was searched.
    """

    path: str


@dataclass(frozen=True)
class OnlyIPv6(ConfWarning):
    """
    A service that is IPv6 only, but would accept IPv4 on other systems.

    @ivar service: its name or port, as written.
    @ivar port: its port.
    @ivar socktype: its type of socket.
    """

    service: str
    port: int
    socktype: int


class DuplicateService(ConfWarning):
    """A statement is ignored, because an earlier one has the same socket."""


#: An error or a warning.
Finding = Union[ConfError, ConfWarning]


def toJSON(finding: Finding) -> dict[str, Any]:
    """Return an error or a warning as an object of JSON."""
    where = finding.location._asdict()
    return {**where, "field": finding.field, "reason": finding.reason}


def fromJSON(values: Mapping[str, Any]) -> ConfWarning:
    """Return the warning that L{toJSON} had; an error becomes a warning, too."""
    location = Location(values["file"], values["line"], values["column"])
    return ConfWarning(location, values["field"], values["reason"])

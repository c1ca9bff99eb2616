# -*- test-case-name: inetdtw.config.test.test_entry -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
One definition of a service, as written.

Both forms of inetd.conf end here: a positional line gives the same keys as a key-value
definition, in fewer words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from inetdtw.model.errors import ConfError, ConfWarning, Location


@dataclass(frozen=True)
class Entry:
    """
    A definition of a service, before any look-up.

    @ivar service: a name of services(5), a port number, or a path.
    @ivar location: where the definition begins.
    @ivar enabled: whether the service is C{on}.
    @ivar values: the values of the keys that are given, see
        L{KEYS<inetdtw.config.keys.KEYS>}.
    @ivar locations: where each of these values begins.
    """

    service: str
    location: Location = field(compare=False)
    enabled: bool = True
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    locations: Mapping[str, Location] = field(default_factory=dict, compare=False)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a key, or C{default} if it is not given."""
        return self.values.get(key, default)

    def where(self, key: str) -> Location:
        """Return where the value of a key begins, or else the definition."""
        return self.locations.get(key, self.location)


class EntryError(ConfError):
    """
    An entry has errors; the first one is also this error.

    @ivar entry: its values that have none.
    @ivar warnings: what else may not work.
    """

    def __init__(
        self,
        entry: Entry,
        problems: Sequence[ConfError],
        warnings: Sequence[ConfWarning] = (),
    ) -> None:
        """@param problems: all errors, at least one."""
        first = problems[0]
        super().__init__(first.location, first.field, first.reason)
        self.entry = entry
        self.warnings = tuple(warnings)
        self._problems = tuple(problems)

    @property
    def problems(self) -> tuple[ConfError, ...]:
        """All errors of the entry."""
        return self._problems

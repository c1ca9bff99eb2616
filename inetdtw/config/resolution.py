# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What an entry is to be looked up with."""

from __future__ import annotations

from dataclasses import dataclass

from inetdtw.config.entry import Entry
from inetdtw.model.errors import ConfError
from inetdtw.model.service import Settings
from inetdtw.system.lookups import Lookups


@dataclass(frozen=True)
class Resolution:
    """
    What an entry comes to on this system.

    @ivar entry: the entry.
    @ivar settings: what holds where it says nothing.
    @ivar ask: the look-ups.
    """

    entry: Entry
    settings: Settings
    ask: Lookups

    def error(self, field: str, reason: str) -> ConfError:
        """Something is wrong with a field."""
        return ConfError(self.entry.where(field), field, reason)


def orElse(value: int | None, default: int) -> int:
    """A value, or else the default."""
    return default if value is None else value

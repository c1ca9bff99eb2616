# -*- test-case-name: inetdtw.config.test.test_resolver -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The input of a look-up, which the parts of the resolver share."""

from __future__ import annotations

from dataclasses import dataclass

from inetdtw.config.entry import Entry
from inetdtw.model.errors import ConfError
from inetdtw.model.service import Settings
from inetdtw.system.lookups import Lookups


@dataclass(frozen=True)
class Resolution:
    """
    An entry, and what is needed to resolve it on this system.

    @ivar entry: the entry.
    @ivar settings: the defaults of keys that it does not give.
    @ivar ask: the look-ups.
    """

    entry: Entry
    settings: Settings
    ask: Lookups

    def error(self, field: str, reason: str) -> ConfError:
        """Return the error that the value of a field cannot be used."""
        return ConfError(self.entry.where(field), field, reason)

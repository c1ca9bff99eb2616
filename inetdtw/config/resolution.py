# -*- test-case-name: inetdtw.config.test.test_resolver -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The base of the parts of the resolver."""

from __future__ import annotations

from inetdtw.config.entry import Entry
from inetdtw.model.errors import ConfError
from inetdtw.model.service import Settings
from inetdtw.system.lookups import Lookups


class Resolution:
    """A part of the look-ups for one entry on this system."""

    def __init__(self, entry: Entry, settings: Settings, ask: Lookups) -> None:
        """@param settings: the defaults of keys that the entry does not give."""
        self._entry = entry
        self._settings = settings
        self._ask = ask

    def _error(self, field: str, reason: str) -> ConfError:
        """Return the error that the value of a field cannot be used."""
        return ConfError(self._entry.where(field), field, reason)

# -*- test-case-name: inetdtw.config.test.test_internal -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Resolve the internal service of an entry that has no program."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator

from inetdtw.config import compat
from inetdtw.config.entry import Entry
from inetdtw.config.resolution import Resolution
from inetdtw.model.errors import ConfWarning
from inetdtw.model.service import INTERNAL_NAMES, Settings
from inetdtw.system import lookups
from inetdtw.system.lookups import Lookups

#: The internal services by the ports that RFC 862-868 and RFC 1078 give them.
_PORTS = {
    1: "tcpmux",
    7: "echo",
    9: "discard",
    13: "daytime",
    19: "chargen",
    37: "time",
    113: "auth",
}
_SERVED = {"tcpmux", *INTERNAL_NAMES}
#: The maximum length of ignored words in a warning.
_LONGEST = 40


class InternalResolver(Resolution):
    """The look-up of an internal service."""

    def __init__(
        self, entry: Entry, settings: Settings, ask: Lookups, base: str
    ) -> None:
        """@param base: the protocol without its version."""
        super().__init__(entry, settings, ask)
        self._base = base

    def name(self) -> str:
        """
        Return the name of the internal service.

        @raise ConfError: if no internal service has it.
        """
        name = self._chosen()
        if name == "tcpmux" and self._base != "tcp":
            raise self._error("protocol", "tcpmux is only for tcp")
        if name in compat.INTERNALS:
            reason = f"'{name}': {compat.missing(compat.INTERNALS[name])}"
            raise self._error("args", reason)
        if name not in _SERVED:
            known = ", ".join(sorted(_SERVED))
            raise self._error("args", f"'{name}' is not an internal service ({known})")
        return name

    def warnings(self, name: str | None) -> Iterator[ConfWarning]:
        """
        Warn of words after C{internal} that do not name the service.

        @param name: what L{name} returns; C{None} if the entry has a program.
        """
        words = self._arguments() if name is not None else ()
        ignored = words[1:] if words[:1] in ((name,), (self._entry.service,)) else words
        if ignored:
            text = textwrap.shorten(" ".join(ignored), _LONGEST, placeholder="...")
            reason = f"'{text}' is ignored: the internal {name} is served"
            yield ConfWarning(self._entry.where("args"), "args", reason)

    def _arguments(self) -> tuple[str, ...]:
        arguments: tuple[str, ...] = self._entry.get("args", ())
        return arguments

    def _chosen(self) -> str:
        """Return the name that the entry's own name or port gives, or the argument."""
        names = (self._own(), *self._arguments()[:1])
        for known in (_SERVED, compat.INTERNALS):
            for name in names:
                if name in known:
                    return name
        return names[-1]

    def _own(self) -> str:
        """Return the internal service of the entry's own name, port or path."""
        service = self._entry.service
        if self._base == "unix":
            return os.path.basename(service)
        return _PORTS.get(lookups.port(service, self._base, self._ask), service)

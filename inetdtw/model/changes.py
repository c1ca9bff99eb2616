# -*- test-case-name: inetdtw.model.test.test_changes -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The difference between two configurations, and the result of a reload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inetdtw.model.errors import ConfError, ConfWarning
from inetdtw.model.service import Key, Service


@dataclass(frozen=True)
class Changes:
    """
    The difference between two configurations.

    @ivar keep: the services that are equal in both.
    @ivar change: the new values of services that keep their socket.
    @ivar start: the services that are only in the new one.
    @ivar stop: the services that are only in the old one.
    """

    keep: tuple[Service, ...] = ()
    change: tuple[Service, ...] = ()
    start: tuple[Service, ...] = ()
    stop: tuple[Service, ...] = ()


@dataclass(frozen=True)
class ReloadResult:
    """
    The result of a reload, which is true if the new configuration is in use.

    @ivar changes: the changes, or C{None} if the old configuration stays.
    @ivar problems: the errors of the new configuration.
    @ivar warnings: its warnings.
    """

    changes: Changes | None
    problems: tuple[ConfError, ...] = ()
    warnings: tuple[ConfWarning, ...] = ()

    def __bool__(self) -> bool:
        """Tell whether the new configuration is in use."""
        return self.changes is not None


def diff(old: Mapping[Key, Service], new: Mapping[Key, Service]) -> Changes:
    """Return the difference between two configurations."""
    both = [new[key] for key in new if key in old]
    return Changes(
        keep=tuple(each for each in both if old[each.key] == each),
        change=tuple(each for each in both if old[each.key] != each),
        start=tuple(new[key] for key in new if key not in old),
        stop=tuple(old[key] for key in old if key not in new),
    )

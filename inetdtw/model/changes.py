# -*- test-case-name: inetdtw.model.test.test_changes -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What a reload has to do: a comparison of what runs with what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from inetdtw.model.service import Key, Service


@dataclass(frozen=True)
class Changes:
    """
    What is between two configurations.

    @ivar keep: the services that are equal in both.
    @ivar change: those whose socket is the same, as they are to be.
    @ivar start: those that are only in the new one.
    @ivar stop: those that are only in the old one.
    """

    keep: tuple[Service, ...] = ()
    change: tuple[Service, ...] = ()
    start: tuple[Service, ...] = ()
    stop: tuple[Service, ...] = ()


@dataclass(frozen=True)
class ReloadResult:
    """
    What came of a reload.  It is true if the new configuration holds.

    @ivar changes: what it has changed; C{None} if the old configuration stays.
    @ivar problems: what is wrong with the new configuration.
    @ivar warnings: what is strange about it.
    """

    changes: Changes | None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.changes is not None


def diff(old: Mapping[Key, Service], new: Mapping[Key, Service]) -> Changes:
    """Compare two configurations."""
    both = [new[key] for key in new if key in old]
    return Changes(
        keep=tuple(each for each in both if old[each.key] == each),
        change=tuple(each for each in both if old[each.key] != each),
        start=tuple(new[key] for key in new if key not in old),
        stop=tuple(old[key] for key in old if key not in new),
    )

# -*- test-case-name: inetdtw.limits.test.test_counters -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Counting what became of a service's programs, from the start of the daemon on."""

from __future__ import annotations

from dataclasses import dataclass

from inetdtw.interfaces import ExitStatus


@dataclass
class Tally:
    """
    What became of the clients and the programs of one service.

    @ivar admitted: how many clients were admitted, restarted programs included.
    @ivar refused: how many clients were refused.
    @ivar warm: how many were started by forking an interpreter that was ready.
    @ivar cold: how many were started otherwise.
    @ivar failed: how many could not be started.
    @ivar ended: how many have ended.
    @ivar bad: how many of these ended badly.
    @ivar dropped: how many datagrams were thrown away.
    @ivar cpu: the seconds of processor time that those that ended have used; C{None}
        as long as that is known of none.
    @ivar last: how the last one ended.
    """

    warm: int = 0
    cold: int = 0
    failed: int = 0
    ended: int = 0
    bad: int = 0
    dropped: int = 0
    cpu: float | None = None
    last: ExitStatus | None = None
    admitted: int = 0
    refused: int = 0

    def count(self, warm: bool | None) -> None:
        """
        One was started.

        @param warm: whether an interpreter was forked for it.
        """
        if warm:
            self.warm += 1
        else:
            self.cold += 1

    def end(self, how: ExitStatus) -> None:
        """One has ended."""
        self.ended += 1
        self.bad += how.bad
        self.last = how
        if how.cpu is not None:
            self.cpu = (self.cpu or 0.0) + how.cpu

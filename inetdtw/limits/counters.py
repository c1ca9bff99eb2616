# -*- test-case-name: inetdtw.limits.test.test_counters -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Counters of a service's clients and programs, from the start of the daemon on."""

from __future__ import annotations

from dataclasses import dataclass, field

from inetdtw.interfaces import ExitStatus
from inetdtw.limits.failures import Failures


@dataclass
class Tally:
    """
    The counters of one service's clients and programs.

    @ivar admitted: how many clients were admitted.
    @ivar refused: how many clients were refused.
    @ivar warm: how many programs a warm process started.
    @ivar cold: how many were started otherwise.
    @ivar failed: how many could not be started.
    @ivar ended: how many have exited.
    @ivar exitFailures: how many of these had a nonzero status, or a signal killed them.
    @ivar dropped: how many datagrams were discarded.
    @ivar cpu: the seconds of CPU time of those that have exited; C{None} as long as it
        is known of none.
    @ivar last: how the last one exited.
    @ivar failures: the failures in a row.
    """

    warm: int = 0
    cold: int = 0
    failed: int = 0
    ended: int = 0
    exitFailures: int = 0
    dropped: int = 0
    cpu: float | None = None
    last: ExitStatus | None = None
    admitted: int = 0
    refused: int = 0
    failures: Failures = field(default_factory=Failures)

    def count(self, warm: bool | None) -> None:
        """
        Count a program that was started.

        @param warm: whether a warm process did.
        """
        if warm:
            self.warm += 1
        else:
            self.cold += 1

    def startFailed(self, reason: str, when: float) -> None:
        """
        Count a program that could not be started.

        @param when: in seconds since the epoch.
        """
        self.failed += 1
        self.failures.unstarted(reason, when)

    def end(self, how: ExitStatus, when: float) -> None:
        """
        Count a program that has exited.

        @param when: in seconds since the epoch.
        """
        self.failures.ended(how, when)
        self.ended += 1
        self.exitFailures += how.isFailure
        self.last = how
        if how.cpu is not None:
            self.cpu = (self.cpu or 0.0) + how.cpu

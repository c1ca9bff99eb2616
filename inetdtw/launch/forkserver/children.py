# -*- test-case-name: inetdtw.launch.forkserver.test.test_children -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The programs that were ordered from a helper process, and those that run.

Those that run when their helper is killed are nobody's children any more: the daemon
waits for their ends by other means.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import Any, Callable

from inetdtw.helpers.reports import ASTRAY, ENDED, FAILED, REPEATED, STARTED
from inetdtw.interfaces import ExitStatus
from inetdtw.system.exitwatch import ExitWatcher


class Children:
    """
    The programs of a helper, and of those that follow it.

    @ivar waiting: the children that were ordered, by the number of the order.
    @ivar running: those that run, by their process ids.
    """

    def __init__(
        self,
        reactor: Any,
        directory: str,
        orphanEnded: Callable[[], None],
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        @param directory: where programs are started, for messages.
        @param orphanEnded: called when one has ended whose helper is gone.
        @param exits: learns of the ends of programs whose helper is gone.
        """
        self._exits = ExitWatcher(reactor) if exits is None else exits
        self._directory = directory
        self._orphanEnded = orphanEnded
        self.waiting: OrderedDict[int, Any] = OrderedDict()
        self.running: dict[int, Any] = {}
        self._orphans: dict[int, Any] = {}

    def __len__(self) -> int:
        """How many wait or run."""
        return len(self.waiting) + len(self.running)

    def runs(self, child: Any, pid: int) -> None:
        """A child was started."""
        self.running[pid] = child
        child.started(pid)

    def told(self, kind: int, number: int, pid: int, value: int, cpu: int) -> None:
        """The helper says something of a child; of one that is not known it means nothing."""
        if kind == STARTED and number in self.waiting:
            self.runs(self.waiting.pop(number), pid)
        elif kind == REPEATED and pid in self.running:
            how = ExitStatus.fromWait(value, cpu / 1e6)
            self.waiting[number] = self.running.pop(pid).restarted(how)
        elif kind == FAILED and number in self.waiting:
            self.waiting.pop(number).failed(os.strerror(value))
        elif kind == ENDED and pid in self.running:
            self._ended(pid, ExitStatus.fromWait(value, cpu / 1e6))
        elif kind == ASTRAY and number in self.waiting:
            reason = f"{self._directory}: {os.strerror(value)}"
            self.waiting.pop(number).failed(reason)

    def _ended(self, pid: int, how: ExitStatus) -> None:
        """A program has ended."""
        orphan = self._orphans.pop(pid, None)
        if orphan is not None:
            orphan.cancel()
        self.running.pop(pid).ended(how)

    def lost(self, end: int) -> None:
        """Nobody will say anything of the orders with numbers below C{end}."""
        for number in [number for number in self.waiting if number < end]:
            self.waiting.pop(number).failed("its fork server died")

    def giveUp(self) -> None:
        """Nobody can start what was ordered."""
        while self.waiting:
            self.waiting.popitem()[1].failed("no fork server can be started")

    def watchOrphans(self) -> None:
        """Wait for the ends of the programs whose helper is gone."""
        for pid in set(self.running) - set(self._orphans):
            self._adopt(pid)

    def _adopt(self, pid: int) -> None:
        """Wait for the end of one."""

        def ended() -> None:
            self._ended(pid, ExitStatus())
            self._orphanEnded()

        try:
            self._orphans[pid] = self._exits.watch(pid, ended)
        except OSError:
            self._ended(pid, ExitStatus())

    def leave(self) -> None:
        """Wait no longer for the ends of those whose helper is gone."""
        for orphan in self._orphans.values():
            orphan.cancel()

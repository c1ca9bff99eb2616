# -*- test-case-name: inetdtw.launch.warm.test.test_launcher -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Warm starts: Python programs that are forked from an interpreter that is ready.

A L{WarmLauncher} wraps the launcher of a process context.  That launcher does what the
warm process cannot do at the moment, so that no client waits for an interpreter.
"""

from __future__ import annotations

from typing import Any, Callable

from zope.interface import implementer

from inetdtw.interfaces import IChild, ILauncher, IPreparing, LaunchRequest
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.warm.process import IN_FLIGHT, WarmProcess
from inetdtw.launch.warm.supervisor import WarmSupervisor
from inetdtw.system.waitlist import WaitList


@implementer(IPreparing)
class WarmLauncher(WarmSupervisor):
    """A launcher for one program, which starts it warm if possible and cold if not."""

    def __init__(self, cold: ILauncher, *given: Any) -> None:
        """See L{WarmSupervisor}."""
        super().__init__(cold, *given)
        self._waiting = WaitList(lambda: self.hasCapacity)

    @property
    def process(self) -> WarmProcess | None:
        """The warm process that is ready, if any."""
        current = self.current
        return current if current is not None and current.up else None

    def start(self) -> None:
        """Do nothing: a process is started for a launch request."""

    def launch(self, child: IChild, request: LaunchRequest) -> None:
        """Start a program, warm if possible."""
        # The program can have been missing before.
        self.prepare(request)
        process = self.process
        if process is not None and self._fits(process, request):
            try:
                process.launch(child, request)
                return
            except OSError:
                pass  # it cannot take the request now
        self.startCold(child, request)

    def _fits(self, process: WarmProcess, request: LaunchRequest) -> bool:
        return self._isFor(process, request) and self._hasRoot(process)

    def _isFor(self, process: WarmProcess, request: LaunchRequest) -> bool:
        """
        Return whether a process is for such launch requests.

        If not, its replacement will be: the program was found elsewhere.
        """
        made = process.request
        given = request.environment
        if (request.paths, request.argv) == (made.paths, made.argv) and (
            given is made.environment or given == made.environment
        ):
            return True
        self.request = request
        return False

    def _hasRoot(self, process: WarmProcess) -> bool:
        """
        Return whether a process has the root directory of a cold start.

        If not, it is replaced.
        """
        if not isinstance(self._cold, ChrootForkServerPool):
            return True
        try:
            self._cold.look()
        except OSError:
            # The cold launcher reports the error.
            return False
        if process.moves == self._cold.moves:
            return True
        self.stale(process)
        return False

    @property
    def hasCapacity(self) -> bool:
        """Whether another program can be started now."""
        process = self.process
        if process is not None:
            return process.load < IN_FLIGHT
        return bool(self._cold.hasCapacity)

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is capacity."""
        if self.process is None:
            self._cold.whenCapacity(callback)
        else:
            self._waiting.add(callback)

    def notify(self) -> None:
        """Call those that wait for capacity, as far as there is any."""
        if not self._waiting:
            return
        self._waiting.notify()
        if self.process is None:
            for callback in self._waiting.takeAll():
                self._cold.whenCapacity(callback)


def isReady(launcher: object) -> bool:
    """Return whether a launcher has a warm process that is ready."""
    return isinstance(launcher, WarmLauncher) and launcher.process is not None

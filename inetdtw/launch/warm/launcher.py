# -*- test-case-name: inetdtw.launch.warm.test.test_launcher -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Warm starts: programs in Python that are forked from an interpreter that is ready.

A L{Warm} stands before the launcher of a context.  Whatever it cannot do at the
moment, as there is no interpreter, or none that can take an order, that launcher does:
no client waits for it.
"""

from __future__ import annotations

from typing import Any, Callable

from zope.interface import implementer

from inetdtw.interfaces import IPreparing, LaunchRequest
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.warm.process import IN_FLIGHT, WarmProcess
from inetdtw.launch.warm.supervisor import Succession
from inetdtw.system.waitlist import WaitList


@implementer(IPreparing)
class Warm:
    """ProgramStarter one program, warm if that can be."""

    def __init__(self, cold: Any, *given: Any) -> None:
        """
        @param cold: the launcher of its context.
        @param given: what else L{Succession} takes: how to start the interpreter, and
            the reactor, the log, the service's name, what counts all programs, and the
            context.
        """
        kept, *rest = given
        self._cold = cold
        self._waiting = WaitList(lambda: self.hasCapacity)
        self._succession = Succession(self, kept, cold, *rest)

    @property
    def pid(self) -> int | None:
        """The process id of the one that is forked."""
        process = self._up
        return None if process is None else process.pid

    @property
    def _up(self) -> WarmProcess | None:
        """The process that takes orders, if there is one."""
        process = self._succession.current
        return process if process is not None and process.up else None

    def start(self) -> None:
        """Nothing can be started before there is an order."""

    def prepare(self, order: LaunchRequest) -> None:
        """Start the process for orders like this one."""
        self._succession.prepare(order)

    def renew(self) -> None:
        """Have another process take the place of this one, as soon as it is ready."""
        self._succession.renew()

    def ready(self, process: WarmProcess) -> None:
        """A process can take orders."""

    def left(self, child: Any, order: LaunchRequest) -> None:
        """An order has to be started cold."""
        child.warm = False
        self._cold.launch(child, order)

    def lost(self, process: WarmProcess) -> None:
        """A process can take no orders any more."""

    def launch(self, child: Any, order: LaunchRequest) -> None:
        """Start a program, warm if that can be."""
        # It may not have been there when there was time to get ready.
        self.prepare(order)
        process = self._up
        if process is not None and self._suits(process, order) and self._here(process):
            try:
                process.order(child, order)
                return
            except OSError:
                pass  # It cannot take the request now.
        self.left(child, order)

    def _suits(self, process: WarmProcess, order: LaunchRequest) -> bool:
        """
        Whether a process is what this order would start.  If not, the next one is to
        be: the program may have been found elsewhere meanwhile.
        """
        made = process.made
        given = order.environment
        if (order.paths, order.argv) == (made.paths, made.argv) and (
            given is made.environment or given == made.environment
        ):
            return True
        self._succession.template = order
        return False

    def _here(self, process: WarmProcess) -> bool:
        """
        True if a process is in the root directory that a cold start would have.  If
        not, it is replaced.
        """
        if not isinstance(self._cold, ChrootForkServerPool):
            return True
        try:
            self._cold.look()
        except OSError:
            # The cold launcher says what is wrong.
            return False
        if process.moves == self._cold.moves:
            return True
        self._succession.stale(process)
        return False

    @property
    def hasCapacity(self) -> bool:
        """Whether another program can be ordered."""
        process = self._up
        if process is not None:
            return process.load < IN_FLIGHT
        return bool(self._cold.hasCapacity)

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is room."""
        if self._up is None:
            self._cold.whenCapacity(callback)
        else:
            self._waiting.add(callback)

    def notify(self) -> None:
        """Tell those who wait, if there is room."""
        if not self._waiting:
            return
        self._waiting.notify()
        if self._up is None:
            for callback in self._waiting.takeAll():
                self._cold.whenCapacity(callback)

    def cancelRestarts(self) -> None:
        """Repeat nothing."""
        self._cold.cancelRestarts()

    def retire(self) -> None:
        """End when no program runs that was started warm."""
        self._succession.retire()

    @property
    def over(self) -> bool:
        """Whether nothing of it is left after it was retired."""
        return self._succession.over

    def stop(self) -> None:
        """End at once, whatever runs."""
        self._succession.stop()


def isReady(launcher: object) -> bool:
    """Whether a launcher has an interpreter that is ready."""
    return isinstance(launcher, Warm) and launcher.pid is not None

# -*- test-case-name: inetdtw.launch.forkserver.test.test_chroot -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Fork servers in a root directory of their own.

A process cannot leave its root directory.  When the path of that leads to another
directory by now, as a symbolic link was switched or the directory was made anew, other
fork servers take the place of those that are in the old one.  So each start goes by the
daemon, which looks, and none is left to what accepts or repeats by itself.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred

from inetdtw.interfaces import ILauncher, LaunchRequest
from inetdtw.launch.forkserver.launcher import ForkServerPool, usualCount
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.system.waitlist import WaitList
from inetdtw.text import native

_FLAGS = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)


@implementer(ILauncher)
class ChrootForkServerPool:
    """
    The fork servers of a context with C{chroot}.

    @ivar context: the context.
    @ivar count: how many fork servers there are at a time.
    @ivar moves: how often there was another root directory.
    """

    def __init__(
        self,
        context: ProcessContext,
        reactor: Any,
        report: Report,
        budget: ProcessBudget | None = None,
        make: Callable[..., Any] = ForkServerPool,
        **more: Any,
    ) -> None:
        """
        @param budget: what counts the programs of all services.
        @param make: makes the fork servers.
        @param more: what else L{ForkServerPool} takes.

        @raise OSError: if there are no descriptors left, or no root directory.
        """
        assert context.chroot is not None
        self.context = context
        self.moves = 0
        self._path = native(context.chroot)
        self._given = (context, reactor, report)
        self._budget = budget
        self._make = make
        self._more = more
        self.count = more.get("count") or usualCount()
        self._waiting = WaitList(lambda: self.hasCapacity)
        self._retired: list[Any] = []
        # As long as it is open, no other directory has the same inode.
        self._root = os.open(self._path, _FLAGS)
        self._current = self._another()

    def _another(self) -> Any:
        """
        Make fork servers.

        @raise OSError: if there are no descriptors left.
        """
        try:
            return self._make(*self._given, budget=self._budget, **self._more)
        except OSError:
            self._leave()
            raise

    def _leave(self) -> None:
        """Give up the root directory."""
        root, self._root = self._root, -1
        if root >= 0:
            os.close(root)

    def start(self) -> None:
        """Start all helpers."""
        self._current.start()

    def look(self) -> None:
        """
        See whether the path leads to the same directory as before, and have other fork
        servers if it does not.

        @raise OSError: if there is none, or there are no descriptors left.
        """
        about = os.stat(self._path)
        if self._root >= 0 and os.path.samestat(about, os.fstat(self._root)):
            return
        self._leave()
        self._root = os.open(self._path, _FLAGS)
        following = self._another()
        self._current.retire()
        self._retired = [each for each in self._retired if not each.over]
        self._retired.append(self._current)
        self._current = following
        self.moves += 1
        following.start()
        if self._waiting:
            following.whenCapacity(self._tell)

    def renew(self) -> None:
        """Have fork servers in the right root directory, if that can be."""
        try:
            self.look()
        except OSError:
            pass  # The next start reports the error.

    def launch(self, child: Any, order: LaunchRequest) -> None:
        """Start a program in what is the root directory now."""
        try:
            self.look()
        except OSError as why:
            child.failed(f"{self.context.chroot}: {why.strerror}")
            return
        self._current.launch(child, replace(order, restarts=0))

    @property
    def hasCapacity(self) -> bool:
        """Whether another program can be ordered."""
        return bool(self._current.hasCapacity)

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is room."""
        if not self._waiting:
            self._current.whenCapacity(self._tell)
        self._waiting.add(callback)

    def _tell(self) -> None:
        """Tell those who wait, if there is room."""
        self._waiting.notify()
        if self._waiting:
            self._current.whenCapacity(self._tell)

    def cancelRestarts(self) -> None:
        """Nothing is repeated here."""

    def retire(self) -> None:
        """End when no program runs."""
        self._leave()
        self._current.retire()

    @property
    def over(self) -> bool:
        """Whether all of them have ended."""
        return all(each.over for each in (self._current, *self._retired))

    def stop(self) -> Deferred[Any]:
        """
        End at once, whatever runs.

        @return: fires when all helpers are gone.
        """
        self._leave()
        every = (self._current, *self._retired)
        return DeferredList([maybeDeferred(each.stop) for each in every])

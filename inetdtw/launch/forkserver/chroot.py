# -*- test-case-name: inetdtw.launch.forkserver.test.test_chroot -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Fork servers of a process context with C{chroot}.

A process cannot leave its root directory.  The path may lead to another directory
later, because a symbolic link was switched or the directory was replaced.  Then other
fork servers replace those in the old one.  So the daemon looks before each start, and
delegates no socket.
"""

from __future__ import annotations

import os
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred

from inetdtw.interfaces import IChild, ILauncher, LaunchRequest
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
    The fork servers of a process context with C{chroot}.

    @ivar context: the context.
    @ivar count: how many fork servers are current.
    @ivar moves: how often the root directory was replaced.
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
        Open the root directory, and make fork servers.

        @param budget: what counts the programs of all services.
        @param make: makes fork servers.
        @param more: what else L{ForkServerPool} takes.

        @raise OSError: if descriptors are short, or the root directory is missing.
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

        @raise OSError: if descriptors are short.
        """
        try:
            return self._make(*self._given, budget=self._budget, **self._more)
        except OSError:
            self._leave()
            raise

    def _leave(self) -> None:
        """Close the root directory."""
        root, self._root = self._root, -1
        if root >= 0:
            os.close(root)

    def start(self) -> None:
        """Start all fork servers."""
        self._current.start()

    def look(self) -> None:
        """
        Replace the fork servers if the path leads to another directory than before.

        @raise OSError: if the directory is missing, or descriptors are short.
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
        """Do the same as L{look}, and ignore errors."""
        try:
            self.look()
        except OSError:
            pass  # The next start reports the error.

    def launch(self, child: IChild, request: LaunchRequest) -> None:
        """Start a program in the current root directory."""
        try:
            self.look()
        except OSError as why:
            child.failed(f"{self.context.chroot}: {why.strerror}")
            return
        self._current.launch(child, request)

    @property
    def hasCapacity(self) -> bool:
        """Whether a fork server can take another launch request."""
        return bool(self._current.hasCapacity)

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Call once when there is capacity."""
        if not self._waiting:
            self._current.whenCapacity(self._tell)
        self._waiting.add(callback)

    def _tell(self) -> None:
        """Tell those who wait, if there is room."""
        self._waiting.notify()
        if self._waiting:
            self._current.whenCapacity(self._tell)

    def retire(self) -> None:
        """Have each fork server exit once none of its programs runs."""
        self._leave()
        self._current.retire()

    @property
    def over(self) -> bool:
        """Whether all fork servers have exited."""
        return all(each.over for each in (self._current, *self._retired))

    def stop(self) -> Deferred[Any]:
        """
        Stop all fork servers, and leave their programs alone.

        @return: fires when they are gone.
        """
        self._leave()
        every = (self._current, *self._retired)
        return DeferredList([maybeDeferred(each.stop) for each in every])

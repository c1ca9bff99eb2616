# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A pool of launchers that start nothing, for tests."""

from __future__ import annotations

import errno
from typing import Any

from twisted.internet.defer import Deferred

from inetdtw.launch.pool import LauncherPool
from inetdtw.model.process import ProcessContext
from inetdtw.test.fakes import FakeLauncher, ServingTestCase, makeService

FORKSERVER = makeService(launch="forkserver")
DIRECT = makeService(launch="direct")
INTERNAL = makeService(internal="echo")


class Recorded(FakeLauncher):
    """
    A launcher that records what it was made for.

    @ivar way: C{direct} or C{forkserver}.
    @ivar context: the context.
    @ivar stopped: fires, when the test asks for it, that all is given up.
    @ivar over: whether it has nothing left to give up.
    """

    over = False

    def __init__(self, way: str, context: ProcessContext) -> None:
        """Record the way to launch and the context."""
        super().__init__()
        self.way = way
        self.context = context
        self.stopped: Deferred[None] = Deferred()

    def stop(self) -> Any:
        """Remember it, and take some time."""
        super().stop()
        return self.stopped


class LaunchersTestCase(ServingTestCase):
    """A test of a L{LauncherPool}."""

    def setUp(self) -> None:
        """Make launchers that start nothing."""
        super().setUp()
        self.made: list[Recorded] = []
        self.launchers = LauncherPool(self.reactor, self.runtime.report)
        kinds = {"direct": self.maker("direct"), "forkserver": self.maker("forkserver")}
        self.patch(LauncherPool, "_MAKE", kinds)

    def maker(self, way: str) -> Any:
        """Return what makes the launchers of one kind."""

        def make(
            context: ProcessContext, reactor: Any, report: Any, **more: Any
        ) -> Recorded:
            launcher = Recorded(way, context)
            self.made.append(launcher)
            return launcher

        return make

    def failing(self, *given: Any, **more: Any) -> Any:
        """Return what fails to make launchers."""
        raise OSError(errno.EMFILE, "no more descriptors")

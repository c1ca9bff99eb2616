# -*- test-case-name: inetdtw.helpers.warm.test.test_template -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The interpreter that children are copies of."""

from __future__ import annotations

import gc
import posix
import sys
from posix import putenv

from inetdtw.helpers.reports import STALE, Reports
from inetdtw.helpers.warm.coldstart import ColdStart
from inetdtw.helpers.warm.files import Snapshot
from inetdtw.helpers.warm.library import StandardLibrary
from inetdtw.helpers.warm.pools import fillPools
from inetdtw.helpers.warm.preload import Preloaded
from inetdtw.helpers.warm.process import CpuLimit, countThreads
from inetdtw.helpers.warm.protocol import THREADED, log
from inetdtw.helpers.warm.shutdown import Shutdown
from inetdtw.helpers.warm.streams import StandardStreams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Template:
    """
    An interpreter that has compiled its program and imported modules for it.

    @ivar program: what it runs.
    @ivar cold: what a cold start would execute.
    @ivar shutdown: how a child ends.
    @ivar limit: the limit of CPU time.
    @ivar entered: whether this process is a child that runs the program.
    """

    shutdown: Shutdown

    def __init__(
        self,
        program: Any,
        cold: ColdStart,
        preload: str,
        reports: Reports,
    ) -> None:
        """
        Prepare nothing yet.

        @param program: a L{Script<inetdtw.helpers.warm.program.Script>} or the like.
        @param preload: which modules to import in advance.
        @param reports: where to ask for a replacement.
        """
        self.program = program
        self.cold = cold
        self._library = StandardLibrary()
        self._preloaded = Preloaded(program, preload, self._library)
        self._hasDirectory = not (
            sys.flags.isolated or getattr(sys.flags, "safe_path", 0)
        )
        self._streams = StandardStreams()
        self._reports = reports
        self.limit = CpuLimit()
        self._stale = self._cold = False
        self._problem = ""
        self._seen = Snapshot()
        self._seen.certain = False
        self._environ: Any = None
        self._path: list[str] = []
        self._before: list[str] = []
        self._filling: Any = None
        self.entered = False

    def load(self) -> None:
        """Compile the program and import modules, which can take for ever."""
        self.program.refresh()
        self._preloaded.load(self._hasDirectory)
        if countThreads() > 1:
            log("preload: an imported module started a thread; preloading is disabled")
            posix._exit(THREADED)

    def share(self) -> None:
        """Prepare what children share, so that they copy little of it."""
        self._streams.flush()
        # Directories of the program can change within the granularity of their mtime.
        for entry in set(sys.path_importer_cache).difference(sys.path):
            del sys.path_importer_cache[entry]
        self.shutdown = Shutdown(self._library)
        self._path = list(self._preloaded.path)
        self._collects = gc.isenabled()
        gc.disable()
        self.freeze()

    def freeze(self) -> None:
        """
        Exempt all objects from garbage collection, and prepare for the next child.

        What a child has for itself is made afterwards, so that it is collected, and
        side by side.
        """
        gc.collect()
        self._filling = None
        self._filling = fillPools()
        gc.freeze()
        self._prepare()

    def _prepare(self) -> None:
        sys.argv = self.program.argv
        os: Any = sys.modules.get("os")
        self._environ = posix.environ if os is None else os.environb
        # The variables of a child are set by putenv(3) here, and only once.
        self._environ = getattr(self._environ, "_data", self._environ)
        # This process has another one; what has referred to it before still does.
        path = self._preloaded.path
        path[:] = self._path
        if self._hasDirectory and not self._preloaded.hasDirectory:
            path.insert(0, self.program.directory())
        self.program.prepare()

    def isCold(self) -> bool:
        """
        Return whether the next child has to execute the interpreter itself.

        Compile the program if it has changed, and report if this process is stale.
        """
        if self.limit.isNear() or not self._seen.same():
            self._seen = self._snapshot()
            changed = self.program.refresh()
            if changed:
                # It may have been found by other links, which were not noted.
                self._seen.certain = False
            self._cold = self._look(changed)
            if changed or self._seen.certain:
                self.freeze()
        return self._cold

    def _snapshot(self) -> Snapshot:
        """Return the state of all files that L{_look} looks at."""
        snapshot = Snapshot()
        for thing in (self.cold, self.program, self._preloaded):
            thing.watch(snapshot)
        return snapshot

    def _look(self, changed: bool) -> bool:
        """
        Find out what L{isCold} returns.

        @param changed: whether the program has changed.
        """
        if changed and not self.program.problem and self._preloaded.changed():
            self._requestReplacement()
        if not self.cold.same():
            self._preloaded.spoil()
        if self._preloaded.stale():
            self._requestReplacement()
            return True
        if self.limit.isNear():
            self._requestReplacement()
        if self.program.problem != self._problem:
            self._problem = self.program.problem
            if self._problem:
                log(f"cold: {self._problem}")
        return bool(self._problem)

    def _requestReplacement(self) -> None:
        if not self._stale:
            self._stale = True
            self._reports.add(STALE, 0, posix.getpid(), 0)

    def enter(self, variables: Iterable[tuple[bytes, bytes]], renew: bool) -> None:
        """
        Make this process, a child, like an interpreter that has just started.

        @param variables: what is added to the environment.
        @param renew: whether a descriptor can be something else than a socket.
        """
        self.entered, environ = True, self._environ
        for name, value in variables:
            environ[name] = value
            putenv(name, value)
        if renew:
            self._streams.renew()
        # The list before is not destroyed, as that takes time.
        self._before, sys.path = sys.path, self._preloaded.path
        if self._collects:
            gc.enable()
        if self.program.warnings:
            sys.stderr.write(self.program.warnings)

# -*- test-case-name: inetdtw.launch.test.test_children -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The programs that a helper process has started and that run."""

from __future__ import annotations

import os
from typing import Any, Callable

from inetdtw.interfaces import ExitStatus, IChild
from inetdtw.system.exitwatch import ExitWatcher, Watch

#: The most programs that a helper process may have, which is more than a machine can
#: run.  Without this bound its reports could exhaust the daemon's memory.
MOST = 1 << 16


class ProtocolViolation(Exception):
    """A helper process has sent an impossible report."""


class RunningPrograms:
    """
    The programs that run, by their process ids.

    When their parent is gone, the daemon watches for their exits itself.  A process id
    is only ever watched, never signalled, because a report may be false.

    @ivar uid: the user id of the helper process, if only its processes may be watched;
        a program of another user counts as ended when its parent is gone.
    """

    uid: int | None = None

    def __init__(
        self,
        exits: ExitWatcher,
        ended: Callable[[], None],
        orphans: dict[int, Watch] | None = None,
    ) -> None:
        """
        Start with no programs.

        @param exits: watches for the exits of programs without a parent.
        @param ended: called when such a program has ended.
        @param orphans: the watched programs of this and of other helper processes.
        """
        self._exits = exits
        self._ended = ended
        self._orphans = {} if orphans is None else orphans
        self._watched: set[int] = set()
        self._children: dict[int, Any] = {}

    def __len__(self) -> int:
        """Return the number of programs."""
        return len(self._children)

    def __contains__(self, pid: int) -> bool:
        """Return whether a process id is that of a program."""
        return pid in self._children

    def check(self, pid: int) -> None:
        """
        Verify that there may be one more program.

        @raise ProtocolViolation: if there may not.
        """
        if pid <= 0:
            raise ProtocolViolation(f"{pid} is not a process id")
        if len(self._children) >= MOST:
            raise ProtocolViolation(f"more than {MOST} programs run")

    def begin(self, pid: int, child: IChild) -> None:
        """
        Add a program that was started.

        @param child: an L{inetdtw.interfaces.IChild}.
        """
        if pid in self._children:
            # The kernel has given its process id to another one.
            self.end(pid, ExitStatus())
        self._children[pid] = child
        child.started(pid)

    def end(self, pid: int, how: ExitStatus) -> None:
        """Remove a program that has ended; ignore an unknown process id."""
        if pid in self._children:
            self._unwatch(pid)
            self._children.pop(pid).ended(how)

    def _unwatch(self, pid: int) -> None:
        if pid in self._watched:
            self._watched.remove(pid)
            watch = self._orphans.pop(pid, None)
            if watch is not None:
                watch.cancel()

    def watchOrphans(self) -> None:
        """Watch for the exits of all programs, because their parent is gone."""
        for pid in set(self._children) - self._watched:
            self._watch(pid)

    def _watch(self, pid: int) -> None:
        def gone() -> None:
            self.end(pid, ExitStatus())
            self._ended()

        try:
            if pid in self._orphans or self.uid not in (None, ownerOf(pid)):
                raise ProcessLookupError
            self._orphans[pid] = self._exits.watch(pid, gone)
            self._watched.add(pid)
        except OSError:
            self.end(pid, ExitStatus())

    def leave(self) -> None:
        """Watch no exits any more."""
        for pid in list(self._watched):
            self._unwatch(pid)
        self._children.clear()


def ownerOf(pid: int) -> int | None:
    """
    Return the user id of a process.

    @return: C{None} without a proc file system.
    @raise ProcessLookupError: if the process does not exist.
    """
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        if os.path.exists("/proc/self"):
            raise ProcessLookupError from None
        return None

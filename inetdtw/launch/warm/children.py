# -*- test-case-name: inetdtw.launch.warm.test.test_children -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The programs of a warm process that run."""

from __future__ import annotations

import os
from typing import Any, Callable

from inetdtw.interfaces import ExitStatus
from inetdtw.system.exitwatch import ExitWatcher, Watch

#: The most programs that one process can have: more than fit into a machine.  One that
#: says that it has more only wants to fill the daemon's memory.
MOST = 1 << 16


class ProtocolViolation(Exception):
    """A process says what cannot be."""


class RunningPrograms:
    """
    The programs that run, by their process ids.

    When the process that has started them is gone, it is found out by other means when
    they end.  A process id is only ever looked at, as whoever says it may be lying; and
    one that is nobody's whom the process could have started, or was said before, has
    ended then: the liar's clients are not counted for ever.

    @ivar uid: the user id of the process that has started them, if that is known.
    """

    uid: int | None = None

    def __init__(
        self,
        reactor: Any,
        changed: Callable[[], None],
        orphans: dict[int, Watch],
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        @param changed: called when a program has ended whose parent is gone.
        @param orphans: what waits for the ends of all programs without a parent, by
            their process ids, also of those of other processes like this one.
        @param exits: learns of their ends.
        """
        self._exits = ExitWatcher(reactor) if exits is None else exits
        self._changed = changed
        self._adopted = orphans
        self._children: dict[int, Any] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._children)

    def __contains__(self, pid: int) -> bool:
        """Whether there is one with a process id."""
        return pid in self._children

    def check(self, pid: int) -> None:
        """
        See whether there can be one more.

        @raise ProtocolViolation: if there cannot.
        """
        if pid <= 0:
            raise ProtocolViolation(f"there is no process {pid}")
        if len(self._children) >= MOST:
            raise ProtocolViolation(f"there are no {MOST} programs")

    def begin(self, pid: int, child: Any, warm: bool) -> None:
        """
        A program has started.

        @param warm: whether no other was executed for it.
        """
        if pid in self._children:
            # It must have ended, if the process id is another's now.
            self.end(pid, ExitStatus())
        self._children[pid] = child
        child.warm = warm
        child.started(pid)

    def end(self, pid: int, how: ExitStatus) -> None:
        """A program has ended, if there is one with that process id."""
        child = self._children.pop(pid, None)
        if child is not None:
            child.ended(how)

    def orphan(self) -> None:
        """Their parent is gone."""
        for pid in list(self._children):
            self._adopt(pid)

    def _adopt(self, pid: int) -> None:
        """Find out when a program ends that nobody tells of."""

        def gone() -> None:
            del self._adopted[pid]
            self.end(pid, ExitStatus())
            self._changed()

        try:
            if pid in self._adopted or self.uid != ownerOf(pid):
                raise ProcessLookupError
            self._adopted[pid] = self._exits.watch(pid, gone)
        except OSError:
            self.end(pid, ExitStatus())

    def leave(self) -> None:
        """Whatever they do is not of interest any more."""
        for pid in self._children:
            if pid in self._adopted:
                self._adopted.pop(pid).cancel()
        self._children.clear()


def ownerOf(pid: int) -> int | None:
    """
    The user id of a process; C{None} where that cannot be known.

    @raise ProcessLookupError: if there is no such process.
    """
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except FileNotFoundError:
        if os.path.exists("/proc/self"):
            raise ProcessLookupError from None
        return None

# -*- test-case-name: inetdtw.helpers.warm.test.test_children -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The children of a warm process."""

from __future__ import annotations

import errno
import posix
import resource
import time

from inetdtw.helpers.reports import Reports
from inetdtw.helpers.warm.protocol import log

#: The seconds for which fork(2) is tried again for an accepted connection.
_PATIENCE = 10.0


class Children:
    """
    The children that run, by their process ids.

    @ivar most: how many may run at once for connections that were accepted here; 0 is
        no limit.
    """

    def __init__(self, reports: Reports) -> None:
        """@param reports: where children that have exited are reported."""
        self._reports = reports
        self._running: dict[int, int] = {}
        self._accepted: dict[int, float] = {}
        self.most = 0
        self._used = 0.0
        self._cpu()

    def add(self, pid: int, number: int, accepted: bool = False) -> None:
        """
        Add a child that was forked.

        @param number: the number of its launch request or its listening socket.
        @param accepted: whether its connection was accepted here.
        """
        self._running[pid] = number
        if accepted:
            self._accepted[pid] = time.monotonic()

    @property
    def crowded(self) -> bool:
        """Whether as many children run as may."""
        return 0 < self.most <= len(self._accepted)

    @property
    def mayWait(self) -> bool:
        """
        Whether children run of which the daemon needs no exit at once.

        It does need that of a program that it has launched itself, as that may be the
        last one that a limit allows.
        """
        return 0 < len(self._running) == len(self._accepted) and not self.crowded

    def reap(self) -> None:
        """Report the children that have exited: at once if the daemon waits for it."""
        crowded = self.crowded
        while self._running:
            try:
                pid, status = posix.waitpid(-1, posix.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            number, since = self._running.pop(pid, 0), self._accepted.pop(pid, None)
            self._reports.addExit(number, pid, status, self._cpu(), since)
            self._reports.urgent = self._reports.urgent or crowded

    def _cpu(self) -> float:
        """Return the CPU time in seconds of the child that was last waited for."""
        # wait4(2) tells it too, but Python would import the module each time.
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        before, self._used = self._used, usage.ru_utime + usage.ru_stime
        return self._used - before

    def forkLater(self, why: OSError) -> int:
        """
        Fork for a connection that is accepted, after an error; retry with backoff.

        Other connections wait in the backlog meanwhile.

        @param why: the error.
        @return: what fork(2) returns; or the errno, as a negative number, if fork(2)
            has failed for ten seconds.
        """
        log(f"cannot fork: {why.strerror}")
        pause, limit = 0.02, time.monotonic() + _PATIENCE
        while time.monotonic() <= limit:
            self.reap()
            self._reports.flush()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)
            try:
                return posix.fork()
            except OSError as again:
                why = again
        return -(why.errno or errno.EAGAIN)

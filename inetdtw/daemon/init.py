# -*- test-case-name: inetdtw.daemon.test.test_init -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The duty of process 1, which the daemon is in a container: to reap orphans.

A process whose parent exits becomes a child of process 1, and stays a zombie until
process 1 waits for it (wait(2)).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from twisted.application.service import Service
from twisted.internet.process import reapProcessHandlers

from inetdtw.daemon.signals import OnSignal

#: The seconds after which a zombie of the reactor or the superserver is checked again.
RECHECK = 0.05


class OrphanReaper(OnSignal):
    """
    Waits for orphans.

    Children of the reactor and of the superserver are left to them, because these need
    the exit status.
    """

    name = "inetd orphans"
    number = signal.SIGCHLD

    def privilegedStartService(self) -> None:
        """Do nothing: the reactor takes the signal when it begins to run."""

    def startService(self) -> None:
        """Handle the signal as soon as the reactor does."""
        Service.startService(self)
        self._reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        if self.running:
            self._listen()
            self.act()

    def act(self) -> None:
        """Wait for the orphans that have exited."""
        while True:
            pid = _zombie()
            if pid is None:
                return
            if pid in reapProcessHandlers or self._inetd.awaits(pid):
                # waitid(2) shows no other zombie before this one is reaped.
                self._reactor.callLater(RECHECK, self._act)
                return
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _zombie() -> int | None:
    """Return the process id of a child that has exited, and leave it as it is."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid

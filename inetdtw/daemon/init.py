# -*- test-case-name: inetdtw.daemon.test.test_init -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What is asked of process 1, which in a container is the daemon itself.

A process whose parent has ended becomes a child of process 1, and stays a zombie until
that has waited for it (wait(2)).
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress

from twisted.application.service import Service
from twisted.internet.process import reapProcessHandlers

from inetdtw.daemon.signals import OnSignal

#: The seconds after which a child that somebody here waits for is looked at again.
SOON = 0.05


class ReapOrphans(OnSignal):
    """
    Waits for the children that are nobody's: neither the reactor's nor the
    superserver's, which have to learn how theirs have ended.
    """

    name = "inetd orphans"
    number = signal.SIGCHLD

    def privilegedStartService(self) -> None:
        """
        The reactor takes the signal when it begins to run, so that there is nothing to
        do before.
        """

    def startService(self) -> None:
        """Listen to the signal as soon as the reactor does."""
        Service.startService(self)
        self._reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        """The reactor runs."""
        if self.running:
            self._listen()
            self.act()

    def act(self) -> None:
        """Wait for those that have ended."""
        while True:
            pid = _ended()
            if pid is None:
                return
            if pid in reapProcessHandlers or self._inetd.awaits(pid):
                # No other is shown before this one is gone, which is a moment.
                self._reactor.callLater(SOON, self._act)
                return
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def _ended() -> int | None:
    """A child that has ended, if there is one; it is left as it is."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if found is None else found.si_pid

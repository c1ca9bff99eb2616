# -*- test-case-name: inetdtw.test.test_gate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Whether a service may take a client now: its limits, the bound on the programs of all
services, and room to start one.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from inetdtw.descriptors import descriptors
from inetdtw.interfaces import ILauncher
from inetdtw.limits import Limits, Verdict
from inetdtw.ports import SHORTAGE_PAUSE, SocketPort
from inetdtw.report import Report
from inetdtw.source import hostOf
from inetdtw.total import Total


class Gate:
    """
    Holds a port while its service may take no client.

    @ivar port: the port; it must be set before anything else is done.
    """

    port: SocketPort

    def __init__(
        self,
        name: str,
        limits: Limits,
        report: Report,
        launcher: ILauncher | None,
        total: Total | None = None,
    ) -> None:
        """
        @param launcher: what starts the service's programs, if it has any.
        @param total: what counts them with those of all other services.
        """
        self._name = name
        self._limits = limits
        self._report = report
        self._launcher = launcher
        self._total = None if launcher is None else total

    def open(self) -> bool:
        """
        Whether a client may be taken.  If not, the port is held for as long.
        """
        return self.free() and self.port.reading

    def free(self) -> bool:
        """
        Whether a program may be started, whatever else holds the port.
        """
        if self._limits.full:
            self.port.hold("full")
            return False
        if self._total is not None and self._total.full:
            self._waitFor(self._total)
            return False
        if not descriptors.enough():
            self.port.pause("shortage", SHORTAGE_PAUSE)
            self.short(os.strerror(errno.EMFILE))
            return False
        if self._launcher is not None and not self._launcher.room:
            self.port.hold("room")
            self._launcher.whenRoom(lambda: self.port.free("room"))
            return False
        return True

    def _waitFor(self, total: Total) -> None:
        """
        Hold the port until there may be one more program.
        """
        if "total" not in self.port.reasons:
            self.port.hold("total")
            total.whenFree(lambda: self.port.free("total"))

    def admit(self, peer: Any = None) -> bool:
        """
        Count a client that was taken.

        @return: whether it may be served.
        """
        verdict = self._limits.admit(hostOf(peer))
        if verdict is Verdict.ADMIT:
            if self._total is not None:
                self._total.take()
            return True
        reason = self._limits.about(verdict, hostOf(peer))
        self._report.refuse(self._name, peer, reason)
        if verdict is Verdict.TRIPPED:
            seconds = self._limits.bounds.pause
            self._report.pause(self._name, seconds, reason, peer)
            self.port.pause("rate", seconds, self._resumed)
        return False

    def _resumed(self) -> None:
        """
        A pause is over, which the rate was the reason of.
        """
        self._limits.forgive()
        self._report.resume(self._name)

    def spare(self, most: int) -> int:
        """
        How many more programs may start now, one after the other, up to C{most}.
        """
        return self._limits.spare(most)

    def again(self) -> None:
        """
        A client's program was started once more.
        """
        self._limits.again()

    def release(self, peer: Any = None) -> None:
        """
        A client that was admitted is served.
        """
        self._limits.release(hostOf(peer))
        if self._total is not None:
            self._total.give()

    def reopen(self) -> None:
        """
        See whether there is room again below the limit.
        """
        if not self._limits.full:
            self.port.free("full")

    def short(self, reason: str) -> None:
        """
        The machine is out of something.
        """
        self._report.stalled(reason)

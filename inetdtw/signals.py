# -*- test-case-name: inetdtw.test.test_signals -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The signals that an operator sends to an inetd(8).
"""

from __future__ import annotations

import signal
from typing import Any

from twisted.application.service import Service

from inetdtw.superserver import InetdService


class ReloadOnHangup(Service):
    """
    Has a superserver read its configuration again on every C{SIGHUP}.

    It is a service of its own, as not every application that has a superserver
    among its services wants to lose the signal to it.
    """

    name = "inetd signals"

    def __init__(self, inetd: InetdService, reactor: Any = None) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self._inetd = inetd
        self._reactor = reactor
        self._before: Any = None
        self._wanted = False
        self._listening = False

    def privilegedStartService(self) -> None:
        """
        Listen to the signal already when the first socket is there: an operator may
        send it as soon as a client could come.
        """
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        """
        Listen to the signal.
        """
        super().startService()
        self._listen()

    def _listen(self) -> None:
        """
        Listen to the signal, from now on.
        """
        if not self._listening:
            self._listening = True
            self._before = signal.signal(signal.SIGHUP, self._hangup)

    def stopService(self) -> None:
        """
        Have the signal do what it did before.
        """
        super().stopService()
        if self._listening:
            self._listening = False
            # What is not Python's cannot be brought back.
            before = signal.SIG_DFL if self._before is None else self._before
            signal.signal(signal.SIGHUP, before)

    def _hangup(self, number: int, frame: Any) -> None:
        """
        The signal has come; nothing is done inside of a signal handler.
        """
        if not self._wanted:
            self._wanted = True
            self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        """
        Read the configuration again: once for all signals that came until now.
        """
        self._wanted = False
        if self.running:
            self._inetd.reload()

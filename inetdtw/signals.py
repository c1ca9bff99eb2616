# -*- test-case-name: inetdtw.test.test_signals -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The signals that an operator sends to an inetd(8).
"""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning

from inetdtw.superserver import InetdService


def stop(reactor: Any) -> None:
    """
    Stop a reactor, unless it is on its way out already, or does not run yet.
    """
    with suppress(ReactorNotRunning):
        reactor.stop()


class OnSignal(Service):
    """
    Does something on a signal, by the reactor and once for all that came until then.

    It is a service of its own, as not every application that has a superserver
    among its services wants to lose the signal to it.
    """

    number: signal.Signals

    def __init__(self, inetd: InetdService, reactor: Any = None) -> None:
        if reactor is None:
            from twisted.internet import reactor
        self._inetd = inetd
        self._reactor = reactor
        self._before: Any = None
        self._wanted = False
        self._listening = False

    def act(self) -> None:
        """
        The signal has come, and the service runs.
        """
        raise NotImplementedError

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
            self._before = signal.signal(self.number, self._came)

    def stopService(self) -> None:
        """
        Have the signal do what it did before, unless somebody else listens to it by
        now.
        """
        super().stopService()
        if self._listening:
            self._listening = False
            if signal.getsignal(self.number) != self._came:
                return
            # What is not Python's cannot be brought back.
            before = signal.SIG_DFL if self._before is None else self._before
            signal.signal(self.number, before)

    def _came(self, number: int, frame: Any) -> None:
        """
        The signal has come; nothing is done inside of a signal handler.
        """
        if not self._wanted:
            self._wanted = True
            self._reactor.callFromThread(self._act)

    def _act(self) -> None:
        """
        Do it, unless the service was stopped meanwhile.
        """
        self._wanted = False
        if self.running:
            self.act()


class ReloadOnHangup(OnSignal):
    """
    Has a superserver read its configuration again on every C{SIGHUP}.
    """

    name = "inetd signals"
    number = signal.SIGHUP

    def act(self) -> None:
        """
        Read the configuration again.
        """
        self._inetd.reload()


class StopOnTerminate(OnSignal):
    """
    Has a C{SIGTERM} that comes before the reactor runs, which then listens to it
    itself, end the process as one does that comes later: twistd(1) removes its pid
    file.
    """

    name = "inetd early end"
    number = signal.SIGTERM

    def act(self) -> None:
        """
        Stop the reactor.
        """
        # Another one may have come when it ran.
        stop(self._reactor)


class StateOnUser2(OnSignal):
    """
    Has a superserver log the state of its services on every C{SIGUSR2}.
    """

    name = "inetd state"
    number = signal.SIGUSR2

    def act(self) -> None:
        """
        Log the state.
        """
        self._inetd.tell()

# -*- test-case-name: inetdtw.test.test_signals -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The signals that an operator sends to an inetd(8), and all others that end a process by
default (signal(7)): these end the daemon in order, or do nothing; the log has a line.
Faults, such as C{SIGSEGV} and C{SIGABRT}, keep what they do.
"""

from __future__ import annotations

import atexit
import signal
from contextlib import suppress
from functools import partial
from typing import Any, Callable

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning

from inetdtw.report import Report
from inetdtw.superserver import InetdService

#: What is left as it is: faults, and what ends no process; and what the reactor and
#: L{StopOnTerminate} listen to.
_LEFT = {
    *("SIGKILL", "SIGSTOP", "SIGTSTP", "SIGCONT", "SIGCHLD", "SIGURG", "SIGWINCH"),
    *("SIGINFO", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"),
    *("SIGSYS", "SIGEMT", "SIGTERM", "SIGINT"),
}
#: What is to have no effect, and would come again at once if it had a handler: a write
#: that draws one of these is tried again.
_IGNORED = {"SIGPIPE", "SIGXFSZ", "SIGTTIN", "SIGTTOU"}
#: What asks for an end: it is one in order.
_ENDING = {"SIGQUIT", "SIGXCPU", "SIGPWR"}
#: What the reactor itself stops on; that draws a traceback if it is stopping already.
_STOPPING = (signal.SIGTERM, signal.SIGINT)


def stop(reactor: Any) -> None:
    """
    Stop a reactor, unless it is on its way out already, or does not run yet.
    """
    with suppress(ReactorNotRunning):
        reactor.stop()


def nameOf(number: int) -> str:
    """
    Return the name of a signal, such as C{SIGRTMIN+3}.
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def takeAll(report: Report, reactor: Any = None) -> None:
    """
    Have no signal end this process but in order, whatever signals were ignored or
    blocked when it was started.

    It is for a process that is nothing but the daemon.  These handlers stay until the
    end of the process, as its pid file does.
    """
    if reactor is None:
        from twisted.internet import reactor
    pending: set[int] = set()

    def act(number: int) -> None:
        pending.discard(number)
        name = nameOf(number)
        report.signalled(name, name in _ENDING)
        if name in _ENDING:
            stop(reactor)

    def came(number: int, frame: Any) -> None:
        if number not in pending:
            pending.add(number)
            reactor.callFromThread(act, number)

    for number in signal.valid_signals():
        name = nameOf(number)
        if name not in _LEFT:
            signal.signal(number, signal.SIG_IGN if name in _IGNORED else came)
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # The system would not tell how children have ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    reactor.callWhenRunning(_stopOnce)
    reactor.addSystemEventTrigger("before", "shutdown", _stopNoMore)
    atexit.register(_ignoreAll)


def _stopOnce() -> None:
    """
    Have the reactor hear only of the first signal that it stops on.
    """
    for number in _STOPPING:
        usual = signal.getsignal(number)
        if callable(usual):
            signal.signal(number, partial(_stopFirst, usual))


def _stopFirst(usual: Callable[[int, Any], object], number: int, frame: Any) -> None:
    """
    Handle the first such signal.
    """
    _stopNoMore()
    usual(number, frame)


def _stopNoMore() -> None:
    """
    Have no further signal stop what is stopping.
    """
    for number in _STOPPING:
        signal.signal(number, _nothing)


def _nothing(number: int, frame: Any) -> None:
    """
    Do nothing of a signal.
    """


def _ignoreAll() -> None:
    """
    Have no signal end this process in the moment in which the interpreter, on its way
    out, has taken its handlers away.
    """
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


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

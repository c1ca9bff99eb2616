# -*- test-case-name: inetdtw.daemon.test.test_signals -*-
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
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning

from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.superserver import InetdService

#: What is left as it is: faults, and what ends no process.
_LEFT = {
    *("SIGKILL", "SIGSTOP", "SIGTSTP", "SIGCONT", "SIGCHLD", "SIGURG", "SIGWINCH"),
    *("SIGINFO", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"),
    *("SIGSYS", "SIGEMT"),
}
#: What is to have no effect, and would come again at once if it had a handler: a write
#: that draws one of these is tried again.
_IGNORED = {"SIGPIPE", "SIGXFSZ", "SIGTTIN", "SIGTTOU"}
#: What asks for an end: it is one in order.
_ENDING = {"SIGTERM", "SIGINT", "SIGQUIT", "SIGXCPU", "SIGPWR"}
#: The methods with which the reactor handles some of these: it says so in the log, and
#: twistd(1) then ends by that signal.
_USUAL = {signal.SIGTERM: "sigTerm", signal.SIGINT: "sigInt"}


def stop(reactor: Any) -> None:
    """Stop a reactor, unless it is on its way out already, or does not run yet."""
    with suppress(ReactorNotRunning):
        reactor.stop()


def nameOf(number: int) -> str:
    """Return the name of a signal, such as C{SIGRTMIN+3}."""
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
    taken = _Taken(report, reactor)
    for number in signal.valid_signals():
        name = nameOf(number)
        if name not in _LEFT:
            signal.signal(number, signal.SIG_IGN if name in _IGNORED else taken.came)
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # The system would not tell how children have ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    reactor.addSystemEventTrigger("before", "startup", _block)
    reactor.callWhenRunning(taken.takeAgain)
    reactor.addSystemEventTrigger("before", "shutdown", taken.end)
    atexit.register(_ignoreAll)


class _Taken:
    """
    What signals do.  The reactor does it, once for all of a kind that came until then:
    a handler can be interrupted by the next signal at any point.
    """

    def __init__(self, report: Report, reactor: Any) -> None:
        self._report = report
        self._reactor = reactor
        self._pending: set[int] = set()
        self._ends = False

    def came(self, number: int, frame: Any) -> None:
        """A signal has come, perhaps before the reactor runs."""
        if number not in self._pending:
            self._pending.add(number)
            self._reactor.callFromThread(self._act, number)

    def end(self) -> None:
        """The reactor stops: nothing is to stop it again."""
        self._ends = True

    def takeAgain(self) -> None:
        """Take what the reactor has taken as it began to run."""
        for number in _USUAL:
            signal.signal(number, self.came)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _USUAL)

    def _act(self, number: int) -> None:
        """Do what a signal asks for."""
        self._pending.discard(number)
        name = nameOf(number)
        ends = name in _ENDING
        if ends and self._ends:
            return
        self._ends |= ends
        if number in _USUAL:
            getattr(self._reactor, _USUAL[signal.Signals(number)])(number)
            return
        action = "shutdown" if ends else "ignored"
        self._report.emit(events.SIGNAL, name=name, action=action)
        if ends:
            stop(self._reactor)


def _block() -> None:
    """Have the signals that the reactor takes wait until they are taken again."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _USUAL)


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
        """The signal has come, and the service runs."""
        raise NotImplementedError

    def privilegedStartService(self) -> None:
        """
        Listen to the signal already when the first socket is there: an operator may
        send it as soon as a client could come.
        """
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        """Listen to the signal."""
        super().startService()
        self._listen()

    def _listen(self) -> None:
        """Listen to the signal, from now on."""
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
        """The signal has come; nothing is done inside of a signal handler."""
        if not self._wanted:
            self._wanted = True
            self._reactor.callFromThread(self._act)

    def _act(self) -> None:
        """Do it, unless the service was stopped meanwhile."""
        self._wanted = False
        if self.running:
            self.act()


class ReloadOnHangup(OnSignal):
    """Has a superserver read its configuration again on every C{SIGHUP}."""

    name = "inetd signals"
    number = signal.SIGHUP

    def act(self) -> None:
        """Read the configuration again."""
        self._inetd.reload()


class StateOnUser2(OnSignal):
    """Has a superserver log the state of its services on every C{SIGUSR2}."""

    name = "inetd state"
    number = signal.SIGUSR2

    def act(self) -> None:
        """Log the state."""
        self._inetd.tell()

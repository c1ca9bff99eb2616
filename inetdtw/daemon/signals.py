# -*- test-case-name: inetdtw.daemon.test.test_signals -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Signal handlers (signal(7)): those of an inetd(8), and of a process that is the daemon.

There, each other signal that terminates a process by default shuts the daemon down in
order or does nothing, with a log line.  Faults, such as C{SIGSEGV} and C{SIGABRT}, keep
their default action.
"""

from __future__ import annotations

import atexit
import signal
from contextlib import suppress
from types import FrameType
from typing import Any

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning
from twisted.internet.interfaces import IReactorCore

from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.superserver import InetdService

#: Signals that keep their action: faults, and those that terminate no process.
_KEPT = {
    *("SIGKILL", "SIGSTOP", "SIGTSTP", "SIGCONT", "SIGCHLD", "SIGURG", "SIGWINCH"),
    *("SIGINFO", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"),
    *("SIGSYS", "SIGEMT"),
}
#: Signals that are ignored.  With a handler, a write(2) that causes one would be
#: restarted, and cause it again.
_IGNORED = {"SIGPIPE", "SIGXFSZ", "SIGTTIN", "SIGTTOU"}
#: Signals that shut the daemon down.
_TERMINATING = {"SIGTERM", "SIGINT", "SIGQUIT", "SIGXCPU", "SIGPWR"}
#: The reactor's methods for some of these: it logs them, and twistd(1) then terminates
#: by that signal.
_REACTORS = {signal.SIGTERM: "sigTerm", signal.SIGINT: "sigInt"}


def stop(reactor: IReactorCore) -> None:
    """Stop a reactor, unless it does not run, or is shutting down already."""
    with suppress(ReactorNotRunning):
        reactor.stop()


def signalName(number: int) -> str:
    """Return the name of a signal, such as C{SIGRTMIN+3}."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


def handleSignals(report: Report, reactor: Any) -> None:
    """
    Let no signal terminate this process but by a shutdown in order.

    It undoes what the parent process ignored or blocked.  It is for a process that is
    nothing but the daemon: the handlers stay until the process exits, as its pid file
    does.
    """
    handler = _Handler(report, reactor)
    for number in signal.valid_signals():
        name = signalName(number)
        if name not in _KEPT:
            action = signal.SIG_IGN if name in _IGNORED else handler.received
            signal.signal(number, action)
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        # The kernel would reap children, and their exit status would be lost.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    reactor.addSystemEventTrigger("before", "startup", _block)
    reactor.callWhenRunning(handler.installAgain)
    reactor.addSystemEventTrigger("before", "shutdown", handler.stopping)
    atexit.register(_ignoreAll)


class _Handler:
    """
    Acts on signals in the reactor, once for all of a number that came until then.

    A signal handler itself can be interrupted by the next signal at any point.
    """

    def __init__(self, report: Report, reactor: Any) -> None:
        self._report = report
        self._reactor = reactor
        self._pending: set[int] = set()
        self._stopping = False

    def received(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal, which may come before the reactor runs."""
        if number not in self._pending:
            self._pending.add(number)
            self._reactor.callFromThread(self._act, number)

    def stopping(self) -> None:
        """Note that the reactor is shutting down, so that signals do not stop it."""
        self._stopping = True

    def installAgain(self) -> None:
        """Replace the handlers that the reactor installed at its start."""
        for number in _REACTORS:
            signal.signal(number, self.received)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _REACTORS)

    def _act(self, number: int) -> None:
        self._pending.discard(number)
        name = signalName(number)
        terminates = name in _TERMINATING
        if terminates and self._stopping:
            return
        self._stopping |= terminates
        if number in _REACTORS:
            getattr(self._reactor, _REACTORS[signal.Signals(number)])(number)
            return
        action = "shutdown" if terminates else "ignored"
        self._report.emit(events.SIGNAL, name=name, action=action)
        if terminates:
            stop(self._reactor)


def _block() -> None:
    """Block the signals that the reactor handles until its handlers are replaced."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _REACTORS)


def _ignoreAll() -> None:
    """Ignore signals while the exiting interpreter removes its handlers."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


class OnSignal(Service):
    """
    Acts on a signal, in the reactor and once for all that came until then.

    It is a service of its own, because not every application that has a superserver
    wants to give it the signal.
    """

    number: signal.Signals

    def __init__(self, inetd: InetdService, reactor: Any = None) -> None:
        """Install no handler yet."""
        if reactor is None:
            from twisted.internet import reactor
        self._inetd = inetd
        self._reactor = reactor
        self._before: Any = None
        self._pending = False
        self._listening = False

    def act(self) -> None:
        """Act on the signal."""
        raise NotImplementedError

    def privilegedStartService(self) -> None:
        """Handle the signal as soon as clients can connect."""
        super().privilegedStartService()
        self._listen()

    def startService(self) -> None:
        """Handle the signal."""
        super().startService()
        self._listen()

    def _listen(self) -> None:
        if not self._listening:
            self._listening = True
            self._before = signal.signal(self.number, self._received)

    def stopService(self) -> None:
        """Restore the handler from before, unless another one was installed since."""
        super().stopService()
        if self._listening:
            self._listening = False
            if signal.getsignal(self.number) != self._received:
                return
            # None is a handler that was not installed from Python.
            before = signal.SIG_DFL if self._before is None else self._before
            signal.signal(self.number, before)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if not self._pending:
            self._pending = True
            self._reactor.callFromThread(self._act)

    def _act(self) -> None:
        """Act, unless the service was stopped meanwhile."""
        self._pending = False
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
        self._inetd.logState()

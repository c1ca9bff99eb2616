# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.daemon.signals}."""

from __future__ import annotations

import atexit
import os
import signal
from typing import Any

from zope.interface.verify import verifyObject

from twisted.application.service import IService

from inetdtw.daemon.signals import (
    ReloadOnHangup,
    StateOnUser2,
    handleSignals,
    signalName,
)
from inetdtw.log.events import SIGNAL, Event
from inetdtw.test.fakes import ServingTestCase


class CountingReloads:
    """A superserver that counts reloads."""

    def __init__(self) -> None:
        """Count from 0."""
        self.reloads = self.states = 0

    def logState(self) -> None:
        """Count."""
        self.states += 1

    def reload(self) -> bool:
        """Count."""
        self.reloads += 1
        return True


class ReloadOnHangupTests(ServingTestCase):
    """Tests for L{ReloadOnHangup}."""

    def setUp(self) -> None:
        """Install a handler that must be restored."""
        super().setUp()
        self.others = 0
        before = signal.signal(signal.SIGHUP, self.other)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        self.inetd = CountingReloads()
        inetd: Any = self.inetd
        self.service = ReloadOnHangup(inetd, self.reactor)

    def other(self, number: int, frame: Any) -> None:
        """Handle the signal as before."""
        self.others += 1

    def hangUp(self) -> None:
        """Send the signal."""
        os.kill(os.getpid(), signal.SIGHUP)

    def start(self) -> None:
        """Start the service as an application does."""
        self.service.privilegedStartService()
        self.service.startService()

    def test_interface(self) -> None:
        """The service provides C{IService}, and has a name."""
        verifyObject(IService, self.service)
        self.assertEqual(self.service.name, "inetd signals")

    def test_reload(self) -> None:
        """
        The configuration is read again in the reactor.

        The handler itself does nothing.
        """
        self.start()
        self.hangUp()
        self.assertEqual(self.inetd.reloads, 0)
        self.reactor.turn()
        self.assertEqual((self.inetd.reloads, self.others), (1, 0))
        self.hangUp()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 2)

    def test_burst(self) -> None:
        """Several signals in one reactor iteration cause one reload."""
        self.start()
        for _ in range(20):
            self.hangUp()
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 1)

    def test_early(self) -> None:
        """A signal between binding and serving causes a reload when it serves."""
        self.service.privilegedStartService()
        self.hangUp()
        self.service.startService()
        self.reactor.turn()
        self.assertEqual((self.inetd.reloads, self.others), (1, 0))

    def test_unprivileged(self) -> None:
        """The service works without C{privilegedStartService}."""
        self.service.startService()
        self.hangUp()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 1)

    def test_stop(self) -> None:
        """A stop restores the previous handler."""
        self.start()
        self.service.stopService()
        self.hangUp()
        self.reactor.turn()
        self.assertEqual((self.inetd.reloads, self.others), (0, 1))

    def test_stopInBetween(self) -> None:
        """A signal just before the stop causes no reload."""
        self.start()
        self.hangUp()
        self.service.stopService()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 0)

    def test_startAgain(self) -> None:
        """The service can be started again, and drops earlier signals."""
        self.start()
        self.hangUp()
        self.service.stopService()
        self.reactor.turn()
        self.start()
        self.hangUp()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 1)
        self.service.stopService()
        self.hangUp()
        self.assertEqual(self.others, 1)

    def test_stopUnstarted(self) -> None:
        """Stopping a service that was not started does nothing."""
        self.service.stopService()
        self.hangUp()
        self.assertEqual(self.others, 1)

    def test_stopReplaced(self) -> None:
        """A stop keeps a handler that was installed later."""
        self.start()
        came: list[int] = []
        signal.signal(signal.SIGHUP, lambda number, _: came.append(number))
        self.service.stopService()
        self.hangUp()
        self.assertEqual((len(came), self.others), (1, 0))

    def test_notPythons(self) -> None:
        """A handler that was not installed from Python is replaced by the default."""
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        true = signal.signal

        def unknown(number: int, handler: Any) -> Any:
            true(number, handler)

        self.patch(signal, "signal", unknown)
        self.start()
        self.service.stopService()
        self.assertIs(signal.getsignal(signal.SIGHUP), signal.SIG_DFL)


class StateOnUser2Tests(ServingTestCase):
    """Tests for L{StateOnUser2}."""

    def test_state(self) -> None:
        """SIGUSR2 logs the state; a stop restores the previous handler."""
        came: list[int] = []
        before = signal.signal(signal.SIGUSR2, lambda number, _: came.append(number))
        self.addCleanup(signal.signal, signal.SIGUSR2, before)
        inetd: Any = CountingReloads()
        service = StateOnUser2(inetd, self.reactor)
        service.startService()
        os.kill(os.getpid(), signal.SIGUSR2)
        self.assertEqual((inetd.states, came), (0, []))
        self.reactor.turn()
        self.assertEqual((inetd.states, inetd.reloads), (1, 0))
        service.stopService()
        os.kill(os.getpid(), signal.SIGUSR2)
        self.reactor.turn()
        self.assertEqual((inetd.states, len(came)), (1, 1))


class HandleSignalsTests(ServingTestCase):
    """Tests for L{handleSignals}."""

    def setUp(self) -> None:
        """Restore all handlers afterwards, and make a reactor that counts its stops."""
        super().setUp()
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            before = signal.getsignal(number)
            if before is not None:
                self.addCleanup(signal.signal, number, before)
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        self.atEnd: list[Any] = []
        self.patch(atexit, "register", self.atEnd.append)
        self.stops = 0
        self.patch(self.reactor, "stop", self.stop)
        self.actions: list[tuple[str, str]] = []

    def stop(self) -> None:
        """Count."""
        self.stops += 1

    def emit(self, event: Event, name: str, action: str) -> None:
        """Record a log line."""
        self.assertIs(event, SIGNAL)
        self.actions.append((name, action))

    def take(self) -> None:
        """Install the handlers."""
        report: Any = self
        handleSignals(report, self.reactor)

    def test_ignored(self) -> None:
        """A signal without a use is logged, once for several at a time."""
        self.take()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.actions, [])
        self.reactor.turn()
        os.kill(os.getpid(), signal.SIGALRM)
        self.reactor.turn()
        self.assertEqual(self.actions, [("SIGUSR1", "ignored"), ("SIGALRM", "ignored")])
        self.assertEqual(self.stops, 0)

    def test_ending(self) -> None:
        """A terminating signal stops the reactor."""
        self.take()
        os.kill(os.getpid(), signal.SIGQUIT)
        self.reactor.turn()
        self.assertEqual((self.actions, self.stops), ([("SIGQUIT", "shutdown")], 1))

    def begin(self) -> None:
        """Begin to run as a reactor does, which installs handlers of its own."""
        for hook, args, kwargs in self.reactor.triggers["before"]["startup"]:
            hook(*args, **kwargs)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        for hook, args, kwargs in self.reactor.whenRunningHooks:
            hook(*args, **kwargs)
        self.reactor.turn()

    def test_usual(self) -> None:
        """Only the first of SIGTERM and SIGINT reaches the reactor."""
        self.take()
        self.begin()
        self.assertEqual(self.reactor.ended, [signal.SIGTERM])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            os.kill(os.getpid(), number)
        self.reactor.turn()
        self.assertEqual(self.reactor.ended, [signal.SIGTERM])
        self.assertEqual((self.actions, self.stops), ([], 0))

    def test_early(self) -> None:
        """TERM and INT before the reactor runs are handled once it does."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self.reactor.ended = []
            self.take()
            for _ in range(20):
                os.kill(os.getpid(), number)
            self.assertEqual(self.reactor.ended, [])
            self.begin()
            self.assertEqual(self.reactor.ended, [number])

    def test_both(self) -> None:
        """Two terminating signals stop the reactor once."""
        self.take()
        for number in (signal.SIGQUIT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        self.reactor.turn()
        self.assertEqual(len(self.reactor.ended) + self.stops, 1)

    def test_stopping(self) -> None:
        """When the reactor stops, it gets no more signals."""
        self.take()
        for stopping, args, kwargs in self.reactor.triggers["before"]["shutdown"]:
            stopping(*args, **kwargs)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            os.kill(os.getpid(), number)
        self.reactor.turn()
        self.assertEqual((self.reactor.ended, self.stops), ([], 0))

    def test_all(self) -> None:
        """No signal terminates the process by default, except faults."""
        self.take()
        left = {"KILL", "STOP", "TSTP", "CONT", "CHLD", "URG", "WINCH", "INFO"}
        left |= {"ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS", "EMT"}
        for number in signal.valid_signals():
            if signal.getsignal(number) == signal.SIG_DFL:
                self.assertIn(signalName(number)[3:], left)

    def test_atEnd(self) -> None:
        """Signals are ignored when the interpreter removes its handlers."""
        self.take()
        (end,) = self.atEnd
        end()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, signal.SIGINT):
            self.assertEqual(signal.getsignal(number), signal.SIG_IGN)
        self.assertEqual(signal.getsignal(signal.SIGSEGV), signal.SIG_DFL)

    def test_inherited(self) -> None:
        """Signals are unblocked, and SIGCHLD is not ignored."""
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGUSR1])
        self.take()
        self.assertEqual(signal.pthread_sigmask(signal.SIG_BLOCK, ()), set())
        self.assertEqual(signal.getsignal(signal.SIGCHLD), signal.SIG_DFL)

    def test_names(self) -> None:
        """Every signal has a name."""
        self.assertEqual(signalName(signal.SIGUSR1), "SIGUSR1")
        if hasattr(signal, "SIGRTMIN"):
            self.assertEqual(signalName(signal.SIGRTMIN + 3), "SIGRTMIN+3")

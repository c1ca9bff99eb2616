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
    """A superserver that counts how often it is to read its configuration again."""

    def __init__(self) -> None:
        self.reloads = self.told = 0

    def logState(self) -> None:
        """Count."""
        self.told += 1

    def reload(self) -> bool:
        """Count."""
        self.reloads += 1
        return True


class ReloadOnHangupTests(ServingTestCase):
    """Tests for L{ReloadOnHangup}."""

    def setUp(self) -> None:
        """Have something listen to the signal that must not be forgotten."""
        super().setUp()
        self.others = 0
        before = signal.signal(signal.SIGHUP, self.other)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        self.inetd = CountingReloads()
        inetd: Any = self.inetd
        self.service = ReloadOnHangup(inetd, self.reactor)

    def other(self, number: int, frame: Any) -> None:
        """What the signal did before."""
        self.others += 1

    def hangUp(self) -> None:
        """Send the signal."""
        os.kill(os.getpid(), signal.SIGHUP)

    def start(self) -> None:
        """Start the service as an application does."""
        self.service.privilegedStartService()
        self.service.startService()

    def test_interface(self) -> None:
        """It is a service of an application, with a name."""
        verifyObject(IService, self.service)
        self.assertEqual(self.service.name, "inetd signals")

    def test_reload(self) -> None:
        """
        The signal has the configuration read again: not within the signal, but by
        the reactor.
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
        """For many signals at a time it is read once."""
        self.start()
        for _ in range(20):
            self.hangUp()
        self.reactor.turn()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 1)

    def test_early(self) -> None:
        """
        A signal that comes when the sockets are there and nothing is served yet
        counts when it is.
        """
        self.service.privilegedStartService()
        self.hangUp()
        self.service.startService()
        self.reactor.turn()
        self.assertEqual((self.inetd.reloads, self.others), (1, 0))

    def test_unprivileged(self) -> None:
        """
        It works as well when it is only started, as in an application that runs
        already.
        """
        self.service.startService()
        self.hangUp()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 1)

    def test_stop(self) -> None:
        """Afterwards the signal does what it did before."""
        self.start()
        self.service.stopService()
        self.hangUp()
        self.reactor.turn()
        self.assertEqual((self.inetd.reloads, self.others), (0, 1))

    def test_stopInBetween(self) -> None:
        """A signal that came just before it was stopped has nothing read."""
        self.start()
        self.hangUp()
        self.service.stopService()
        self.reactor.turn()
        self.assertEqual(self.inetd.reloads, 0)

    def test_startAgain(self) -> None:
        """It can be started again, and forgets what came before."""
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
        """To stop what was never started changes nothing."""
        self.service.stopService()
        self.hangUp()
        self.assertEqual(self.others, 1)

    def test_stopReplaced(self) -> None:
        """Who listens to the signal since goes on to."""
        self.start()
        came: list[int] = []
        signal.signal(signal.SIGHUP, lambda number, _: came.append(number))
        self.service.stopService()
        self.hangUp()
        self.assertEqual((len(came), self.others), (1, 0))

    def test_notPythons(self) -> None:
        """
        When Python does not know what the signal did before, it is the system's
        afterwards.
        """
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
        """
        The signal has the state logged by the reactor, and once the service has
        stopped it does what it did before.
        """
        came: list[int] = []
        before = signal.signal(signal.SIGUSR2, lambda number, _: came.append(number))
        self.addCleanup(signal.signal, signal.SIGUSR2, before)
        inetd: Any = CountingReloads()
        service = StateOnUser2(inetd, self.reactor)
        service.startService()
        os.kill(os.getpid(), signal.SIGUSR2)
        self.assertEqual((inetd.told, came), (0, []))
        self.reactor.turn()
        self.assertEqual((inetd.told, inetd.reloads), (1, 0))
        service.stopService()
        os.kill(os.getpid(), signal.SIGUSR2)
        self.reactor.turn()
        self.assertEqual((inetd.told, len(came)), (1, 1))


class HandleSignalsTests(ServingTestCase):
    """Tests for L{handleSignals}."""

    def setUp(self) -> None:
        """
        Have all signals do afterwards what they did before, and a reactor that says
        whether it was stopped.
        """
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
        self.told: list[tuple[str, str]] = []

    def stop(self) -> None:
        """Count."""
        self.stops += 1

    def emit(self, event: Event, name: str, action: str) -> None:
        """Be the log."""
        self.assertIs(event, SIGNAL)
        self.told.append((name, action))

    def take(self) -> None:
        """Take all signals."""
        report: Any = self
        handleSignals(report, self.reactor)

    def test_ignored(self) -> None:
        """
        A signal that the daemon has no use for draws a line, by the reactor and once
        for all that came until then.
        """
        self.take()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        self.assertEqual(self.told, [])
        self.reactor.turn()
        os.kill(os.getpid(), signal.SIGALRM)
        self.reactor.turn()
        self.assertEqual(self.told, [("SIGUSR1", "ignored"), ("SIGALRM", "ignored")])
        self.assertEqual(self.stops, 0)

    def test_ending(self) -> None:
        """A signal that asks for an end stops the reactor."""
        self.take()
        os.kill(os.getpid(), signal.SIGQUIT)
        self.reactor.turn()
        self.assertEqual((self.told, self.stops), ([("SIGQUIT", "shutdown")], 1))

    def begin(self) -> None:
        """Begin to run, as a reactor does: it takes a signal, which waits meanwhile."""
        for hook, args, kwargs in self.reactor.triggers["before"]["startup"]:
            hook(*args, **kwargs)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        for hook, args, kwargs in self.reactor.whenRunningHooks:
            hook(*args, **kwargs)
        self.reactor.turn()

    def test_usual(self) -> None:
        """
        The reactor handles the first signal that it stops on in its own way, and does
        not hear of those that come afterwards, however they ask for an end.
        """
        self.take()
        self.begin()
        self.assertEqual(self.reactor.ended, [signal.SIGTERM])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            os.kill(os.getpid(), number)
        self.reactor.turn()
        self.assertEqual(self.reactor.ended, [signal.SIGTERM])
        self.assertEqual((self.told, self.stops), ([], 0))

    def test_early(self) -> None:
        """
        A signal that comes before the reactor runs, as soon as clients can come, is
        handled when it does.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            self.reactor.ended = []
            self.take()
            for _ in range(20):
                os.kill(os.getpid(), number)
            self.assertEqual(self.reactor.ended, [])
            self.begin()
            self.assertEqual(self.reactor.ended, [number])

    def test_both(self) -> None:
        """One asks for an end, whichever of them is handled first."""
        self.take()
        for number in (signal.SIGQUIT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        self.reactor.turn()
        self.assertEqual(len(self.reactor.ended) + self.stops, 1)

    def test_stopping(self) -> None:
        """When the reactor stops, it hears of no signal any more."""
        self.take()
        for stopping, args, kwargs in self.reactor.triggers["before"]["shutdown"]:
            stopping(*args, **kwargs)
        for number in (signal.SIGTERM, signal.SIGQUIT):
            os.kill(os.getpid(), number)
        self.reactor.turn()
        self.assertEqual((self.reactor.ended, self.stops), ([], 0))

    def test_all(self) -> None:
        """
        No signal ends the process by default but faults, and those to which others
        listen.
        """
        self.take()
        left = {"KILL", "STOP", "TSTP", "CONT", "CHLD", "URG", "WINCH", "INFO"}
        left |= {"ILL", "TRAP", "ABRT", "BUS", "FPE", "SEGV", "SYS", "EMT"}
        for number in signal.valid_signals():
            if signal.getsignal(number) == signal.SIG_DFL:
                self.assertIn(signalName(number)[3:], left)

    def test_atEnd(self) -> None:
        """When the interpreter takes its handlers away, no signal ends it."""
        self.take()
        (end,) = self.atEnd
        end()
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT, signal.SIGINT):
            self.assertEqual(signal.getsignal(number), signal.SIG_IGN)
        self.assertEqual(signal.getsignal(signal.SIGSEGV), signal.SIG_DFL)

    def test_inherited(self) -> None:
        """Nothing stays blocked, and ends of children are not ignored."""
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

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.wait}."""

from __future__ import annotations

import os
import select
import socket
from typing import Any
from unittest import mock, skipUnless

from inetdtw.helpers.datagrampeek import DatagramPeek
from inetdtw.limits.backoff import BROKEN_PAUSE
from inetdtw.model.service import Program
from inetdtw.model.state import PauseReason
from inetdtw.serve.refuser import REFUSAL
from inetdtw.serve.test.waitcase import WaitingTestCase
from inetdtw.serve.wait import FIRST_PAUSE, FREE_TRIES, LONG_LIFE, LONGEST_PAUSE
from inetdtw.system import backlogpeek as peek
from inetdtw.system.backlogpeek import BacklogPeek
from inetdtw.system.sockdiag import waiting
from inetdtw.test import fakereactor
from inetdtw.test.fakes import (
    PATIENCE,
    isBlocking,
    makeDatagrams,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
    reportsBacklog,
    reset,
)

needsBacklog = skipUnless(reportsBacklog(), "the system does not report the backlog")


class ConnectionTests(WaitingTestCase):
    """Tests for L{WaitListener} and connections."""

    def setUp(self) -> None:
        """Serve connections."""
        super().setUp()
        self.serve(makeService(wait=True))

    def test_socket(self) -> None:
        """A program has the socket that listens as its 0, and it blocks."""
        client = self.client(self.server)
        program = self.requested(1)
        with program.socket() as server:
            self.assertTrue(isBlocking(server))
            listens = server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            self.assertEqual(listens, 1)
        self.accepted(program).sendall(b"hello")
        self.assertEqual(client.recv(100), b"hello")

    def test_one(self) -> None:
        """While a program runs, clients wait for it, and it may serve them all."""
        self.client(self.server)
        program = self.requested(1).start()
        self.accepted(program)
        self.client(self.server)
        self.assertIdle()
        self.accepted(program)
        program.end()
        self.assertIdle()
        self.assertFalse(isBlocking(self.server))

    def test_next(self) -> None:
        """When it has ended, the next client starts another one."""
        self.client(self.server)
        program = self.requested(1).start()
        self.accepted(program)
        self.client(self.server)
        program.end()
        self.accepted(self.requested(2))

    @needsBacklog
    def test_unaccepted(self) -> None:
        """
        Programs that accept nothing are started at once a few times.

        Then there is a pause, which grows up to a limit.
        """
        self.client(self.server)
        number = 0
        for _ in range(FREE_TRIES):
            number += 1
            self.requested(number).start().end()
        seconds = FIRST_PAUSE
        for _ in range(12):
            number += 1
            self.requested(number).start().end()
            self.assertIdle()
            self.reactor.advance(seconds * 0.9)
            self.assertIdle()
            self.reactor.advance(seconds * 0.1 + 0.001)
            seconds = min(seconds * 2, LONGEST_PAUSE)
        self.assertEqual(seconds, LONGEST_PAUSE)
        self.assertEqual(len(self.logged("pause")), 12)
        self.requested(number + 1)

    def test_acceptedAgain(self) -> None:
        """A program that accepts ends the pauses."""
        self.client(self.server)
        for number in range(FREE_TRIES + 1):
            self.requested(number + 1).start().end()
        self.reactor.advance(FIRST_PAUSE)
        program = self.requested(FREE_TRIES + 2).start()
        self.accepted(program)
        program.end()
        self.client(self.server)
        self.requested(FREE_TRIES + 3).start().end()
        self.requested(FREE_TRIES + 4)
        self.assertEqual(len(self.logged("pause")), 1)

    def test_longLife(self) -> None:
        """A program that ran for long is not a loop, whatever it has left."""
        self.client(self.server)
        for number in range(FREE_TRIES + 3):
            program = self.requested(number + 1).start()
            self.reactor.advance(LONG_LIFE)
            program.end()
        self.requested(FREE_TRIES + 4)
        self.assertEqual(self.logged("pause"), [])

    @needsBacklog
    def test_accepting(self) -> None:
        """
        Programs that accept one client each are started again at once.

        The next client has come before each of them exits.
        """
        self.client(self.server)
        for number in range(1, 5 * FREE_TRIES):
            program = self.requested(number).start()
            self.accepted(program).close()
            self.come()
            program.end()
        self.assertEqual(self.logged("pause"), [])

    @needsBacklog
    def test_acceptedBetween(self) -> None:
        """The backoff starts anew after programs that did accept."""
        self.test_accepting()
        before = number = len(self.launcher.programs)
        while not self.logged("pause"):
            number += 1
            self.requested(number).start().end()
        self.assertGreater(number - before, FREE_TRIES)
        (pause,) = self.logged("pause")
        self.assertEqual(float(pause["seconds"]), FIRST_PAUSE)

    @needsBacklog
    def test_acceptingUnix(self) -> None:
        """Programs that accept clients of a UNIX socket are started at once too."""
        self.listener.stop()
        self.serve(makeUnix(self.mktemp(), wait=True))
        self.test_accepting()

    def come(self) -> None:
        """Let another client connect."""
        self.client(self.server)
        select.select([self.server], [], [], PATIENCE)

    def test_untold(self) -> None:
        """
        Short lives count as a loop where the system does not report the backlog.

        The pauses do not grow, and the log does not say that none was accepted.
        """
        self.patch(peek, "waiting", lambda sock: None)
        self.client(self.server)
        for number in range(1, FREE_TRIES + 1):
            self.requested(number).start().end()
        for number in range(FREE_TRIES + 1, FREE_TRIES + 6):
            self.requested(number).start().end()
            self.assertIdle()
            self.reactor.advance(FIRST_PAUSE + 0.001)
        pauses = self.logged("pause")
        self.assertEqual([float(each["seconds"]) for each in pauses], [FIRST_PAUSE] * 5)
        self.assertIn("may not have accepted", pauses[0]["reason"])

    @needsBacklog
    def test_resets(self) -> None:
        """A client that resets its connection causes the same, constant pauses."""
        self.client(self.server)
        for number in range(1, FREE_TRIES + 1):
            self.requested(number).start().end()
        for number in range(FREE_TRIES + 1, FREE_TRIES + 6):
            program = self.requested(number).start()
            client = self.client(self.server)
            reset(client)
            self.reactor.turnUntil(lambda: self.dead() > 0)
            program.end()
            self.assertIdle()
            self.reactor.advance(LONGEST_PAUSE)
        pauses = [float(each["seconds"]) for each in self.logged("pause")]
        self.assertEqual(pauses[1:], [FIRST_PAUSE] * 4)

    def dead(self) -> int:
        """Return how many connections of the backlog were reset."""
        backlog = waiting(self.server)
        assert backlog is not None
        return backlog.dead

    def test_missing(self) -> None:
        """One client is closed without a word when there is no executable."""
        self.listener.stop()
        path = os.path.abspath(self.mktemp())
        self.serve(makeService(wait=True, program=Program(path, (), ("prog",))))
        before = openDescriptors()
        first = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.logged("start-failed")))
        self.refused()
        self.assertEqual(first.recv(100), b"")
        with open(path, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
        second = self.client(self.server)
        connection = self.accepted(self.requested(1))
        connection.sendall(b"here")
        self.assertEqual(second.recv(100), b"here")
        for each in (first, second, connection, self.launcher, self.reactor):
            each.close()
        self.listener.stop()
        self.assertEqual(openedSince(before), {})

    def refused(self) -> None:
        """Wait until a connection is closed that has no program."""
        self.reactor.turnUntil(
            lambda: PauseReason.REFUSING not in self.listener.pauses()
        )

    def test_failed(self) -> None:
        """
        One client is closed when the launcher cannot start the program.

        Then the next one is.
        """
        self.launcher.refusal = "Permission denied"
        clients = [self.client(self.server) for _ in range(3)]
        self.reactor.turnUntil(lambda: len(self.logged("start-failed")) == 3)
        self.refused()
        for client in clients:
            self.assertEqual(client.recv(100), b"")
        self.assertFalse(self.reactor.turn())
        self.assertEqual(self.limits.running, 0)
        # Only the socket itself is read, whatever becomes of the process.
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_failedAndGone(self) -> None:
        """The client may have disconnected when the launcher fails."""
        client = self.client(self.server)
        program = self.requested(1)
        self.accepted(program)
        client.close()
        program.fail("Permission denied")
        self.assertFalse(isBlocking(self.server))
        self.client(self.server)
        self.requested(2)

    def test_taken(self) -> None:
        """
        The process that accepts is killed when a program was faster.

        That is after a moment.
        """
        self.launcher.refusal = "Permission denied"
        thief = self.closing(self.server.dup())
        client = self.client(self.server)
        self.patch(fakereactor, "acceptOne", lambda process: None)
        self.reactor.turnUntil(lambda: bool(self.reactor.processes))
        self.closing(thief.accept()[0])
        self.assertEqual(self.listener.pauses(), [PauseReason.REFUSING])
        self.reactor.advance(REFUSAL)
        (process,) = self.reactor.processes
        self.assertEqual(process.signals, ["KILL"])
        self.assertEqual(self.listener.pauses(), [])
        client.close()

    def test_stopInRefusal(self) -> None:
        """After it was stopped nothing is waited for."""
        self.launcher.refusal = "Permission denied"
        self.client(self.server)
        self.patch(fakereactor, "acceptOne", lambda process: None)
        self.reactor.turnUntil(lambda: bool(self.reactor.processes))
        self.listener.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        (process,) = self.reactor.processes
        self.assertEqual(process.signals, ["KILL"])

    def test_stopInPause(self) -> None:
        """After it was stopped, no time is waited for."""
        self.client(self.server)
        for number in range(FREE_TRIES + 1):
            self.requested(number + 1).start().end()
        self.listener.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_retire(self) -> None:
        """
        The socket is free when the program has exited.

        The backlog is left to what comes after it.
        """
        done: list[None] = []
        self.client(self.server)
        program = self.requested(1).start()
        self.listener.retire(lambda: done.append(None))
        self.assertEqual(done, [])
        program.end()
        self.assertEqual(done, [None])
        self.assertIdle()
        connection, _ = self.server.accept()
        connection.close()


class FaultTests(WaitingTestCase):
    """Tests for L{WaitListener} and internal errors."""

    def wrong(self, *_: object, **__: object) -> Any:
        """Be what raises it."""
        raise OverflowError("it is too large")

    def test_begin(self) -> None:
        """
        An internal error of a start pauses the service for a moment.

        Nothing is counted.
        """
        for service, kind in (
            (makeDatagrams(wait=True), DatagramPeek),
            (makeService(wait=True), BacklogPeek),
        ):
            started = len(self.launcher.programs)
            self.serve(service)
            client = self.closing(socket.socket(socket.AF_INET, service.socktype))
            client.connect(self.server.getsockname())
            if not service.isStream:
                client.send(b"x")
            with mock.patch.object(kind, "note", self.wrong):
                self.reactor.turnUntil(
                    lambda: PauseReason.ERROR in self.listener.pauses()
                )
            self.assertEqual(self.listener.pauses(), [PauseReason.ERROR])
            self.assertEqual(self.limits.running, 0)
            self.reactor.advance(BROKEN_PAUSE)
            self.requested(started + 1)
            self.assertEqual(self.limits.running, 1)
            self.flushLoggedErrors(OverflowError)
            self.listener.stop()

    def test_end(self) -> None:
        """
        An internal error after an exit pauses the service for a moment.

        That is so also if a retirement waits for the socket.
        """
        self.serve(makeService(wait=True))
        client = self.closing(socket.socket())
        client.connect(self.server.getsockname())
        program = self.requested(1)
        with mock.patch.object(BacklogPeek, "left", self.wrong):
            program.start().end()
        self.assertEqual(self.listener.pauses(), [PauseReason.ERROR])
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(len(self.flushLoggedErrors(OverflowError)), 1)
        self.reactor.advance(BROKEN_PAUSE)
        program = self.requested(2)
        retired: list[bool] = []
        self.listener.retire(lambda: retired.append(True))
        with mock.patch.object(BacklogPeek, "left", self.wrong):
            program.start().end()
        self.assertEqual(retired, [True])
        self.assertEqual(len(self.flushLoggedErrors(OverflowError)), 1)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.sharedport} and L{inetdtw.helpers.acceptor}."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from typing import Any
from unittest import mock

from zope.interface import implementer

from inetdtw.helpers import acceptor
from inetdtw.helpers.acceptor import ANSWER, CHANNEL, answerOne
from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Bounds
from inetdtw.model.state import PauseReason
from inetdtw.serve import sharedport
from inetdtw.serve.port import IConnectionReceiver, StreamPort
from inetdtw.serve.sharedport import SharedStreamPort, streamPort
from inetdtw.test import fakereactor
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    listening,
    makeService,
    openDescriptors,
    openedSince,
    reset,
)


@implementer(IConnectionReceiver)
class PortTests(ServingTestCase):
    """Tests for L{SharedStreamPort}."""

    def setUp(self) -> None:
        """Make a socket that programs share."""
        super().setUp()
        self.server = self.closing(listening(makeService()))
        self.taken: list[socket.socket] = []
        self.reasons: list[str] = []
        self.may = True
        self.port = SharedStreamPort(self.server, self.reactor, "test", self)
        self.addCleanup(self.port.stop)

    def mayAccept(self) -> bool:
        """Return whether a connection may be accepted."""
        if not self.may:
            self.port.holds.pause(PauseReason.LIMIT)
        return self.may

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """Record a connection."""
        self.assertEqual(peer, connection.getpeername())
        self.taken.append(self.closing(connection))

    def short(self, reason: str) -> None:
        """Record a reason."""
        self.reasons.append(reason)

    def channel(self) -> socket.socket:
        """Return the process' end of the channel."""
        fd = self.reactor.processes[-1].fds[CHANNEL]
        return self.closing(socket.socket(fileno=os.dup(fd)))

    def begun(self) -> socket.socket:
        """
        Start the port, and the process for the first client.

        @return: the client.
        """
        self.port.start()
        client = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.reactor.processes))
        return client

    def test_lazy(self) -> None:
        """No process is started before the first client."""
        self.port.start()
        self.reactor.settle()
        self.assertEqual((self.reactor.processes, self.port.holds.reasons), ([], []))
        self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.taken))
        self.assertEqual(len(self.reactor.processes), 1)

    def test_kinds(self) -> None:
        """Only a socket that programs share has a process."""
        limits = ServiceLimits(Bounds(), self.reactor.seconds)
        given = self.serviceRuntime(makeService(), limits)
        self.assertIsInstance(streamPort(self.server, given, self), StreamPort)
        self.runtime.shared.add(self.server)
        self.assertIsInstance(streamPort(self.server, given, self), SharedStreamPort)

    def test_accepts(self) -> None:
        """Connections are passed on one by one, in order."""
        self.port.start()
        for number in range(1, 4):
            client = self.client(self.server)
            self.reactor.turnUntil(lambda: len(self.taken) == number)  # noqa: B023
            peer = self.taken[-1].getpeername()
            self.assertEqual(peer, client.getsockname())

    def test_notInherited(self) -> None:
        """A program inherits no connection, whether it was the last one or not."""
        self.begun()
        self.reactor.turnUntil(lambda: self.taken != [])
        self.patch(fakereactor, "acceptOne", lambda process: None)
        self.client(self.server)
        answerOne(self.server, self.channel(), threading.Lock())
        self.port.stop()
        self.assertEqual([each.get_inheritable() for each in self.taken], [False] * 2)

    def test_held(self) -> None:
        """While the port is paused, no connection is accepted."""
        self.port.start()
        self.port.holds.pause(PauseReason.RATE)
        self.client(self.server)
        self.reactor.settle()
        self.assertEqual(self.taken, [])
        self.may = False
        self.port.holds.resume(PauseReason.RATE)
        self.reactor.settle()
        self.assertEqual(
            (self.taken, self.port.holds.reasons), ([], [PauseReason.LIMIT])
        )
        self.may = True
        self.port.holds.resume(PauseReason.LIMIT)
        self.reactor.turnUntil(lambda: bool(self.taken))

    def test_stop(self) -> None:
        """A stop kills the process and closes all; the port can be started again."""
        self.patch(fakereactor, "acceptOne", lambda process: None)
        before = openDescriptors()
        self.begun().close()
        for number in range(1, 3):
            self.port.start()
            self.reactor.turnUntil(lambda: len(self.reactor.processes) == number)  # noqa: B023
            self.port.stop()
            process = self.reactor.processes[-1]
            self.assertEqual(process.signals, ["KILL"])
            process.exit(number=9)
            self.assertEqual(len(self.reactor.processes), number)
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_last(self) -> None:
        """A connection that was accepted before a stop is received."""
        self.patch(fakereactor, "acceptOne", lambda process: None)
        self.begun()
        answerOne(self.server, self.channel(), threading.Lock())
        self.port.stop()
        self.assertEqual(len(self.taken), 1)

    def test_lastLate(self) -> None:
        """A connection that the process sends during a stop is received."""
        self.patch(fakereactor, "acceptOne", lambda process: None)
        self.begun()
        channel = self.channel()
        channel.recv(1)

        def last() -> None:
            # The end of what it is asked for.
            channel.recv(1)
            answerOne(self.server, channel, threading.Lock())

        process = threading.Thread(target=last)
        process.start()
        with mock.patch.object(sharedport, "LAST", PATIENCE):
            self.port.stop()
        process.join(PATIENCE)
        self.assertEqual(len(self.taken), 1)

    def test_died(self) -> None:
        """A process that dies is restarted with backoff, and logged once."""
        self.begun()
        self.reactor.processes[0].exit(number=9)
        self.assertEqual(self.port.holds.reasons, [PauseReason.STARTING])
        self.reactor.advance(1)
        self.assertEqual(len(self.logged("socket-error")), 1)
        self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.taken))
        self.assertEqual(len(self.reactor.processes), 2)

    def test_ends(self) -> None:
        """A channel that is closed before the exit is not an error."""
        self.begun()
        self.reactor.processes[0].close()
        self.reactor.turnUntil(
            lambda: self.port.holds.reasons == [PauseReason.STARTING]
        )
        self.reactor.processes[0].exit()
        self.reactor.advance(1)
        self.client(self.server)
        self.reactor.turnUntil(lambda: len(self.reactor.processes) == 2)
        self.assertEqual(len(self.reactor.processes), 2)

    def test_noProcess(self) -> None:
        """A process that cannot be started is retried."""
        self.reactor.spawnFailure = OSError(errno.EAGAIN, "no more")
        self.client(self.server)
        before = openDescriptors()
        self.port.start()
        self.reactor.turnUntil(lambda: bool(self.reasons))
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.reasons, ["no more"])
        self.reactor.spawnFailure = None
        self.reactor.advance(SHORTAGE_PAUSE)
        self.reactor.turnUntil(lambda: len(self.reactor.processes) == 1)
        self.assertEqual(self.port.holds.reasons, [])

    def test_errors(self) -> None:
        """A shortage pauses the port; the owner is notified of any other error."""
        dropped: list[int] = []
        self.port.dropped = lambda: dropped.append(1)
        self.patch(fakereactor, "acceptOne", lambda process: None)
        self.begun()
        channel = self.channel()
        channel.send(ANSWER.pack(errno.EMFILE))
        self.reactor.turnUntil(lambda: bool(self.reasons))
        self.assertEqual(self.port.holds.reasons, [PauseReason.SHORTAGE])
        self.reactor.advance(SHORTAGE_PAUSE)
        channel.send(ANSWER.pack(errno.EINVAL))
        self.reactor.turnUntil(lambda: bool(dropped))
        self.assertEqual(self.port.holds.reasons, [PauseReason.SOCKET_ERROR])

    def test_gone(self) -> None:
        """A connection whose client has reset it is closed."""
        self.patch(fakereactor, "acceptOne", lambda process: None)
        client = self.begun()
        channel = self.channel()
        channel.recv(1)
        service = self.closing(self.server.dup())
        reset(client)
        answerOne(service, channel, threading.Lock())
        self.reactor.settle()
        self.assertEqual((self.taken, self.port.holds.reasons), ([], []))


class AcceptorTests(ServingTestCase):
    """Tests for L{inetdtw.helpers.acceptor}."""

    def setUp(self) -> None:
        """Run it."""
        super().setUp()
        self.server = self.closing(listening(makeService()))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours = self.closing(ours)
        self.ours.settimeout(PATIENCE)
        run = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3);"
            "exec(compile(sys.argv[2], 'helper', 'exec'), {'__name__': '__main__'})"
        )
        with open(acceptor.__file__, encoding="utf-8") as file:
            program = file.read()
        with theirs:
            fd = theirs.fileno()
            self.process = subprocess.Popen(
                [sys.executable, "-IS", "-c", run, str(fd), program],
                stdin=self.server.fileno(),
                pass_fds=[fd],
            )
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)

    def test_blocked(self) -> None:
        """
        The process sends one connection per request, also if the socket blocks.

        It exits when the channel is closed, although it blocks in accept(2).
        """
        for blocking in (False, True):
            self.server.setblocking(blocking)
            self.ours.send(b"1")
            client = self.client(self.server)
            _, fds, _, _ = socket.recv_fds(self.ours, 4, 1)
            with socket.socket(fileno=fds[0]) as connection:
                self.assertEqual(connection.getpeername(), client.getsockname())
        self.ours.send(b"1")
        self.ours.shutdown(socket.SHUT_RDWR)
        self.ours.close()
        self.assertEqual(self.process.wait(PATIENCE), 0)

    def test_end(self) -> None:
        """
        The process exits soon on request, also if accept(2) blocks.

        Another process has accepted the connection that it waits for.
        """
        self.ours.send(b"1")
        self.ours.shutdown(socket.SHUT_WR)
        self.assertEqual(self.process.wait(PATIENCE), 0)
        self.assertEqual(self.ours.recv(4), b"")

    def test_shut(self) -> None:
        """The process reports the error number when accept(2) fails."""
        self.server.shutdown(socket.SHUT_RDWR)
        self.ours.send(b"1")
        self.assertEqual(ANSWER.unpack(self.ours.recv(4)), (errno.EINVAL,))

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.port}."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure

from inetdtw.limits.backoff import BROKEN_PAUSE, SHORTAGE_PAUSE
from inetdtw.model.state import PauseReason
from inetdtw.serve.port import (
    BATCH,
    IConnectionReceiver,
    SocketPort,
    StreamPort,
    WaitPort,
)
from inetdtw.test.fakes import ServingTestCase, listening, makeDatagrams, makeService


class SocketPortTests(ServingTestCase):
    """Tests for L{SocketPort}."""

    def setUp(self) -> None:
        """Make a port that was not started."""
        super().setUp()
        self.port = SocketPort(self.closing(socket.socket()), self.reactor, "name")

    def isRead(self) -> bool:
        """Return whether the reactor reads the port, which its holds agree with."""
        isRead = self.port in self.reactor.getReaders()
        self.assertEqual(not self.port.holds, isRead)
        return isRead

    def test_interface(self) -> None:
        """The request provides C{IReadDescriptor}."""
        verifyObject(IReadDescriptor, self.port)
        self.assertEqual(self.port.fileno(), self.port.socket.fileno())
        self.assertEqual(self.port.logPrefix(), "name")

    def test_start(self) -> None:
        """A port is read from its start to its stop."""
        self.assertFalse(self.isRead())
        self.port.start()
        self.assertTrue(self.isRead())
        self.port.stop()
        self.assertFalse(self.isRead())

    def test_paused(self) -> None:
        """A port is read while nothing pauses it."""
        self.port.start()
        self.port.holds.pauseFor(PauseReason.LIMIT, 5)
        self.assertFalse(self.isRead())
        self.reactor.advance(5)
        self.assertTrue(self.isRead())

    def test_reactorStops(self) -> None:
        """The port does not close the socket."""
        self.port.start()
        self.port.connectionLost(Failure(CONNECTION_LOST))
        self.assertGreaterEqual(self.port.fileno(), 0)

    def test_dropped(self) -> None:
        """
        The owner is notified when the reactor stops polling the socket.

        By default it is read again after a moment, and logged once.
        """
        self.port.start()
        self.reactor.removeReader(self.port)
        self.port.connectionLost(Failure(CONNECTION_LOST))
        self.assertEqual(self.port.holds.reasons, [PauseReason.SOCKET_ERROR])
        self.reactor.advance(BROKEN_PAUSE)
        self.assertTrue(self.isRead())
        self.assertEqual(len(self.logged("socket-error")), 1)
        calls: list[int] = []
        self.port.dropped = lambda: calls.append(1)
        for _ in range(2):
            self.port.connectionLost(Failure(CONNECTION_LOST))
        self.assertEqual(calls, [1])

    def test_refused(self) -> None:
        """The owner is notified too when the reactor refuses to poll the socket."""

        def refuse(reader: object) -> None:
            raise OSError(errno.EEXIST, "no")

        self.patch(self.reactor, "addReader", refuse)
        self.port.start()
        self.assertEqual(self.port.holds.reasons, [PauseReason.SOCKET_ERROR])


@implementer(IConnectionReceiver)
class Accepting:
    """
    Accepts connections.

    @ivar accepted: those that it was given, with their peers.
    @ivar most: how many it may take.
    @ivar reasons: what the machine was reported to be out of.
    """

    def __init__(self) -> None:
        """Start with no connection."""
        self.accepted: list[tuple[socket.socket, Any]] = []
        self.most = 1000
        self.asked = 0
        self.reasons: list[str] = []

    def mayAccept(self) -> bool:
        """Return whether one more may be accepted."""
        self.asked += 1
        return len(self.accepted) < self.most

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """Take one."""
        self.accepted.append((connection, peer))

    def short(self, reason: str) -> None:
        """Record a resource shortage."""
        self.reasons.append(reason)


class Broken:
    """A socket whose accept(2) fails."""

    def __init__(self, sock: socket.socket, *errors: int) -> None:
        """Count the calls of accept(2) of a socket."""
        self._socket = sock
        self._errors = list(errors)

    def fileno(self) -> int:
        """Return the descriptor of the real socket."""
        return self._socket.fileno()

    def accept(self) -> Any:
        """Fail as long as there are errors left."""
        if self._errors:
            number = self._errors.pop(0)
            raise OSError(number, os.strerror(number))
        return self._socket.accept()


class StreamPortTests(ServingTestCase):
    """Tests for L{StreamPort}."""

    def setUp(self) -> None:
        """Make a port that is read."""
        super().setUp()
        self.factory = Accepting()
        self.addCleanup(self.closeAccepted)
        self.server = self.closing(listening(makeService()))
        self.port = StreamPort(self.server, self.reactor, "name", self.factory)
        self.port.start()

    def closeAccepted(self) -> None:
        """Close the connections."""
        for connection, _ in self.factory.accepted:
            connection.close()

    def test_accept(self) -> None:
        """A connection is given to the receiver open, with its client's address."""
        client = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.factory.accepted))
        ((connection, peer),) = self.factory.accepted
        self.assertEqual(peer, client.getsockname())
        connection.sendall(b"hello")
        self.assertEqual(client.recv(10), b"hello")

    def test_nothingThere(self) -> None:
        """A client that disconnected before accept(2) is ignored."""
        self.port.doRead()
        self.assertEqual(self.factory.accepted, [])
        self.assertFalse(self.port.holds)

    def test_mayNot(self) -> None:
        """A connection that may not be accepted stays in the backlog."""
        self.factory.most = 0
        self.client(self.server)
        self.reactor.turn(10)
        self.assertEqual((self.factory.accepted, self.factory.asked), ([], 1))
        self.factory.most = 1
        self.reactor.turnUntil(lambda: bool(self.factory.accepted))

    def test_batches(self) -> None:
        """
        The batch of accept(2) grows while the backlog is not empty.

        There is a limit, so that other services get their turn.
        """
        for _ in range(16):
            self.client(self.server)
        taken = []
        for _ in range(3):
            before = len(self.factory.accepted)
            self.port.doRead()
            taken.append(len(self.factory.accepted) - before)
        self.assertEqual(taken, [1, 2, 4])
        self.port.doRead()
        self.port.doRead()
        self.assertEqual(len(self.factory.accepted), 16)
        self.client(self.server)
        self.client(self.server)
        self.port.doRead()
        self.assertEqual(len(self.factory.accepted), 17)

    def test_bound(self) -> None:
        """At most one batch is received in a reactor iteration."""
        for _ in range(48):
            self.client(self.server)
        taken: list[int] = []
        while sum(taken) < 48:
            before = len(self.factory.accepted)
            self.port.doRead()
            taken.append(len(self.factory.accepted) - before)
        self.assertEqual(max(taken), BATCH)

    def test_shortage(self) -> None:
        """The port pauses while no descriptor is left, and the client waits."""
        broken: Any = Broken(self.server, errno.EMFILE)
        self.port.socket = broken
        self.client(self.server)
        self.reactor.turn(10)
        self.assertEqual(self.factory.reasons, [os.strerror(errno.EMFILE)])
        self.assertTrue(self.port.holds)
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertFalse(self.port.holds)
        self.reactor.turnUntil(lambda: bool(self.factory.accepted))

    def test_broken(self) -> None:
        """
        A connection that causes an internal error is closed and logged.

        The next one is served at once.
        """

        def broken(connection: socket.socket, peer: Any) -> None:
            del self.factory.connectionAccepted
            raise ValueError("not thought of")

        self.factory.connectionAccepted = broken  # type: ignore[method-assign] # on purpose
        first = self.client(self.server)
        self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.factory.accepted))
        self.assertEqual(first.recv(10), b"")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        (event,) = self.logged("internal-error")
        self.assertEqual(event["service"], "name")

    def test_brokenBefore(self) -> None:
        """An internal error before accept(2) pauses the port for a moment."""

        def broken() -> bool:
            del self.factory.mayAccept
            raise ValueError("not thought of")

        self.factory.mayAccept = broken  # type: ignore[method-assign] # on purpose
        self.client(self.server)
        self.reactor.turn(10)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertTrue(self.port.holds)
        self.reactor.advance(BROKEN_PAUSE)
        self.reactor.turnUntil(lambda: bool(self.factory.accepted))

    def test_oneGone(self) -> None:
        """A connection that is reset before accept(2) does not disturb others."""
        broken: Any = Broken(self.server, errno.ECONNABORTED)
        self.port.socket = broken
        self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.factory.accepted))
        self.assertEqual(self.factory.reasons, [])
        self.assertFalse(self.port.holds)


class WaitPortTests(ServingTestCase):
    """Tests for L{WaitPort}."""

    def test_broken(self) -> None:
        """An internal error of its callback pauses the port for a moment."""
        calls: list[None] = []

        def broken() -> None:
            calls.append(None)
            raise ValueError("not thought of")

        server = self.closing(listening(makeDatagrams()))
        port = WaitPort(server, self.reactor, "name", broken)
        port.start()
        self.client(server).send(b"hello")
        for number in (1, 2):
            self.reactor.turnUntil(lambda number=number: len(calls) == number)  # type: ignore[misc] # the default binds it
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
            self.assertTrue(port.holds)
            self.reactor.advance(BROKEN_PAUSE)
        port.stop()

    def test_leaves(self) -> None:
        """The port calls back when the socket is readable, and reads nothing."""
        calls: list[None] = []
        server = self.closing(listening(makeDatagrams()))
        WaitPort(server, self.reactor, "name", lambda: calls.append(None)).start()
        self.assertFalse(self.reactor.turn())
        self.client(server).send(b"hello")
        self.reactor.turnUntil(lambda: bool(calls))
        self.assertEqual(server.recv(10), b"hello")

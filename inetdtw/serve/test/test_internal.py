# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.internal}: services for connections."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport

from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.service import Bounds, Service
from inetdtw.serve.internal import InternalStreamListener
from inetdtw.serve.undecided import MOMENT
from inetdtw.test.fakes import (
    NOW,
    PATIENCE,
    ServingTestCase,
    isBlocking,
    listening,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
)


class InternalStreamListenerTests(ServingTestCase):
    """Tests for L{InternalStreamListener}."""

    def setUp(self) -> None:
        """Start with no service."""
        super().setUp()
        self.releases = 0

    def serve(self, service: Service | None = None, **bounds: Any) -> None:
        """Serve a service."""
        bound = Bounds(**bounds)
        service = service or makeService(internal="echo", bounds=bound)
        self.server = self.closing(listening(service))
        self.limits = ServiceLimits(bound, self.reactor.seconds)
        self.listener = InternalStreamListener(
            self.serviceRuntime(service, self.limits, None, self.released), self.server
        )
        self.listener.start()

    def released(self) -> None:
        """Act as the slot when a connection is closed."""
        self.releases += 1
        self.listener.released()

    def adopted(self, number: int) -> tuple[socket.socket, Any]:
        """
        Wait until the reactor has adopted so many connections.

        @return: the last, and its protocol as the reactor would connect it.
        """
        self.reactor.turnUntil(lambda: len(self.reactor.adopted) >= number)
        self.assertEqual(len(self.reactor.adopted), number)
        connection, factory = self.reactor.adopted[-1]
        peer: Any = UNIXAddress(None)
        if connection.family != socket.AF_UNIX:
            peer = IPv4Address("TCP", *connection.getpeername())
        protocol = factory.buildProtocol(peer)
        protocol.makeConnection(StringTransport(peerAddress=peer))
        return connection, protocol

    def test_connection(self) -> None:
        """A connection is served by the reactor, which closes it."""
        self.serve()
        client = self.client(self.server)
        connection, protocol = self.adopted(1)
        self.assertFalse(isBlocking(connection))
        self.assertEqual(connection.getpeername(), client.getsockname())
        protocol.dataReceived(b"hello")
        self.assertEqual(protocol.transport.value(), b"hello")
        connection.close()
        self.assertEqual(client.recv(100), b"")

    def test_wallclock(self) -> None:
        """The time is the daemon's."""
        self.serve(makeService(internal="time"))
        self.client(self.server)
        _, protocol = self.adopted(1)
        seconds = int.from_bytes(protocol.transport.value(), "big")
        self.assertEqual(seconds, int(NOW) + 2208988800)

    def test_end(self) -> None:
        """A connection that was closed does not count."""
        self.serve(perSource=1)
        self.client(self.server)
        _, protocol = self.adopted(1)
        self.assertEqual(self.limits.running, 1)
        protocol.connectionLost(connectionDone)
        self.assertEqual((self.limits.running, self.releases), (0, 1))
        self.client(self.server)
        self.adopted(2)

    def test_perSource(self) -> None:
        """An address with as many connections as it may have is refused."""
        self.serve(perSource=1)
        self.client(self.server)
        self.adopted(1)
        refused = self.overMany()
        self.assertEqual(refused.recv(100), b"")
        self.assertEqual(len(self.reactor.adopted), 1)

    def overMany(self) -> socket.socket:
        """Connect a client over the limit, which is undecided."""
        refused = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.reactor.getDelayedCalls()))
        self.assertEqual(self.logged("refuse"), [])
        self.reactor.advance(MOMENT)
        self.assertEqual(len(self.logged("refuse")), 1)
        return refused

    def test_again(self) -> None:
        """A client that reconnects before the daemon reads EOF is served."""
        self.serve(perSource=1)
        self.client(self.server)
        _, protocol = self.adopted(1)
        self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.reactor.getDelayedCalls()))
        protocol.connectionLost(connectionDone)
        self.adopted(2)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_refusal(self) -> None:
        """The client over a limit gets the C{refusal} of the line (item 69)."""
        bound = Bounds(perSource=1)
        service = makeService(internal="echo", bounds=bound, refusal=b"busy\r\n")
        self.serve(service, perSource=1)
        self.client(self.server)
        self.adopted(1)
        refused = self.overMany()
        self.assertEqual(refused.recv(100), b"busy\r\n")

    def test_full(self) -> None:
        """At the limit, clients wait until a connection is closed."""
        self.serve(acceptMax=1)
        self.client(self.server)
        _, protocol = self.adopted(1)
        self.client(self.server)
        self.reactor.settle()
        self.assertEqual(len(self.reactor.adopted), 1)
        protocol.connectionLost(connectionDone)
        self.adopted(2)

    def test_rate(self) -> None:
        """
        The service pauses after too many connections in a minute.

        It resumes by itself.
        """
        self.serve(serviceMax=1)
        self.client(self.server)
        self.adopted(1)
        refused = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.logged("pause")))
        self.assertEqual(refused.recv(100), b"")
        self.client(self.server)
        self.reactor.advance(WINDOW)
        self.adopted(2)

    def test_unix(self) -> None:
        """A connection to a path is served, and counts until it is closed."""
        self.serve(makeUnix(self.mktemp(), internal="echo"))
        self.client(self.server)
        _, protocol = self.adopted(1)
        self.assertEqual(self.limits.running, 1)
        protocol.connectionLost(connectionDone)
        self.assertEqual(self.limits.running, 0)

    def test_shortage(self) -> None:
        """
        A connection that the reactor cannot adopt is closed and logged.

        It does not count.
        """
        self.serve()
        self.reactor.adoptFailure = OSError(errno.EMFILE, "Too many open files")
        client = self.client(self.server)
        before = openDescriptors()
        self.reactor.turnUntil(lambda: bool(self.logged("shortage")))
        self.assertEqual(self.logged("shortage")[0]["reason"], "Too many open files")
        self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(openedSince(before), {})

    def test_vanished(self) -> None:
        """A client that disconnected before it was adopted is ignored."""
        self.serve()
        reason = os.strerror(errno.ENOTCONN)
        self.reactor.adoptFailure = OSError(errno.ENOTCONN, reason)
        client = self.client(self.server)
        self.reactor.turn(PATIENCE)
        self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.logged("shortage"), [])
        self.assertEqual(self.limits.running, 0)

    def test_retire(self) -> None:
        """After a retirement the socket is free, and connections continue."""
        self.serve()
        self.client(self.server)
        _, protocol = self.adopted(1)
        done: list[None] = []
        self.listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None])
        self.client(self.server)
        self.assertFalse(self.reactor.turn())
        protocol.dataReceived(b"hello")
        self.assertEqual(protocol.transport.value(), b"hello")

    def test_stop(self) -> None:
        """After a stop, no connection is accepted."""
        self.serve()
        self.listener.stop()
        self.client(self.server)
        self.assertFalse(self.reactor.turn())

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.factory}."""

from __future__ import annotations

import socket
import struct
from typing import Any

from zope.interface import directlyProvides

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import ISSLTransport

from inetdtw.interfaces import ExitStatus
from inetdtw.model.address import Address
from inetdtw.model.service import Bounds
from inetdtw.serve.factory import ProgramFactory
from inetdtw.serve.portless import PortlessSlot
from inetdtw.serve.test.test_stream import isReadable
from inetdtw.serve.undecided import MOMENT
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    isBlocking,
    listening,
    makeService,
    openDescriptors,
    openedSince,
)


class FakeTransport:
    """The part of a transport of Twisted's that is used."""

    def __init__(self, connection: socket.socket) -> None:
        """Store the server's end of a connection."""
        self.connection = connection
        self.reading = True

    def getPeer(self) -> IPv4Address:
        """Return the client's address."""
        return IPv4Address("TCP", *self.connection.getpeername())

    def stopReading(self) -> None:
        """Do not read."""
        self.reading = False

    def getHandle(self) -> socket.socket:
        """Return the socket."""
        return self.connection

    def abortConnection(self) -> None:
        """Shut the connection down and close it, as Twisted does."""
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # There was no connection.
        self.connection.close()


class ProgramFactoryTests(ServingTestCase):
    """Tests for L{ProgramFactory} on a port of Twisted's."""

    def setUp(self) -> None:
        """Make a service, and a connection that Twisted has accepted."""
        super().setUp()
        self.serve()
        self.factory = ProgramFactory("x", self.runtime.portless, self.runtime.report)
        self.server = self.closing(listening(makeService()))
        self.server.settimeout(PATIENCE)
        self.accept()

    def serve(self, **given: Any) -> None:
        """Serve a service without a socket."""
        address = Address(socket.AF_UNSPEC, "tcpmux/x")
        service = makeService(name="tcpmux/x", address=address, **given)
        self.slot = PortlessSlot(service, self.runtime)
        self.slot.start()

    def accept(self) -> None:
        """Return another client and its connection."""
        self.there = self.client(self.server)
        self.here, _ = self.server.accept()
        self.here.setblocking(False)

    def connect(self) -> FakeTransport:
        """Connect a protocol of the factory."""
        transport = FakeTransport(self.here)
        self.carry(transport)
        return transport

    def carry(self, transport: Any) -> None:
        """Connect a protocol of the factory to a transport."""
        protocol = self.factory.buildProtocol(None)
        assert protocol is not None
        protocol.makeConnection(transport)

    def test_takesOver(self) -> None:
        """
        The program gets the connection, and its transport is closed.

        Nothing of it was read.
        """
        self.there.sendall(b"question")
        transport = self.connect()
        self.assertFalse(transport.reading)
        program = self.launcher.last
        with program.socket() as stdin:
            self.assertTrue(isBlocking(stdin))
            self.assertEqual(stdin.recv(100), b"question")
            stdin.sendall(b"answer")
        self.assertEqual(self.there.recv(100), b"answer")
        self.assertFalse(isReadable(self.there))
        peer = program.request.extra["TCPREMOTEPORT"]
        self.assertEqual(peer, str(self.there.getsockname()[1]))
        program.start().end()
        self.assertEqual(self.there.recv(100), b"")

    def test_closesAll(self) -> None:
        """The daemon has no descriptor of the connection afterwards."""
        before = openDescriptors()
        del before[str(self.here.fileno())]
        self.connect()
        self.launcher.last.start().end(ExitStatus(0))
        self.assertEqual(openedSince(before), {})

    def test_vanished(self) -> None:
        """A client that has disconnected is ignored, and does not count."""
        before = openDescriptors()
        del before[str(self.here.fileno())]
        del before[str(self.there.fileno())]
        linger = struct.pack("ii", 1, 0)
        self.there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.there.close()
        self.connect()
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(self.slot.running, 0)
        self.assertEqual(openedSince(before), {})

    def test_noDescriptors(self) -> None:
        """
        Without a descriptor, the connection is closed.

        That is so after the first descriptor too.
        """
        before = openDescriptors()
        del before[str(self.here.fileno())]
        self.noDescriptors(self.connect, left=1)
        self.assertEqual(self.there.recv(100), b"")
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(openedSince(before), {})

    def test_full(self) -> None:
        """Clients wait while as many programs run as may, and are served in order."""
        self.slot.change(makeService(**self.changed(bounds=Bounds(acceptMax=1))))
        self.connect()
        first = self.launcher.last.start()
        self.accept()
        self.connect()
        self.assertEqual(len(self.launcher.programs), 1)
        self.assertFalse(isReadable(self.there))
        first.end()
        self.assertEqual(len(self.launcher.programs), 2)

    def changed(self, **given: Any) -> dict[str, Any]:
        """Change some values of the service."""
        return {"name": "tcpmux/x", "address": self.slot.service.address, **given}

    def test_refused(self) -> None:
        """
        A client that a limit refuses gets no reply of tcpmux.

        Nor does one that is served.
        """
        changed = self.changed(bounds=Bounds(perSource=1), greets=True)
        self.slot.change(makeService(**changed))
        self.connect()
        with self.launcher.last.socket() as stdin:
            stdin.sendall(b"answer")
        self.assertEqual(self.there.recv(100), b"answer")
        self.accept()
        self.connect()
        self.reactor.advance(MOMENT)
        self.assertEqual(self.there.recv(100), b"")
        self.assertEqual(len(self.logged("refuse")), 1)

    def test_noService(self) -> None:
        """Clients are closed and logged while the service is not configured."""
        self.slot.stop()
        self.connect()
        self.assertEqual(self.there.recv(100), b"")
        (refuse,) = self.logged("refuse")
        self.assertEqual(refuse["service"], "tcpmux/x")

    def test_secured(self) -> None:
        """A TLS connection is refused, and that is logged."""
        transport: Any = FakeTransport(self.here)
        directlyProvides(transport, ISSLTransport)
        self.carry(transport)
        self.assertEqual(self.there.recv(100), b"")
        self.assertEqual(self.launcher.programs, [])
        (refuse,) = self.logged("refuse")
        self.assertIn("TLS", refuse["reason"])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.internal}.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

from zope.interface.verify import verifyObject

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport

from inetdtw.interfaces import IListener
from inetdtw.internal import InternalDatagrams, InternalStream
from inetdtw.limits import WINDOW, Limits
from inetdtw.muxed import MuxedSlot
from inetdtw.service import Address, Bounds, Service
from inetdtw.tcpmux import NOT_AVAILABLE, NOT_READ, TIMEOUT
from inetdtw.test.fakes import (
    NOW,
    PATIENCE,
    ServingTestCase,
    isBlocking,
    listening,
    makeDatagrams,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
)
from inetdtw.test.test_muxed import MuxedCase, makeMuxed


class InternalStreamTests(ServingTestCase):
    """
    Tests for L{InternalStream}.
    """

    def setUp(self) -> None:
        """
        Nothing is served yet.
        """
        super().setUp()
        self.releases = 0

    def serve(self, service: Service | None = None, **bounds: int) -> None:
        """
        Serve a service.
        """
        bound = Bounds(**bounds)
        service = service or makeService(internal="echo", bounds=bound)
        self.server = self.closing(listening(service))
        self.limits = Limits(bound, self.reactor.seconds)
        self.listener = InternalStream(
            service, self.server, self.host, self.limits, None, self.released
        )
        self.listener.start()

    def released(self) -> None:
        """
        What a slot does when a connection is over.
        """
        self.releases += 1
        self.listener.released()

    def adopted(self, number: int) -> tuple[socket.socket, Any]:
        """
        Wait until the reactor was given so many connections.

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

    def test_interface(self) -> None:
        """
        It is a listener.
        """
        self.serve()
        verifyObject(IListener, self.listener)

    def test_connection(self) -> None:
        """
        A connection is the reactor's to serve, and nobody else's: it is closed when
        the reactor closes it.
        """
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
        """
        The time is the daemon's.
        """
        self.serve(makeService(internal="time"))
        self.client(self.server)
        _, protocol = self.adopted(1)
        seconds = int.from_bytes(protocol.transport.value(), "big")
        self.assertEqual(seconds, int(NOW) + 2208988800)

    def test_end(self) -> None:
        """
        A connection that is over does not count any more.
        """
        self.serve(perSource=1)
        self.client(self.server)
        _, protocol = self.adopted(1)
        self.assertEqual(self.limits.running, 1)
        protocol.connectionLost(connectionDone)
        self.assertEqual((self.limits.running, self.releases), (0, 1))
        self.client(self.server)
        self.adopted(2)

    def test_perSource(self) -> None:
        """
        An address with as many connections as it may have is refused.
        """
        self.serve(perSource=1)
        self.client(self.server)
        self.adopted(1)
        refused = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.said("refuse")))
        self.assertEqual(refused.recv(100), b"")
        self.assertEqual(len(self.reactor.adopted), 1)

    def test_refusal(self) -> None:
        """
        The client that is one too many is told so, if the line has something to say
        (item 69).
        """
        bound = Bounds(perSource=1)
        service = makeService(internal="echo", bounds=bound, refusal=b"busy\r\n")
        self.serve(service, perSource=1)
        self.client(self.server)
        self.adopted(1)
        refused = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.said("refuse")))
        self.assertEqual(refused.recv(100), b"busy\r\n")

    def test_full(self) -> None:
        """
        With as many connections as there may be, clients wait until one is over.
        """
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
        After too many connections in a minute the service pauses, and comes back by
        itself.
        """
        self.serve(serviceMax=1)
        self.client(self.server)
        self.adopted(1)
        refused = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.said("pause")))
        self.assertEqual(refused.recv(100), b"")
        self.client(self.server)
        self.reactor.advance(WINDOW)
        self.adopted(2)

    def test_unix(self) -> None:
        """
        A connection to a path is served, and counts until it is over.
        """
        self.serve(makeUnix(self.mktemp(), internal="echo"))
        self.client(self.server)
        _, protocol = self.adopted(1)
        self.assertEqual(self.limits.running, 1)
        protocol.connectionLost(connectionDone)
        self.assertEqual(self.limits.running, 0)

    def test_shortage(self) -> None:
        """
        When the reactor cannot take a connection, the client is closed, does not
        count, and the log says why.
        """
        self.serve()
        self.reactor.adoptFailure = OSError(errno.EMFILE, "Too many open files")
        client = self.client(self.server)
        before = openDescriptors()
        self.reactor.turnUntil(lambda: bool(self.said("stall")))
        self.assertEqual(self.said("stall")[0]["reason"], "Too many open files")
        self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(openedSince(before), {})

    def test_vanished(self) -> None:
        """
        A client that is gone before the reactor takes its connection is no error.
        """
        self.serve()
        reason = os.strerror(errno.ENOTCONN)
        self.reactor.adoptFailure = OSError(errno.ENOTCONN, reason)
        client = self.client(self.server)
        self.reactor.turn(PATIENCE)
        self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.said("stall"), [])
        self.assertEqual(self.limits.running, 0)

    def test_retire(self) -> None:
        """
        The socket is free at once, and connections go on.
        """
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
        """
        Nothing more is accepted.
        """
        self.serve()
        self.listener.stop()
        self.client(self.server)
        self.assertFalse(self.reactor.turn())


class InternalDatagramsTests(ServingTestCase):
    """
    Tests for L{InternalDatagrams}.
    """

    def serve(self, service: Service | None = None) -> InternalDatagrams:
        """
        Serve a service.
        """
        service = service or makeDatagrams(internal="echo")
        self.server = self.closing(listening(service))
        limits = Limits(Bounds(), self.reactor.seconds)
        listener = InternalDatagrams(
            service, self.server, self.host, limits, None, lambda: None
        )
        listener.start()
        return listener

    def test_interface(self) -> None:
        """
        It is a listener, which nothing is released to.
        """
        listener = self.serve()
        verifyObject(IListener, listener)
        listener.released()

    def test_answer(self) -> None:
        """
        Every datagram is answered.
        """
        self.serve()
        client = self.client(self.server)
        for data in (b"one", b"two"):
            client.send(data)
            self.reactor.turn(PATIENCE)
            self.assertEqual(client.recv(100), data)

    def test_reflector(self) -> None:
        """
        What comes from the port of another such service is not answered, while that
        one is served.
        """
        other = self.serve()
        there = self.server
        self.serve()
        there.sendto(b"forged", self.server.getsockname())
        self.reactor.turn(PATIENCE)
        self.reactor.settle()
        self.assertRaises(BlockingIOError, there.recv, 100)
        other.stop()
        there.sendto(b"honest", self.server.getsockname())
        self.reactor.turn(PATIENCE)
        there.settimeout(PATIENCE)
        self.assertEqual(there.recv(100), b"honest")

    def test_retire(self) -> None:
        """
        The socket is free at once, and nothing more is answered.
        """
        listener = self.serve()
        done: list[None] = []
        listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None])
        self.client(self.server).send(b"hello")
        self.assertFalse(self.reactor.turn())
        self.assertEqual(self.server.recv(100), b"hello")

    def test_unix(self) -> None:
        """
        A client that has a path is answered there, and one that has none does no
        harm.
        """
        folder = self.mktemp()
        os.mkdir(folder)
        path = os.path.join(folder, "s")
        unix = makeUnix(path, socktype=socket.SOCK_DGRAM, internal="echo")
        self.serve(unix)
        nameless = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        nameless.sendto(b"hello", path)
        self.reactor.turn(PATIENCE)
        named = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        named.settimeout(PATIENCE)
        named.bind(os.path.join(folder, "c"))
        named.sendto(b"hello", path)
        self.reactor.turn(PATIENCE)
        self.assertEqual(named.recv(100), b"hello")


class TcpmuxTests(MuxedCase):
    """
    Tests for L{Tcpmux} (item 90).
    """

    def test_interface(self) -> None:
        """
        It is a listener.
        """
        verifyObject(IListener, self.mux)

    def test_service(self) -> None:
        """
        A client gets the service that it names, in any case, with the very
        connection, of which nothing but the name was read.
        """
        client = self.ask(b"X\r\nmore")
        program = self.launcher.last
        connection = self.closing(program.socket())
        self.assertEqual(connection.getpeername(), client.getsockname())
        self.assertTrue(isBlocking(connection))
        self.assertEqual(connection.recv(100), b"more")
        extra = program.order.extra
        self.assertEqual(extra["TCPREMOTEPORT"], str(client.getsockname()[1]))
        self.assertEqual(extra["TCPLOCALPORT"], str(self.server.getsockname()[1]))

    def test_unknown(self) -> None:
        """
        Without such a service the client is told so, and the log, in which what the
        client said can do no harm.
        """
        client = self.ask(b"\x1b[2J\r\nmore")
        self.assertEqual(self.answer(client), NOT_AVAILABLE)
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["service"], "mux")
        self.assertEqual(refuse["reason"], r"there is no service tcpmux/\x1b[2j")

    def test_help(self) -> None:
        """
        Who asks for help is told all names.
        """
        MuxedSlot(
            makeMuxed(address=Address(socket.AF_UNSPEC, "tcpmux/a")),
            self.host,
            lambda _: self.launcher,
        ).start()
        self.assertEqual(self.answer(self.ask(b"HELP\r\n")), b"a\r\nx\r\n")

    def test_silent(self) -> None:
        """
        Who says nothing is told so after ten seconds.
        """
        client = self.undecided(b"x")
        self.reactor.advance(TIMEOUT)
        self.assertEqual(self.answer(client), NOT_READ)

    def test_slow(self) -> None:
        """
        A client that takes its time keeps nobody else waiting.
        """
        self.undecided(b"")
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)

    def test_bounds(self) -> None:
        """
        Its own bounds are about clients that have not said what they want: the
        others wait in the backlog meanwhile.
        """
        self.mux.stop()
        self.slot.stop()
        self.serve(Bounds(acceptMax=1))
        silent = self.undecided()
        second = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(second.close)
        second.sendall(b"x\r\n")
        self.reactor.settle()
        self.assertEqual(self.launcher.programs, [])
        silent.close()
        self.reactor.turnUntil(lambda: bool(self.launcher.programs))

    def test_perSource(self) -> None:
        """
        A client that has too many connections already is closed.
        """
        self.mux.stop()
        self.slot.stop()
        self.serve(Bounds(perSource=1))
        self.undecided()
        second = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(second.close)
        self.reactor.settle()
        self.assertEqual(second.recv(1), b"")

    def test_retire(self) -> None:
        """
        Who was accepted before a reload may still say what it wants.
        """
        client = self.undecided(b"x")
        done: list[bool] = []
        self.mux.retire(lambda: done.append(True))
        self.assertEqual(done, [True])
        client.sendall(b"\r\n")
        self.reactor.turnUntil(lambda: bool(self.launcher.programs))

    def test_close(self) -> None:
        """
        When the daemon stops, those that have said nothing are closed.
        """
        client = self.undecided()
        self.mux.stop()
        self.host.names.close()
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

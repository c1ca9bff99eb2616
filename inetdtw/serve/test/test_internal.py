# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.internal}."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import Any

from twisted.internet.address import IPv4Address, UNIXAddress
from twisted.internet.protocol import connectionDone
from twisted.internet.testing import StringTransport

from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.service import Bounds, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.datagramport import Sender
from inetdtw.serve.internal import InternalDatagramListener, InternalStreamListener
from inetdtw.serve.undecided import MOMENT
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
        """Do what a slot does when a connection is over."""
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
        """A connection that is over does not count any more."""
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
        """Let a client over the limit wait until it is decided on."""
        refused = self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.reactor.getDelayedCalls()))
        self.assertEqual(self.said("refuse"), [])
        self.reactor.advance(MOMENT)
        self.assertEqual(len(self.said("refuse")), 1)
        return refused

    def test_again(self) -> None:
        """A client that comes before its last connection was read is served."""
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
        """With as many connections as there may be, clients wait until one is over."""
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
        self.reactor.turnUntil(lambda: bool(self.said("pause")))
        self.assertEqual(refused.recv(100), b"")
        self.client(self.server)
        self.reactor.advance(WINDOW)
        self.adopted(2)

    def test_unix(self) -> None:
        """A connection to a path is served, and counts until it is over."""
        self.serve(makeUnix(self.mktemp(), internal="echo"))
        self.client(self.server)
        _, protocol = self.adopted(1)
        self.assertEqual(self.limits.running, 1)
        protocol.connectionLost(connectionDone)
        self.assertEqual(self.limits.running, 0)

    def test_shortage(self) -> None:
        """
        The client is closed and logged when the reactor cannot take its connection.

        It does not count.
        """
        self.serve()
        self.reactor.adoptFailure = OSError(errno.EMFILE, "Too many open files")
        client = self.client(self.server)
        before = openDescriptors()
        self.reactor.turnUntil(lambda: bool(self.said("shortage")))
        self.assertEqual(self.said("shortage")[0]["reason"], "Too many open files")
        self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(openedSince(before), {})

    def test_vanished(self) -> None:
        """A client that disconnected before it was adopted is no error."""
        self.serve()
        reason = os.strerror(errno.ENOTCONN)
        self.reactor.adoptFailure = OSError(errno.ENOTCONN, reason)
        client = self.client(self.server)
        self.reactor.turn(PATIENCE)
        self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.said("shortage"), [])
        self.assertEqual(self.limits.running, 0)

    def test_retire(self) -> None:
        """The socket is free at once, and connections go on."""
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
        """Nothing more is accepted after a stop."""
        self.serve()
        self.listener.stop()
        self.client(self.server)
        self.assertFalse(self.reactor.turn())


class InternalDatagramListenerTests(ServingTestCase):
    """Tests for L{InternalDatagramListener}."""

    def serve(
        self, service: Service | None = None, **bounds: Any
    ) -> InternalDatagramListener:
        """Serve a service."""
        service = service or makeDatagrams(internal="echo")
        self.server = self.closing(listening(service))
        self.limits = ServiceLimits(Bounds(**bounds), self.reactor.seconds)
        given = self.serviceRuntime(service, self.limits)
        listener = InternalDatagramListener(given, self.server)
        listener.start()
        return listener

    def test_answer(self) -> None:
        """Every datagram is answered."""
        self.serve()
        client = self.client(self.server)
        for data in (b"one", b"two"):
            client.send(data)
            self.reactor.turn(PATIENCE)
            self.assertEqual(client.recv(100), data)

    def ask(self, client: socket.socket, *sent: bytes) -> list[bytes]:
        """
        Send some datagrams, which are there together.

        @return: what is answered.
        """
        for data in sent:
            client.send(data)
        self.reactor.turn(PATIENCE)
        self.reactor.settle()
        client.setblocking(False)
        answers = []
        with contextlib.suppress(BlockingIOError):
            while True:
                answers.append(client.recv(100))
        return answers

    def test_rate(self) -> None:
        """
        The service pauses after too many datagrams in a minute (items 63 and 64).

        It resumes by itself.
        """
        listener = self.serve(serviceMax=2)
        client = self.client(self.server)
        self.assertEqual(self.ask(client, b"1", b"2", b"3", b"4"), [b"1", b"2"])
        self.assertEqual(listener.held(), [PauseReason.RATE])
        self.assertEqual(len(self.said("pause")), 1)
        self.assertEqual(
            (self.limits.tally.admitted, self.limits.tally.refused), (2, 1)
        )
        self.reactor.advance(WINDOW)
        self.assertEqual(self.ask(client, b"5"), [b"4", b"5"])

    def test_atOnce(self) -> None:
        """A client that is answered does not count any more."""
        self.serve(acceptMax=1)
        client = self.client(self.server)
        self.assertEqual(self.ask(client, b"1", b"2"), [b"1", b"2"])
        self.assertEqual((self.limits.tally.admitted, self.limits.running), (2, 0))

    def test_shortage(self) -> None:
        """An answer needs no descriptor, and comes when there are none left."""
        self.serve(serviceMax=2)
        client = self.client(self.server)
        asked: list[list[bytes]] = []
        self.noDescriptors(lambda: asked.append(self.ask(client, b"1")))
        self.assertEqual(asked, [[b"1"]])

    def test_reflector(self) -> None:
        """
        A datagram from the port of another internal service is not answered.

        It is when that service has stopped.
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

    def test_own(self) -> None:
        """A datagram from another socket of the daemon is refused, and counts."""
        there = self.closing(listening(makeDatagrams()))
        self.serve()
        port = there.getsockname()[1]
        self.runtime.guard.own(port)
        there.sendto(b"forged", self.server.getsockname())
        self.reactor.turn(PATIENCE)
        self.reactor.settle()
        self.assertRaises(BlockingIOError, there.recv, 100)
        self.assertEqual(
            (self.limits.tally.admitted, self.limits.tally.refused), (0, 1)
        )
        (refuse,) = self.said("refuse")
        peer = f"127.0.0.1:{port}"
        self.assertEqual((refuse["service"], refuse["peer"]), ("test/udp", peer))
        self.runtime.guard.disown(port)
        there.sendto(b"honest", self.server.getsockname())
        self.reactor.turn(PATIENCE)
        there.settimeout(PATIENCE)
        self.assertEqual(there.recv(100), b"honest")

    def failing(self, why: Exception) -> InternalDatagramListener:
        """Serve with a socket that sends nothing."""
        listener = self.serve()

        def reply(data: bytes, sender: Sender) -> None:
            raise why

        self.patch(listener._port, "reply", reply)
        return listener

    def test_notSent(self) -> None:
        """Replies that cannot be sent are logged once, and harm nothing."""
        self.failing(OSError(errno.ENETUNREACH, "unreachable"))
        client = self.client(self.server)
        self.assertEqual(self.ask(client, b"1", b"2"), [])
        self.assertEqual(len(self.said("drop")), 1)
        self.assertIn("reply not sent: ", self.said("drop")[0]["reason"])

    def test_otherErrors(self) -> None:
        """An error that is not the network's is a bug, and is logged as one."""
        self.failing(ZeroDivisionError())
        self.assertEqual(self.ask(self.client(self.server), b"1"), [])
        self.assertEqual(self.said("drop"), [])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_answerMax(self) -> None:
        """
        A source gets C{answer_max} replies per minute.

        Others get theirs meanwhile, and the log has one line.
        """
        self.serve(answerMax=6)
        client, other = self.client(self.server), self.client(self.server)
        sent = [b"%d" % number for number in range(7)]
        self.assertEqual(self.ask(client, *sent), sent[:6])
        self.assertEqual(self.ask(client, b"x"), [])
        self.assertEqual(self.ask(other, b"x"), [b"x"])
        (refuse,) = self.said("refuse")
        reason = "per-address limit (6 answers/min) exceeded"
        self.assertEqual(refuse["reason"], reason)
        self.assertEqual(
            (self.limits.tally.admitted, self.limits.tally.refused), (7, 2)
        )
        self.reactor.advance(10)
        self.assertEqual(self.ask(client, b"1", b"2"), [b"1"])

    def test_discard(self) -> None:
        """A service that never replies has no limit of replies."""
        self.serve(makeDatagrams(internal="discard"), answerMax=1)
        client = self.client(self.server)
        self.assertEqual(self.ask(client, b"1", b"2", b"3"), [])
        self.assertEqual(
            (self.limits.tally.admitted, self.limits.tally.refused), (3, 0)
        )

    def test_guard(self) -> None:
        """
        The port is refused as a source from the start to the stop.

        A listener that never started, or stops twice, changes nothing for another one
        on that port.
        """
        listener = self.serve()
        port = self.server.getsockname()[1]
        given = self.serviceRuntime(makeDatagrams(internal="echo"), self.limits)
        other = InternalDatagramListener(given, self.server)
        other.stop()
        peer = ("192.0.2.1", port)
        self.assertFalse(self.runtime.guard.allows(peer))
        self.runtime.guard.add(port)
        listener.stop()
        listener.stop()
        self.assertFalse(self.runtime.guard.allows(peer))
        self.runtime.guard.discard(port)
        self.assertTrue(self.runtime.guard.allows(peer))

    def test_retire(self) -> None:
        """The socket is free at once, and nothing more is answered."""
        listener = self.serve()
        done: list[None] = []
        listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None])
        self.client(self.server).send(b"hello")
        self.assertFalse(self.reactor.turn())
        self.assertEqual(self.server.recv(100), b"hello")

    def test_unix(self) -> None:
        """A client on a UNIX socket is answered if it has a path."""
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

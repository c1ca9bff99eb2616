# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.datagramport}."""

from __future__ import annotations

import array
import contextlib
import os
import socket
from threading import Thread
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.model.address import Address
from inetdtw.serve.datagramport import DatagramPort, IDatagramReceiver, Sender
from inetdtw.serve.port import BATCH
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    listening,
    makeDatagrams,
    openDescriptors,
    openedSince,
)


@implementer(IDatagramReceiver)
class Receiving:
    """
    Records the datagrams, and their senders.

    @ivar may: whether datagrams may be received.
    """

    def __init__(self) -> None:
        """Start with no datagram."""
        self.received: list[tuple[bytes, Sender]] = []
        self.may = True

    def mayReceive(self) -> bool:
        """Return the value that the test has set."""
        return self.may

    def datagramReceived(self, datagram: bytes, sender: Sender) -> None:
        """Record a datagram."""
        self.received.append((datagram, sender))


class DatagramPortTests(ServingTestCase):
    """Tests for L{DatagramPort}."""

    def setUp(self) -> None:
        """Make a receiver."""
        super().setUp()
        self.receiver = Receiving()

    def serve(self, address: Address) -> socket.socket:
        """Start a port on an address, and return its socket."""
        server = self.closing(listening(makeDatagrams(address=address)))
        self.port = DatagramPort(server, self.reactor, "name", self.receiver)
        self.port.start()
        return server

    def exchange(self, server: socket.socket, to: Any) -> tuple[bytes, Any]:
        """
        Send a datagram to an address, and reply.

        @return: the reply and its sender.
        """
        client = self.closing(socket.socket(server.family, socket.SOCK_DGRAM))
        client.settimeout(PATIENCE)
        client.sendto(b"question", to)
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        ((data, sender),) = self.receiver.received
        self.assertEqual(data, b"question")
        self.assertEqual(sender.address[1], client.getsockname()[1])
        self.port.reply(b"answer", sender)
        answer: tuple[bytes, Any] = client.recvfrom(100)
        return answer

    def test_answer(self) -> None:
        """A reply is sent to the client, from the address that was asked."""
        server = self.serve(Address(socket.AF_INET, "0.0.0.0"))
        to = ("127.0.0.2", server.getsockname()[1])
        self.assertEqual(self.exchange(server, to), (b"answer", to))

    def test_answer6(self) -> None:
        """A reply comes from the address that was asked over IPv6 too."""
        if not socket.has_ipv6:
            self.skipTest("no IPv6 here")
        try:
            server = self.serve(Address(socket.AF_INET6, "::1"))
        except OSError:
            self.skipTest("no IPv6 here")
        answer, sender = self.exchange(server, server.getsockname())
        self.assertEqual((answer, sender), (b"answer", server.getsockname()))

    def test_answerDual(self) -> None:
        """A socket of both families replies over IPv4 from the address asked."""
        server = self.closing(socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
        try:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            server.bind(("::", 0))
        except OSError:
            self.skipTest("no IPv6 here")
        server.setblocking(False)
        self.port = DatagramPort(server, self.reactor, "name", self.receiver)
        self.port.start()
        client = self.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        client.settimeout(PATIENCE)
        to = ("127.0.0.2", server.getsockname()[1])
        client.sendto(b"question", to)
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        self.port.reply(b"answer", self.receiver.received[0][1])
        self.assertEqual(client.recvfrom(100), (b"answer", to))

    def test_unix(self) -> None:
        """A reply to a client with a path is sent there."""
        directory = self.mktemp()
        os.mkdir(directory)
        here, there = os.path.join(directory, "s"), os.path.join(directory, "c")
        self.serve(Address(socket.AF_UNIX, here))
        client = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        client.settimeout(PATIENCE)
        client.bind(there)
        client.sendto(b"question", here)
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        _, sender = self.receiver.received[0]
        self.assertEqual(sender.address, (there,))
        self.port.reply(b"answer", sender)
        self.assertEqual(client.recv(100), b"answer")

    def test_unixNobody(self) -> None:
        """A reply to a client without a path raises C{OSError}."""
        path = self.mktemp()
        self.serve(Address(socket.AF_UNIX, path))
        client = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        client.sendto(b"question", path)
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        _, sender = self.receiver.received[0]
        self.assertRaises(OSError, self.port.reply, b"answer", sender)

    def test_rights(self) -> None:
        """Descriptors that a client sends are not received; its datagram is."""
        path = self.mktemp()
        self.serve(Address(socket.AF_UNIX, path))
        client = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        rights = array.array("i", [client.fileno()] * 20)
        before = openDescriptors()
        for _ in range(2):
            client.sendmsg(
                [b"question"],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)],
                0,
                path,
            )
        self.reactor.turnUntil(lambda: len(self.receiver.received) == 2)
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.receiver.received[0][0], b"question")

    def test_neverWaits(self) -> None:
        """
        Neither a reply nor a receive blocks when the socket does.

        Other owners of the socket, such as a program, can make it block.
        """
        directory = self.mktemp()
        os.mkdir(directory)
        here, there = os.path.join(directory, "s"), os.path.join(directory, "c")
        server = self.serve(Address(socket.AF_UNIX, here))
        client = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        client.bind(there)
        client.sendto(b"question", here)
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        _, sender = self.receiver.received[0]

        def answer() -> None:
            # As many as there is room for, and one more.
            while True:
                self.port.reply(b"answer", sender)

        self.assertRaises(BlockingIOError, answer)
        os.set_blocking(server.fileno(), True)
        self.inTime(lambda: self.assertRaises(BlockingIOError, answer))
        self.inTime(self.port.doRead)

    def inTime(self, work: Callable[[], object]) -> None:
        """Assert that a call does not block."""
        done: list[object] = []
        thread = Thread(target=lambda: done.append(work()), daemon=True)
        thread.start()
        thread.join(PATIENCE)
        self.assertEqual(len(done), 1)

    def test_largest(self) -> None:
        """The largest datagram is received whole."""
        server = self.serve(Address(socket.AF_INET, "127.0.0.1"))
        data = os.urandom(65507)
        self.client(server).send(data)
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        self.assertEqual(self.receiver.received[0][0], data)

    def test_empty(self) -> None:
        """An empty datagram is received."""
        server = self.serve(Address(socket.AF_INET, "127.0.0.1"))
        self.client(server).send(b"")
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        self.assertEqual(self.receiver.received[0][0], b"")

    def test_shut(self) -> None:
        """
        The owner is notified when the socket was shut down.

        It is not read in a loop.
        """
        server = self.serve(Address(socket.AF_INET, "127.0.0.1"))
        dropped: list[int] = []
        self.port.dropped = lambda: dropped.append(1)
        with contextlib.suppress(OSError):
            # The system reports that there is no peer, and does it all the same.
            server.shutdown(socket.SHUT_RDWR)
        self.port.doRead()
        self.assertEqual((self.receiver.received, dropped), ([], [1]))

    def test_mayNot(self) -> None:
        """A datagram that may not be received stays in the socket."""
        server = self.serve(Address(socket.AF_INET, "127.0.0.1"))
        self.receiver.may = False
        self.client(server).send(b"hello")
        self.reactor.turn(10)
        self.assertEqual(self.receiver.received, [])
        self.receiver.may = True
        self.reactor.turnUntil(lambda: bool(self.receiver.received))

    def test_batch(self) -> None:
        """At most one batch is received in a reactor iteration."""
        server = self.serve(Address(socket.AF_INET, "127.0.0.1"))
        client = self.client(server)
        for number in range(BATCH + 1):
            client.send(b"%d" % number)
        self.port.doRead()
        self.assertEqual(len(self.receiver.received), BATCH)
        self.port.doRead()
        received = [data for data, _ in self.receiver.received]
        self.assertEqual(received, [b"%d" % number for number in range(BATCH + 1)])

    def test_broken(self) -> None:
        """An internal error about one datagram is logged; the next is received."""
        server = self.serve(Address(socket.AF_INET, "127.0.0.1"))
        receive = self.receiver.datagramReceived

        def broken(datagram: bytes, sender: Sender) -> None:
            if datagram == b"bad":
                raise ValueError("not thought of")
            receive(datagram, sender)

        self.receiver.datagramReceived = broken  # type: ignore[method-assign] # on purpose
        client = self.client(server)
        client.send(b"bad")
        client.send(b"good")
        self.reactor.turnUntil(lambda: bool(self.receiver.received))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertFalse(self.port.holds)

    def test_clientGone(self) -> None:
        """A client that disconnected before its reply does not disturb others."""
        server = self.serve(Address(socket.AF_INET, "127.0.0.1"))
        gone = self.client(server)
        gone.send(b"one")
        self.reactor.turnUntil(lambda: len(self.receiver.received) == 1)
        gone.close()
        self.port.reply(b"answer", self.receiver.received[0][1])
        self.client(server).send(b"two")
        self.reactor.turnUntil(lambda: len(self.receiver.received) == 2)
        self.assertFalse(self.port.holds)

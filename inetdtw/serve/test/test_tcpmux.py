# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.tcpmux}."""

from __future__ import annotations

import socket
from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.serve.tcpmux import (
    LONGEST,
    TIMEOUT,
    IPortlessService,
    PortlessServices,
    TcpmuxRequest,
)
from inetdtw.system.crowd import Crowd
from inetdtw.test.fakes import FakeReactor

PEER = ("192.0.2.1", 40000)


class TcpmuxRequestTests(SynchronousTestCase):
    """Tests for L{TcpmuxRequest}."""

    def setUp(self) -> None:
        """Start with no request."""
        self.ask()

    def ask(self) -> None:
        """Make a client that has sent nothing yet."""
        self.reactor = FakeReactor()
        self.client, server = socket.socketpair()
        self.addCleanup(self.client.close)
        self.addCleanup(server.close)
        self.names: list[str | None] = []
        self.open: Crowd[TcpmuxRequest] = Crowd()
        self.question = TcpmuxRequest(
            server,
            PEER,
            self.reactor,
            lambda _, name: self.names.append(name),
            self.open,
        )

    def send(self, *pieces: bytes) -> None:
        """Send some parts from the client."""
        for piece in pieces:
            self.client.sendall(piece)
            self.reactor.settle()

    def rest(self) -> bytes:
        """Return the rest, which is for a program."""
        self.client.shutdown(socket.SHUT_WR)
        self.question.connection.setblocking(True)
        return b"".join(iter(lambda: self.question.connection.recv(4096), b""))

    def assertOver(self) -> None:
        """Assert that the request waits for nothing, and the connection is open."""
        self.assertEqual(list(self.open), [])
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertGreaterEqual(self.question.connection.fileno(), 0)

    def test_interface(self) -> None:
        """The request provides C{IReadDescriptor}."""
        verifyObject(IReadDescriptor, self.question)

    def test_name(self) -> None:
        """The first line is the name, in lower case."""
        self.send(b"NaMe\r\n")
        self.assertEqual(self.names, ["name"])
        self.assertOver()

    def test_newline(self) -> None:
        """A line may end with LF only."""
        self.send(b"name\n")
        self.assertEqual(self.names, ["name"])

    def test_exact(self) -> None:
        """Only the line is read, and no byte after it (item 90)."""
        self.send(b"name\r\nand\r\nmore\r\n")
        self.assertEqual(self.names, ["name"])
        self.assertEqual(self.rest(), b"and\r\nmore\r\n")

    def test_pieces(self) -> None:
        """A line may be received in parts."""
        self.send(*(bytes((each,)) for each in b"name\r\n"), b"more")
        self.assertEqual(self.names, ["name"])
        self.assertEqual(self.rest(), b"more")

    @settings(suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=99),
        st.binary(max_size=99),
        st.lists(st.integers(1, 20), max_size=9),
    )
    def test_anyPieces(self, name: str, more: bytes, sizes: list[int]) -> None:
        """
        The name is all before the end of line, however it is divided.

        What follows is left.
        """
        self.ask()
        left = name.encode() + b"\r\n" + more
        for size in sizes:
            self.send(left[:size])
            left = left[size:]
        self.send(left)
        self.assertEqual(self.names, [name.lower()])
        self.assertEqual(self.rest(), more)

    def test_early(self) -> None:
        """Data from before the first read is read, without a loop."""
        self.send(b"na")
        self.assertEqual(self.names, [])
        self.assertFalse(self.reactor.turn())

    def test_late(self) -> None:
        """A client that sends nothing for ten seconds has sent no name."""
        self.send(b"name")
        self.reactor.advance(TIMEOUT - 0.1)
        self.assertEqual(self.names, [])
        self.reactor.advance(0.1)
        self.assertEqual(self.names, [None])
        self.assertOver()

    def test_gone(self) -> None:
        """A client that disconnects has sent no name."""
        self.send(b"name")
        self.client.close()
        self.reactor.settle()
        self.assertEqual(self.names, [None])
        self.assertOver()

    def test_endless(self) -> None:
        """A line without an end is not a name, and is read up to a limit."""
        self.send(b"x" * (LONGEST - 1))
        self.assertEqual(self.names, [])
        self.send(b"xyz")
        self.assertEqual(self.names, [None])
        self.assertEqual(self.rest(), b"yz")

    def test_noText(self) -> None:
        """A name may be any bytes, which are escaped."""
        self.send(b"\xff\r\n")
        self.assertEqual(self.names, ["\\xff"])

    def test_close(self) -> None:
        """A request can be closed before the client has sent anything."""
        self.question.close()
        self.assertEqual(self.client.recv(1), b"")
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual((self.names, list(self.open)), ([], []))

    def test_dropped(self) -> None:
        """
        A request that the reactor drops ends once.

        The client does not count for ever.
        """
        for _ in range(2):
            self.question.connectionLost(Failure(ConnectionDone()))
        self.assertEqual((self.names, list(self.open)), ([None], []))


@implementer(IPortlessService)
class PortlessServicesTests(SynchronousTestCase):
    """Tests for L{PortlessServices}."""

    def take(self, connection: Any, peer: Any, asked: bool = True) -> None:
        """Close a connection."""
        connection.close()

    def test_text(self) -> None:
        """All names are listed, each on a line."""
        names = PortlessServices()
        self.assertEqual(names.text(), b"")
        for name in ("b", "a"):
            names[name] = self
        self.assertEqual(names.text(), b"a\r\nb\r\n")

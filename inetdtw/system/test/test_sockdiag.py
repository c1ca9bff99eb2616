# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.sockdiag}."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any
from unittest import skipUnless

from inetdtw.model.address import Address
from inetdtw.system import sockdiag
from inetdtw.system.sockdiag import Backlog, count, receives, waiting
from inetdtw.test.fakes import (
    ServingTestCase,
    listening,
    makeService,
    makeUnix,
    reportsBacklog,
    reset,
)


class CountTests(ServingTestCase):
    """Tests for L{count}."""

    def test_count(self) -> None:
        """Connections that are not accepted count."""
        server = self.closing(listening(makeService()))
        self.assertEqual(count(server), 0)
        for _ in range(3):
            self.client(server)
        self.reactor.turnUntil(lambda: count(server) == 3)
        self.closing(server.accept()[0])
        self.assertEqual(count(server), 2)

    def test_unknown(self) -> None:
        """The length of the backlog is unknown for UNIX sockets."""
        self.assertIsNone(count(self.closing(listening(makeUnix(self.mktemp())))))


@skipUnless(reportsBacklog(), "the system does not report the backlog")
class WaitingTests(ServingTestCase):
    """Tests for L{waiting}."""

    def check(self, server: socket.socket) -> None:
        """Assert that accepted and closed connections are not in the backlog."""
        self.assertEqual(waiting(server), Backlog(frozenset(), 0))
        clients = [self.client(server) for _ in range(4)]
        self.reactor.turnUntil(lambda: len(self.waiting(server).alive) == 4)
        before = self.waiting(server).alive
        accepted = self.closing(server.accept()[0])
        now = self.waiting(server)
        self.assertLess(now.alive, before)
        self.assertEqual((len(now.alive), now.dead), (3, 0))
        accepted.close()
        reset(clients[1])
        self.reactor.turnUntil(lambda: self.waiting(server).dead == 1)
        self.assertEqual(len(self.waiting(server).alive), 2)
        self.client(server)
        self.reactor.turnUntil(lambda: len(self.waiting(server).alive) == 3)
        self.assertFalse(self.waiting(server).alive < before)
        for _ in range(4):
            self.closing(server.accept()[0])
        self.assertEqual(waiting(server), Backlog(frozenset(), 0))

    def waiting(self, server: socket.socket) -> Backlog:
        """Return the connections in the backlog, which are known."""
        backlog = waiting(server)
        assert backlog is not None
        return backlog

    def test_four(self) -> None:
        """The backlog of IPv4 connections is known."""
        self.check(self.closing(listening(makeService())))

    def test_six(self) -> None:
        """The backlog of IPv6 connections is known."""
        address = Address(socket.AF_INET6, "::1", 0)
        try:
            server = self.closing(listening(makeService(address=address)))
        except OSError as why:
            self.skipTest(str(why))
        self.check(server)

    def test_everyAddress(self) -> None:
        """The backlog of a wildcard socket is known."""
        server = self.closing(socket.create_server(("", 0)))
        client = socket.create_connection(("127.0.0.1", server.getsockname()[1]))
        self.closing(client)
        self.reactor.turnUntil(lambda: len(self.waiting(server).alive) == 1)

    def test_unix(self) -> None:
        """The backlog of a UNIX socket is known."""
        self.check(self.closing(listening(makeUnix(self.mktemp()))))

    def test_otherAddress(self) -> None:
        """Connections to the same port of another address do not count."""
        server = self.closing(listening(makeService()))
        port = server.getsockname()[1]
        try:
            other = self.closing(socket.create_server(("127.0.0.2", port)))
        except OSError as why:
            self.skipTest(str(why))
        self.client(other)
        self.reactor.turnUntil(lambda: len(self.waiting(other).alive) == 1)
        self.assertEqual(self.waiting(server).alive, frozenset())

    def test_halfClosed(self) -> None:
        """A connection that its client has shut down for writing is alive."""
        server = self.closing(listening(makeService()))
        client = self.client(server)
        client.shutdown(socket.SHUT_WR)
        self.reactor.turnUntil(lambda: len(self.waiting(server).alive) == 1)

    def test_nothingOpen(self) -> None:
        """Nothing is left open."""
        server = self.closing(listening(makeService()))
        self.leavesNothingOpen(lambda: waiting(server))

    def test_refused(self) -> None:
        """The backlog is unknown when the kernel does not support the request."""
        pair = socket.socketpair()
        for each in pair:
            self.closing(each)
        self.patch(sockdiag, "_SOCK_DIAG_BY_FAMILY", 9999)
        self.assertIsNone(waiting(pair[0]))


@skipUnless(reportsBacklog(), "sock_diag(7) is not available")
class ReceivesTests(ServingTestCase):
    """Tests for L{receives}."""

    def bound(self, family: int, host: str, port: int = 0) -> socket.socket:
        """Bind a datagram socket with C{SO_REUSEADDR}."""
        sock = self.closing(socket.socket(family, socket.SOCK_DGRAM))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        return sock

    def check(self, family: int, *hosts: str) -> None:
        """Assert that only the socket that was bound last receives datagrams."""
        for host in hosts:
            first = self.bound(family, host)
            self.assertTrue(receives(first))
            second = self.bound(family, host, first.getsockname()[1])
            self.assertEqual((receives(first), receives(second)), (False, True))
            second.connect((hosts[0], 9))
            self.assertTrue(receives(first))

    def test_four(self) -> None:
        """Of two IPv4 sockets with one port, the last one receives."""
        self.check(socket.AF_INET, "127.0.0.1", "0.0.0.0")

    @skipUnless(socket.has_ipv6, "no IPv6 here")
    def test_six(self) -> None:
        """Of two IPv6 sockets with one port, the last one receives."""
        self.check(socket.AF_INET6, "::1", "::")

    def test_path(self) -> None:
        """A UNIX socket receives what is sent to its path."""
        sock = self.closing(listening(makeUnix(self.mktemp())))
        self.assertTrue(receives(sock))

    def test_unknown(self) -> None:
        """If the system does not report it, the socket is assumed to receive."""

        def refuse(*arguments: Any) -> Any:
            raise OSError(errno.ENOENT, "No such file or directory")

        first = self.bound(socket.AF_INET, "127.0.0.1")
        self.bound(socket.AF_INET, "127.0.0.1", first.getsockname()[1])
        self.patch(sockdiag, "_ask", refuse)
        self.assertTrue(receives(first))


class UnknownTests(ServingTestCase):
    """Tests for L{waiting} and L{count} where the system reports less."""

    def test_noLink(self) -> None:
        """If a sandbox forbids netlink sockets, nothing is known."""
        server = self.closing(listening(makeService()))

        def refuse(*arguments: Any) -> Any:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported")

        self.patch(socket, "socket", refuse)
        self.assertIsNone(waiting(server))

    def test_otherSystems(self) -> None:
        """The backlog is unknown on systems without netlink."""
        server = self.closing(listening(makeService()))
        self.patch(sockdiag, "socket", object())
        self.assertIsNone(waiting(server))

    def test_otherAttributes(self) -> None:
        """Other attributes of a UNIX socket are skipped."""
        other = struct.pack("=HHBxxx", 5, 7, 1)
        clients = struct.pack("=HHII", 12, 3, 8, 9)
        self.assertEqual(sockdiag._clients(other + clients), (8, 9))
        self.assertEqual(sockdiag._clients(other), ())

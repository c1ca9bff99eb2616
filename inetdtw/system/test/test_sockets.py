# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.sockets}."""

from __future__ import annotations

import errno
import os
import socket
import stat
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.model.address import Address
from inetdtw.model.service import Ownership, Service, SocketOptions
from inetdtw.system import sockets
from inetdtw.system.sockets import (
    adopt,
    closeWithMessage,
    configure,
    reconfigure,
)
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    backlogOf,
    isBlocking,
    makeDatagrams,
    makeService,
    makeUnix,
    ofOneLink,
)

#: What a client receives last.
LAST = b"-Error\r\n"


def createListener(service: Service) -> socket.socket:
    """Create the socket of a service."""
    return sockets.createListener(service)[0]


def hasIPv6() -> bool:
    """Return whether this machine has IPv6."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class ListenTests(ServingTestCase):
    """Tests for L{sockets.createListener} and addresses."""

    def createListener(self, service: Service) -> socket.socket:
        """Create the socket of a service, to be closed."""
        return self.closing(createListener(service))

    def reaches(self, family: int, host: str, port: int) -> bool:
        """Return whether a client of a family can connect."""
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            return client.connect_ex((host, port)) == 0

    def test_stream(self) -> None:
        """The socket of a TCP service listens, non-blocking and not inheritable."""
        server = self.createListener(makeService())
        self.client(server)
        self.assertFalse(isBlocking(server))
        self.assertFalse(server.get_inheritable())
        self.assertEqual(server.getsockname()[0], "127.0.0.1")

    def test_datagrams(self) -> None:
        """The socket of a UDP service receives datagrams."""
        server = self.createListener(makeDatagrams())
        self.client(server).send(b"hello")
        server.settimeout(PATIENCE)
        self.assertEqual(server.recv(100), b"hello")

    def test_inUse(self) -> None:
        """A port in use is an error, and nothing is left open."""
        for make in (makeService, makeDatagrams):
            port = self.createListener(make()).getsockname()[1]
            taken = make(address=Address(socket.AF_INET, "127.0.0.1", port))

            def work(taken: Service = taken) -> None:
                why = self.assertRaises(OSError, createListener, taken)
                self.assertEqual(why.errno, errno.EADDRINUSE)

            self.leavesNothingOpen(work)

    def test_again(self) -> None:
        """A port can be bound again while connections to it are in TIME_WAIT."""
        server = self.createListener(makeService())
        client = self.client(server)
        connection, _ = server.accept()
        where = server.getsockname()
        connection.close()
        server.close()
        client.close()
        again = self.createListener(
            makeService(address=Address(socket.AF_INET, *where))
        )
        self.assertEqual(again.getsockname(), where)

    def test_only6(self) -> None:
        """An IPv6 socket accepts IPv6 only."""
        if not hasIPv6():
            self.skipTest("no IPv6 here")
        server = self.createListener(
            makeService(address=Address(socket.AF_INET6, "::"))
        )
        port = server.getsockname()[1]
        self.assertTrue(self.reaches(socket.AF_INET6, "::1", port))
        self.assertFalse(self.reaches(socket.AF_INET, "127.0.0.1", port))

    def test_dual(self) -> None:
        """A dual-stack socket accepts both."""
        if not hasIPv6():
            self.skipTest("no IPv6 here")
        address = Address(socket.AF_INET6, "::", dual=True)
        server = self.createListener(makeService(address=address))
        port = server.getsockname()[1]
        self.assertTrue(self.reaches(socket.AF_INET6, "::1", port))
        self.assertTrue(self.reaches(socket.AF_INET, "127.0.0.1", port))

    def test_interface(self) -> None:
        """A socket can be bound to an address that only one interface has."""
        address = ofOneLink()
        try:
            server = self.createListener(makeDatagrams(address=address))
        except OSError:
            self.skipTest("no IPv6 here")
        where = server.getsockname()
        host, _, name = address.host.partition("%")
        self.assertEqual((where[0], where[3]), (host, socket.if_nametoindex(name)))

    def test_dualWithout6(self) -> None:
        """Without IPv6, a dual-stack socket accepts IPv4."""
        self.patch(sockets, "_haveIPv6", lambda: False)
        address = Address(socket.AF_INET6, "::", dual=True)
        server = self.createListener(makeService(address=address))
        self.assertEqual(server.family, socket.AF_INET)
        port = server.getsockname()[1]
        self.assertTrue(self.reaches(socket.AF_INET, "127.0.0.1", port))

    def test_have6(self) -> None:
        """IPv6 is missing without Python's support or without its loopback address."""
        self.assertEqual(sockets._haveIPv6(), hasIPv6())
        true: Any = socket.socket

        def without(family: int, kind: int) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EAFNOSUPPORT, "no IPv6")
            sock: socket.socket = true(family, kind)
            return sock

        self.patch(socket, "socket", without)
        self.assertFalse(sockets._haveIPv6())
        self.patch(socket, "socket", true)
        self.patch(socket, "has_ipv6", False)
        self.assertFalse(sockets._haveIPv6())

    def test_sizes(self) -> None:
        """The buffers have the configured sizes, which Linux doubles."""
        options = SocketOptions(sendBuffer=20000, receiveBuffer=30000)
        for make in (makeService, makeDatagrams):
            server = self.createListener(make(options=options))
            for option, size in ((socket.SO_SNDBUF, 20000), (socket.SO_RCVBUF, 30000)):
                actual = server.getsockopt(socket.SOL_SOCKET, option)
                self.assertIn(actual, (size, 2 * size))

    def test_configure(self) -> None:
        """The sizes can be changed later, and others stay."""
        server = self.createListener(makeService())
        before = server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        configure(server, SocketOptions(receiveBuffer=30000))
        actual = server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.assertIn(actual, (30000, 60000))
        after = server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        self.assertEqual(after, before)

    def test_flags(self) -> None:
        """Connections inherit C{TCP_NODELAY} and C{SO_KEEPALIVE} if configured."""
        for wanted in (False, True):
            options = SocketOptions(noDelay=wanted, keepAlive=wanted)
            with createListener(makeService(options=options)) as sock:
                sock.setblocking(True)
                with socket.create_connection(sock.getsockname()):
                    connection, _ = sock.accept()
                with connection:
                    on = [
                        bool(connection.getsockopt(*flag))
                        for flag in (
                            (socket.IPPROTO_TCP, socket.TCP_NODELAY),
                            (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                        )
                    ]
                self.assertEqual(on, [wanted] * 2)

    def test_backlog(self) -> None:
        """The backlog is as configured."""
        for backlog in (1, 77):
            server = self.createListener(
                makeService(options=SocketOptions(backlog=backlog))
            )
            self.assertEqual(backlogOf(server), backlog)


class AdoptTests(ServingTestCase):
    """Tests for L{adopt}."""

    def adopted(self, service: Service) -> socket.socket:
        """Adopt a socket that was bound before."""
        sock = self.closing(socket.socket(socket.AF_INET, service.socktype))
        sock.bind(("127.0.0.1", 0))
        if service.isStream:
            sock.listen(5)
        adopt(sock, service)
        return sock

    def test_options(self) -> None:
        """An adopted socket is non-blocking, and has the configured options."""
        keep = SocketOptions(keepAlive=True)
        for service in (makeService(options=keep), makeDatagrams(options=keep)):
            sock = self.adopted(service)
            self.assertFalse(isBlocking(sock))
            kept = sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            self.assertEqual(kept, 1)

    def test_shut(self) -> None:
        """A socket that was shut down cannot be adopted."""
        service = makeService()
        sock = self.adopted(service)
        theirs = self.closing(sock.dup())
        theirs.shutdown(socket.SHUT_RDWR)
        why = self.assertRaises(OSError, adopt, sock, service)
        self.assertEqual(why.errno, errno.ESHUTDOWN)


class AcceptFilterTests(ServingTestCase):
    """Tests for L{sockets.createListener} and accept filters."""

    if not hasattr(socket, "TCP_DEFER_ACCEPT"):
        skip = "This system has none that all users can use."

    def deferred(self, sock: socket.socket) -> bool:
        """Return whether connections wait until they have sent data."""
        option = socket.TCP_DEFER_ACCEPT
        return sock.getsockopt(socket.IPPROTO_TCP, option) > 0

    def test_dataready(self) -> None:
        """With one of the filters connections wait until they have sent something."""
        for name in ("dataready", "httpready"):
            options = SocketOptions(acceptFilter=name)
            server = self.closing(createListener(makeService(options=options)))
            self.assertTrue(self.deferred(server))
        self.assertFalse(self.deferred(self.closing(createListener(makeService()))))

    def test_unknown(self) -> None:
        """An unsupported filter is an error that names it, and leaves nothing open."""

        def work() -> None:
            service = makeService(options=SocketOptions(acceptFilter="dnsready"))
            why = self.assertRaises(OSError, createListener, service)
            self.assertIn("dnsready", str(why))

        self.leavesNothingOpen(work)


class ReconfigureTests(ServingTestCase):
    """Tests for L{reconfigure}."""

    def change(self, before: Service, after: Service) -> socket.socket:
        """Change a socket that is in use."""
        server, mark = sockets.createListener(before)
        self.closing(server)
        reconfigure(server, mark, before, after)
        self.client(server)
        return server

    def test_sizes(self) -> None:
        """The sizes of the buffers can be changed."""
        after = makeService(options=SocketOptions(receiveBuffer=30000))
        server = self.change(makeService(), after)
        actual = server.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        self.assertIn(actual, (30000, 60000))

    def test_backlog(self) -> None:
        """The backlog can be changed."""
        after = makeService(options=SocketOptions(backlog=77))
        self.assertEqual(backlogOf(self.change(makeService(), after)), 77)

    def test_flags(self) -> None:
        """Flags of connections can be switched on and off."""
        flags = [
            (socket.IPPROTO_TCP, socket.TCP_NODELAY),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        ]
        plain = makeService()
        with_ = makeService(options=SocketOptions(noDelay=True, keepAlive=True))
        with createListener(plain) as sock:
            for before, after in ((plain, with_), (with_, with_), (with_, plain)):
                reconfigure(sock, None, before, after)
                on = [bool(sock.getsockopt(*flag)) for flag in flags]
                self.assertEqual(on, [after is with_] * 2)

    def test_filter(self) -> None:
        """The accept filter can be switched on and off."""
        if not hasattr(socket, "TCP_DEFER_ACCEPT"):
            self.skipTest("This system has no filter that all users can use.")
        plain = makeService()
        filtered = makeService(options=SocketOptions(acceptFilter="dataready"))
        for before, after in ((plain, filtered), (filtered, plain)):
            server = self.change(before, after)
            deferred = server.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT)
            self.assertEqual(deferred > 0, after is filtered)

    def test_ownership(self) -> None:
        """The permissions of a path can be changed."""
        path = self.mktemp()
        self.change(makeUnix(path), makeUnix(path, ownership=Ownership(mode=0o660)))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)

    def test_nothing(self) -> None:
        """Options that did not change are not set."""
        path = self.mktemp()
        server, mark = sockets.createListener(makeUnix(path))
        self.closing(server)
        os.chmod(path, 0o640)
        after = makeUnix(path, name="other", options=SocketOptions(backlog=7))
        reconfigure(server, mark, makeUnix(path), after)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)


class CloseWithMessageTests(SynchronousTestCase):
    """Tests for L{closeWithMessage}."""

    def test_said(self) -> None:
        """The message arrives though the client has sent data that is not read."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            self.addCleanup(client.close)
            connection, _ = server.accept()
        client.sendall(b"something")
        closeWithMessage(connection, LAST)
        self.assertEqual(connection.fileno(), -1)
        self.assertEqual(client.recv(100), LAST)
        self.assertEqual(client.recv(100), b"")
        # Not all systems keep what was sent when a connection is reset.
        error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.assertEqual(error, 0)

    def test_nothing(self) -> None:
        """The connection is closed without a message."""
        client, connection = socket.socketpair()
        self.addCleanup(client.close)
        closeWithMessage(connection, b"")
        self.assertEqual(connection.fileno(), -1)
        self.assertEqual(client.recv(100), b"")

    def test_gone(self) -> None:
        """A client that has disconnected is ignored."""
        client, connection = socket.socketpair()
        client.close()
        closeWithMessage(connection, LAST)
        self.assertEqual(connection.fileno(), -1)

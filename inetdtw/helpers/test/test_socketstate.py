# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.socketstate}."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
import sys
from typing import Any, Callable
from unittest import SkipTest, skipUnless

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers import socketstate
from inetdtw.helpers.socketstate import Original, Spoiled
from inetdtw.test.fakes import isBlocking, listening, makeDatagrams, makeService

LINUX = sys.platform == "linux"
BACKLOG = 64


def dropAll(sock: socket.socket) -> None:
    """Drop all that a socket receives, by a filter: see bpf(4)."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(code))
    permitted(sock, socket.SOL_SOCKET, 26, program)


def permitted(sock: socket.socket, *option: Any) -> None:
    """
    Set an option of a socket.

    @raise SkipTest: if only a process with more capabilities than this one may.
    """
    try:
        sock.setsockopt(*option)
    except PermissionError as why:
        raise SkipTest(f"needs a capability: {why}") from None


class OriginalTestCase(SynchronousTestCase):
    """A test of sockets that programs have had."""

    def stream(self) -> socket.socket:
        """Return a socket that listens."""
        return self.made(listening(makeService()))

    def datagrams(self) -> socket.socket:
        """Return a datagram socket with a fixed port."""
        probe = listening(makeDatagrams())
        where = probe.getsockname()
        probe.close()
        sock = self.made(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sock.setblocking(False)
        sock.bind(where)
        return sock

    def made(self, sock: socket.socket) -> socket.socket:
        """Close a socket when the test is over."""
        self.addCleanup(sock.close)
        return sock

    def restored(
        self, sock: socket.socket, harm: Callable[[socket.socket], object]
    ) -> str | None:
        """Return what is reported about a socket that was changed."""
        original = Original(sock)
        harm(sock)
        backlog = BACKLOG if sock.type == socket.SOCK_STREAM else None
        found = original.restore(backlog)
        self.assertIsNone(original.restore(backlog))
        return found


class RestoreTests(OriginalTestCase):
    """Tests for L{Original.restore}."""

    def test_nothing(self) -> None:
        """A socket that was not changed stays as it is."""
        for sock in (self.stream(), self.datagrams()):
            self.assertIsNone(self.restored(sock, lambda each: None))

    def test_options(self) -> None:
        """Options are set as they were, those of every level."""
        stamp = struct.pack("ll", 3, 0)
        options: list[tuple[int, int, int | bytes]] = [
            (socket.SOL_SOCKET, socket.SO_RCVTIMEO, stamp),
            (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),
            (socket.SOL_SOCKET, socket.SO_SNDBUF, 9000),
            (socket.SOL_SOCKET, socket.SO_RCVBUF, 9000),
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.SOL_SOCKET, socket.SO_BROADCAST, 1),
            (socket.IPPROTO_IP, socket.IP_TOS, 16),
            (socket.IPPROTO_IP, socket.IP_TTL, 9),
        ]
        if LINUX:
            numbers = (42, 16, 29)  # SO_PEEK_OFF, SO_PASSCRED, SO_TIMESTAMP
            options += [(socket.SOL_SOCKET, number, 1) for number in numbers]
            options.append((socket.IPPROTO_IP, 11, 1))
        for sock in (self.stream(), self.datagrams()):
            for level, number, value in options:
                try:
                    before = sock.getsockopt(level, number, 16)
                except OSError:
                    # This one has no such option.
                    continue

                def harm(
                    each: socket.socket,
                    option: tuple[int, int, int | bytes] = (level, number, value),
                ) -> None:
                    try:
                        each.setsockopt(*option)
                    except OSError:
                        pass  # This socket has no such option.

                self.assertIsNone(self.restored(sock, harm))
                self.assertEqual(sock.getsockopt(level, number, 16), before)

    def test_flags(self) -> None:
        """The socket does not block, and sends no signals."""

        def harm(sock: socket.socket) -> None:
            sock.setblocking(True)
            fcntl.fcntl(sock, fcntl.F_SETFL, os.O_RDWR | os.O_ASYNC)
            fcntl.fcntl(sock, fcntl.F_SETOWN, os.getpid())

        sock = self.datagrams()
        self.assertIsNone(self.restored(sock, harm))
        self.assertFalse(isBlocking(sock))
        self.assertFalse(fcntl.fcntl(sock, fcntl.F_GETFL) & os.O_ASYNC)
        self.assertEqual(fcntl.fcntl(sock, fcntl.F_GETOWN), 0)

    def test_connected(self) -> None:
        """A socket for datagrams has no peer, and still its address."""
        sock, peer = self.datagrams(), self.datagrams()
        where = sock.getsockname()
        found = self.restored(sock, lambda each: each.connect(peer.getsockname()))
        self.assertEqual(found, "a program has connected its socket")
        self.assertRaises(OSError, sock.getpeername)
        self.assertEqual(sock.getsockname(), where)

    def test_connectedForGood(self) -> None:
        """A socket that cannot be disconnected is spoiled."""
        self.patch(socketstate, "disconnect", lambda sock: None)
        sock, peer = self.datagrams(), self.datagrams()
        original = Original(sock)
        sock.connect(peer.getsockname())
        self.assertRaises(Spoiled, original.restore)

    @skipUnless(LINUX, "only Linux has a queue of errors")
    def test_errors(self) -> None:
        """No error is pending afterwards."""

        def harm(sock: socket.socket) -> None:
            sock.setsockopt(socket.IPPROTO_IP, 11, 1)
            gone = self.datagrams()
            where = gone.getsockname()
            gone.close()
            for _ in range(3):
                with contextlib.suppress(ConnectionRefusedError):
                    sock.sendto(b"nobody", where)

        found = self.restored(self.datagrams(), harm)
        self.assertEqual(found, "a program has left an error in its socket")

    @skipUnless(LINUX, "elsewhere that does not fail")
    def test_errorOfPath(self) -> None:
        """No error is pending in a UNIX socket, which keeps its datagrams."""
        directory = os.path.relpath(self.mktemp())
        os.mkdir(directory)
        made = []
        for name in ("service", "client", "other"):
            sock = self.made(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
            sock.bind(os.path.join(directory, name))
            sock.setblocking(False)
            made.append(sock)
        service, client, other = made
        original = Original(service)
        client.connect(service.getsockname())
        service.connect(client.getsockname())
        # An answer that is not read, as the client leaves, is an error on Linux.
        service.send(b"answer")
        client.connect(other.getsockname())
        socketstate.disconnect(service)
        other.sendto(b"question", service.getsockname())
        found = original.restore()
        self.assertEqual(found, "a program has left an error in its socket")
        self.assertEqual(service.recv(100), b"question")

    @skipUnless(LINUX, "only Linux has a socket filter")
    def test_filter(self) -> None:
        """A filter is detached, unless it is locked."""
        sock = self.datagrams()
        found = self.restored(sock, dropAll)
        self.assertEqual(found, "a program has attached a filter to its socket")
        sock.sendto(b"here", sock.getsockname())
        self.assertEqual(sock.recv(10), b"here")
        original = Original(sock)
        dropAll(sock)
        sock.setsockopt(socket.SOL_SOCKET, 44, 1)  # SO_LOCK_FILTER
        self.assertRaises(Spoiled, original.restore)

    @skipUnless(LINUX, "only Linux has a socket filter")
    def test_filterOfListener(self) -> None:
        """A filter of a listening socket is detached."""
        found = self.restored(self.stream(), dropAll)
        self.assertEqual(found, "a program has attached a filter to its socket")

    @skipUnless(LINUX, "only Linux reports what belongs to a socket")
    def test_keys(self) -> None:
        """A listening socket with a key, which clients must have too, is of no use."""
        sock = self.stream()
        original = Original(sock)
        client = struct.pack("=HHI", socket.AF_INET, 0, 0x0100007F).ljust(128, b"\0")
        key = struct.pack("=128sBBHI80s", client, 0, 0, 6, 0, b"secret")
        try:
            sock.setsockopt(socket.IPPROTO_TCP, 14, key)  # TCP_MD5SIG
        except OSError as why:
            raise SkipTest(f"the system has no such keys: {why}") from None
        self.assertRaises(Spoiled, original.restore, BACKLOG)

    @skipUnless(LINUX, "elsewhere the numbers are others")
    def test_barring(self) -> None:
        """An option that keeps clients away is reported."""
        found = self.restored(self.stream(), lambda each: each.setsockopt(0, 21, 255))
        wanted = "a program has set an option that keeps clients away"
        self.assertEqual(found, wanted)

    def test_route(self) -> None:
        """IP options, such as a source route, are restored."""
        route = bytes((131, 7, 4, 127, 0, 0, 9, 0))
        for sock in (self.stream(), self.datagrams()):
            self.assertIsNone(
                self.restored(
                    sock,
                    lambda each: permitted(
                        each, socket.IPPROTO_IP, socket.IP_OPTIONS, route
                    ),
                )
            )
            before = sock.getsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, 40)
            self.assertEqual(before, b"")

    @skipUnless(LINUX, "only Linux has MSG_MORE")
    def test_begun(self) -> None:
        """An answer is not added to a datagram that a program has begun."""
        sock, first, second = self.datagrams(), self.datagrams(), self.datagrams()
        self.restored(
            sock,
            lambda each: each.sendto(b"begun", socket.MSG_MORE, first.getsockname()),
        )
        sock.sendto(b"answer", second.getsockname())
        self.assertEqual(first.recv(100), b"begun")
        self.assertEqual(second.recv(100), b"answer")

    def test_shut(self) -> None:
        """
        A TCP socket that was shut down listens again; a datagram socket cannot.

        Its backlog is the given one, or that of the system.
        """
        for backlog in (BACKLOG, None):
            sock = self.stream()
            original = Original(sock)
            sock.shutdown(socket.SHUT_RDWR)
            # The system chose its port, and has chosen another one by now.
            self.assertRaises(Spoiled, original.restore, backlog)
            self.assertEqual(
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN), 1
            )

    @skipUnless(LINUX, "elsewhere that does nothing")
    def test_shutDatagrams(self) -> None:
        """A socket for datagrams that was shut down is of no use."""
        for how in (socket.SHUT_RDWR, socket.SHUT_RD):
            sock = self.datagrams()
            original = Original(sock)
            self.assertRaises(OSError, sock.shutdown, how)
            self.assertRaises(Spoiled, original.restore)

    def test_shutPath(self) -> None:
        """A UNIX socket that was shut down is spoiled."""
        sock = self.made(socket.socket(socket.AF_UNIX))
        sock.bind(os.path.relpath(self.mktemp()))
        sock.listen(BACKLOG)
        original = Original(sock)
        sock.shutdown(socket.SHUT_RDWR)
        self.assertRaises(Spoiled, original.restore, BACKLOG)

    def test_connection(self) -> None:
        """A socket that was connected instead of listening is spoiled."""
        sock, other = self.stream(), self.stream()
        original = Original(sock)
        sock.shutdown(socket.SHUT_RDWR)
        sock.setblocking(True)
        sock.connect(other.getsockname())
        self.assertRaises(Spoiled, original.restore, BACKLOG)

    def test_forGood(self) -> None:
        """A socket with an option that cannot be restored is spoiled."""
        sock = self.datagrams()
        original = Original(sock)
        original._options[(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)] = 1 << 30
        self.assertRaises(Spoiled, original.restore)


class ChangingTests(OriginalTestCase):
    """Tests for L{Original.changing}."""

    def test_changing(self) -> None:
        """Options that are set meanwhile are kept, and no others."""
        sock = self.stream()
        original = Original(sock)
        with original.changing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        original.restore()
        options = (socket.SO_KEEPALIVE, socket.SO_OOBINLINE)
        found = [bool(sock.getsockopt(socket.SOL_SOCKET, each)) for each in options]
        self.assertEqual(found, [True, False])

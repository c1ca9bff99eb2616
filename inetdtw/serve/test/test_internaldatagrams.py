# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.internal}: services for datagrams."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from typing import Any

from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.service import Bounds, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.datagramport import Sender
from inetdtw.serve.internal import InternalDatagramListener
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    listening,
    makeDatagrams,
    makeUnix,
)


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
        Send some datagrams before any is read.

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
        self.assertEqual(listener.pauses(), [PauseReason.RATE])
        self.assertEqual(len(self.logged("pause")), 1)
        self.assertEqual(
            (self.limits.tally.admitted, self.limits.tally.refused), (2, 1)
        )
        self.reactor.advance(WINDOW)
        self.assertEqual(self.ask(client, b"5"), [b"4", b"5"])

    def test_atOnce(self) -> None:
        """A client that was answered does not count."""
        self.serve(acceptMax=1)
        client = self.client(self.server)
        self.assertEqual(self.ask(client, b"1", b"2"), [b"1", b"2"])
        self.assertEqual((self.limits.tally.admitted, self.limits.running), (2, 0))

    def test_shortage(self) -> None:
        """A reply is sent without free descriptors."""
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
        (refuse,) = self.logged("refuse")
        peer = f"127.0.0.1:{port}"
        self.assertEqual((refuse["service"], refuse["peer"]), ("test/udp", peer))
        self.runtime.guard.disown(port)
        there.sendto(b"honest", self.server.getsockname())
        self.reactor.turn(PATIENCE)
        there.settimeout(PATIENCE)
        self.assertEqual(there.recv(100), b"honest")

    def failing(self, why: Exception) -> InternalDatagramListener:
        """Serve with a socket that cannot send."""
        listener = self.serve()

        def reply(data: bytes, sender: Sender) -> None:
            raise why

        self.patch(listener._port, "reply", reply)
        return listener

    def test_notSent(self) -> None:
        """Replies that cannot be sent are logged once."""
        self.failing(OSError(errno.ENETUNREACH, "unreachable"))
        client = self.client(self.server)
        self.assertEqual(self.ask(client, b"1", b"2"), [])
        self.assertEqual(len(self.logged("drop")), 1)
        self.assertIn("reply not sent: ", self.logged("drop")[0]["reason"])

    def test_otherErrors(self) -> None:
        """An error that is not the network's is a bug, and is logged as one."""
        self.failing(ZeroDivisionError())
        self.assertEqual(self.ask(self.client(self.server), b"1"), [])
        self.assertEqual(self.logged("drop"), [])
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
        (refuse,) = self.logged("refuse")
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
        """After a retirement the socket is free, and no datagram is answered."""
        listener = self.serve()
        done: list[None] = []
        listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None])
        self.client(self.server).send(b"hello")
        self.assertFalse(self.reactor.turn())
        self.assertEqual(self.server.recv(100), b"hello")

    def test_unix(self) -> None:
        """A client on a UNIX socket is answered if it has a path."""
        directory = self.mktemp()
        os.mkdir(directory)
        path = os.path.join(directory, "s")
        unix = makeUnix(path, socktype=socket.SOCK_DGRAM, internal="echo")
        self.serve(unix)
        nameless = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        nameless.sendto(b"hello", path)
        self.reactor.turn(PATIENCE)
        named = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        named.settimeout(PATIENCE)
        named.bind(os.path.join(directory, "c"))
        named.sendto(b"hello", path)
        self.reactor.turn(PATIENCE)
        self.assertEqual(named.recv(100), b"hello")

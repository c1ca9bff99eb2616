# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.stream}."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
from unittest import mock

from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.service import Bounds, Program, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.stream import StreamListener
from inetdtw.serve.undecided import MOMENT
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    isBlocking,
    killed,
    listening,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
)


def isReadable(sock: socket.socket) -> bool:
    """Return whether there is data or end of file to read."""
    return bool(select.select([sock], [], [], 0)[0])


class StreamListenerTests(ServingTestCase):
    """Tests for L{StreamListener}."""

    def setUp(self) -> None:
        """Start with no service."""
        super().setUp()
        self.releases = 0

    def serve(self, service: Service | None = None) -> socket.socket:
        """Serve a service, and give its socket."""
        service = makeService() if service is None else service
        server = self.closing(listening(service))
        self.limits = ServiceLimits(service.bounds, self.reactor.seconds)
        self.listener = StreamListener(
            self.serviceRuntime(service, self.limits, self.launcher, self.released),
            server,
        )
        self.listener.start()
        return server

    def released(self) -> None:
        """Do what a slot does when a program has exited."""
        self.releases += 1
        self.listener.released()

    def test_connection(self) -> None:
        """A program has the connection as its 0, 1 and 2; the daemon closes it."""
        server = self.serve()
        before = openDescriptors()
        client = self.client(server)
        program = self.requested(1)
        client.sendall(b"question")
        with program.socket(0) as stdin:
            self.assertEqual(stdin.recv(100), b"question")
        for fd in (1, 2):
            with program.socket(fd) as output:
                output.sendall(b"%d" % fd)
        self.assertEqual(client.recv(1) + client.recv(1), b"12")
        program.start().end()
        self.assertEqual(client.recv(100), b"")
        client.close()
        self.assertEqual(openedSince(before), {})

    def test_blocking(self) -> None:
        """The connection blocks, as programs expect."""
        server = self.serve()
        self.client(server)
        with self.requested(1).socket() as connection:
            self.assertTrue(isBlocking(connection))

    def test_environment(self) -> None:
        """The environment of a program has the addresses of its connection."""
        server = self.serve()
        client = self.client(server)
        extra = self.requested(1).request.extra
        self.assertEqual(extra["PROTO"], "TCP")
        self.assertEqual(extra["TCPLOCALPORT"], str(server.getsockname()[1]))
        self.assertEqual(extra["TCPREMOTEPORT"], str(client.getsockname()[1]))
        self.assertEqual(extra["REMOTE_ADDR"], "127.0.0.1")

    def test_unix(self) -> None:
        """A connection to a path gets its program as well."""
        server = self.serve(makeUnix(self.mktemp()))
        client = self.client(server)
        program = self.requested(1)
        self.assertEqual(program.request.extra, {"PROTO": "UNIX"})
        client.sendall(b"question")
        with program.socket() as stdin:
            self.assertEqual(stdin.recv(100), b"question")
        program.start().end()
        self.assertEqual(self.logged("exit")[0]["peer"], "-")

    def test_together(self) -> None:
        """Every client has a program at the same time."""
        server = self.serve()
        clients = [self.client(server) for _ in range(3)]
        self.requested(3)
        for client, program in zip(clients, self.launcher.programs):
            peer = program.request.extra["TCPREMOTEPORT"]
            self.assertEqual(peer, str(client.getsockname()[1]))

    def test_end(self) -> None:
        """A program that has exited, or was killed, does not count any more."""
        server = self.serve()
        self.client(server)
        program = self.requested(1).start()
        self.assertEqual(self.limits.running, 1)
        program.end(killed())
        self.assertEqual((self.limits.running, self.releases), (0, 1))

    def test_missing(self) -> None:
        """
        The client is closed without a word when there is no executable.

        The next one is served.
        """
        path = os.path.abspath(self.mktemp())
        server = self.serve(makeService(program=Program(path, (), ("prog",))))
        client = self.client(server)
        self.reactor.turnUntil(lambda: isReadable(client))
        self.assertEqual(client.recv(100), b"")
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(len(self.logged("start-failed")), 1)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
        self.client(server)
        self.requested(1)

    def test_failed(self) -> None:
        """A client whose program cannot be started is closed, and does not count."""
        server = self.serve()
        self.launcher.refusal = "Permission denied"
        client = self.client(server)
        self.reactor.turnUntil(lambda: isReadable(client))
        self.assertEqual(client.recv(100), b"")
        self.assertEqual((self.limits.running, self.releases), (0, 1))

    def test_full(self) -> None:
        """Clients wait in the backlog while as many programs run as may."""
        server = self.serve(makeService(bounds=Bounds(acceptMax=2)))
        clients = [self.client(server) for _ in range(3)]
        self.requested(2)
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 2)
        self.assertFalse(isReadable(clients[2]))
        self.launcher.programs[0].start().end()
        self.requested(3)

    def test_rate(self) -> None:
        """
        The client over the rate is closed, and later ones wait.

        The service resumes by itself.
        """
        server = self.serve(makeService(bounds=Bounds(serviceMax=1)))
        self.client(server)
        self.requested(1)
        refused = self.client(server)
        self.reactor.turnUntil(lambda: isReadable(refused))
        self.assertEqual(refused.recv(100), b"")
        waits = self.client(server)
        self.reactor.settle()
        self.assertFalse(isReadable(waits))
        self.reactor.advance(WINDOW)
        self.requested(2)

    def test_refusal(self) -> None:
        """The client over a limit gets the C{refusal} of the line (item 69)."""
        bounds = Bounds(perSource=1)
        server = self.serve(makeService(bounds=bounds, refusal=b"busy\r\n"))
        self.client(server)
        self.requested(1)
        refused = self.client(server)
        refused.sendall(b"question")
        self.reactor.turnUntil(lambda: bool(self.reactor.getDelayedCalls()))
        self.assertFalse(isReadable(refused))
        self.reactor.advance(MOMENT)
        self.assertEqual(refused.recv(100), b"busy\r\n")
        self.assertEqual(refused.recv(100), b"")

    def test_again(self) -> None:
        """A client that comes before its program's exit was reported is served."""
        server = self.serve(makeService(bounds=Bounds(perSource=1)))
        self.client(server)
        self.requested(1)
        self.client(server)
        self.reactor.turnUntil(lambda: bool(self.reactor.getDelayedCalls()))
        self.launcher.last.start().end()
        self.requested(2)
        self.assertEqual(self.logged("refuse"), [])

    def test_undecidedAndStopped(self) -> None:
        """Undecided clients are refused when the service stops."""
        server = self.serve(makeService(bounds=Bounds(perSource=1)))
        self.client(server)
        self.requested(1)
        refused = self.client(server)
        self.reactor.turnUntil(lambda: bool(self.reactor.getDelayedCalls()))
        self.listener.stop()
        self.assertEqual(refused.recv(100), b"")
        self.assertEqual(len(self.logged("refuse")), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_noRoom(self) -> None:
        """While the launcher has no room, clients wait in the backlog."""
        server = self.serve()
        self.launcher.hasCapacity = False
        client = self.client(server)
        self.reactor.turn(PATIENCE)
        self.reactor.settle()
        self.assertEqual(self.launcher.programs, [])
        self.assertFalse(isReadable(client))
        self.launcher.regainCapacity()
        self.requested(1)

    def test_vanished(self) -> None:
        """A client that has reset its connection does not disturb later ones."""
        server = self.serve()
        client = self.client(server)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.client(server)
        peers = {str(self.client(server).getsockname()[1])}
        self.reactor.turnUntil(
            lambda: (
                peers
                <= {
                    each.request.extra.get("TCPREMOTEPORT")
                    for each in self.launcher.programs
                }
            )
        )
        self.assertEqual(len(self.launcher.programs), 2)
        self.assertEqual(self.limits.running, 2)

    def test_retire(self) -> None:
        """
        The socket is free at once, although programs run.

        Nothing more is accepted.
        """
        server = self.serve()
        self.client(server)
        program = self.requested(1)
        done: list[None] = []
        self.listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None])
        self.client(server)
        self.assertFalse(self.reactor.turn())
        program.start().end()
        self.assertEqual(self.limits.running, 0)

    def test_stop(self) -> None:
        """Nothing more is accepted after a stop; later exits are counted."""
        server = self.serve()
        self.client(server)
        program = self.requested(1)
        self.listener.stop()
        self.client(server)
        self.assertFalse(self.reactor.turn())
        server.close()
        program.start().end()
        self.assertEqual(self.limits.running, 0)


class ShortageTests(ServingTestCase):
    """Tests for L{StreamListener} when the machine is out of something."""

    def test_comesBack(self) -> None:
        """The client that could not be accepted waits, and is served when it can be."""
        server = self.closing(listening(makeService()))
        limits = ServiceLimits(Bounds(), self.reactor.seconds)
        given = self.serviceRuntime(makeService(), limits, self.launcher)
        listener = StreamListener(given, server)
        listener.start()
        self.client(server)
        self.noDescriptors(lambda: self.reactor.turn(PATIENCE))
        self.assertEqual(len(self.logged("shortage")), 1)
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(limits.running, 0)
        self.reactor.advance(SHORTAGE_PAUSE)
        self.reactor.turnUntil(lambda: bool(self.launcher.programs))

    def test_memory(self) -> None:
        """A resource shortage that only accept(2) finds is logged too."""
        server = self.closing(listening(makeService()))
        limits = ServiceLimits(Bounds(), self.reactor.seconds)
        listener = StreamListener(
            self.serviceRuntime(makeService(), limits, self.launcher), server
        )
        accept = mock.Mock(side_effect=OSError(errno.ENOMEM, "no memory"))
        listener._port.socket = mock.Mock(accept=accept, fileno=server.fileno)
        listener.start()
        listener._port.doRead()
        (shortage,) = self.logged("shortage")
        self.assertEqual(shortage["reason"], os.strerror(errno.ENOMEM))
        self.assertEqual(listener.pauses(), [PauseReason.SHORTAGE])

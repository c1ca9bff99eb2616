# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.wait}: sockets for datagrams."""

from __future__ import annotations

import os
import socket

from inetdtw.limits.service import WINDOW
from inetdtw.model.service import Bounds, Program
from inetdtw.serve.test.waitcase import WaitingTestCase
from inetdtw.test.fakes import (
    PATIENCE,
    FakeProgram,
    isBlocking,
    killed,
    makeDatagrams,
    makeUnix,
)


class DatagramTests(WaitingTestCase):
    """Tests for L{WaitListener} and datagrams."""

    def setUp(self) -> None:
        """Serve datagrams."""
        super().setUp()
        self.serve(makeDatagrams(wait=True))
        self.sender = self.client(self.server)

    def taken(self, program: FakeProgram) -> bytes:
        """Do what a program does that receives a datagram."""
        with program.socket() as server:
            return server.recv(1 << 16)

    def test_socket(self) -> None:
        """
        A program has the service's own socket as its 0, 1 and 2.

        The datagram is in it, and the program can reply.
        """
        self.sender.send(b"question")
        program = self.requested(1)
        self.assertEqual(len(set(program.request.fds)), 1)
        with program.socket() as server:
            self.assertEqual(server.getsockname(), self.server.getsockname())
            data, peer = server.recvfrom(100)
            self.assertEqual(data, b"question")
            server.sendto(b"answer", peer)
        self.assertEqual(self.sender.recv(100), b"answer")

    def test_blocking(self) -> None:
        """The socket blocks only while the program has it."""
        self.assertFalse(isBlocking(self.server))
        self.sender.send(b"1")
        program = self.requested(1).start()
        self.assertTrue(isBlocking(self.server))
        self.taken(program)
        program.end()
        self.assertFalse(isBlocking(self.server))

    def test_one(self) -> None:
        """One program runs at a time, and the next gets what came meanwhile."""
        self.sender.send(b"1")
        program = self.requested(1).start()
        self.assertEqual(self.taken(program), b"1")
        self.sender.send(b"2")
        self.assertIdle()
        program.end()
        self.assertEqual(self.taken(self.requested(2)), b"2")

    def test_nothingMore(self) -> None:
        """No program is started when the last one has consumed everything."""
        self.sender.send(b"1")
        program = self.requested(1).start()
        self.taken(program)
        program.end()
        self.assertIdle()
        self.assertEqual(self.releases, 1)
        self.sender.send(b"2")
        self.assertEqual(self.taken(self.requested(2)), b"2")

    def test_burst(self) -> None:
        """Every datagram of a burst gets a program, in order, if each takes one."""
        for number in range(50):
            self.sender.send(b"%d" % number)
        for number in range(50):
            program = self.requested(number + 1).start()
            self.assertEqual(self.taken(program), b"%d" % number)
            program.end()
        self.assertIdle()
        self.assertEqual(self.logged("drop"), [])
        self.assertEqual(self.limits.running, 0)

    def test_leftOnce(self) -> None:
        """A datagram that one program has left triggers a second one."""
        self.sender.send(b"1")
        self.requested(1).start().end()
        self.assertEqual(self.taken(self.requested(2)), b"1")
        self.assertEqual(self.logged("drop"), [])

    def test_leftTwice(self) -> None:
        """
        A datagram that two programs have left is discarded and logged.

        The next one triggers a program.
        """
        self.sender.send(b"1")
        self.sender.send(b"2")
        self.requested(1).start().end()
        self.requested(2).start().end()
        (drop,) = self.logged("drop")
        port = self.sender.getsockname()[1]
        self.assertEqual(drop["peer"], f"127.0.0.1:{port}")
        self.assertEqual(self.taken(self.requested(3)), b"2")
        self.launcher.last.start().end()
        self.assertIdle()

    def test_noLoop(self) -> None:
        """Programs that never receive are started twice for each datagram."""
        for _ in range(3):
            self.sender.send(b"same")
        for number in range(6):
            self.requested(number + 1).start().end()
        self.assertEqual(len(self.logged("drop")), 3)
        self.assertIdle()
        self.assertEqual(len(self.launcher.programs), 6)

    def test_identical(self) -> None:
        """
        Equal datagrams of one sender are all served.

        A datagram that equals the last one is not taken for one that was left.
        """
        for _ in range(20):
            self.sender.send(b"same")
        for number in range(20):
            program = self.requested(number + 1).start()
            self.assertEqual(self.taken(program), b"same")
            program.end()
        self.assertEqual(self.logged("drop"), [])
        self.assertIdle()

    def test_leftBetween(self) -> None:
        """A datagram is discarded only when it was left twice in a row."""
        for _ in range(10):
            self.sender.send(b"same")
        for number in range(10):
            self.requested(2 * number + 1).start().end()
            program = self.requested(2 * number + 2).start()
            self.assertEqual(self.taken(program), b"same")
            program.end()
        self.assertEqual(self.logged("drop"), [])

    def test_empty(self) -> None:
        """An empty datagram that was left is discarded too."""
        self.sender.send(b"")
        self.requested(1).start().end()
        self.requested(2).start().end()
        self.assertEqual(len(self.logged("drop")), 1)
        self.assertIdle()

    def test_killed(self) -> None:
        """A program that was killed is followed by the next one."""
        self.sender.send(b"1")
        self.requested(1).start().end(killed())
        self.assertEqual(self.taken(self.requested(2)), b"1")

    def test_failed(self) -> None:
        """A datagram for which no program can be started is discarded at once."""
        self.launcher.refusal = "Permission denied"
        self.sender.send(b"1")
        self.reactor.turnUntil(lambda: bool(self.logged("drop")))
        self.assertFalse(self.reactor.turn())
        self.assertFalse(isBlocking(self.server))
        self.assertEqual((self.limits.running, self.releases), (0, 1))
        self.launcher.refusal = None
        self.sender.send(b"2")
        self.assertEqual(self.taken(self.requested(1)), b"2")

    def test_burstAtOnce(self) -> None:
        """The next program of a burst is started without the reactor."""
        self.sender.send(b"1")
        self.sender.send(b"2")
        program = self.requested(1).start()
        self.assertEqual(self.taken(program), b"1")
        program.end()
        self.assertEqual(len(self.launcher.programs), 2)

    def test_missing(self) -> None:
        """A datagram without an executable is discarded; a later one is served."""
        path = os.path.abspath(self.mktemp())
        self.listener.stop()
        self.serve(makeDatagrams(wait=True, program=Program(path, (), ("prog",))))
        sender = self.client(self.server)
        sender.send(b"1")
        self.reactor.turnUntil(lambda: bool(self.logged("drop")))
        self.assertEqual(len(self.logged("start-failed")), 1)
        with open(path, "w") as file:
            file.write("#!/bin/sh\n")
        os.chmod(path, 0o755)
        sender.send(b"2")
        self.assertEqual(self.taken(self.requested(1)), b"2")

    def test_rate(self) -> None:
        """Datagrams wait until the pause is over when the rate is exceeded."""
        self.listener.stop()
        self.serve(makeDatagrams(wait=True, bounds=Bounds(serviceMax=1)))
        sender = self.client(self.server)
        sender.send(b"1")
        sender.send(b"2")
        program = self.requested(1).start()
        self.taken(program)
        program.end()
        self.assertIdle()
        self.assertEqual(len(self.logged("pause")), 1)
        self.reactor.advance(WINDOW)
        self.assertEqual(self.taken(self.requested(2)), b"2")

    def test_noRoom(self) -> None:
        """While the launcher has no room, nothing is started, and afterwards it is."""
        self.launcher.hasCapacity = False
        self.sender.send(b"1")
        self.reactor.turn(PATIENCE)
        self.assertEqual(self.launcher.programs, [])
        self.launcher.regainCapacity()
        program = self.requested(1).start()
        self.sender.send(b"2")
        self.taken(program)
        self.launcher.hasCapacity = False
        program.end()
        self.assertIdle()
        self.assertFalse(isBlocking(self.server))
        self.launcher.regainCapacity()
        self.assertEqual(self.taken(self.requested(2)), b"2")

    def test_retire(self) -> None:
        """The socket is free when its program has exited, and no other is started."""
        done: list[bool] = []
        self.sender.send(b"1")
        program = self.requested(1).start()
        self.taken(program)
        self.listener.retire(lambda: done.append(isBlocking(self.server)))
        self.assertEqual(done, [])
        self.sender.send(b"2")
        self.assertIdle()
        program.end()
        self.assertEqual(done, [False])
        self.assertIdle()
        self.assertEqual(self.server.recv(100), b"2")

    def test_retireIdle(self) -> None:
        """The socket is free at once when nothing runs."""
        done: list[None] = []
        self.listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None])
        self.sender.send(b"1")
        self.assertIdle()

    def test_stop(self) -> None:
        """
        A program keeps the socket as it is when the daemon closes its own.

        When it exits its slot is notified, and nothing is started.
        """
        self.sender.send(b"1")
        program = self.requested(1).start()
        self.listener.stop()
        self.server.close()
        with program.socket() as server:
            self.assertTrue(isBlocking(server))
            self.assertEqual(server.recv(100), b"1")
        program.end()
        self.assertEqual((self.limits.running, self.releases), (0, 1))
        self.assertIdle()

    def test_unix(self) -> None:
        """A datagram on a UNIX socket is discarded when two programs have left it."""
        self.listener.stop()
        self.serve(makeUnix(self.mktemp(), socktype=socket.SOCK_DGRAM, wait=True))
        sender = self.client(self.server)
        sender.send(b"1")
        self.requested(1).start().end()
        self.requested(2).start().end()
        (drop,) = self.logged("drop")
        self.assertEqual(drop["peer"], "-")
        self.assertIdle()

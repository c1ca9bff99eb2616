# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.datagram}."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from unittest import mock

from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import WINDOW
from inetdtw.model.service import Bounds, Program
from inetdtw.serve import datagram, replies
from inetdtw.serve.test.datagramcase import DatagramTestCase
from inetdtw.serve.undecided import MOMENT
from inetdtw.test.fakes import (
    PATIENCE,
    isBlocking,
    listening,
    makeDatagrams,
    makeUnix,
    openDescriptors,
    openedSince,
)


class DatagramListenerTests(DatagramTestCase):
    """Tests for L{DatagramListener}."""

    def test_read(self) -> None:
        """A program reads the datagram and then EOF from its 0."""
        self.sender.send(b"question\n")
        program = self.requested(1).start()
        self.assertEqual(self.read(program), b"question\n")
        self.assertEqual(self.read(program), b"")

    def test_blocking(self) -> None:
        """The descriptors of a program block, as programs expect."""
        self.sender.send(b"question")
        program = self.requested(1)
        for fd in range(3):
            with program.socket(fd) as sock:
                self.assertTrue(isBlocking(sock))

    def test_large(self) -> None:
        """A large datagram is received whole, and replied to whole."""
        data = os.urandom(60000)
        self.sender.send(data)
        program = self.requested(1).start()
        self.assertEqual(self.read(program), data)
        self.write(program, 1, data)
        self.assertEqual(self.sender.recv(1 << 16), data)

    def test_empty(self) -> None:
        """The program for an empty datagram reads EOF."""
        self.sender.send(b"")
        self.assertEqual(self.read(self.requested(1)), b"")

    def test_again(self) -> None:
        """
        A client that sends again before its program's exit is reported is served.

        If no program exits, it is not.
        """
        self.serve(makeDatagrams(bounds=Bounds(perSource=1)))
        sender = self.client(self.server)
        for number in range(3):
            sender.send(b"%d" % number)
        self.reactor.settle()
        (refuse,) = self.logged("refuse")
        self.assertEqual(refuse["reason"], "per-address limit (1 at once) reached")
        self.requested(1).start().end()
        self.reactor.settle()
        self.assertEqual(self.read(self.requested(2)), b"1")
        sender.send(b"3")
        self.reactor.settle()
        self.reactor.advance(MOMENT)
        self.requested(2)
        self.assertEqual(len(self.logged("refuse")), 2)
        self.assertEqual((self.limits.running, self.limits.tally.refused), (1, 2))

    def test_own(self) -> None:
        """No program is started for a datagram from a socket of the daemon."""
        there = self.closing(listening(makeDatagrams()))
        self.runtime.guard.own(there.getsockname()[1])
        there.sendto(b"forged", self.server.getsockname())
        self.reactor.turn(PATIENCE)
        self.sender.send(b"honest")
        self.assertEqual(self.read(self.requested(1)), b"honest")
        (refuse,) = self.logged("refuse")
        self.assertIn("source is a socket of this daemon", refuse["reason"])
        self.assertEqual((self.limits.running, self.limits.tally.refused), (1, 1))

    def test_answerMax(self) -> None:
        """
        A source gets C{answer_max} replies per minute.

        The first reply of a program counts as ten; no program is started over the
        limit.
        """
        self.serve(makeDatagrams(bounds=Bounds(answerMax=30)))
        sender, other = self.client(self.server), self.client(self.server)
        for number in (1, 2):
            sender.send(b"question")
            program = self.requested(number).start()
            self.write(program, 1, b"answer")
        for _ in range(10):
            self.write(program, 1, b"more")
        self.assertEqual(self.logged("refuse"), [])
        self.write(program, 1, b"one too many")
        self.assertEqual(self.runtime.tallies["test/udp"].dropped, 1)
        sender.send(b"question")
        other.send(b"question")
        self.reactor.settle()
        self.requested(3)
        (refuse,) = self.logged("refuse")
        reason = "per-address limit (30 answers/min) exceeded"
        self.assertEqual(refuse["reason"], reason)
        self.assertEqual(self.limits.tally.refused, 1)
        answers = [sender.recv(100) for _ in range(12)]
        self.assertEqual(answers, [b"answer"] * 2 + [b"more"] * 10)
        sender.setblocking(False)
        self.assertRaises(BlockingIOError, sender.recv, 100)
        self.reactor.advance(20)
        sender.send(b"question")
        self.requested(4)

    def test_unanswered(self) -> None:
        """Datagrams that no program answers are taken at any rate."""
        self.serve(makeDatagrams(bounds=Bounds(answerMax=1)))
        sender = self.client(self.server)
        for number in range(3):
            sender.send(b"news")
            self.requested(number + 1).start().end()
        self.assertEqual(self.logged("refuse"), [])

    def test_failed(self) -> None:
        """A program that cannot be started sends no reply, and leaks nothing."""
        before = openDescriptors()
        self.launcher.refusal = "Permission denied"
        self.sender.send(b"question")
        self.reactor.turnUntil(lambda: bool(self.logged("start-failed")))
        self.reactor.settle()
        self.assertEqual(openedSince(before), {})
        self.assertEqual((self.limits.running, self.releases), (0, 1))

    def test_missing(self) -> None:
        """A datagram without an executable does not count."""
        path = os.path.abspath(self.mktemp())
        self.serve(makeDatagrams(program=Program(path, (), ("prog",))))
        sender = self.client(self.server)
        before = openDescriptors()
        sender.send(b"question")
        self.reactor.turnUntil(lambda: bool(self.logged("start-failed")))
        self.reactor.settle()
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.limits.running, 0)

    def test_unbuffered(self) -> None:
        """
        A Python program buffers its output, also with PYTHONUNBUFFERED set.

        So one C{print()} is one datagram.
        """
        environ = {**self.runtime.environ, "PYTHONUNBUFFERED": "1"}
        self.runtime = replace(self.runtime, environ=environ)
        self.serve(makeDatagrams())
        self.client(self.server).send(b"question")
        environment = self.requested(1).request.environment
        self.assertNotIn("PYTHONUNBUFFERED", environment)
        self.assertEqual(environment["LANG"], "C")

    def test_full(self) -> None:
        """Datagrams wait while as many programs run as may."""
        self.serve(makeDatagrams(bounds=Bounds(acceptMax=1)))
        sender = self.client(self.server)
        sender.send(b"1")
        sender.send(b"2")
        program = self.requested(1).start()
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 1)
        program.end()
        self.assertEqual(self.read(self.requested(2)), b"2")

    def test_rate(self) -> None:
        """
        The datagram over the rate is dropped, and later ones wait.

        The service resumes by itself.
        """
        self.serve(makeDatagrams(bounds=Bounds(serviceMax=1)))
        sender = self.client(self.server)
        for number in range(3):
            sender.send(b"%d" % number)
        self.requested(1)
        self.reactor.settle()
        self.assertEqual(len(self.logged("refuse")), 1)
        self.reactor.advance(WINDOW)
        self.assertEqual(self.read(self.requested(2)), b"2")

    def test_noRoom(self) -> None:
        """While the launcher has no capacity, datagrams wait."""
        self.launcher.hasCapacity = False
        self.sender.send(b"1")
        self.reactor.turn(PATIENCE)
        self.assertEqual(self.launcher.programs, [])
        self.launcher.regainCapacity()
        self.assertEqual(self.read(self.requested(1)), b"1")

    def test_noDescriptors(self) -> None:
        """
        Datagrams wait while there are too few descriptors.

        The log has a line, and the service resumes by itself.
        """
        before = openDescriptors()
        self.sender.send(b"1")
        self.noDescriptors(lambda: self.reactor.turn(PATIENCE), left=3)
        self.assertEqual(openedSince(before), {})
        self.assertEqual(
            (len(self.logged("drop")), len(self.logged("shortage"))), (0, 1)
        )
        self.assertEqual(self.limits.running, 0)
        self.assertFalse(self.reactor.turn())
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertEqual(self.read(self.requested(1)), b"1")

    def test_noPairs(self) -> None:
        """
        A datagram is dropped when its socket pairs cannot be made.

        It counts no more, and the service is paused for a moment.
        """
        why = OSError(errno.EMFILE, "too many")
        self.sender.send(b"1")
        with mock.patch.object(datagram, "_pairs", side_effect=why):
            self.reactor.turn(PATIENCE)
        (drop,) = self.logged("drop")
        self.assertEqual(drop["reason"], "too many")
        self.assertEqual(self.runtime.tallies["test/udp"].dropped, 1)
        self.assertEqual(self.limits.running, 0)
        self.sender.send(b"2")
        self.assertFalse(self.reactor.turn())
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertEqual(self.read(self.requested(1)), b"2")

    def test_retire(self) -> None:
        """
        The socket is free at once when the listener retires.

        Nothing more is received, and replies of running programs are still sent.
        """
        self.sender.send(b"1")
        program = self.requested(1).start()
        done: list[None] = []
        self.listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None])
        self.sender.send(b"2")
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 1)
        self.write(program, 1, b"answer")
        self.assertEqual(self.sender.recv(100), b"answer")

    def test_stop(self) -> None:
        """
        After a stop, the socket is not read.

        That holds for the socket and for programs, and no descriptor is left.
        """
        before = openDescriptors()
        del before[str(self.server.fileno())]
        self.sender.send(b"1")
        program = self.requested(1).start()
        self.listener.stop()
        self.runtime.closeReplies(self.server)
        self.assertEqual(self.reactor.getReaders(), [])
        self.server.close()
        program.end()
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(openedSince(before), {})

    def test_brokenStart(self) -> None:
        """An internal error before the start leaves nothing open and counted."""
        before = openDescriptors()
        with mock.patch.object(replies, "ReplySocket", side_effect=ValueError):
            self.sender.send(b"1")
            self.reactor.turnUntil(lambda: bool(self.limits.tally.admitted))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.limits.running, 0)

    def test_unix(self) -> None:
        """
        A client on a UNIX socket gets a reply if it has a path.

        For one without a path, the log has a line.
        """
        directory = self.mktemp()
        os.mkdir(directory)
        path = os.path.join(directory, "s")
        self.serve(makeUnix(path, socktype=socket.SOCK_DGRAM))
        named = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        named.settimeout(PATIENCE)
        named.bind(os.path.join(directory, "c"))
        nameless = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        for number, sender in enumerate([named, nameless]):
            sender.sendto(b"question", path)
            program = self.requested(number + 1).start()
            self.assertEqual(self.read(program), b"question")
            self.write(program, 1, b"answer")
            program.end()
        self.assertEqual(named.recv(100), b"answer")
        (drop,) = self.logged("drop")
        self.assertEqual(drop["peer"], "-")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.replies}."""

from __future__ import annotations

import os
import socket

from inetdtw.model.service import Bounds
from inetdtw.serve.datagramport import DatagramPort, Sender
from inetdtw.serve.replies import LAST_REPLY
from inetdtw.serve.test.datagramcase import DatagramTestCase
from inetdtw.test.fakes import FakeProgram, makeDatagrams, openDescriptors, openedSince


class ReplySocketTests(DatagramTestCase):
    """Tests for L{inetdtw.serve.replies.ReplySocket}."""

    def test_write(self) -> None:
        """Each write to 1, 2 or 0 is one datagram to the client."""
        self.sender.send(b"question")
        program = self.requested(1).start()
        for fd in (1, 2, 1, 0):
            self.write(program, fd, b"answer %d" % fd)
        answers = [self.sender.recv(100) for _ in range(4)]
        self.assertEqual(answers, [b"answer %d" % fd for fd in (1, 2, 1, 0)])

    def test_peers(self) -> None:
        """Every client gets the replies of its own program when several run."""
        senders = [self.client(self.server) for _ in range(3)]
        for number, sender in enumerate(senders):
            sender.send(b"%d" % number)
        self.requested(3)
        for program in reversed(self.launcher.programs):
            program.start()
            self.write(program, 1, b"answer to " + self.read(program))
        for number, sender in enumerate(senders):
            self.assertEqual(sender.recv(100), b"answer to %d" % number)

    def test_tooLarge(self) -> None:
        """
        A reply that is too large for a datagram is lost and logged.

        The next one is sent.
        """
        self.sender.send(b"question")
        program = self.requested(1).start()
        self.write(program, 1, bytes(65536))
        (drop,) = self.logged("drop")
        self.assertIn("not sent", drop["reason"])
        self.write(program, 1, b"answer")
        self.assertEqual(self.sender.recv(100), b"answer")

    def test_nothingLeft(self) -> None:
        """When the programs have exited, the daemon has no descriptor of them."""
        before = openDescriptors()
        for number in range(3):
            self.sender.send(b"question")
            program = self.requested(number + 1).start()
            self.write(program, 1, b"answer")
            program.end()
        self.reactor.settle()
        self.assertEqual(openedSince(before), {})
        self.assertEqual(len(self.reactor.getReaders()), 1)
        self.assertEqual((self.limits.running, self.releases), (0, 3))

    def test_lastAnswer(self) -> None:
        """A reply that a program wrote just before its exit is sent."""
        self.sender.send(b"question")
        program = self.requested(1).start()
        os.write(program.fds[1], b"answer")
        program.end()
        self.reactor.settle()
        self.assertEqual(self.sender.recv(100), b"answer")

    def leave(self, program: FakeProgram) -> socket.socket:
        """Let a program exit, and return its 1, which a background child has."""
        left = self.closing(program.socket(1))
        program.end()
        self.reactor.settle()
        return left

    def test_leftBehind(self) -> None:
        """A background child can reply for a moment."""
        self.sender.send(b"question")
        left = self.leave(self.requested(1).start())
        left.send(b"late")
        self.reactor.settle()
        self.assertEqual(self.sender.recv(100), b"late")

    def test_leftForEver(self) -> None:
        """
        Background children use descriptors of the daemon for a moment only.

        What they have written until then is sent.
        """
        before = openDescriptors()
        self.sender.send(b"question")
        left = self.leave(self.requested(1).start())
        for number in range(9):
            left.send(b"%d" % number)
        self.reactor.advance(LAST_REPLY)
        left.close()
        self.assertEqual(openedSince(before), {})
        self.assertEqual(len(self.reactor.getReaders()), 1)
        answers = [self.sender.recv(100) for _ in range(9)]
        self.assertEqual(answers, [b"%d" % number for number in range(9)])

    def test_leftNoisy(self) -> None:
        """A background child that never stops writing is read no longer."""
        self.sender.send(b"question")
        left = self.leave(self.requested(1).start())
        send = DatagramPort.reply

        def again(port: DatagramPort, data: bytes, sender: Sender) -> None:
            send(port, data, sender)
            left.send(data)

        self.patch(DatagramPort, "reply", again)
        left.send(b"more")
        self.reactor.advance(LAST_REPLY)
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_leftCounts(self) -> None:
        """A program counts as running while a background child may reply."""
        self.serve(makeDatagrams(bounds=Bounds(acceptMax=1)))
        sender = self.client(self.server)
        sender.send(b"1")
        sender.send(b"2")
        self.leave(self.requested(1).start())
        self.assertEqual((self.limits.running, self.releases), (1, 0))
        self.reactor.advance(LAST_REPLY)
        self.assertEqual((self.limits.running, self.releases), (0, 1))
        self.assertEqual(self.read(self.requested(2)), b"2")
        self.assertEqual(self.releases, 1)

    def test_leftAndStopped(self) -> None:
        """After a stop, no background child is waited for."""
        self.sender.send(b"question")
        self.leave(self.requested(1).start())
        self.listener.stop()
        self.runtime.closeReplies(self.server)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual((self.limits.running, self.releases), (0, 1))

    def test_broken(self) -> None:
        """An internal error in a reply affects one program only."""
        self.sender.send(b"1")
        first = self.requested(1).start()
        self.sender.send(b"2")
        second = self.requested(2).start()
        send = DatagramPort.reply

        def broken(port: DatagramPort, data: bytes, sender: Sender) -> None:
            if data == b"bad":
                raise ValueError("not thought of")
            send(port, data, sender)

        self.patch(DatagramPort, "reply", broken)
        self.write(first, 1, b"bad")
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.write(second, 1, b"good")
        self.assertEqual(self.sender.recv(100), b"good")

    def test_reactorStops(self) -> None:
        """When the reactor stops, the reply sockets are closed."""
        before = openDescriptors()
        self.sender.send(b"1")
        program = self.requested(1).start()
        self.reactor.disconnect()
        program.end()
        self.assertEqual(openedSince(before), {})

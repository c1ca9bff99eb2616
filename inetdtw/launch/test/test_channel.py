# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.channel}."""

from __future__ import annotations

import errno
import os
import socket
from typing import Callable

from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.main import CONNECTION_LOST
from twisted.python.failure import Failure

from inetdtw.helpers.protocol import SMALL, receive
from inetdtw.helpers.reports import ENDED, LARGEST, REPORT, TOGETHER
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH, WITHDRAW
from inetdtw.launch.channel import Channel, IChannelOwner
from inetdtw.launch.packets import HelperReport
from inetdtw.limits.backoff import BROKEN_PAUSE
from inetdtw.test.fakes import ServingTestCase, openDescriptors, openedSince


@implementer(IChannelOwner)
class ChannelOwner:
    """
    Records what a channel reports.

    @ivar numbers: the numbers in the reports.
    @ivar flushes: how many reports there were whenever it was flushed.
    @ivar disconnects: how often it was disconnected.
    @ivar react: called with each number.
    """

    name = "some helper"

    def __init__(self) -> None:
        """Record nothing yet."""
        self.numbers: list[int] = []
        self.flushes: list[int] = []
        self.disconnects = 0
        self.react: Callable[[int], object] = lambda number: None

    def received(self, report: HelperReport) -> None:
        """Record a report."""
        self.numbers.append(report.number)
        self.react(report.number)

    def flushed(self) -> None:
        """Record how many reports there were."""
        self.flushes.append(len(self.numbers))

    def disconnected(self) -> None:
        """Record the end."""
        self.disconnects += 1


class ChannelTestCase(ServingTestCase):
    """A test of a channel."""

    def setUp(self) -> None:
        """Make a channel, and play the helper process."""
        super().setUp()
        self.before = openDescriptors()
        self.owner = ChannelOwner()
        verifyObject(IChannelOwner, self.owner)
        self.channel = Channel(self.reactor, self.owner)
        self.addCleanup(self.channel.close)
        self.helper = self.closing(self.channel.theirs.dup())
        self.buffer = memoryview(bytearray(LARGEST))

    def report(self, *numbers: int) -> None:
        """Send one packet of reports."""
        self.helper.send(b"".join(REPORT.pack(ENDED, n, 5, 0, 0) for n in numbers))

    def take(self) -> tuple[tuple[int, ...], bytes, list[int]]:
        """Receive a request: its header, the rest, and its descriptors."""
        packet, fds = receive(self.helper, self.buffer)
        for fd in fds:
            self.addCleanup(os.close, fd)
        return HEADER.unpack_from(packet), packet[HEADER.size :], fds


class SendTests(ChannelTestCase):
    """Tests for L{Channel.send}."""

    def test_request(self) -> None:
        """A request has its number, its kind and its listening socket."""
        with open(os.devnull) as null:
            fds = [null.fileno()]
            self.channel.send(LAUNCH, 0, 3, b"program", b"A=1", fds)
            self.channel.send(ACCEPT, 9, 16, b"program", fds=fds)
        self.channel.send(WITHDRAW, 9)
        head, rest, given = self.take()
        self.assertEqual(head, (LAUNCH, False, 1, 0, 3, 7))
        self.assertEqual((rest, len(given)), (b"programA=1", 1))
        head, rest, given = self.take()
        self.assertEqual(head, (ACCEPT, False, 2, 9, 16, 7))
        self.assertEqual((rest, len(given)), (b"program", 1))
        self.assertEqual(self.take(), ((WITHDRAW, False, 3, 9, 0, 0), b"", []))

    def test_numbers(self) -> None:
        """Every request has a number of its own, and never 0."""
        self.channel.number = 0xFFFFFFFD
        sent = [self.channel.send(WITHDRAW) for _ in range(4)]
        self.assertEqual(sent, [0xFFFFFFFE, 0xFFFFFFFF, 1, 2])
        self.assertEqual([self.take()[0][2] for _ in range(4)], sent)

    def test_tooLarge(self) -> None:
        """A program that is too long for a request is an error."""
        self.assertRaises(OSError, self.channel.send, LAUNCH, program=bytes(1 << 24))

    def test_large(self) -> None:
        """A program that is too large for a packet is in a file, which is closed."""
        program = os.urandom(SMALL + 1)
        with open(os.devnull) as null:
            fds = [null.fileno()] * 3
            before = openDescriptors()
            self.channel.send(LAUNCH, 0, 0, program[:-1], b"A=1", fds)
            self.channel.send(LAUNCH, 0, 3, program, b"A=1", fds)
            self.assertEqual(openedSince(before), {})
        _, rest, given = self.take()
        self.assertEqual((rest, len(given)), (program[:-1] + b"A=1", 3))
        head, rest, given = self.take()
        self.assertEqual(head, (LAUNCH, True, 2, 0, 3, SMALL + 1))
        self.assertEqual((rest, len(given)), (b"A=1", 4))
        self.assertEqual(os.pread(given[3], 1 << 20, 0), program)

    def test_full(self) -> None:
        """A request raises C{BlockingIOError} while the socket is full."""
        with self.assertRaises(BlockingIOError):
            for _ in range(10_000):
                self.channel.send(LAUNCH, program=bytes(1000))

    def test_closed(self) -> None:
        """Nothing can be sent when the channel is closed."""
        self.assertFalse(self.channel.closed)
        self.channel.close()
        self.assertTrue(self.channel.closed)
        why = self.assertRaises(BrokenPipeError, self.channel.send, LAUNCH)
        self.assertEqual(why.errno, errno.EPIPE)

    def test_unread(self) -> None:
        """Requests that no helper process received can be discarded."""
        self.assertFalse(self.channel.unread)
        for _ in range(2):
            self.channel.send(WITHDRAW)
        self.assertTrue(self.channel.unread)
        self.channel.discard()
        self.assertFalse(self.channel.unread)


class ReceiveTests(ChannelTestCase):
    """Tests for what a L{Channel} receives."""

    def setUp(self) -> None:
        """Start the channel."""
        super().setUp()
        self.channel.start()

    def test_reader(self) -> None:
        """The channel is a reader with a name."""
        verifyObject(IReadDescriptor, self.channel)
        self.assertEqual(self.channel.logPrefix(), "some helper")
        self.assertIn(self.channel, self.reactor.getReaders())
        self.channel.pause()
        self.assertNotIn(self.channel, self.reactor.getReaders())

    def test_reports(self) -> None:
        """All reports of a packet are handled before the owner is notified."""
        self.report(1, 2)
        self.report(3)
        self.reactor.settle()
        self.assertEqual((self.owner.numbers, self.owner.flushes), ([1, 2, 3], [2, 3]))

    def test_bounded(self) -> None:
        """At most one packet, and a part of it, is handled in a reactor iteration."""
        expected = [*range(TOGETHER)]
        self.report(*expected, 998)
        self.report(999)
        self.channel.doRead()
        self.assertEqual(self.owner.numbers, expected)
        self.channel.doRead()
        self.assertEqual(self.owner.numbers, [*expected, 999])
        self.assertEqual(self.owner.flushes, [TOGETHER, TOGETHER + 1])

    def test_drain(self) -> None:
        """All reports are handled at once when the helper process has exited."""
        expected = [*range(TOGETHER)]
        self.report(*expected)
        self.helper.send(b"short")
        self.report(*expected)
        self.channel.drain()
        self.assertEqual(self.owner.numbers, expected * 2)
        self.assertIn(self.channel, self.reactor.getReaders())

    def test_closedByReport(self) -> None:
        """No further reports are handled when one of them closes the channel."""
        for read in ("doRead", "drain"):
            self.owner.numbers.clear()
            self.owner.react = lambda number: self.channel.close()
            self.report(1, 2)
            getattr(self.channel, read)()
            self.assertEqual(self.owner.numbers, [1])
            self.channel = Channel(self.reactor, self.owner)
            self.addCleanup(self.channel.close)
            self.helper = self.closing(self.channel.theirs.dup())
        self.assertEqual(self.owner.flushes, [])

    def test_empty(self) -> None:
        """An empty packet is ignored while this end has the other, too."""
        self.helper.send(b"")
        self.helper.send(b"short")
        self.reactor.settle()
        self.assertEqual((self.owner.numbers, self.owner.disconnects), ([], 0))
        self.assertFalse(self.channel.closed)

    def test_disconnected(self) -> None:
        """The owner is notified once, after all reports, of a closed end."""
        self.channel.theirs.close()
        self.report(1, 2)
        self.helper.close()
        self.reactor.settle()
        self.assertEqual(self.owner.numbers, [1, 2])
        self.assertEqual(self.owner.disconnects, 1)
        self.assertTrue(self.channel.closed)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_reset(self) -> None:
        """A connection that was reset counts as closed."""
        self.channel.theirs.close()
        self.channel.send(WITHDRAW)
        self.helper.close()
        self.reactor.settle()
        self.assertEqual(self.owner.disconnects, 1)

    def test_dropped(self) -> None:
        """A channel that the reactor drops is read again after a while."""
        self.reactor.removeReader(self.channel)
        self.channel.connectionLost(Failure(CONNECTION_LOST))
        self.assertNotIn(self.channel, self.reactor.getReaders())
        self.reactor.advance(BROKEN_PAUSE)
        self.assertIn(self.channel, self.reactor.getReaders())

    def test_droppedAtTheEnd(self) -> None:
        """A channel that was closed meanwhile is not read again."""
        self.channel.connectionLost(Failure(CONNECTION_LOST))
        self.channel.close()
        self.reactor.advance(BROKEN_PAUSE)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_close(self) -> None:
        """A channel that was closed leaves nothing open or scheduled."""
        self.channel.close()
        self.helper.close()
        self.assertEqual(openedSince(self.before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_shutdown(self) -> None:
        """The helper process receives the end of the connection after its requests."""
        self.channel.send(WITHDRAW)
        self.channel.shutdown(socket.SHUT_WR)
        self.assertEqual(len(self.helper.recv(100)), HEADER.size)
        self.assertEqual(self.helper.recv(100), b"")

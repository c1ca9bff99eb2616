# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.internal.services}."""

from __future__ import annotations

import os
import time
from typing import Any, Callable

from zope.interface.verify import verifyObject

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import IHalfCloseableProtocol, IPullProducer
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.internal.services import (
    datagramResponder,
    streamFactory,
)
from inetdtw.model.service import INTERNAL_NAMES

PRINTABLE = "".join(map(chr, range(32, 127))).encode("ascii")


def clockAt(seconds: float) -> Callable[[], float]:
    """Return a clock that stands still."""
    return lambda: seconds


def buildProtocol(name: str, clock: Callable[[], float] = clockAt(0)) -> Protocol:
    """Return the protocol of one connection to an internal service."""
    protocol = streamFactory(name, clock).buildProtocol(
        IPv4Address("TCP", "192.0.2.1", 40000)
    )
    assert isinstance(protocol, Protocol)
    return protocol


def connect(
    name: str, clock: Callable[[], float] = clockAt(0)
) -> tuple[Protocol, StringTransport]:
    """Connect a client that records what it receives."""
    protocol = buildProtocol(name, clock)
    transport = StringTransport()
    protocol.makeConnection(transport)
    return protocol, transport


class SlowClient(FileDescriptor):
    """
    Twisted's own write buffer, with a client that reads on demand.

    @ivar taken: what the client has read.
    """

    def __init__(self) -> None:
        """Read nothing yet."""
        self.memoryReactor = MemoryReactorClock()
        super().__init__(self.memoryReactor)
        self.taken = b""
        self.connected = 1
        self._willing = 0
        self.startReading()

    def writeSomeData(self, data: bytes) -> int:
        """Write what the client is ready to read."""
        chunk = bytes(data[: self._willing])
        self._willing -= len(chunk)
        self.taken += chunk
        return len(chunk)

    def read(self, size: int) -> object:
        """Let the client read, and return the bytes."""
        self._willing = size
        return self.doWrite()

    @property
    def reading(self) -> bool:
        """Return whether the server reads from the client."""
        return self in self.memoryReactor.readers

    @property
    def buffered(self) -> int:
        """Return the number of bytes in the write buffer."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen


def connectSlowly(name: str) -> tuple[Any, SlowClient]:
    """Connect a client that reads on demand."""
    protocol = buildProtocol(name)
    client = SlowClient()
    protocol.makeConnection(client)
    return protocol, client


class NamesTests(SynchronousTestCase):
    """Tests for the names of the services."""

    def test_names(self) -> None:
        """There are five services, each over TCP and UDP."""
        self.assertEqual(
            INTERNAL_NAMES, {"echo", "discard", "chargen", "daytime", "time"}
        )
        for name in INTERNAL_NAMES:
            connect(name)
            datagramResponder(name, clockAt(0))

    def test_quiet(self) -> None:
        """Starting and stopping a service logs nothing."""
        factory = streamFactory("echo", clockAt(0))
        with capturedLogs() as events:
            factory.doStart()
            factory.doStop()
        self.assertEqual(events, [])


class StreamEchoTests(SynchronousTestCase):
    """Tests for C{echo} over TCP."""

    def test_echo(self) -> None:
        """All bytes are sent back."""
        protocol, transport = connect("echo")
        data = bytes(range(256))
        protocol.dataReceived(data)
        protocol.dataReceived(b"more")
        self.assertEqual(transport.value(), data + b"more")
        self.assertFalse(transport.disconnecting)

    def test_pausesForSlowClient(self) -> None:
        """The service stops reading while the client does not read."""
        protocol, client = connectSlowly("echo")
        received = 0
        while client.reading and received < 10 * client.bufferSize:
            protocol.dataReceived(b"x" * 1000)
            received += 1000
        self.assertFalse(client.reading)
        self.assertLessEqual(client.buffered, client.bufferSize + 1000)
        client.read(received)
        self.assertTrue(client.reading)
        self.assertEqual(client.taken, b"x" * received)

    def test_halfClose(self) -> None:
        """A half-closed connection is closed when the client has all its data."""
        protocol, client = connectSlowly("echo")
        protocol.dataReceived(b"the last words")
        verifyObject(IHalfCloseableProtocol, protocol)
        protocol.readConnectionLost()
        self.assertIsNone(client.read(4))
        self.assertIs(client.read(100), CONNECTION_DONE)
        self.assertEqual(client.taken, b"the last words")

    def test_halfCloseWithNothingLeft(self) -> None:
        """A half-closed connection without buffered data is closed at once."""
        protocol, client = connectSlowly("echo")
        protocol.readConnectionLost()
        self.assertIs(client.read(0), CONNECTION_DONE)

    def test_halfCloseWhilePaused(self) -> None:
        """A half-closed connection is closed even if its producer is paused."""
        protocol, client = connectSlowly("echo")
        data = b"x" * (client.bufferSize + 1)
        protocol.dataReceived(data)
        protocol.readConnectionLost()
        self.assertIs(client.read(len(data)), CONNECTION_DONE)
        self.assertEqual(client.taken, data)

    def test_clientGone(self) -> None:
        """A client that closes while the service waits for it is not an error."""
        protocol, client = connectSlowly("echo")
        protocol.dataReceived(b"x" * (client.bufferSize + 1))
        client.connectionLost(CONNECTION_DONE)
        protocol.writeConnectionLost()
        self.assertFalse(client.reading)


class StreamDiscardTests(SynchronousTestCase):
    """Tests for C{discard} over TCP."""

    def test_discard(self) -> None:
        """Data is read and nothing is sent."""
        protocol, transport = connect("discard")
        protocol.dataReceived(b"x" * 100000)
        self.assertEqual(transport.value(), b"")
        self.assertFalse(transport.disconnecting)

    def test_halfClose(self) -> None:
        """Twisted closes the connection when the client half-closes it."""
        protocol, _ = connect("discard")
        self.assertFalse(IHalfCloseableProtocol.providedBy(protocol))


class StreamChargenTests(SynchronousTestCase):
    """Tests for C{chargen} over TCP."""

    def test_lines(self) -> None:
        """Each line has 72 characters of a ring, and begins one after the last."""
        _, client = connectSlowly("chargen")
        for _ in range(30):
            client.read(1000)
        lines = client.taken.split(b"\r\n")[:200]
        self.assertEqual(lines[0], PRINTABLE[:72])
        self.assertEqual(lines[1], PRINTABLE[1:73])
        self.assertEqual(lines[94], b"~" + PRINTABLE[:71])
        for i, line in enumerate(lines):
            self.assertEqual(line, (PRINTABLE * 2)[i % 95 :][:72])

    def test_boundedForSlowClient(self) -> None:
        """At most one write buffer is full for a client that reads slowly."""
        _, client = connectSlowly("chargen")
        self.assertLessEqual(client.buffered, client.bufferSize)
        for _ in range(1000):
            client.read(100)
            self.assertLessEqual(client.buffered, client.bufferSize)
        self.assertGreater(len(client.taken), 90 * 1000)

    def test_input(self) -> None:
        """Input is discarded."""
        protocol, transport = connect("chargen")
        protocol.dataReceived(b"x" * 1000)
        self.assertEqual(transport.value(), b"")
        self.assertTrue(verifyObject(IPullProducer, protocol))
        self.assertIs(transport.producer, protocol)
        self.assertFalse(transport.streaming)

    def test_halfClose(self) -> None:
        """A half-closed connection is served further."""
        protocol, client = connectSlowly("chargen")
        verifyObject(IHalfCloseableProtocol, protocol)
        protocol.readConnectionLost()
        for _ in range(10):
            self.assertIsNone(client.read(100000))
        self.assertGreater(len(client.taken), 50000)

    def test_clientGone(self) -> None:
        """Nothing is produced for a client that has closed."""
        protocol, client = connectSlowly("chargen")
        client.connectionLost(CONNECTION_DONE)
        protocol.writeConnectionLost()
        self.assertNotIn(client, client.memoryReactor.writers)
        self.assertIsNone(client.producer)


class ClockTests(SynchronousTestCase):
    """Tests for C{daytime} and C{time}."""

    def setUp(self) -> None:
        """Set a time zone three hours ahead of UTC."""
        self.addCleanup(self.setZone, os.environ.get("TZ"))
        self.setZone("XXX-3")

    def setZone(self, zone: str | None) -> None:
        """Set or unset the time zone of this process."""
        os.environ.pop("TZ", None)
        if zone is not None:
            os.environ["TZ"] = zone
        time.tzset()

    def answers(self, name: str, now: float) -> bytes:
        """Return the reply of a service, which is the same over TCP and UDP."""
        _, stream = connect(name, clockAt(now))
        self.assertTrue(stream.disconnecting)
        self.assertEqual(datagramResponder(name, clockAt(now))(b""), stream.value())
        answer: bytes = stream.value()
        return answer

    def test_daytime(self) -> None:
        """C{daytime} sends the local time in the C locale, as a line."""
        self.assertEqual(
            self.answers("daytime", 1_700_000_000.9), b"Wed Nov 15 01:13:20 2023\r\n"
        )

    def test_daytimePadding(self) -> None:
        """A one-digit day of the month has a space in front."""
        self.assertEqual(self.answers("daytime", 0), b"Thu Jan  1 03:00:00 1970\r\n")

    def test_time(self) -> None:
        """C{time} sends the seconds since 1900 in four bytes, big end first."""
        # Both numbers are RFC 868's own: 1970-01-01 and 1980-01-01, in UTC.
        for now, since1900 in ((0, 2_208_988_800), (315_532_800.7, 2_524_521_600)):
            self.assertEqual(self.answers("time", now), since1900.to_bytes(4, "big"))

    def test_timeRollsOver(self) -> None:
        """C{time} begins again at zero on 2036-02-07 06:28:16 UTC."""
        self.assertEqual(self.answers("time", 2_085_978_495), b"\xff\xff\xff\xff")
        self.assertEqual(self.answers("time", 2_085_978_496), b"\0\0\0\0")
        self.assertEqual(self.answers("time", 2_085_978_497), b"\0\0\0\1")

    def test_clockIsAskedEachTime(self) -> None:
        """One factory and one responder send every client the current time."""
        clock = Clock()
        factory = streamFactory("time", clock.seconds)
        respond = datagramResponder("time", clock.seconds)
        answers, replies = [], []
        for _ in range(2):
            stream = StringTransport()
            connection = factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 4))
            assert connection is not None
            connection.makeConnection(stream)
            replies.append(respond(b""))
            answers.append(stream.value())
            clock.advance(1)
        self.assertEqual(answers[1][-1] - answers[0][-1], 1)
        self.assertEqual(replies, answers)


class DatagramTests(SynchronousTestCase):
    """Tests for the services over UDP."""

    def test_echo(self) -> None:
        """C{echo} sends every datagram back, an empty one too."""
        respond = datagramResponder("echo", clockAt(0))
        for datagram in (b"one", b"", bytes(range(256))):
            self.assertEqual(respond(datagram), datagram)

    def test_discard(self) -> None:
        """C{discard} does not reply."""
        self.assertIsNone(datagramResponder("discard", clockAt(0))(b"x"))

    def test_chargen(self) -> None:
        """C{chargen} replies with one line, the next one each time."""
        respond = datagramResponder("chargen", clockAt(0))
        lines = [respond(b"x") for _ in range(96)]
        self.assertEqual(lines[0], PRINTABLE[:72] + b"\r\n")
        self.assertEqual(lines[1], PRINTABLE[1:73] + b"\r\n")
        self.assertEqual(len(set(lines)), 95)
        self.assertEqual(lines[95], lines[0])

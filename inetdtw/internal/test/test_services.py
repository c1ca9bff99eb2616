# -*- test-case-name: inetdtw.internal.test.test_services -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.internal.services}."""

from __future__ import annotations

import errno
import os
import socket
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

from inetdtw.internal.reflector import isOfThisMachine
from inetdtw.internal.services import (
    ReflectorGuard,
    UnknownService,
    datagramResponder,
    streamFactory,
)
from inetdtw.model.service import INTERNAL_NAMES

PEER = ("192.0.2.1", 40000)
LOOPBACK = ("127.0.0.1", 40000)
PRINTABLE = "".join(map(chr, range(32, 127))).encode("ascii")


def clockAt(seconds: float) -> Callable[[], float]:
    """Make a clock that stands still."""
    return lambda: seconds


def buildProtocol(name: str, clock: Callable[[], float] = clockAt(0)) -> Protocol:
    """Make the protocol of one connection to a built-in service."""
    protocol = streamFactory(name, clock).buildProtocol(
        IPv4Address("TCP", "192.0.2.1", 40000)
    )
    assert isinstance(protocol, Protocol)
    return protocol


def connect(
    name: str, clock: Callable[[], float] = clockAt(0)
) -> tuple[Protocol, StringTransport]:
    """Connect a client that only looks at what it is sent."""
    protocol = buildProtocol(name, clock)
    transport = StringTransport()
    protocol.makeConnection(transport)
    return protocol, transport


class SlowClient(FileDescriptor):
    """
    Twisted's own write buffer, to a client that reads what it is told to.

    @ivar taken: What the client has read.
    """

    def __init__(self) -> None:
        self.memoryReactor = MemoryReactorClock()
        super().__init__(self.memoryReactor)
        self.taken = b""
        self.connected = 1
        self._willing = 0
        self.startReading()

    def writeSomeData(self, data: bytes) -> int:
        """Take no more than the client is willing to read."""
        chunk = bytes(data[: self._willing])
        self._willing -= len(chunk)
        self.taken += chunk
        return len(chunk)

    def read(self, size: int) -> object:
        """Let the client read, and give back what the reactor would be told."""
        self._willing = size
        return self.doWrite()

    @property
    def reading(self) -> bool:
        """Whether the server reads from the client."""
        return self in self.memoryReactor.readers

    @property
    def buffered(self) -> int:
        """How much the server holds for the client."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen


def connectSlowly(name: str) -> tuple[Any, SlowClient]:
    """Connect a client that reads nothing unless told to."""
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

    def test_unknown(self) -> None:
        """An unknown name raises a C{KeyError} that says which name it was."""
        for make in (
            lambda: streamFactory("qotd", clockAt(0)),
            lambda: datagramResponder("qotd", clockAt(0)),
        ):
            error = self.assertRaises(UnknownService, make)
            self.assertIsInstance(error, KeyError)
            self.assertEqual(str(error), "no built-in service is called 'qotd'")

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
        """Whatever bytes come go back as they came."""
        protocol, transport = connect("echo")
        data = bytes(range(256))
        protocol.dataReceived(data)
        protocol.dataReceived(b"more")
        self.assertEqual(transport.value(), data + b"more")
        self.assertFalse(transport.disconnecting)

    def test_pausesForSlowClient(self) -> None:
        """Nothing more is read from a client that does not read, until it does."""
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
        """
        After the client has shut its writing side it gets the rest of its
        data, and only then the connection is closed.
        """
        protocol, client = connectSlowly("echo")
        protocol.dataReceived(b"the last words")
        verifyObject(IHalfCloseableProtocol, protocol)
        protocol.readConnectionLost()
        self.assertIsNone(client.read(4))
        self.assertIs(client.read(100), CONNECTION_DONE)
        self.assertEqual(client.taken, b"the last words")

    def test_halfCloseWithNothingLeft(self) -> None:
        """The connection of a client that has all its data is closed at once."""
        protocol, client = connectSlowly("echo")
        protocol.readConnectionLost()
        self.assertIs(client.read(0), CONNECTION_DONE)

    def test_halfCloseWhilePaused(self) -> None:
        """
        The end of the client's data closes the connection even if the service
        was waiting for the client to read.
        """
        protocol, client = connectSlowly("echo")
        data = b"x" * (client.bufferSize + 1)
        protocol.dataReceived(data)
        protocol.readConnectionLost()
        self.assertIs(client.read(len(data)), CONNECTION_DONE)
        self.assertEqual(client.taken, data)

    def test_clientGone(self) -> None:
        """A client that vanishes while the service waits for it is no error."""
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
        """Twisted closes the connection when the client has nothing more to say."""
        protocol, _ = connect("discard")
        self.assertFalse(IHalfCloseableProtocol.providedBy(protocol))


class StreamChargenTests(SynchronousTestCase):
    """Tests for C{chargen} over TCP."""

    def test_lines(self) -> None:
        """
        Lines of 72 printable characters end in CRLF, each beginning one
        character later than the one before, round and round.
        """
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
        """
        A client that does not read makes the service hold one portion, and
        one that reads a little makes it hold no more than that.
        """
        _, client = connectSlowly("chargen")
        self.assertLessEqual(client.buffered, client.bufferSize)
        for _ in range(1000):
            client.read(100)
            self.assertLessEqual(client.buffered, client.bufferSize)
        self.assertGreater(len(client.taken), 90 * 1000)

    def test_input(self) -> None:
        """What the client sends is thrown away and changes nothing."""
        protocol, transport = connect("chargen")
        protocol.dataReceived(b"x" * 1000)
        self.assertEqual(transport.value(), b"")
        self.assertTrue(verifyObject(IPullProducer, protocol))
        self.assertIs(transport.producer, protocol)
        self.assertFalse(transport.streaming)

    def test_halfClose(self) -> None:
        """The service goes on when the client has shut its writing side."""
        protocol, client = connectSlowly("chargen")
        verifyObject(IHalfCloseableProtocol, protocol)
        protocol.readConnectionLost()
        for _ in range(10):
            self.assertIsNone(client.read(100000))
        self.assertGreater(len(client.taken), 50000)

    def test_clientGone(self) -> None:
        """Nothing is produced for a client that has vanished."""
        protocol, client = connectSlowly("chargen")
        client.connectionLost(CONNECTION_DONE)
        protocol.writeConnectionLost()
        self.assertNotIn(client, client.memoryReactor.writers)
        self.assertIsNone(client.producer)


class ClockTests(SynchronousTestCase):
    """Tests for C{daytime} and C{time}."""

    def setUp(self) -> None:
        """Put the test where local time is three hours ahead of UTC."""
        self.addCleanup(self.setZone, os.environ.get("TZ"))
        self.setZone("XXX-3")

    def setZone(self, zone: str | None) -> None:
        """Set or unset the time zone of this process."""
        os.environ.pop("TZ", None)
        if zone is not None:
            os.environ["TZ"] = zone
        time.tzset()

    def answers(self, name: str, now: float) -> bytes:
        """Ask a service over TCP and UDP, and compare the answers."""
        _, stream = connect(name, clockAt(now))
        self.assertTrue(stream.disconnecting)
        self.assertEqual(datagramResponder(name, clockAt(now))(b""), stream.value())
        answer: bytes = stream.value()
        return answer

    def test_daytime(self) -> None:
        """C{daytime} says the local time in the C locale and ends the line."""
        self.assertEqual(
            self.answers("daytime", 1_700_000_000.9), b"Wed Nov 15 01:13:20 2023\r\n"
        )

    def test_daytimePadding(self) -> None:
        """A one-digit day of the month has a blank in front."""
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
        """One factory and one responder tell every client a fresh time."""
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
        """C{echo} sends every datagram back as it came, an empty one too."""
        respond = datagramResponder("echo", clockAt(0))
        for datagram in (b"one", b"", bytes(range(256))):
            self.assertEqual(respond(datagram), datagram)

    def test_discard(self) -> None:
        """C{discard} answers nothing."""
        self.assertIsNone(datagramResponder("discard", clockAt(0))(b"x"))

    def test_chargen(self) -> None:
        """C{chargen} answers with one line, the next one each time."""
        respond = datagramResponder("chargen", clockAt(0))
        lines = [respond(b"x") for _ in range(96)]
        self.assertEqual(lines[0], PRINTABLE[:72] + b"\r\n")
        self.assertEqual(lines[1], PRINTABLE[1:73] + b"\r\n")
        self.assertEqual(len(set(lines)), 95)
        self.assertEqual(lines[95], lines[0])


class ReflectorGuardTests(SynchronousTestCase):
    """Tests for L{ReflectorGuard}."""

    def setUp(self) -> None:
        """Make a guard with a clock."""
        self.clock = Clock()
        self.guard = ReflectorGuard(self.clock.seconds)

    def test_answeringPorts(self) -> None:
        """
        The ports of services that answer anything are refused, and no other,
        whatever the address is.
        """
        for host in ("192.0.2.1", "127.0.0.1"):
            refused = [n for n in range(1024) if not self.guard.allows((host, n))]
            self.assertEqual(refused, [0, 7, 9, 13, 17, 19, 37])

    def test_addedPorts(self) -> None:
        """A port is refused as long as one service is served on it."""
        peer = ("127.0.0.1", 7007)
        answers = [self.guard.allows(peer)]
        self.guard.add(7007)
        self.guard.add(7007)
        answers.append(self.guard.allows(peer))
        self.guard.discard(7007)
        answers.append(self.guard.allows(peer))
        self.guard.discard(7007)
        answers.append(self.guard.allows(peer))
        self.assertEqual(answers, [True, False, False, True])

    def test_discardWithoutAdd(self) -> None:
        """Discarding a port that was not added counts for nothing."""
        self.guard.discard(7007)
        self.guard.add(7007)
        self.assertFalse(self.guard.allows(("192.0.2.1", 7007)))

    def test_answeringPortsStay(self) -> None:
        """Port 7 is refused even when a service on it has come and gone."""
        self.guard.add(7)
        self.guard.discard(7)
        self.guard.discard(7)
        self.assertFalse(self.guard.allows(("192.0.2.1", 7)))

    def test_own(self) -> None:
        """
        A socket of the daemon is not answered, by whatever address of this machine it
        is reached; another machine's is that has the same port.
        """
        self.guard.own(7007)
        own = [
            ("127.0.0.1", 7007),
            ("127.9.9.9", 7007),
            ("::ffff:127.0.0.1", 7007, 0, 0),
        ]
        for peer in own:
            self.assertFalse(self.guard.allows(peer))
            self.assertFalse(self.guard.allowsProgram(peer, "x"))
        for peer in (("192.0.2.1", 7007), ("127.0.0.1", 7008)):
            self.assertTrue(self.guard.allows(peer))
            self.assertTrue(self.guard.allowsProgram(peer, "x"))
        self.guard.disown(7007)
        for peer in own:
            self.assertTrue(self.guard.allows(peer))
            self.assertTrue(self.guard.allowsProgram(peer, "x"))

    def test_ownPaths(self) -> None:
        """So it is with the paths of UNIX sockets."""
        self.guard.own("/a", "/b")
        for path, allowed in (("/a", False), ("/b", False), ("/c", True), (None, True)):
            self.assertEqual(self.guard.allows((path,)), allowed)
            self.assertEqual(self.guard.allowsProgram((path,), "x"), allowed)

    def test_programs(self) -> None:
        """
        No program is started for the ports of services that answer anything; it is for
        those of others, also where they are those of services here.
        """
        self.guard.add(123)
        host = "192.0.2.1"
        with capturedLogs() as events:
            refused = [
                n for n in range(1024) if not self.guard.allowsProgram((host, n), "x")
            ]
        self.assertEqual(refused, [7, 13, 17, 19, 37])
        peers = [event["peer"] for event in events]
        self.assertEqual(peers, [f"{host}:{number}" for number in refused])

    def test_unknown(self) -> None:
        """
        Where it cannot be found out whether an address is this machine's, it is taken
        for one.
        """
        self.assertFalse(isOfThisMachine(("192.0.2.1", 7)))
        self.assertTrue(isOfThisMachine(("::1%nowhere", 7, 0, 0)))

        def fail(*given: Any) -> Any:
            raise OSError(errno.EMFILE, "")

        self.patch(socket, "socket", fail)
        self.assertTrue(isOfThisMachine(("192.0.2.1", 7)))

    def test_log(self) -> None:
        """A refusal is logged with the service and the peer; an answer is not."""
        with capturedLogs() as events:
            self.guard.allows(PEER, "echo")
            self.guard.allows(("192.0.2.1", 19), "echo")
            self.guard.allows(("2001:db8::1", 7, 0, 0), "time")
        self.assertEqual(
            [(event["service"], event["peer"]) for event in events],
            [("echo", "192.0.2.1:19"), ("time", "[2001:db8::1]:7")],
        )

    def test_flood(self) -> None:
        """
        Refusals of one port are logged once a minute, from however many
        addresses they come.
        """
        counts = []
        for seconds in (0, 59, 1):
            self.clock.advance(seconds)
            with capturedLogs() as events:
                for i in range(100):
                    self.guard.allows((f"192.0.2.{i}", 7), "echo")
                self.guard.allows(("192.0.2.1", 9), "echo")
            counts.append(len(events))
        self.assertEqual(counts, [2, 0, 2])

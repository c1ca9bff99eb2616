# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.http}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.control.api import Response
from inetdtw.control.http import LONGEST, MOST, TIMEOUT, Site
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose


class Echoing:
    """
    Replies with the request.

    @ivar asked: the requests.
    """

    def __init__(self) -> None:
        """Start without requests."""
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def respond(self, method: str, path: str, arguments: Mapping[str, str]) -> Response:
        """Reply."""
        self.asked.append((method, path, dict(arguments)))
        return Response(200, b"body", "text/x", ("ONE", "TWO"))


class SiteTests(SynchronousTestCase):
    """Tests for L{Site}."""

    def setUp(self) -> None:
        """Make a site."""
        self.answers = Echoing()
        self.account = Descriptors()
        account = DescriptorAccount(self.account, Purpose.METRICS, "", each=1)
        self.site = Site(self.answers.respond, account)
        self.clock = Clock()

    def connection(self, host: str = "192.0.2.1") -> Any:
        """Return a connection; its transport's value is what was written to it."""
        channel: Any = self.site.buildProtocol(IPv4Address("TCP", host, 40000))
        channel.callLater = self.clock.callLater
        channel.makeConnection(StringTransport())
        return channel

    def send(self, text: bytes, channel: Any = None) -> bytes:
        """Send bytes, and return what is written in reply."""
        channel = self.connection() if channel is None else channel
        channel.dataReceived(text)
        written: bytes = channel.transport.value()
        return written

    def test_question(self) -> None:
        """A request reaches the API, with the arguments of its query."""
        answer = self.send(b"GET /a?service=x%2Fy HTTP/1.1\r\nHost: inetd\r\n\r\n")
        self.assertEqual(self.answers.asked, [("GET", "/a", {"service": "x/y"})])
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertEqual(body, b"body")
        lines = head.lower().split(b"\r\n")
        self.assertEqual(lines[0], b"http/1.1 200 ok")
        for line in (b"content-type: text/x", b"content-length: 4", b"allow: one, two"):
            self.assertIn(line, lines)

    def test_form(self) -> None:
        """Arguments may be in a form, as curl(1) sends it with C{-d}."""
        form = b"service=a"
        head = (
            b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        )
        self.send(head % len(form) + form)
        self.assertEqual(self.answers.asked, [("POST", "/p", {"service": "a"})])

    def test_one(self) -> None:
        """A connection is for one request: a second one is not read."""
        question = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
        channel = self.connection()
        self.assertIn(b"close", self.send(question, channel).lower())
        self.assertTrue(channel.transport.disconnecting)
        channel.transport.clear()
        self.assertEqual(self.send(question, channel), b"")
        self.assertEqual(len(self.answers.asked), 1)

    def test_head(self) -> None:
        """A client that wants the headers only gets no body."""
        answer = self.send(b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(answer.endswith(b"\r\n\r\n"))

    def test_bad(self) -> None:
        """A request that is not HTTP is an error, and does not reach the API."""
        for text in (
            b"\r\n\r\n",
            b"nonsense\r\n\r\n",
            b"GET /a HTTP/1.1\r\nno header\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /?%ff=a HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /?a=1&a=2 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ):
            channel = self.connection()
            answer = self.send(text, channel)
            self.assertTrue(answer == b"" or b" 400 " in answer.split(b"\r\n")[0], text)
        self.assertEqual(self.answers.asked, [])

    def test_large(self) -> None:
        """A line, headers or a body over the maximum size are an error."""
        for text in (
            b"GET /" + b"x" * 100_000,
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 10_000,
            b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (LONGEST + 1),
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ):
            channel = self.connection()
            self.send(text, channel)
            ended = channel.transport.disconnecting or channel.transport.disconnected
            self.assertTrue(ended, text[:20])
        self.assertEqual(self.answers.asked, [])

    def test_slow(self) -> None:
        """The timeout is for the whole request."""
        channel = self.connection()
        for byte in b"GET / HTTP":
            channel.dataReceived(bytes((byte,)))
            self.clock.advance(TIMEOUT / 20)
        self.assertFalse(channel.transport.disconnecting)
        self.clock.advance(TIMEOUT)
        self.assertTrue(channel.transport.disconnecting)

    def test_deaf(self) -> None:
        """A client that does not read the response has a timeout, too."""
        channel = self.connection()
        # A transport that has something left to send does not close.
        self.patch(channel.transport, "loseConnection", lambda: None)
        self.send(b"GET / HTTP/1.1\r\n\r\n", channel)
        self.assertFalse(channel.transport.disconnected)
        self.clock.advance(TIMEOUT)
        self.assertTrue(channel.transport.disconnected)

    def test_many(self) -> None:
        """A connection beyond the limit takes the place of the oldest silent one."""
        channels = [self.connection() for _ in range(MOST)]
        self.patch(channels[0].transport, "loseConnection", lambda: None)
        self.send(b"GET / HTTP/1.1\r\n\r\n", channels[0])
        self.connection()
        gone = [each.transport.disconnected for each in channels]
        self.assertEqual(gone, [False, True] + [False] * (MOST - 2))
        self.assertEqual(self.site.open, MOST)
        channels[1].connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.site.open, MOST)
        channels[2].connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.site.open, MOST - 1)
        self.assertEqual(self.account.taken(Purpose.METRICS), MOST - 1)

    def test_unread(self) -> None:
        """When all have sent requests, the oldest that does not read is dropped."""
        channels = [self.connection() for _ in range(MOST)]
        for each in channels:
            self.patch(each.transport, "loseConnection", lambda: None)
            self.send(b"GET / HTTP/1.1\r\n\r\n", each)
        self.connection()
        gone = [each.transport.disconnected for each in channels]
        self.assertEqual(gone, [True] + [False] * (MOST - 1))

    def test_crowded(self) -> None:
        """A client of another address keeps its connection."""
        other = self.connection("192.0.2.2")
        for _ in range(3 * MOST):
            self.connection()
        self.assertFalse(other.transport.disconnected)

    def test_few(self) -> None:
        """With few descriptors left, fewer connections are allowed."""
        self.patch(self.account, "share", lambda purpose: 4)
        for _ in range(MOST):
            self.connection()
        self.assertEqual(self.site.open, 3)

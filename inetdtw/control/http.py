# -*- test-case-name: inetdtw.control.test.test_http -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
An HTTP server for the API, by C{twisted.web.http} alone.

C{twisted.web.server}, with trees of resources and sessions, would cost every daemon
3 MiB and 40 milliseconds at its start; this costs 0.6 MiB and 6 milliseconds.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from inetdtw.control.api import Respond, Response, errorResponse
from inetdtw.model.source import sourceOf
from inetdtw.system.crowd import Crowd
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.text import fromBytes

#: The timeout of a request, in seconds, and of its response.
TIMEOUT = 10
#: The most bytes of the body of a request.
LONGEST = 4096
#: With a length, a client that still sends can find the end of the response.
_TOO_LARGE = (
    b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
#: How many bits of a client's address identify it.
_PREFIX = (32, 64)
#: The most connections at once.
MOST = 16


class _Request(http.Request):
    """One request and its response."""

    def gotLength(self, length: int | None) -> None:
        """Reject a body that is too large, or has no length, when the headers came."""
        if length is not None and length <= LONGEST:
            super().gotLength(length)
            return
        super().gotLength(0)
        channel: Any = self.channel
        channel.transport.write(_TOO_LARGE)
        channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a part of the body, unless it is too large."""
        content: Any = self.content
        if content.tell() + len(data) <= LONGEST:
            super().handleContentChunk(data)

    def process(self) -> None:
        """Respond to a complete request."""
        channel: Any = self.channel
        site: Site = channel.factory
        # Twisted has cancelled the timeout, because its responses may take long.
        channel.setTimeout(TIMEOUT)
        site.answered(channel)
        response = self._response(site.respond)
        self.setResponseCode(response.status)
        self.setHeader("content-type", response.mediaType)
        self.setHeader("content-length", str(len(response.body)))
        self.setHeader("connection", "close")
        if response.allowed:
            self.setHeader("allow", ", ".join(response.allowed))
        if self.method != b"HEAD":
            self.write(response.body)
        self.finish()

    def _response(self, respond: Respond) -> Response:
        try:
            method, path = self.method.decode("ascii"), self.path.decode("ascii")
            arguments = {
                name.decode("ascii"): fromBytes(values[0])
                for name, values in (self.args or {}).items()
                if len(values) == 1
            }
        except UnicodeDecodeError:
            return errorResponse(400, "method, path and arguments must be ASCII")
        if len(arguments) != len(self.args or {}):
            return errorResponse(400, "an argument is given twice")
        return respond(method, path, arguments)


class _HTTPChannel(http.HTTPChannel):
    """
    One connection, for one request.

    @ivar address: that of its client.
    """

    address = ""
    requestFactory = _Request
    timeOut = TIMEOUT
    totalHeadersSize = 2 * LONGEST
    maxHeaders = 50

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """Return false: no second request follows."""
        return False

    def resetTimeout(self) -> None:
        """Do nothing: the timeout is for the whole request."""

    def timeoutConnection(self) -> None:
        """Close the connection, also if the client does not read the response."""
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Stop counting the connection."""
        site: Site = self.factory
        site.lost(self)
        super().connectionLost(reason)


class Site(ServerFactory):
    """
    Serves an API by HTTP.

    @ivar respond: executes the requests.
    """

    noisy = False

    def __init__(self, respond: Respond, account: DescriptorAccount) -> None:
        """@param account: counts the connections as file descriptors."""
        self.respond = respond
        self._account = account
        self._silent: Crowd[_HTTPChannel] = Crowd()
        self._answered: Crowd[_HTTPChannel] = Crowd()

    @property
    def open(self) -> int:
        """The number of connections that count."""
        return len(self._silent) + len(self._answered)

    def buildProtocol(self, addr: IAddress | None) -> _HTTPChannel | None:
        """
        Serve a connection, in place of another one if there are too many.

        The oldest without a request is closed, or else the oldest whose client does not
        read its response.
        """
        while self._isFull():
            oldest = self._silent.oldest() or self._answered.oldest()
            assert oldest is not None
            self._drop(oldest)
            oldest.timeoutConnection()
        self._account.take()
        channel = _HTTPChannel()
        channel.factory = self
        channel.address = sourceOf(str(getattr(addr, "host", "")), _PREFIX)
        self._silent.add(channel, channel.address)
        return channel

    def _isFull(self) -> bool:
        return self.open >= MOST or (self.open > 0 and self._account.full())

    def answered(self, channel: _HTTPChannel) -> None:
        """Note that a connection has sent its request."""
        if channel in self._silent:
            self._silent.discard(channel)
            self._answered.add(channel, channel.address)

    def lost(self, channel: _HTTPChannel) -> None:
        """Note that a connection is closed."""
        # Another one may have its place already.
        if channel in self._silent or channel in self._answered:
            self._drop(channel)

    def _drop(self, channel: _HTTPChannel) -> None:
        """Stop counting a connection."""
        self._silent.discard(channel)
        self._answered.discard(channel)
        self._account.release()

    def log(self, request: http.Request) -> None:
        """Log no request; what it causes is logged."""

# -*- test-case-name: inetdtw.control.test.test_http -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Questions and answers over HTTP, by C{twisted.web.http} alone: C{twisted.web.server},
whose trees of resources and sessions nobody here needs, would cost every daemon 3 MiB
and 40 milliseconds at its start, this costs 0.6 MiB and 6 milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import Protocol as Shape

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.python.failure import Failure
from twisted.web import http

from inetdtw.control.api import Answer, wrong
from inetdtw.model.source import sourceOf
from inetdtw.system.crowd import Crowd
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.text import fromBytes

#: The seconds that a client may take for its question.
PATIENCE = 10
#: The bytes that an argument of a question may have in all.
LONGEST = 4096
#: It says how long it is: who still sends may be told of that before of the end.
_TOO_LARGE = (
    b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
#: How much of a client's address counts as one.
_PREFIX = (32, 64)
#: The connections there may be at once.
MOST = 16


class Answers(Shape):
    """What has the answers."""

    def answer(self, method: str, path: str, said: Mapping[str, str]) -> Answer:
        """Answer a question."""


class _Exchange(http.Request):
    """One question and its answer."""

    def gotLength(self, length: int | None) -> None:
        """The headers are here, which say how long the body is."""
        if length is not None and length <= LONGEST:
            super().gotLength(length)
            return
        super().gotLength(0)
        channel: Any = self.channel
        channel.transport.write(_TOO_LARGE)
        channel.loseConnection()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a part of the body, unless there is too much of it."""
        content: Any = self.content
        if content.tell() + len(data) <= LONGEST:
            super().handleContentChunk(data)

    def process(self) -> None:
        """All of the question is here."""
        channel: Any = self.channel
        site: Any = channel.factory
        # Twisted has ended it, as an answer may take its time; these are here.
        channel.setTimeout(PATIENCE)
        site.asked(channel)
        answer = self._answer(site.answers)
        self.setResponseCode(answer.status)
        self.setHeader("content-type", answer.kind)
        self.setHeader("content-length", str(len(answer.body)))
        self.setHeader("connection", "close")
        if answer.allowed:
            self.setHeader("allow", ", ".join(answer.allowed))
        if self.method != b"HEAD":
            self.write(answer.body)
        self.finish()

    def _answer(self, answers: Answers) -> Answer:
        """Have the question answered."""
        try:
            method, path = self.method.decode("ascii"), self.path.decode("ascii")
            said = {
                name.decode("ascii"): fromBytes(values[0])
                for name, values in (self.args or {}).items()
                if len(values) == 1
            }
        except UnicodeDecodeError:
            return wrong(400, "this is no text")
        if len(said) != len(self.args or {}):
            return wrong(400, "an argument is given twice")
        return answers.answer(method, path, said)


class _Channel(http.HTTPChannel):
    """
    One connection, which is for one question.

    @ivar gone: whether its place is another's already.
    @ivar address: that of its client.
    """

    gone = False
    address = ""
    requestFactory = _Exchange
    timeOut = PATIENCE
    totalHeadersSize = 2 * LONGEST
    maxHeaders = 50

    def checkPersistence(self, request: http.Request, version: bytes) -> bool:
        """No second question follows."""
        return False

    def resetTimeout(self) -> None:
        """The time is for the whole question, whatever comes of it meanwhile."""

    def timeoutConnection(self) -> None:
        """The time is over, also for who does not read the answer."""
        transport: Any = self.transport
        transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is over."""
        site: Any = self.factory
        site.left(self)
        super().connectionLost(reason)


class Site(ServerFactory):
    """Has questions that come by HTTP answered."""

    noisy = False

    def __init__(
        self,
        answers: Answers,
        account: DescriptorAccount | None = None,
    ) -> None:
        """@param account: what the connections may have of the file descriptors."""
        self.answers = answers
        if account is None:
            account = DescriptorAccount(Descriptors(), Purpose.CONTROL, "", each=1)
        self._account = account
        self._silent: Crowd[_Channel] = Crowd()
        self._answered: Crowd[_Channel] = Crowd()
        self.open = 0

    def buildProtocol(self, addr: IAddress | None) -> _Channel | None:
        """
        A connection has come; there may be only so many.  One that has asked nothing
        yet goes for it, or else one that does not read its answer: the next one may do
        both at once.
        """
        while self._full():
            oldest = self._silent.oldest() or self._answered.oldest()
            assert oldest is not None
            self._forget(oldest)
            oldest.timeoutConnection()
        self.open += 1
        self._account.take()
        channel = _Channel()
        channel.factory = self
        channel.address = sourceOf(str(getattr(addr, "host", "")), _PREFIX)
        self._silent.add(channel, channel.address)
        return channel

    def _full(self) -> bool:
        """True if one has to go for the next one."""
        return self.open >= MOST or (self.open > 0 and self._account.full())

    def asked(self, channel: _Channel) -> None:
        """A question is here, and is answered."""
        if channel in self._silent:
            self._silent.discard(channel)
            self._answered.add(channel, channel.address)

    def left(self, channel: _Channel) -> None:
        """A connection is over."""
        if not channel.gone:
            self._forget(channel)

    def _forget(self, channel: _Channel) -> None:
        """Count a connection no more."""
        channel.gone = True
        self._silent.discard(channel)
        self._answered.discard(channel)
        self.open -= 1
        self._account.give()

    def log(self, request: http.Request) -> None:
        """Nothing is said of questions; what they lead to is in the log."""

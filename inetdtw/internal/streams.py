# -*- test-case-name: inetdtw.internal.test.test_services -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The protocols of the small services over TCP; see L{inetdtw.internal.services}."""

from __future__ import annotations

from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IPullProducer,
    IPushProducer,
    ITransport,
)
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

_RING = bytes(range(0x20, 0x7F))
LINES = tuple((_RING + _RING)[i : i + 72] + b"\r\n" for i in range(len(_RING)))
_ALL_LINES = b"".join(LINES)


class StreamFactory(ServerFactory):
    """
    Makes the protocols of a built-in service.

    @ivar ended: called with each protocol when its connection is lost.
    """

    noisy = False

    def __init__(
        self, make: Callable[[], Protocol], ended: Callable[[Protocol], None]
    ) -> None:
        self.protocol = make
        self.ended = ended


class _Stream(Protocol):
    """One connection of a built-in service."""

    factory: Any

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.ended(self)


@implementer(IHalfCloseableProtocol)
class Echo(_Stream):
    """Send everything back, reading no more while the client does not read."""

    transport: ITransport

    def connectionMade(self) -> None:
        producer = IPushProducer(self.transport)
        IConsumer(self.transport).registerProducer(producer, True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)

    def readConnectionLost(self) -> None:
        # loseConnection waits for a paused producer, which nobody would resume.
        IConsumer(self.transport).unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing: only the client ever closes one side."""


class Discard(_Stream):
    """Throw everything away."""


@implementer(IPullProducer, IHalfCloseableProtocol)
class Chargen(_Stream):
    """Send lines whenever the client has taken the ones before."""

    transport: ITransport

    def connectionMade(self) -> None:
        IConsumer(self.transport).registerProducer(self, False)

    def resumeProducing(self) -> None:
        self.transport.write(_ALL_LINES)

    def stopProducing(self) -> None:
        """Do nothing: without L{resumeProducing} nothing is produced."""

    def readConnectionLost(self) -> None:
        """Go on: a client that sends nothing more may still be reading."""

    def writeConnectionLost(self) -> None:
        """Do nothing: only the client ever closes one side."""


class OneAnswer(_Stream):
    """Say the time and close."""

    transport: ITransport

    def __init__(
        self, say: Callable[[float], bytes], clock: Callable[[], float]
    ) -> None:
        self._say = say
        self._clock = clock

    def connectionMade(self) -> None:
        self.transport.write(self._say(self._clock()))
        self.transport.loseConnection()

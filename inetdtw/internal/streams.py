# -*- test-case-name: inetdtw.internal.test.test_services -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The protocols of the internal services over TCP."""

from __future__ import annotations

from typing import Callable

from zope.interface import implementer

from twisted.internet.interfaces import (
    IAddress,
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
    Makes the protocols of an internal service.

    @ivar ended: called with each protocol when its connection is lost.
    """

    noisy = False

    def __init__(
        self,
        make: Callable[[], Protocol],
        ended: Callable[[Protocol], None],
        begun: Callable[[Protocol, IAddress | None], None],
    ) -> None:
        """
        Set the callbacks.

        @param make: makes a protocol.
        @param begun: called with each protocol and the address of its client.
        """
        self._make = make
        self.ended = ended
        self._begun = begun

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """Return the protocol of a client."""
        protocol = self._make()
        protocol.factory = self
        self._begun(protocol, addr)
        return protocol


class _Stream(Protocol):
    """One connection of an internal service."""

    factory: StreamFactory

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Notify the factory."""
        self.factory.ended(self)


@implementer(IHalfCloseableProtocol)
class Echo(_Stream):
    """Sends everything back, and stops reading while the client does not read."""

    transport: ITransport

    def connectionMade(self) -> None:
        """Stop reading while the write buffer is full."""
        producer = IPushProducer(self.transport)
        IConsumer(self.transport).registerProducer(producer, True)

    def dataReceived(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)

    def readConnectionLost(self) -> None:
        """Send what is buffered, and close."""
        # loseConnection() would wait for the paused producer.
        IConsumer(self.transport).unregisterProducer()
        self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Do nothing: only the client ever closes one side."""


class Discard(_Stream):
    """Discards everything."""


@implementer(IPullProducer, IHalfCloseableProtocol)
class Chargen(_Stream):
    """Sends lines while the client reads."""

    transport: ITransport

    def connectionMade(self) -> None:
        """Begin to send."""
        IConsumer(self.transport).registerProducer(self, False)

    def resumeProducing(self) -> None:
        """Send the next lines."""
        self.transport.write(_ALL_LINES)

    def stopProducing(self) -> None:
        """Do nothing: without L{resumeProducing} nothing is produced."""

    def readConnectionLost(self) -> None:
        """Continue: a client that sends nothing more may still be reading."""

    def writeConnectionLost(self) -> None:
        """Do nothing: only the client ever closes one side."""


class OneAnswer(_Stream):
    """Sends the time and closes."""

    transport: ITransport

    def __init__(
        self, format: Callable[[float], bytes], clock: Callable[[], float]
    ) -> None:
        """@param format: returns the text of a time in seconds since the epoch."""
        self._format = format
        self._clock = clock

    def connectionMade(self) -> None:
        """Send the time, and close."""
        self.transport.write(self._format(self._clock()))
        self.transport.loseConnection()

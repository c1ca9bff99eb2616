# -*- test-case-name: inetdtw.serve.test.test_internal -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The listeners of internal services."""

from __future__ import annotations

import errno
import socket
from typing import Any

from zope.interface import implementer

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol

from inetdtw.internal import services
from inetdtw.log import events
from inetdtw.serve.clients import InternalClient
from inetdtw.serve.datagramport import DatagramPort, IDatagramReceiver, Sender
from inetdtw.serve.listener import BaseListener, ConnectionListener
from inetdtw.serve.runtime import ServiceRuntime


class InternalStreamListener(ConnectionListener):
    """A listening socket whose connections an internal service serves."""

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        """Accept nothing before C{start}."""
        super().__init__(given, sock)
        assert given.service.internal is not None
        self._service = given.service
        self._reactor = given.runtime.reactor
        self._clients = given.runtime.clients
        self._served = given.released
        self._factory = services.streamFactory(
            given.service.internal, given.runtime.wallclock, self._ended, self._begun
        )

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        """Serve a connection by the reactor."""
        with connection:
            connection.setblocking(False)
            try:
                self._reactor.adoptStreamConnection(
                    connection.fileno(), connection.family, self._factory
                )
            except OSError as why:
                self._admission.release(peer)
                # A client has disconnected: that is not a shortage.
                if why.errno != errno.ENOTCONN:
                    self._admission.short(why.strerror or str(why))

    def _begun(self, protocol: Protocol, address: IAddress | None) -> None:
        since = self._reactor.seconds()
        peer = _accepted(address)
        self._clients[protocol] = InternalClient(self._service, peer, since)

    def _ended(self, protocol: Protocol) -> None:
        self._clients.pop(protocol, None)
        transport: Any = protocol.transport
        self._admission.release(_accepted(transport.getPeer()))
        self._served()


def _accepted(peer: Any) -> tuple[Any, ...]:
    """Return the address of a client as accept(2) gave it."""
    host, port = getattr(peer, "host", ""), getattr(peer, "port", 0)
    return host, port, getattr(peer, "flowInfo", 0), getattr(peer, "scopeID", 0)


@implementer(IDatagramReceiver)
class InternalDatagramListener(BaseListener):
    """A socket whose datagrams an internal service answers."""

    _port: DatagramPort

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        """Receive nothing before L{start}."""
        service, runtime = given.service, given.runtime
        super().__init__(given, DatagramPort(sock, runtime.reactor, service.name, self))
        assert service.internal is not None
        self._guard = runtime.guard
        self._report = runtime.report
        self._name = service.name
        self._replies = service.internal != "discard"
        self._guarded = False
        self._number = 0 if sock.family == socket.AF_UNIX else sock.getsockname()[1]
        self._respond = services.datagramResponder(service.internal, runtime.wallclock)

    def mayReceive(self) -> bool:
        """
        Tell whether the service is not paused.

        A reply takes nothing else, not even a descriptor.
        """
        return not self._port.holds

    def datagramReceived(self, datagram: bytes, sender: Sender) -> None:
        """Answer a client, unless a limit is exceeded or a loop might begin."""
        peer = sender.address
        if self._replies and not self._mayAnswer(peer):
            self._admission.unanswered()
            return
        if not self._admission.admit(peer):
            return
        self._admission.release(peer)
        reply = self._respond(datagram)
        if reply is not None:
            self._reply(reply, sender)

    def _mayAnswer(self, peer: Any) -> bool:
        """Return False if a reply may start a loop, or exceeds the limit."""
        return self._guard.allows(peer, self._name) and self._admission.mayAnswer(peer)

    def _reply(self, reply: bytes, sender: Sender) -> None:
        try:
            self._port.reply(reply, sender)
        except OSError as why:
            reason, peer = f"reply not sent: {why.strerror}", sender.address
            self._report.emit(events.DROP_ONCE, self._name, peer=peer, reason=reason)

    def start(self) -> None:
        """Begin to receive."""
        self._guard.add(self._number)
        self._guarded = True
        super().start()

    def stop(self) -> None:
        """Stop receiving."""
        if self._guarded:
            self._guarded = False
            self._guard.discard(self._number)
        super().stop()

# -*- test-case-name: inetdtw.serve.test.test_internal -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Internal services on their sockets."""

from __future__ import annotations

import errno
import socket
from typing import Any

from twisted.internet.protocol import Protocol

from inetdtw.internal import services
from inetdtw.serve.datagramport import DatagramPort
from inetdtw.serve.listener import ConnectionListener, GatedListener
from inetdtw.serve.runtime import ServiceRuntime


class InternalStreamListener(ConnectionListener):
    """A listening socket whose connections an internal service serves."""

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        super().__init__(given, sock)
        assert given.service.internal is not None
        self._reactor = given.runtime.reactor
        self._served = given.released
        self._factory = services.streamFactory(
            given.service.internal, given.runtime.wallclock, self._ended
        )

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        """Have the reactor serve a connection."""
        with connection:
            connection.setblocking(False)
            try:
                self._reactor.adoptStreamConnection(
                    connection.fileno(), connection.family, self._factory
                )
            except OSError as why:
                self._gate.release(peer)
                # One that is gone by now is no shortage.
                if why.errno != errno.ENOTCONN:
                    self._gate.short(why.strerror or str(why))

    def _ended(self, protocol: Protocol) -> None:
        """A connection is over."""
        transport: Any = protocol.transport
        self._gate.release(_accepted(transport.getPeer()))
        self._served()


def _accepted(peer: Any) -> tuple[Any, ...]:
    """Return the address of a client as accept(2) gave it."""
    host = getattr(peer, "host", "")
    return host, 0, getattr(peer, "flowInfo", 0), getattr(peer, "scopeID", 0)


class InternalDatagramListener(GatedListener):
    """A socket whose datagrams an internal service answers."""

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        service, runtime = given.service, given.runtime
        port = DatagramPort(sock, runtime.reactor, service.name, self, self._mayReceive)
        super().__init__(given, port)
        assert service.internal is not None
        self._guard = runtime.guard
        self._name = service.name
        self._answers = service.internal != "discard"
        self._guarded = False
        self._number = 0 if sock.family == socket.AF_UNIX else sock.getsockname()[1]
        self._protocol = services.datagramProtocol(
            service.internal, runtime.wallclock, runtime.guard, service.name
        )
        self.makeConnection = self._protocol.makeConnection

    def _mayReceive(self) -> bool:
        """
        Whether it does not pause.  Nothing else can be in the way of an answer, not
        even that there are no descriptors left.
        """
        return not self._port.holds

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """Answer a client, which is one only for that long, if it may be answered."""
        if self._answers and not self._mayAnswer(addr):
            self._gate.unanswered()
            return
        if not self._gate.admit(addr):
            return
        self._gate.release(addr)
        self._protocol.datagramReceived(datagram, addr)

    def _mayAnswer(self, addr: Any) -> bool:
        """True unless an answer may start a loop, or go to somebody who did not ask."""
        return self._guard.allows(addr, self._name) and self._gate.mayAnswer(addr)

    def start(self) -> None:
        """Begin to receive."""
        self._guard.add(self._number)
        self._guarded = True
        super().start()

    def stop(self) -> None:
        """Receive no more."""
        if self._guarded:
            self._guarded = False
            self._guard.discard(self._number)
        super().stop()

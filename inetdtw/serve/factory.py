# -*- test-case-name: inetdtw.serve.test.test_factory -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Programs for connections that Twisted has accepted."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol, ServerFactory

from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.serve.tcpmux import PortlessServices


class _HandOver(Protocol):
    """Passes the socket of a connection that Twisted has accepted to the factory."""

    def connectionMade(self) -> None:
        """
        Take the socket away from the transport.

        Closing a transport shuts the connection down, for the program as well: the
        transport is given another socket to close.
        """
        transport: Any = self.transport
        if ISSLTransport.providedBy(transport):
            peer = transport.getPeer()
            self.factory.secured((peer.host, peer.port))
            transport.abortConnection()
            return
        transport.stopReading()
        try:
            connection, peer = _takenFrom(transport.getHandle())
        except OSError:
            # The client has gone, or there is no descriptor left.
            transport.abortConnection()
            return
        transport.abortConnection()
        self.factory.connectionTaken(connection, peer)


class ProgramFactory(ServerFactory):
    """
    Passes every connection to a service that is configured as C{tcpmux/...}.

    Its program is started with the connection as its standard input, output and error.
    L{inetdtw.InetdService.factory} makes a factory, for C{reactor.listenTCP}, an
    endpoint, or any other port of Twisted.
    """

    noisy = False
    protocol = _HandOver

    def __init__(self, name: str, names: PortlessServices, report: Report) -> None:
        """
        Make a factory for a service, which need not be configured yet.

        @param name: the name of the service, without C{tcpmux/}.
        @param names: the services that are configured.
        """
        self._name = name
        self._names = names
        self._report = report

    def connectionTaken(self, connection: socket.socket, peer: Any) -> None:
        """Start the program, as soon as there is capacity."""
        service = self._names.get(self._name)
        if service is None:
            connection.close()
            self._refuse(peer, "unknown service")
        else:
            service.take(connection, peer, asked=False)

    def secured(self, peer: Any) -> None:
        """Refuse a TLS connection: a program cannot use its socket."""
        self._refuse(peer, "programs cannot serve TLS connections")

    def _refuse(self, peer: Any, reason: str) -> None:
        """Log that a client is refused."""
        self._report.emit(
            events.REFUSE, f"tcpmux/{self._name}", peer=peer, reason=reason
        )


def _takenFrom(handle: socket.socket) -> tuple[socket.socket, Any]:
    """
    Put another socket in the place of a connection.

    @return: the connection, which is the caller's, and the client's address.
    @raise OSError: if that failed; then the connection is still in its place.
    """
    peer = handle.getpeername()
    with socket.socket() as decoy:
        connection = handle.dup()
        os.dup2(decoy.fileno(), handle.fileno(), inheritable=False)
    return connection, peer

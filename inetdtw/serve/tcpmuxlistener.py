# -*- test-case-name: inetdtw.serve.test.test_tcpmuxlistener -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The listener of tcpmux, which passes clients to the services behind it."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

from inetdtw.log import events
from inetdtw.serve.clients import InternalClient
from inetdtw.serve.listener import ConnectionListener
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.tcpmux import NOT_AVAILABLE, NOT_READ, TcpmuxRequest
from inetdtw.system.sockets import closeWithMessage
from inetdtw.text import printable

#: Why a client is closed that has been connected for longer than others.
CROWDED_OUT = "no service name yet, and others wait"


class TcpmuxListener(ConnectionListener):
    """
    A listening socket whose clients each send the name of a service.

    Clients that were accepted before a pause may still send theirs.
    """

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        """Count the descriptors of clients until they have sent a name."""
        account = given.account
        super().__init__(given, sock, replace(account, each=0))
        self._service = given.service
        self._name = given.service.name
        self._runtime = given.runtime
        self._account = account
        self._limits = given.limits
        self._served = given.released

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        """Wait for the name of a service."""
        self._makeRoom(peer)
        self._account.take(peer)
        names, reactor = self._runtime.portless, self._runtime.reactor
        try:
            request = TcpmuxRequest(
                *(connection, peer, reactor, self._asked),
                names.requests,
                self._account.sourceOf(peer),
                self._closed,
            )
        except Exception:
            self._account.release(peer)
            connection.close()
            raise
        client = InternalClient(self._service, peer, reactor.seconds())
        self._runtime.clients[request] = client

    def _closed(self, request: TcpmuxRequest) -> None:
        """Count a client no more, as the daemon stops."""
        self._runtime.clients.pop(request, None)
        self._account.release(request.peer)

    def _makeRoom(self, peer: Any) -> None:
        """
        Close clients that have sent nothing until there is a descriptor for one more.

        The next client may send its name at once.
        """
        requests, account = self._runtime.portless.requests, self._account
        while account.full() or account.refuses(peer):
            oldest = requests.oldest()
            if oldest is None:
                return
            oldest.giveUp()

    def _asked(self, request: TcpmuxRequest, name: str | None) -> None:
        """Serve a client by the name that it has sent, or close it without one."""
        self._runtime.clients.pop(request, None)
        self._admission.release(request.peer)
        self._account.release(request.peer)
        self._served()
        if request.crowdedOut:
            self._limits.refuse()
            self._runtime.report.emit(
                events.REFUSE_ONCE, self._name, peer=request.peer, reason=CROWDED_OUT
            )
        if name is None:
            if request.fault is not None:
                self._refused(request, request.fault)
            closeWithMessage(request.connection, NOT_READ)
        elif name == "help":
            closeWithMessage(request.connection, self._runtime.portless.text())
        else:
            self._dispatch(request, name)

    def _dispatch(self, request: TcpmuxRequest, name: str) -> None:
        """Pass a client to the service that it has named."""
        service = self._runtime.portless.get(name)
        if service is not None:
            service.take(request.connection, request.peer)
            return
        self._refused(request, f"unknown service tcpmux/{printable(name)}")
        closeWithMessage(request.connection, NOT_AVAILABLE)

    def _refused(self, request: TcpmuxRequest, reason: str) -> None:
        """Log and count that a client is refused."""
        self._limits.refuse()
        self._runtime.report.emit(
            events.REFUSE, self._name, peer=request.peer, reason=reason
        )

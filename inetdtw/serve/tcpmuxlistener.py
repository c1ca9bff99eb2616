# -*- test-case-name: inetdtw.serve.test.test_tcpmuxlistener -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The internal service tcpmux on its socket: it leads to the services behind it."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

from inetdtw.log import events
from inetdtw.serve.listener import ConnectionListener
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.tcpmux import NOT_AVAILABLE, NOT_READ, TcpmuxRequest
from inetdtw.system.sockets import closeWithMessage
from inetdtw.text import printable

#: Why a client is closed that has waited for longer than others.
CROWDED_OUT = "it named no service, and others wait"


class TcpmuxListener(ConnectionListener):
    """
    A listening socket whose clients say which service they want; those that were
    accepted may still say so when no more are.
    """

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        account = given.account
        super().__init__(given, sock, replace(account, each=0))
        self._name = given.service.name
        self._runtime = given.runtime
        self._account = account
        self._limits = given.limits
        self._served = given.released

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        """Wait for what the client wants."""
        self._makeRoom(peer)
        self._account.take(peer)
        names, reactor = self._runtime.portless, self._runtime.reactor
        try:
            TcpmuxRequest(
                *(connection, peer, reactor, self._asked),
                names.requests,
                self._account.sourceOf(peer),
                lambda request: self._account.give(request.peer),
            )
        except Exception:
            self._account.give(peer)
            connection.close()
            raise

    def _makeRoom(self, peer: Any) -> None:
        """
        Have room for one more client: some that have said nothing yet go for that, as
        the next one may speak at once.
        """
        requests, account = self._runtime.portless.requests, self._account
        while account.full() or account.refuses(peer):
            oldest = requests.oldest()
            if oldest is None:
                return
            oldest.giveUp()

    def _asked(self, request: TcpmuxRequest, name: str | None) -> None:
        """A client has said what it wants."""
        self._gate.release(request.peer)
        self._account.give(request.peer)
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
            self._lead(request, name)

    def _lead(self, request: TcpmuxRequest, name: str) -> None:
        """Lead a client to a service."""
        service = self._runtime.portless.of(name)
        if service is not None:
            service.take(request.connection, request.peer)
            return
        self._refused(request, f"there is no service tcpmux/{printable(name)}")
        closeWithMessage(request.connection, NOT_AVAILABLE)

    def _refused(self, request: TcpmuxRequest, reason: str) -> None:
        """Say and count that a client is turned away."""
        self._limits.refuse()
        self._runtime.report.emit(
            events.REFUSE, self._name, peer=request.peer, reason=reason
        )

# -*- test-case-name: inetdtw.serve.test.test_tcpmuxlistener -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The internal service tcpmux on its socket: it leads to the services behind it."""

from __future__ import annotations

import socket
from dataclasses import replace
from functools import partial
from typing import Any, Callable

from inetdtw.interfaces import ILauncher
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.errors import printable
from inetdtw.model.service import Service
from inetdtw.serve.admission import AdmissionControl
from inetdtw.serve.listener import GatedListener
from inetdtw.serve.runtime import Host
from inetdtw.serve.sharedport import streamPort
from inetdtw.serve.tcpmux import NOT_AVAILABLE, NOT_READ, Question
from inetdtw.system.sockets import closeWithMessage

#: Why a client is closed that has waited for longer than others.
CROWDED_OUT = "it named no service, and others wait"


class Tcpmux(GatedListener):
    """
    A listening socket whose clients say which service they want; those that were
    accepted may still say so when no more are.
    """

    def __init__(
        self,
        service: Service,
        sock: socket.socket,
        host: Host,
        limits: ServiceLimits,
        launcher: ILauncher | None,
        released: Callable[[], None],
    ) -> None:
        self._name = service.name
        self._refusal = service.refusal
        self._host = host
        self._account = host.accountOf(service)
        self._limits = limits
        self._released = released
        account = replace(self._account, each=0)
        gate = AdmissionControl(
            service.name, limits, host.report, None, account=account
        )
        self.mayAccept, self.short = gate.open, gate.short
        note = host.descriptors.note
        port = streamPort(sock, host, service.name, self, note)
        super().__init__(port, gate)

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """Wait for what the client wants, unless a limit is in the way."""
        self._gate.let(
            peer,
            partial(self._serve, connection, peer),
            partial(closeWithMessage, connection, self._refusal),
        )

    def _serve(self, connection: socket.socket, peer: Any) -> None:
        """Wait for what the client wants."""
        self._makeRoom(peer)
        self._account.take(peer)
        names, reactor = self._host.names, self._host.reactor
        try:
            Question(
                *(connection, peer, reactor, self._asked),
                names.questions,
                self._account.sourceOf(peer),
                lambda question: self._account.give(question.peer),
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
        questions, account = self._host.names.questions, self._account
        while account.full() or account.refuses(peer):
            oldest = questions.oldest()
            if oldest is None:
                return
            oldest.giveUp()

    def _asked(self, question: Question, name: str | None) -> None:
        """A client has said what it wants."""
        self._gate.release(question.peer)
        self._account.give(question.peer)
        self._released()
        if question.crowdedOut:
            self._limits.refused += 1
            self._host.report.refuseMany(self._name, question.peer, CROWDED_OUT)
        if name is None:
            if question.fault is not None:
                self._refused(question, question.fault)
            closeWithMessage(question.connection, NOT_READ)
        elif name == "help":
            closeWithMessage(question.connection, self._host.names.text())
        else:
            self._lead(question, name)

    def _lead(self, question: Question, name: str) -> None:
        """Lead a client to a service."""
        service = self._host.names.of(name)
        if service is not None:
            service.take(question.connection, question.peer)
            return
        self._refused(question, f"there is no service tcpmux/{printable(name)}")
        closeWithMessage(question.connection, NOT_AVAILABLE)

    def _refused(self, question: Question, reason: str) -> None:
        """Say and count that a client is turned away."""
        self._limits.refused += 1
        self._host.report.refuse(self._name, question.peer, reason)

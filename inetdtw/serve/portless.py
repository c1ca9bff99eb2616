# -*- test-case-name: inetdtw.serve.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Services without a socket: their clients come from tcpmux or an application."""

from __future__ import annotations

import socket
from collections import deque
from functools import partial
from typing import Any

from zope.interface import implementer

from inetdtw.helpers.connection import connectionEnvironment
from inetdtw.log import events
from inetdtw.log.events import Event
from inetdtw.log.failures import reasonOf
from inetdtw.log.report import logFailure
from inetdtw.model.service import Service
from inetdtw.model.state import PauseReason, ServiceState
from inetdtw.serve.admission import SHARE, AdmissionControl
from inetdtw.serve.baseslot import BaseSlot, failing
from inetdtw.serve.bindretry import LONGEST_RETRY
from inetdtw.serve.child import Child
from inetdtw.serve.holds import Holds
from inetdtw.serve.runtime import Runtime, ServiceRuntime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.serve.tcpmux import GO, NOT_AVAILABLE, IPortlessService
from inetdtw.serve.undecided import AcceptedClient
from inetdtw.system import sockets
from inetdtw.system.descriptors import Purpose
from inetdtw.system.sockets import closeWithMessage


@implementer(IPortlessService)
class PortlessSlot(BaseSlot):
    """
    A service without a socket.

    Clients wait here while there is no capacity, as they would in a backlog.

    @ivar bound: whether it has a socket.
    """

    bound = False

    def __init__(self, service: Service, runtime: Runtime) -> None:
        """Serve no client before L{start}."""
        super().__init__(service, runtime)
        self._holds = Holds(runtime.reactor, lambda: None, self._next)
        self._waiting: deque[AcceptedClient] = deque()
        self._started = self._drained = False
        # Nothing is admitted before L{start}, and so without a launcher.
        unstarted = ServiceRuntime(service, runtime, self._limits, None, self._next)
        self._admission = AdmissionControl(unstarted, self._holds)
        self._reason: str | None = None

    def bind(self, retry: float = 0.0) -> None:
        """Do nothing, as there is no socket."""

    def check(self) -> None:
        """Do nothing, as there is no socket."""

    def getHost(self) -> None:
        """Return C{None}, as there is no socket."""

    @failing
    def start(self) -> None:
        """Serve clients."""
        self._started = True
        self._serve()
        self._holds.resume(PauseReason.IDLE)
        self._runtime.portless[self._key] = self
        name, address = self.service.name, str(self.service.address)
        self._runtime.report.emit(events.LISTEN, name, address=address)

    @property
    def _key(self) -> str:
        """The name that clients send."""
        return self.service.address.host.partition("/")[2]

    def _serve(self) -> None:
        """Serve clients by the current configuration of the service."""
        given = self._serviceRuntime(self._next)
        assert given.launcher is not None
        self._starter = ProgramStarter(self.service, self._runtime, given.launcher)
        self._starter.prepare()
        self._admission = AdmissionControl(given, self._holds)

    def fail(self, why: Exception) -> None:
        """
        Stop serving after an error, and retry later.

        @param why: the exception that is being handled.
        """
        logFailure(self.service.name)
        self._reason = reasonOf(why)
        self.stop()
        if not self._drained:
            self._holds.pauseFor(PauseReason.ERROR, LONGEST_RETRY, self.start)

    @failing
    def change(self, service: Service) -> None:
        """Serve by another configuration from now on."""
        self.service = service
        if self._started:
            self._admission.close()
            self._serve()
            self._admission.reopen()

    def stop(self) -> None:
        """Stop serving; running programs continue."""
        self._holds.stop()
        if not self._started:
            return
        self._started = False
        self._runtime.portless.pop(self._key, None)
        self._admission.close()
        while self._waiting:
            self._first().refuse()
        self._runtime.report.emit(events.CLOSE, self.service.name)

    def take(self, connection: socket.socket, peer: Any, asked: bool = True) -> None:
        """
        Serve a client as soon as there is capacity.

        @param connection: the slot's from now on.
        @param peer: the client's address.
        @param asked: whether the client has asked tcpmux for the service, and so
            expects its reply.
        """
        serve = partial(self._launch, connection, peer, asked)
        refuse = partial(closeWithMessage, connection, NOT_AVAILABLE if asked else b"")
        client = AcceptedClient(peer, serve, refuse)
        if len(self._waiting) >= max(self.service.options.backlog, 1):
            self._refuse(events.REFUSE, client, "backlog full")
            return
        descriptors, name = self._runtime.descriptors, self.service.name
        if self._waiting and not descriptors.fits(1, Purpose.TCPMUX, name):
            self._refuse(
                events.REFUSE_ONCE, client, f"queued clients have their {SHARE}"
            )
            return
        client.claim = descriptors.take(1, Purpose.TCPMUX, name)
        self._waiting.append(client)
        self._next()

    def _first(self) -> AcceptedClient:
        """Remove the oldest client from the queue."""
        client = self._waiting.popleft()
        client.giveBack()
        return client

    def _refuse(self, event: Event, client: AcceptedClient, reason: str) -> None:
        """Count, log and close a client that does not wait."""
        self._limits.refuse()
        self._runtime.report.emit(
            event, self.service.name, peer=client.peer, reason=reason
        )
        client.refuse()

    @failing
    def pause(self) -> None:
        """Serve no client until L{resume}: they wait."""
        self._holds.pause(PauseReason.OPERATOR)

    @failing
    def resume(self) -> None:
        """Serve clients again: end a pause, and reset the rate."""
        self._limits.resetRate()
        self._holds.resumeAll()
        self._holds.resume(PauseReason.OPERATOR)

    @failing
    def drain(self) -> None:
        """Stop serving until the daemon exits."""
        self._drained = True
        self.stop()

    @property
    def paused(self) -> bool:
        """Whether an operator has paused it."""
        return PauseReason.OPERATOR in self._holds

    def state(self) -> ServiceState:
        """Return its state and counters."""
        pauses = self._holds.reasons
        if self._drained:
            pauses = [PauseReason.DRAIN if self.running else PauseReason.IDLE]
        reason = self._reason if PauseReason.ERROR in pauses else None
        return self._stateOf(pauses, reason, self._holds.resumes, self._started)

    def _next(self) -> None:
        """Serve clients that wait, while there is capacity."""
        while self._waiting and self._mayServe():
            client = self._first()
            if PauseReason.RATE in self._holds:
                self._refuse(events.REFUSE, client, "rate limit exceeded")
            else:
                self._admission.let(client)

    def _mayServe(self) -> bool:
        """Return whether the next client can be served or refused, or has to wait."""
        rated = PauseReason.RATE in self._holds
        return not self.paused and (rated or self._admission.open())

    def _launch(self, connection: socket.socket, peer: Any, asked: bool) -> None:
        """Start the program for a client that was admitted."""
        with connection:
            try:
                connection.setblocking(True)
                sockets.configure(connection, self.service.options)
                if self.service.greets and asked:
                    connection.sendall(GO)
                local = connection.getsockname()
            except OSError:
                # The client has disconnected.
                self._admission.release(peer)
                return
            extra = connectionEnvironment(local, peer)
            fd = connection.fileno()
            self._starter.launch(peer, (fd, fd, fd), self._ended, extra)

    def _ended(self, child: Child) -> None:
        self._admission.release(child.peer)
        self._admission.reopen()
        self.idle()

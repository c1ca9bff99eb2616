# -*- test-case-name: inetdtw.serve.test.test_portless -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Services without a port, to which the internal service C{tcpmux} leads, or an
application.
"""

from __future__ import annotations

import socket
from collections import deque
from functools import partial
from typing import Any, Callable

from inetdtw.helpers.connection import connectionEnvironment
from inetdtw.interfaces import ILauncher
from inetdtw.log import events
from inetdtw.log.failures import reasonOf
from inetdtw.log.report import logFailure
from inetdtw.model.service import Service
from inetdtw.model.state import PauseReason, ServiceState
from inetdtw.serve.admission import SHARE, AdmissionControl
from inetdtw.serve.baseslot import BaseSlot, failing
from inetdtw.serve.bindretry import LONGEST_RETRY
from inetdtw.serve.child import Child
from inetdtw.serve.holds import Holds
from inetdtw.serve.runtime import Runtime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.serve.tcpmux import GO, NOT_AVAILABLE
from inetdtw.serve.undecided import Client
from inetdtw.system import sockets
from inetdtw.system.descriptors import Claim, Purpose
from inetdtw.system.sockets import closeWithMessage


class PortlessSlot(BaseSlot):
    """
    A service without a socket, to which tcpmux or an application leads clients.

    Clients wait here while there is no capacity, as they would in a backlog.

    @ivar bound: whether it has a socket.
    """

    bound = False

    def __init__(
        self,
        service: Service,
        runtime: Runtime,
        launcherOf: Callable[[Service], ILauncher | None],
        idle: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(service, runtime, launcherOf, idle)
        self._holds = Holds(runtime.reactor, lambda: None, self._next)
        self._waiting: deque[tuple[socket.socket, Any, bool]] = deque()
        self._claims: deque[Claim] = deque()
        self._started = self._drained = False
        self._gate: Any = None
        self._reason: str | None = None

    def bind(self, retry: float = 0.0) -> None:
        """It has no socket."""

    @failing
    def start(self) -> None:
        """Serve."""
        self._started = True
        self._serve()
        self._holds.resume(PauseReason.IDLE)
        self._runtime.portless.add(self._key, self)
        name, address = self.service.name, str(self.service.address)
        self._runtime.report.emit(events.LISTEN, name, address=address)

    @property
    def _key(self) -> str:
        """What clients call it."""
        return self.service.address.host.partition("/")[2]

    def _serve(self) -> None:
        """Serve clients from now on as the service is now."""
        given = self._given(self._next)
        assert given.launcher is not None
        self._launches = ProgramStarter(self.service, self._runtime, given.launcher)
        self._launches.prepare()
        self._gate = AdmissionControl(given, self._holds)

    def fail(self, why: Exception) -> None:
        """
        Serve no more after an error, and plan to try again.

        @param why: the exception that is being handled.
        """
        logFailure(self.service.name)
        self._reason = reasonOf(why)
        self.stop()
        if not self._drained:
            self._holds.pauseFor(PauseReason.ERROR, LONGEST_RETRY, self.start)

    @failing
    def change(self, service: Service) -> None:
        """Serve otherwise from now on."""
        self.service = service
        if self._started:
            self._gate.close()
            self._serve()
            self._gate.reopen()

    def stop(self) -> None:
        """Serve no more.  The programs that run go on."""
        self._holds.stop()
        if not self._started:
            return
        self._started = False
        self._runtime.portless.discard(self._key)
        if self._gate is not None:
            self._gate.close()
        while self._waiting:
            connection, _, asked = self._first()
            _sendAway(connection, asked)
        self._runtime.report.emit(events.CLOSE, self.service.name)

    def getHost(self) -> None:
        """It listens nowhere itself."""

    def check(self) -> None:
        """It has no socket."""

    def take(self, connection: socket.socket, peer: Any, asked: bool = True) -> None:
        """
        Serve a client, as soon as there is room for it.

        @param asked: whether it has asked tcpmux for the service, and so wants to be
            told what comes of that.
        """
        if len(self._waiting) >= max(self.service.options.backlog, 1):
            self._refuse(connection, peer, asked, "too many wait already")
            return
        descriptors, name = self._runtime.descriptors, self.service.name
        if self._waiting and not descriptors.fits(1, Purpose.TCPMUX, name):
            self._limits.refuse()
            reason = f"those that wait have their {SHARE}"
            self._runtime.report.emit(
                events.REFUSE_ONCE, name, peer=peer, reason=reason
            )
            _sendAway(connection, asked)
            return
        self._claims.append(descriptors.take(1, Purpose.TCPMUX, name))
        self._waiting.append((connection, peer, asked))
        self._next()

    def _first(self) -> tuple[socket.socket, Any, bool]:
        """Take the one that has waited longest."""
        self._claims.popleft().give()
        return self._waiting.popleft()

    def _refuse(
        self, connection: socket.socket, peer: Any, asked: bool, reason: str
    ) -> None:
        """Send a client away."""
        self._limits.refuse()
        self._runtime.report.emit(
            events.REFUSE, self.service.name, peer=peer, reason=reason
        )
        _sendAway(connection, asked)

    @failing
    def pause(self) -> None:
        """Serve nobody until L{resume}; clients wait."""
        self._holds.pause(PauseReason.OPERATOR)

    @failing
    def resume(self) -> None:
        """Serve again, whatever the reason is that nobody is served."""
        self._limits.resetRate()
        self._holds.resumeAll()
        self._holds.resume(PauseReason.OPERATOR)

    @failing
    def drain(self) -> None:
        """Serve no more, for good."""
        self._drained = True
        self.stop()

    @property
    def paused(self) -> bool:
        """Whether an operator has paused it."""
        return PauseReason.OPERATOR in self._holds

    def state(self) -> ServiceState:
        """Return its figures."""
        held = self._holds.reasons
        if self._drained:
            held = [PauseReason.DRAIN if self.running else PauseReason.IDLE]
        reason = self._reason if PauseReason.ERROR in held else None
        return self._stateOf(held, reason, self._holds.resumes, self._started)

    def _next(self) -> None:
        """Serve those that wait, while there is room."""
        while self._waiting and self._mayServe():
            connection, peer, asked = self._first()
            if PauseReason.RATE in self._holds:
                self._refuse(connection, peer, asked, "the service pauses")
            else:
                serve = partial(self._launch, connection, peer, asked)
                refuse = partial(_sendAway, connection, asked)
                self._gate.let(Client(peer, serve, refuse))

    def _mayServe(self) -> bool:
        """Whether one of them can be served or sent away, or has to wait."""
        rated = PauseReason.RATE in self._holds
        return not self.paused and (rated or self._gate.open())

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
                # The client is gone.
                self._gate.release(peer)
                return
            extra = connectionEnvironment(local, peer)
            fd = connection.fileno()
            self._launches.launch(peer, (fd, fd, fd), self._ended, extra)

    def _ended(self, child: Child) -> None:
        """A program has ended."""
        self._gate.release(child.peer)
        self._gate.reopen()
        self._idle()


def _sendAway(connection: socket.socket, asked: bool) -> None:
    """
    Close the connection of a client that cannot be served.

    @param asked: whether it is to be told.
    """
    closeWithMessage(connection, NOT_AVAILABLE if asked else b"")

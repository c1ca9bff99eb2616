# -*- test-case-name: inetdtw.serve.test.test_slot -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The slot of a service: it owns the socket, over reloads and errors."""

from __future__ import annotations

import socket
from enum import Enum
from functools import partial
from typing import Callable

from twisted.internet.interfaces import IAddress

from inetdtw.limits.backoff import Backoff
from inetdtw.limits.rebinds import Rebinds
from inetdtw.log import events
from inetdtw.log.failures import survived
from inetdtw.model.service import Service
from inetdtw.model.state import PauseReason, ServiceState
from inetdtw.serve.baseslot import BaseSlot, failing
from inetdtw.serve.bindretry import FIRST_RETRY, BindRetry
from inetdtw.serve.datagram import DatagramListener
from inetdtw.serve.internal import InternalDatagramListener, InternalStreamListener
from inetdtw.serve.listener import BaseListener
from inetdtw.serve.runtime import Runtime, ServiceRuntime
from inetdtw.serve.servicesocket import ServiceSocket
from inetdtw.serve.stream import StreamListener
from inetdtw.serve.tcpmuxlistener import TcpmuxListener
from inetdtw.serve.wait import WaitListener
from inetdtw.system.clock import clockOf
from inetdtw.system.timer import Timer


def listenerFor(
    service: Service,
) -> Callable[[ServiceRuntime, socket.socket], BaseListener]:
    """Return the class of listener that serves a service."""
    if service.internal == "tcpmux":
        return TcpmuxListener
    if service.internal is not None:
        stream = service.isStream
        return InternalStreamListener if stream else InternalDatagramListener
    if service.wait:
        return WaitListener
    return StreamListener if service.isStream else DatagramListener


class SlotState(Enum):
    """
    The state of a slot's socket.

    @cvar UNBOUND: the socket is closed; another attempt to bind may be planned.
    @cvar BOUND: clients wait in its backlog for the start.
    @cvar SERVING: a listener serves it.
    @cvar RETIRING: its listener has stopped, but a program or helper still has it.
    @cvar RETIRED: it is free, and not served.
    """

    UNBOUND = "unbound"
    BOUND = "bound"
    SERVING = "serving"
    RETIRING = "retiring"
    RETIRED = "retired"


class Target(Enum):
    """The use of a slot's socket that is wanted, once the socket is free."""

    SERVE = "serve"
    PAUSE = "pause"
    DRAIN = "drain"


class Slot(BaseSlot):
    """
    A service that has a socket.

    Its states are L{SlotState}.  C{bind} leads from C{UNBOUND} to C{BOUND}, C{start} to
    C{SERVING}.  A change, a pause or a drain retires the listener; once the socket is
    free it is served again, stays as it is or is closed, by L{Target}.  Whatever an
    event raises leads to C{UNBOUND} and another attempt.
    """

    def __init__(self, service: Service, runtime: Runtime) -> None:
        """Open no socket before L{bind}."""
        super().__init__(service, runtime)
        self._socket = ServiceSocket(service, runtime)
        self._retry = BindRetry(runtime, self._again)
        self._state = SlotState.UNBOUND
        self._target = Target.SERVE
        # There is one in the states SERVING and RETIRING.
        self._listener: BaseListener | None = None
        self._rebinds = Rebinds(clockOf(runtime.reactor))
        self._backoff = Backoff()
        self._replacement = Timer(runtime.reactor)

    @property
    def bound(self) -> bool:
        """Whether it has its socket."""
        return self._state is not SlotState.UNBOUND

    @property
    def paused(self) -> bool:
        """Whether an operator has paused it."""
        return self._target is Target.PAUSE

    def bind(self, retry: float = FIRST_RETRY) -> None:
        """Open the socket, or plan another attempt."""
        self._retry.begin(retry)
        self._bind()

    @failing
    def _bind(self) -> None:
        self._socket.open()
        self._state = SlotState.BOUND

    @failing
    def _again(self) -> None:
        """Try once more to open the socket."""
        self._bind()
        self.start()

    def fail(self, why: Exception) -> None:
        """
        Close the socket, if it is open, and plan another attempt.

        @param why: the exception that is being handled.
        """
        reason = self._retry.explain(self.service, why)
        # Replies may still go through the sockets before it.
        if self._socket.socket is not None or self._listener is not None:
            survived(self.service.name, self.stop)
        self._state = SlotState.UNBOUND
        if self._target is not Target.DRAIN:
            self._retry.failed(self.service, reason)

    @failing
    def start(self) -> None:
        """Serve the socket, if it is bound."""
        if self._state is not SlotState.BOUND:
            return
        # It fails before the log says that the service listens.
        self._launcherOf(self.service)
        name, address = self.service.name, self.address()
        source = {"source": "LISTEN_FDS"} if self._socket.inherited else {}
        self._runtime.report.emit(events.LISTEN, name, address=address, **source)
        if self.paused:
            self._state = SlotState.RETIRED
        else:
            self._serve()

    def _serve(self) -> None:
        """Serve the socket with the listener for the service as it is now."""
        make = listenerFor(self.service)
        shared = make is WaitListener
        self._socket.prepare(shared)
        assert self._socket.socket is not None
        listener = make(self._serviceRuntime(self._released), self._socket.socket)
        if not shared:
            # What the listener has set is to stay.
            self._socket.keepOptions()
        self._listener, self._state = listener, SlotState.SERVING
        listener.restored = self._restored
        listener.watched(self._dropped)
        listener.start()
        self._retry.succeeded()

    def _restored(self) -> bool:
        """
        Restore the socket after a program had it.

        @return: whether it is still the one that is served.
        """
        try:
            fault = self._socket.fault(ended=True)
            if fault is not None:
                self._replace(fault)
        except Exception as why:
            self.fail(why)
            return False
        return fault is None

    @failing
    def check(self) -> None:
        """Check whether clients can still reach the socket, unless a program has it."""
        if self._state in (SlotState.UNBOUND, SlotState.RETIRING):
            return
        if self._listener is not None and self._listener.busy:
            return
        fault = self._socket.fault()
        if fault is not None:
            self._replace(fault)

    @failing
    def _dropped(self) -> None:
        """Replace the socket soon, as the reactor cannot wait for it."""
        reactor = self._runtime.reactor
        pause = self._backoff.after(reactor.seconds() - self._socket.since)
        self._replacement.start(pause, self._replaceDropped, self._listener)

    @failing
    def _replaceDropped(self, listener: BaseListener) -> None:
        """Replace the socket, unless that was done since."""
        if self._listener is listener:
            self._replace(self._socket.fault() or "an error was left in it")

    def _replace(self, reason: str) -> None:
        """Open another socket in the place of one that clients cannot use."""
        name, address = self.service.name, self.address()
        self._runtime.report.emit(events.REBIND, name, address=address, reason=reason)
        self._rebinds.add(reason)
        listener, self._listener = self._listener, None
        if listener is not None:
            survived(self.service.name, listener.stop)
        # Replies of programs go through it, and they may have its port.
        self._socket.retire()
        self._state = SlotState.UNBOUND
        if self._target is Target.DRAIN:
            self.stop()
        else:
            self.bind()
            self.start()

    @failing
    def _released(self) -> None:
        """Notify the listener that a program has exited, maybe one from before it."""
        if self.bound:
            self._socket.closeUnneeded()
        if self._listener is not None:
            self._listener.released()
        if self._target is Target.DRAIN and self._state is SlotState.RETIRED:
            self._close()
        self.idle()

    @failing
    def change(self, service: Service) -> None:
        """Serve by another configuration, as soon as the socket is free."""
        self.service = service
        self._socket.reconfigure(service)
        self._retire()

    def _retire(self) -> None:
        """Stop the listener, and serve again as soon as the socket is free."""
        if self._state is SlotState.SERVING:
            assert self._listener is not None
            self._state = SlotState.RETIRING
            self._listener.retire(partial(self._retired, self._listener))

    @failing
    def _retired(self, listener: BaseListener) -> None:
        """Act on the L{Target}, as no program has the socket now."""
        if self._listener is not listener:
            # Another socket has taken the place of this one.
            return
        self._listener, self._state = None, SlotState.RETIRED
        if self._target is Target.DRAIN:
            self._close()
        elif self._target is Target.SERVE:
            self._serve()

    @failing
    def pause(self) -> None:
        """Accept no clients until L{resume}: they wait in the backlog."""
        self._target = Target.PAUSE
        self._retire()

    @failing
    def resume(self) -> None:
        """Accept clients again: end a pause, reset the rate, retry the bind."""
        self._target = Target.SERVE
        self._limits.resetRate()
        self.check()
        self._rebinds.clear()
        if self._retry.cancel():
            self._again()
        elif self._state is SlotState.RETIRED:
            self._serve()
        elif self._listener is not None and self._listener.resumes() is not None:
            # Another listener has none of the pauses of this one.
            self._retire()

    @failing
    def drain(self) -> None:
        """
        Stop accepting clients until the daemon exits.

        The socket is closed as soon as no program needs it.
        """
        self._target = Target.DRAIN
        if self._listener is None:
            self._close()
        else:
            self._retire()

    def _close(self) -> None:
        """Close the socket, unless programs reply to datagrams through it."""
        replies = not (self.service.isStream or self.service.wait)
        if not (self.bound and replies and self.running):
            self.stop()

    def stop(self) -> None:
        """Stop serving, and close the socket; running programs continue."""
        self._retry.cancel()
        self._replacement.cancel()
        state, self._state = self._state, SlotState.UNBOUND
        listener, self._listener = self._listener, None
        if state not in (SlotState.UNBOUND, SlotState.BOUND):
            self._runtime.report.emit(events.CLOSE, self.service.name)
        if listener is not None:
            survived(self.service.name, listener.stop)
        self._socket.close()
        self.idle()

    def getHost(self) -> IAddress | None:
        """Return the address of the socket; C{None} while there is no socket."""
        return self._socket.getHost()

    def address(self) -> str:
        """Return the address that it listens on, for the log."""
        return self._socket.address()

    def state(self) -> ServiceState:
        """Return its state and counters."""
        pauses, resumes, reason = self._pauses(), self._retry.due, None
        if PauseReason.UNBOUND in pauses:
            reason = self._retry.reason
        elif PauseReason.REPLACED in pauses:
            reason = self._rebinds.trouble
        if self._listener is not None and self._target is not Target.DRAIN:
            resumes = self._listener.resumes()
        serves = self._state not in (SlotState.UNBOUND, SlotState.BOUND)
        return self._stateOf(pauses, reason, resumes, serves)

    def _pauses(self) -> list[PauseReason]:
        if self._target is Target.DRAIN:
            drains = self.bound or self.running
            return [PauseReason.DRAIN if drains else PauseReason.IDLE]
        pauses = [] if self._listener is None else self._listener.pauses()
        if self.paused:
            # An idle listener is the effect of this pause.
            pauses = [each for each in pauses if each is not PauseReason.IDLE]
            pauses.append(PauseReason.OPERATOR)
        if self._state is SlotState.UNBOUND:
            return [*pauses, PauseReason.UNBOUND]
        if self.paused:
            return pauses
        if self._listener is None:
            return [PauseReason.IDLE]
        if self._rebinds.trouble is not None:
            pauses.append(PauseReason.REPLACED)
        if self._state is SlotState.RETIRING:
            pauses.append(PauseReason.CHANGE)
        return pauses

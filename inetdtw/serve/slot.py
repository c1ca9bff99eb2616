# -*- test-case-name: inetdtw.serve.test.test_slot -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A service's socket, and what serves it: the socket stays, the rest may change."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import wraps
from typing import Any, Callable

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.interfaces import IAddress

from inetdtw.helpers.socketstate import Original, Spoiled
from inetdtw.interfaces import ILauncher
from inetdtw.launch.warm.launcher import isReady
from inetdtw.limits.backoff import Backoff
from inetdtw.limits.rebinds import Rebinds
from inetdtw.limits.service import ServiceLimits
from inetdtw.log import events
from inetdtw.log.failures import reasonOf, survived
from inetdtw.log.report import logFailure
from inetdtw.model.address import hostIn, peerText
from inetdtw.model.errors import ConfWarning
from inetdtw.model.service import Service
from inetdtw.model.state import PauseReason, ServiceState
from inetdtw.serve.datagram import DatagramListener
from inetdtw.serve.internal import InternalDatagramListener, InternalStreamListener
from inetdtw.serve.listener import GatedListener
from inetdtw.serve.runtime import Runtime, ServiceRuntime
from inetdtw.serve.servicestate import stateOf
from inetdtw.serve.stream import StreamListener
from inetdtw.serve.tcpmuxlistener import TcpmuxListener
from inetdtw.serve.wait import WaitListener
from inetdtw.system import sockets
from inetdtw.system.clock import clockOf
from inetdtw.system.descriptors import Claim, Purpose
from inetdtw.system.sockdiag import hears
from inetdtw.text import native

#: The seconds before another try to have a socket: the first, and the most.
FIRST_RETRY, LONGEST_RETRY = 1.0, 16.0
#: The seconds before the log repeats why a socket cannot be had.
QUIET = 64.0
#: The first port that every user may bind.
PRIVILEGED = 1024
#: The same where one was just given up, which helper processes may have for a moment.
SOON = 1 / 64


def listenerFor(
    service: Service,
) -> Callable[[ServiceRuntime, socket.socket], GatedListener]:
    """The kind of listener that serves a service."""
    if service.internal == "tcpmux":
        return TcpmuxListener
    if service.internal is not None:
        return InternalStreamListener if service.isStream else InternalDatagramListener
    if service.wait:
        return WaitListener
    return StreamListener if service.isStream else DatagramListener


def failing(method: Callable[..., None]) -> Callable[..., None]:
    """Decorate a method of a slot: whatever it raises, only that slot fails."""

    @wraps(method)
    def call(slot: Any, *arguments: Any) -> None:
        try:
            method(slot, *arguments)
        except Exception as why:
            slot.fail(why)

    return call


class Slot:
    """
    One service's socket from the day the service is configured until it is not.

    @ivar service: the service as it is to be now.
    """

    def __init__(
        self,
        service: Service,
        runtime: Runtime,
        launcherOf: Callable[[Service], ILauncher | None],
    ) -> None:
        """@param launcherOf: gives the launcher of a service."""
        self.service = service
        self._runtime = runtime
        self._launcherOf = launcherOf
        self._limits = ServiceLimits(
            service.bounds, clockOf(runtime.reactor), runtime.tallies[service.name]
        )
        self._socket: socket.socket | None = None
        self._places: tuple[Any, ...] = ()
        self._mark: sockets.BoundPath | None = None
        self._claim: Claim | None = None
        self._inherited = False
        self._original: Original | None = None
        self._wanted: Original | None = None
        self._before: list[socket.socket] = []
        self._renewals = Rebinds(clockOf(runtime.reactor))
        self._rebinds = Backoff()
        self._since = 0.0
        self._listener: GatedListener | None = None
        self._retiring = self._free = False
        self._paused = self._drained = False
        self._trouble: str | None = None
        self._silent = 0.0
        self._backoff = Backoff(FIRST_RETRY, LONGEST_RETRY)
        self._later: Any = None

    @property
    def bound(self) -> bool:
        """Whether it has its socket."""
        return self._socket is not None

    def bind(self, retry: float = FIRST_RETRY) -> None:
        """
        Get the socket, or plan to try again.

        @param retry: the seconds before another try; there is nothing to say as long
            as it is less than L{FIRST_RETRY}.
        """
        self._backoff = Backoff(retry, LONGEST_RETRY)
        self._bind()

    def _bind(self) -> None:
        self._later = None
        try:
            self._socket = self._adopted() or self._made()
            self._own()
            self._since = self._runtime.reactor.seconds()
            self._closeUnneeded()
        except Exception as why:
            self.fail(why)

    def fail(self, why: Exception) -> None:
        """
        Give up the socket, if there is one, and plan to try again.

        @param why: the exception that is being handled.
        """
        reason = self._reasonOf(why)
        if not isinstance(why, OSError) and reason != self._trouble:
            logFailure(self.service.name)
        # What there was before may still be answered through.
        if self._socket is not None or self._listener is not None:
            survived(self.service.name, self.stop)
        if not self._drained:
            self._unbound(reason)

    def _reasonOf(self, why: Exception) -> str:
        """Why the socket cannot be had, with what helps where that is not obvious."""
        reason = reasonOf(why)
        port = self.service.address.port
        if isinstance(why, PermissionError) and 0 < port < PRIVILEGED:
            reason += (
                f": ports below {PRIVILEGED} need root, CAP_NET_BIND_SERVICE, or a "
                "supervisor that passes the socket"
            )
        return reason

    def _unbound(self, reason: str) -> None:
        """
        Plan another try, and log the reason: every time while the backoff grows, then
        when it is another one, or was logged L{QUIET} seconds ago.
        """
        now, retry = self._runtime.reactor.seconds(), self._backoff.next()
        news = retry < LONGEST_RETRY or reason != self._trouble or now >= self._silent
        if news and retry >= FIRST_RETRY:
            service, self._silent = self.service, now + QUIET
            address = str(service.address)
            self._runtime.report.emit(
                events.BIND_FAILED,
                service.name,
                address=address,
                retry=retry,
                reason=reason,
            )
        self._trouble = reason
        self._later = self._runtime.reactor.callLater(retry, self._again)

    def _own(self) -> None:
        """Have no datagram answered that seems to come from the socket as it is now."""
        guard = self._runtime.guard
        guard.disown(*self._places)
        self._places = ()
        if self._socket is not None and not self.service.isStream:
            where = self._socket.getsockname()
            unix = dict.fromkeys((where, self.service.address.host))
            self._places = (where[1],) if isinstance(where, tuple) else tuple(unix)
        guard.own(*self._places)

    def _made(self) -> socket.socket:
        """
        A socket made here.

        @raise OSError: if it cannot be had.
        """
        if self.service.address.isName:
            raise OSError(self._runtime.hostNames.sought(self.service.address))
        descriptors = self._runtime.descriptors
        if not descriptors.spare():
            # Those that have theirs could serve nobody.
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        made, self._mark = sockets.createListener(self.service, self._before)
        descriptors.note(made.fileno())
        self._claim = descriptors.take(1, Purpose.LISTENER, self.service.name)
        return made

    def _adopted(self) -> socket.socket | None:
        """
        The socket that this process was started with for the service, if there is one:
        its file and its address are not ours to change or remove.

        @raise OSError: if it cannot be had.
        """
        sock = self._runtime.inherited.take(self.service)
        self._inherited = sock is not None
        if sock is None:
            return None
        try:
            sockets.adopt(sock, self.service)
        except Exception:
            sock.close()
            raise
        return sock

    @failing
    def _again(self) -> None:
        """Try once more to get the socket."""
        self._bind()
        self.start()

    @failing
    def start(self) -> None:
        """Serve, if the socket is there."""
        if self._socket is None or self._listener is not None or self._free:
            return
        if not self._launchable():
            return
        name, address = self.service.name, self.address()
        source = {"source": "LISTEN_FDS"} if self._inherited else {}
        self._runtime.report.emit(events.LISTEN, name, address=address, **source)
        if self._paused:
            self._free = True
        else:
            self._serve()

    def _launchable(self) -> bool:
        """
        True if there is what starts the service's programs; otherwise the socket is
        closed, and another try is planned.
        """
        try:
            self._launcherOf(self.service)
        except OSError as why:
            self._close()
            self._unbound(self._reasonOf(why))
            return False
        return True

    def _serve(self) -> None:
        """Have the service's kind of listener serve the socket."""
        assert self._socket is not None
        service = self.service
        self._limits.bounds = service.bounds
        self._limits.tally = self._runtime.tallies[service.name]
        make = listenerFor(service)
        self._asItWas(make is WaitListener)
        if make is WaitListener or self._inherited:
            self._runtime.shared.add(self._socket)
        launcher = self._launcherOf(service)
        given = (service, self._runtime, self._limits, launcher, self._released)
        listener = make(ServiceRuntime(*given), self._socket)
        if make is not WaitListener and self._original is not None:
            # What the listener has set is to stay.
            self._wanted = Original(self._socket)
        self._listener = listener
        self._retiring = self._free = False
        listener.restored = self._restored
        listener.watched(self._dropped)
        listener.start()
        self._trouble = None
        self._backoff = Backoff(FIRST_RETRY, LONGEST_RETRY)

    def _asItWas(self, shared: bool) -> None:
        """
        Have the socket as it was, or remember how it is before it is shared.

        @param shared: whether programs are to have it.
        """
        assert self._socket is not None
        if self._original is None:
            datagrams = not self.service.isStream
            self._original = Original(self._socket) if shared or datagrams else None
        else:
            with suppress(Spoiled):
                # That is found again when it matters.
                self._original.restore(self._backlog())
        self._wanted = self._original

    def _backlog(self) -> int | None:
        """How many connections may wait, if that is ours to say."""
        return None if self._inherited else self.service.options.backlog

    def _fault(self, ended: bool = False) -> str | None:
        """
        Have the socket as it is wanted.

        @param ended: whether a program has just ended, which can have changed it; else
            somebody else has, who may do so again.

        @return: why that cannot be; C{None} if it is.
        """
        if self._mark is not None and not self._mark.there:
            return "its path was removed, or leads to another file"
        if self._wanted is not None:
            try:
                found = self._wanted.restore(self._backlog())
            except (OSError, Spoiled) as why:
                return str(why)
            return None if ended else found or self._takenOver()
        return None

    def _takenOver(self) -> str | None:
        """Why datagrams do not come to the socket, if another one gets them."""
        assert self._socket is not None
        # One that was inherited may share its port on purpose.
        if self.service.isStream or self._inherited or hears(self._socket):
            return None
        return "another socket gets its datagrams"

    def _restored(self) -> bool:
        """
        A program has had the socket: have it as it was.

        @return: whether it is still the one that is served.
        """
        try:
            fault = self._fault(ended=True)
            if fault is not None:
                self._renew(fault)
        except Exception as why:
            self.fail(why)
            return False
        return fault is None

    @failing
    def check(self) -> None:
        """See whether clients can still reach the socket, unless a program has it."""
        if self._socket is None or (self._retiring and not self._free):
            return
        if self._listener is not None and self._listener.busy:
            return
        fault = self._fault()
        if fault is not None:
            self._renew(fault)

    @failing
    def _dropped(self) -> None:
        """The reactor cannot wait for the socket: get another one, soon."""
        now = self._runtime.reactor.seconds()
        pause = self._rebinds.after(now - self._since)
        self._runtime.reactor.callLater(pause, self._renewDropped, self._listener)

    @failing
    def _renewDropped(self, listener: GatedListener) -> None:
        """Get another socket, unless that was done since."""
        if self._listener is listener:
            self._renew(self._fault() or "an error was left in it")

    def _renew(self, reason: str) -> None:
        """Get another socket in the place of one that is of no use any more."""
        assert self._socket is not None
        self._runtime.report.emit(
            events.REBIND, self.service.name, address=self.address(), reason=reason
        )
        self._renewals.add(reason)
        listener, self._listener = self._listener, None
        if listener is not None:
            survived(self.service.name, listener.stop)
        self._retiring = self._free = False
        # What programs have to answer goes through it, and they may keep its port.
        self._before.append(self._socket)
        self._forget()
        if self._drained:
            self.stop()
        else:
            self.bind()
            self.start()

    def _forget(self) -> None:
        """Have no socket."""
        self._runtime.shared.discard(self._socket)
        self._socket = self._original = self._wanted = None
        self._own()
        if self._mark is not None:
            survived(self.service.name, self._mark.remove)
            self._mark = None
        if self._claim is not None:
            self._claim.give()
            self._claim = None

    def _closeUnneeded(self) -> None:
        """Close the sockets from before this one through which no answers go any more."""
        needed = {id(answer.through) for answer in self._runtime.replies}
        for sock in [each for each in self._before if id(each) not in needed]:
            sock.close()
            self._before.remove(sock)

    @failing
    def _released(self) -> None:
        """One of the service's programs has ended."""
        if self._before and self._socket is not None:
            self._closeUnneeded()
        if self._listener is not None:
            self._listener.released()
        if self._drained and self._free:
            self._giveUp()

    @failing
    def change(self, service: Service) -> None:
        """Serve otherwise, as soon as the socket is free."""
        before, self.service = self.service, service
        if self._socket is None:
            return
        self._reconfigure(before, service)
        self._retire()

    def _retire(self) -> None:
        """Have the socket free, as soon as nobody needs it."""
        if self._listener is not None and not self._retiring:
            self._retiring = True
            self._listener.retire(self._retired)

    @failing
    def _retired(self) -> None:
        """The socket is free: serve as it is wanted now, if it is wanted."""
        if not self._retiring:
            # It has another socket meanwhile.
            return
        self._free = True
        if self._drained:
            self._giveUp()
        elif self._socket is not None and not self._paused:
            self._serve()

    @failing
    def pause(self) -> None:
        """Take no clients until L{resume}: they wait in the socket's queue."""
        self._paused = True
        self._retire()

    @failing
    def resume(self) -> None:
        """
        Take clients again, whatever the reason is that none are taken: a pause, a
        rate, or a socket that could not be had.
        """
        self._paused = False
        self._limits.resetRate()
        self.check()
        self._renewals.clear()
        if self._socket is None and self._later is not None:
            self._later.cancel()
            self._again()
        elif self._free:
            self._serve()
        elif self._listener is not None and self._listener.resumes() is not None:
            # Another listener has none of the pauses of this one.
            self._retire()

    @failing
    def drain(self) -> None:
        """
        Take no more clients, for good, and give up the socket as soon as no program
        needs it.
        """
        self._drained = True
        if self._listener is None or self._free:
            self._giveUp()
        else:
            self._retire()

    def _giveUp(self) -> None:
        """Give up the socket, unless programs that a datagram is for answer through it."""
        answers = not (self.service.isStream or self.service.wait)
        if self._socket is None or not answers or not self._limits.running:
            self.stop()

    def _reconfigure(self, before: Service, after: Service) -> None:
        """Change what can be changed of the socket."""
        assert self._socket is not None
        if self._inherited:
            options = replace(after.options, backlog=before.options.backlog)
            after = replace(after, options=options)
        try:
            with nullcontext() if self._original is None else self._original.changing():
                sockets.reconfigure(self._socket, self._mark, before, after)
        except Exception as why:
            reason = f"the socket stays as it is: {reasonOf(why)}"
            self._runtime.report.configWarning(
                ConfWarning(after.location, "service", reason)
            )

    def stop(self) -> None:
        """Serve no more, and give up the socket.  The programs that run go on."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        name, listener, self._listener = self.service.name, self._listener, None
        if listener is not None or self._free:
            self._runtime.report.emit(events.CLOSE, name)
        self._free = self._retiring = False
        if listener is not None:
            survived(name, listener.stop)
        self._close()

    def _close(self) -> None:
        """Give up the socket."""
        name = self.service.name
        if self._mark is not None:
            # The mark holds as long as the socket is open.
            survived(name, self._mark.remove)
            self._mark = None
        if self._socket is not None:
            self._before.append(self._socket)
        while self._before:
            # Those of programs from before a change too.
            sock = self._before.pop()
            survived(name, self._runtime.leave, sock)
            sock.close()
        self._forget()

    @property
    def running(self) -> int:
        """How many of its programs run."""
        return self._limits.running

    @property
    def paused(self) -> bool:
        """Whether an operator has paused it."""
        return self._paused

    def state(self) -> ServiceState:
        """How it is."""
        held, resumes = self._held(), self._resumes()
        return stateOf(
            self.service,
            self.address(),
            self._limits,
            held,
            reason=self._reason(held),
            until=None if resumes is None else self._runtime.timeOf(resumes),
            ready=self._ready(),
        )

    def _reason(self, held: Collection[PauseReason]) -> str | None:
        """Return what is wrong with the socket, if that is why the service is in trouble."""
        if PauseReason.UNBOUND in held:
            return self._trouble
        return self._renewals.trouble if PauseReason.REPLACED in held else None

    def _held(self) -> list[PauseReason]:
        """Why it takes no clients, or is in trouble."""
        if self._drained:
            return [
                PauseReason.DRAIN if self._socket or self.running else PauseReason.IDLE
            ]
        held: list[PauseReason] = []
        if self._listener is not None:
            held = self._listener.held()
        if self._paused:
            # The rest is how this is done.
            held = [each for each in held if each is not PauseReason.IDLE]
            held.append(PauseReason.OPERATOR)
        if self._socket is None:
            return [*held, PauseReason.UNBOUND]
        if self._paused:
            return held
        if self._renewals.trouble is not None:
            held = [*held, PauseReason.REPLACED]
        if self._listener is None:
            return [PauseReason.IDLE]
        return [*held, PauseReason.CHANGE] if self._retiring else held

    def _resumes(self) -> float | None:
        """When it takes clients again by itself, or is tried again."""
        if self._drained:
            return None
        if self._later is not None:
            time: float = self._later.getTime()
            return time
        return None if self._listener is None else self._listener.resumes()

    def _ready(self) -> bool | None:
        """Whether an interpreter is kept for it that is ready; C{None} if none is wanted."""
        if self.service.warm is None or self._listener is None:
            return None
        try:
            return isReady(self._launcherOf(self.service))
        except Exception:
            # It cannot be had; the service fails when it needs it.
            return False

    def getHost(self) -> IAddress | None:
        """Where it listens; C{None} while it has no socket."""
        if self._socket is None:
            return None
        where = self._socket.getsockname()
        if not isinstance(where, tuple):
            # It may have been bound by another path of its directory.
            path = where if self._inherited else native(self.service.address.host)
            return UNIXAddress(path)
        family = IPv6Address if len(where) > 2 else IPv4Address
        return family("TCP" if self.service.isStream else "UDP", *where)

    def address(self) -> str:
        """Where it listens, for a person."""
        where = None if self._socket is None else self._socket.getsockname()
        if not isinstance(where, tuple):
            return str(self.service.address)
        return peerText((hostIn(where), where[1]))

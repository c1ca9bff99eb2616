# -*- test-case-name: inetdtw.serve.test.test_wait -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{wait}: one program at a time has the service's own socket.

The program has it from the moment the socket is readable until the program exits.
A fork server waits for datagrams in the daemon's place if the service has no limits.

A program that exits without consuming what triggered it would be started for it again,
in a loop.  So a datagram is discarded that two programs in turn have left.  When
connections are left, the service is paused with exponential backoff, which grows while
it is certain that the program accepted none of them.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.helpers.datagrampeek import DatagramPeek
from inetdtw.interfaces import IAcceptDelegate
from inetdtw.limits.backoff import BROKEN_PAUSE, Backoff
from inetdtw.log import events
from inetdtw.log.failures import survived
from inetdtw.log.report import logFailure
from inetdtw.model.state import PauseReason
from inetdtw.serve.child import Child
from inetdtw.serve.delegation import SocketDelegation
from inetdtw.serve.listener import BaseListener
from inetdtw.serve.port import WaitPort
from inetdtw.serve.refuser import ConnectionRefuser
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.system.backlogpeek import BacklogPeek

#: A program that lived for so many seconds is not part of a loop.
LONG_LIFE = 1.0
#: The seconds of a pause when programs accept no connections, at first and at most, and
#: how many may do so without one.
FIRST_PAUSE, LONGEST_PAUSE, FREE_TRIES = 0.1, 30.0, 3


@implementer(IAcceptDelegate)
class WaitListener(BaseListener):
    """A socket that one program at a time has."""

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        """Start no program before L{start}."""
        service, runtime = given.service, given.runtime
        reactor, name = runtime.reactor, service.name
        super().__init__(given, WaitPort(sock, reactor, name, self._readable))
        assert given.launcher is not None
        self._service = service
        self._socket = sock
        self._runtime = runtime
        self._served = given.released
        self._starter = ProgramStarter(service, runtime, given.launcher)
        self._delegation = SocketDelegation(
            given, self._port, self._starter, self, self._resume
        )
        self._running = 0
        self._datagram = DatagramPeek(sock)
        self._connections = BacklogPeek(sock)
        refused = partial(self._port.holds.resume, PauseReason.REFUSING)
        self._refuser = ConnectionRefuser(
            *(sock, reactor, name), self._admission.short, refused
        )
        self._idle = 0
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._retired: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a program has the socket, or may be about to get it."""
        return self._running > 0 or (
            self._delegation.active and self._datagram.isThere()
        )

    def start(self) -> None:
        """Begin to read the socket, or delegate that to the launcher."""
        self._delegation.start()

    def stop(self) -> None:
        """Start no more programs."""
        self._delegation.stop()
        super().stop()
        self._refuser.stop()

    def retire(self, done: Callable[[], None]) -> None:
        """Start no more programs; the socket is free when the last has exited."""
        self.stop()
        self._retired = done
        self._delegation.whenFree(self._finishRetirement)

    def _finishRetirement(self) -> None:
        if self._retired is not None and not self._running:
            done, self._retired = self._retired, None
            done()

    def accepted(self, peer: Any) -> Child:
        """Count a program that the launcher has started for a datagram."""
        self._admission.admit()
        self._hold()
        child = Child(self._service, None, self._runtime, self._ended)
        child.stderr = self._delegation.stderr
        return child

    def dropped(self, peer: Any, reason: str) -> None:
        """Take the socket back, as the launcher cannot use it."""
        self._delegation.withdraw()

    def returned(self, left: bool = False) -> None:
        """
        Take the socket back for now.

        @param left: whether programs have left the first datagram, which is discarded.
        """
        if left:
            self._discard()
        self._delegation.withdraw()

    def _resume(self) -> None:
        """Read the socket here, as the launcher starts no more programs."""
        if self._running or self.restored():
            self._port.start()

    def _hold(self) -> None:
        """Start no other program while one has the socket."""
        self._running += 1
        self._port.holds.pause(PauseReason.CHILD)

    def _readable(self) -> None:
        """Start a program, if the service may have one."""
        if not (self._admission.open() and self._admission.admit()):
            return
        if not survived(self._service.name, self._begin):
            self._port.holds.pauseFor(PauseReason.ERROR, BROKEN_PAUSE)
            self._free()

    def _begin(self) -> None:
        """Start a program that was admitted."""
        try:
            if self._service.isStream:
                self._connections.note(closely=self._idle >= FREE_TRIES)
            else:
                self._datagram.note()
            self._socket.setblocking(True)
            fd = self._socket.fileno()
        except Exception:
            self._admission.release()
            raise
        self._hold()
        self._starter.launch(None, (fd, fd, fd), self._ended)

    def _ended(self, child: Child) -> None:
        """Take the socket back, as the program has exited or could not be started."""
        self._running -= 1
        self._admission.release()
        if self._running or self._delegation.active:
            self._released()
            return
        if self._socket.fileno() < 0 or not self.restored():
            self._served()
            return
        try:
            followed = self._follow(child)
        except Exception:
            logFailure(self._service.name)
            self._port.holds.pauseFor(PauseReason.ERROR, BROKEN_PAUSE)
            followed = False
        if not followed:
            self._free()

    def _follow(self, child: Child) -> bool:
        """
        Check what the program has left, and start the next one if it can be at once.

        @return: whether it was started.
        """
        if self._service.isStream:
            self._afterConnections(child)
        else:
            self._afterDatagram(child)
        if child.how is None or not self._more() or not self._admission.admit():
            return False
        self._begin()
        return True

    def _free(self) -> None:
        """Read the socket again, as no program has it."""
        self._socket.setblocking(False)
        self._released()
        self._finishRetirement()

    def _released(self) -> None:
        if not self._running:
            self._port.holds.resume(PauseReason.CHILD)
        self._served()

    def released(self) -> None:
        """Start programs again, or delegate the socket again, as one has exited."""
        super().released()
        if not self._running:
            self._delegation.released()

    def pauses(self) -> list[PauseReason]:
        """Return why no clients are accepted."""
        return self._delegation.pauses()

    def _more(self) -> bool:
        """
        Return whether a datagram is there for which a program may start at once.

        In a burst, to ask the reactor costs as much again.
        """
        return (
            self._datagram.seen
            and self._retired is None
            and not self._delegation.due
            and self._port.holds.isOnly(PauseReason.CHILD)
            and self._admission.free()
        )

    def _afterDatagram(self, child: Child) -> None:
        """
        Discard the datagram that the program has left, if it has.

        A program that could not be started has certainly consumed nothing.
        """
        if self._datagram.left() or child.how is None:
            self._discard()

    def _discard(self) -> None:
        """Discard the first datagram."""
        peer = self._datagram.discard()
        reason = "the program exited without receiving it"
        self._runtime.tallies[self._service.name].dropped += 1
        self._runtime.report.emit(
            events.DROP, self._service.name, peer=peer, reason=reason
        )

    def _afterConnections(self, child: Child) -> None:
        """Pause if programs do not accept the connections."""
        if child.how is None:
            if self._retired is None:
                self._refuse()
            return
        lived = self._runtime.reactor.seconds() - child.since
        if lived >= LONG_LIFE or not self._connections.left():
            self._forgive()
            return
        self._idle += 1
        if self._idle > FREE_TRIES:
            self._backOff(self._connections.taken())

    def _forgive(self) -> None:
        self._idle = 0
        self._backoff.reset()

    def _backOff(self, taken: bool | None) -> None:
        """
        Pause for connections that the program has left.

        @param taken: whether it has accepted one, and others have come in its place;
            C{None} if that is not known.
        """
        if taken:
            self._forgive()
            return
        reason = "the program exited without accepting a connection"
        if taken is None:
            self._backoff.reset()
            reason = "the program exited soon, and may not have accepted a connection"
        seconds = self._backoff.next()
        self._runtime.report.emit(
            events.PAUSE, self._service.name, seconds=seconds, peer=None, reason=reason
        )
        self._port.holds.pauseFor(PauseReason.UNACCEPTED, seconds)

    def _refuse(self) -> None:
        """Close a connection that no program could be started for."""
        if self._refuser.refuse():
            self._port.holds.pause(PauseReason.REFUSING)

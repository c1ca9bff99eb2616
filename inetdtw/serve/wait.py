# -*- test-case-name: inetdtw.serve.test.test_wait -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{wait}: one program at a time has the service's own socket.

The program has it from the moment the socket is readable until the program exits.
A program that exits without consuming what triggered it would be started for it again,
in a loop.  So a datagram is discarded that two programs in turn have left.  When
connections are left, the service is paused with exponential backoff, which grows while
it is certain that the program accepted none of them.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Callable

from inetdtw.limits.backoff import BROKEN_PAUSE, Backoff
from inetdtw.log import events
from inetdtw.log.failures import survived
from inetdtw.log.report import logFailure
from inetdtw.model.state import PauseReason
from inetdtw.serve.child import Child
from inetdtw.serve.listener import BaseListener
from inetdtw.serve.port import WaitPort
from inetdtw.serve.refuser import ConnectionRefuser
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.starter import ProgramStarter
from inetdtw.system.peek import BacklogPeek, DatagramPeek

#: How many programs a launcher may start one after the other before it asks again.
RESTARTS = 16
#: A program that lived for so many seconds is not part of a loop.
LONG_LIFE = 1.0
#: The seconds of a pause when programs accept no connections, at first and at most, and
#: how many may do so without one.
FIRST_PAUSE, LONGEST_PAUSE, FREE_TRIES = 0.1, 30.0, 3


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
        self._datagram = DatagramPeek(sock)
        self._connections = BacklogPeek(sock)
        refused = partial(self._port.holds.resume, PauseReason.REFUSING)
        self._refuser = ConnectionRefuser(
            *(sock, reactor, name), self._admission.short, refused
        )
        self._idle = 0
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._retired: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to read the socket."""
        self._starter.prepare()
        super().start()

    def stop(self) -> None:
        """Start no more programs."""
        super().stop()
        self._refuser.stop()
        self._starter.launcher.cancelRestarts()

    def retire(self, done: Callable[[], None]) -> None:
        """Start no more programs; the socket is free when the last has exited."""
        self.stop()
        if self.busy:
            self._retired = done
        else:
            done()

    def _readable(self) -> None:
        """Start a program, if the service may have one."""
        if self._admission.open() and self._admission.admit():
            self._port.holds.pause(PauseReason.CHILD)
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
            restarts = (
                0 if self._service.isStream else self._admission.remaining(RESTARTS)
            )
        except Exception:
            self._admission.release()
            raise
        self.busy = True
        self._starter.launch(
            None,
            (fd, fd, fd),
            self._ended,
            restarts=restarts,
            again=self._admission.countRestart,
        )

    def _ended(self, child: Child) -> None:
        """Take the socket back, as the program has exited or could not be started."""
        self.busy = False
        self._admission.release()
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
        self._port.holds.resume(PauseReason.CHILD)
        self._served()
        if self._retired is not None:
            done, self._retired = self._retired, None
            done()

    def _more(self) -> bool:
        """
        Return whether a datagram is there for which a program may start at once.

        In a burst, to ask the reactor costs as much again.
        """
        return (
            self._datagram.seen
            and self._retired is None
            and self._port.holds.isOnly(PauseReason.CHILD)
            and self._admission.free()
        )

    def _afterDatagram(self, child: Child) -> None:
        """
        Discard the datagram that the program has left, if it has.

        A program that could not be started has certainly consumed nothing.
        """
        if self._datagram.left() or child.how is None:
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

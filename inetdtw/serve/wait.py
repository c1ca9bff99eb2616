# -*- test-case-name: inetdtw.serve.test.test_wait -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
C{wait}: one program at a time has the service's own socket, from the moment there
is something to read until the program ends.

A program that ends without taking what woke it would be started for it again, at
once and for ever.  So a datagram is thrown away that two programs in turn have
left, and connections are left alone for a time, which grows when it is certain that
none of them was accepted.
"""

from __future__ import annotations

import select
import socket
from typing import Any, Callable

from inetdtw.limits.backoff import BROKEN_PAUSE, Backoff
from inetdtw.log import events
from inetdtw.log.failures import survived
from inetdtw.log.report import logFailure
from inetdtw.model.state import PauseReason
from inetdtw.serve.child import Child
from inetdtw.serve.listener import GatedListener
from inetdtw.serve.port import WaitPort
from inetdtw.serve.runtime import ServiceRuntime
from inetdtw.serve.sharedport import SharedStreamPort
from inetdtw.serve.starter import ProgramStarter
from inetdtw.system.peek import BacklogPeek, DatagramPeek

#: How many programs a launcher may start one after the other before it asks again.
REPEATS = 16


#: A program that lived this many seconds is none that loops.
LONG_LIFE = 1.0
#: The seconds to leave connections alone for that programs do not accept: none at
#: first, then these, growing; the first of them, if they may have accepted some.
FIRST_PAUSE, LONGEST_PAUSE, FREE_TRIES = 0.1, 30.0, 3
#: The seconds for which is waited that a connection be accepted, to be closed.
REFUSAL = 2.0


class WaitListener(GatedListener):
    """A socket that one program at a time has."""

    def __init__(self, given: ServiceRuntime, sock: socket.socket) -> None:
        service, runtime = given.service, given.runtime
        port = WaitPort(sock, runtime.reactor, service.name, self._readable)
        super().__init__(given, port)
        assert given.launcher is not None
        self._service = service
        self._socket = sock
        self._runtime = runtime
        self._served = given.released
        self._launches = ProgramStarter(service, runtime, given.launcher)
        self._datagram = DatagramPeek(sock)
        self._connections = BacklogPeek(sock)
        self._late: Any = None
        self._refuser = SharedStreamPort(sock, runtime.reactor, service.name, self)
        self._refuser.dropped = self._endRefusal
        self._idle = 0
        self._backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        self._retired: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to wait for something to read."""
        self._launches.prepare()
        super().start()

    def stop(self) -> None:
        """Start no more programs."""
        super().stop()
        self._endRefusal()
        self._launches.launcher.cancelRestarts()

    def retire(self, done: Callable[[], None]) -> None:
        """Start no more programs; the socket is free when the one that runs has ended."""
        self.stop()
        if self.busy:
            self._retired = done
        else:
            done()

    def _readable(self) -> None:
        """Start a program for what there is to read."""
        if self._gate.open() and self._gate.admit():
            self._port.holds.pause(PauseReason.CHILD)
            if not survived(self._service.name, self._begin):
                self._port.holds.pauseFor(PauseReason.ERROR, BROKEN_PAUSE)
                self._free()

    def _begin(self) -> None:
        """Start a program, for which there is one more in the counts."""
        try:
            if self._service.isStream:
                self._connections.note(closely=self._idle >= FREE_TRIES)
            else:
                self._datagram.note()
            self._socket.setblocking(True)
            fd = self._socket.fileno()
            restarts = 0 if self._service.isStream else self._gate.remaining(REPEATS)
        except Exception:
            self._gate.release()
            raise
        self.busy = True
        self._launches.launch(
            None,
            (fd, fd, fd),
            self._ended,
            restarts=restarts,
            again=self._gate.countRestart,
        )

    def _ended(self, child: Child) -> None:
        """The program has ended: the socket is ours again."""
        self.busy = False
        self._gate.release()
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
        Look at what the program has left, and start the next one at once if that is
        right.

        @return: whether it was started.
        """
        if self._service.isStream:
            self._afterConnections(child)
        else:
            self._afterDatagram(child)
        if child.how is None or not self._more() or not self._gate.admit():
            return False
        self._begin()
        return True

    def _free(self) -> None:
        """No program has the socket: wait for something to read again."""
        self._socket.setblocking(False)
        self._port.holds.resume(PauseReason.CHILD)
        self._served()
        if self._retired is not None:
            done, self._retired = self._retired, None
            done()

    def _more(self) -> bool:
        """
        Whether the next program can be started at once, for a datagram that was
        seen to be there: in a burst, asking the reactor costs as much again.
        """
        return (
            self._datagram.seen
            and self._retired is None
            and self._port.holds.isOnly(PauseReason.CHILD)
            and self._gate.free()
        )

    def _afterDatagram(self, child: Child) -> None:
        """
        Throw away the datagram that the program has left, if it has.

        One that could not be started took nothing, that much is certain.
        """
        if self._datagram.left() or child.how is None:
            peer = self._datagram.discard()
            reason = "the program ended without receiving it"
            self._runtime.tallies[self._service.name].dropped += 1
            self._runtime.report.emit(
                events.DROP, self._service.name, peer=peer, reason=reason
            )

    def _afterConnections(self, child: Child) -> None:
        """Leave connections alone for a while that programs do not accept."""
        if child.how is None:
            if self._retired is None:
                self._refuseOne()
            return
        lived = self._runtime.reactor.seconds() - child.since
        if lived >= LONG_LIFE or not self._connections.left():
            self._forgive()
            return
        self._idle += 1
        if self._idle > FREE_TRIES:
            self._leaveAlone(self._connections.taken())

    def _forgive(self) -> None:
        self._idle = 0
        self._backoff.reset()

    def _leaveAlone(self, taken: bool | None) -> None:
        """
        Leave connections alone, unless others have come in place of one that the
        program has accepted.
        """
        if taken:
            self._forgive()
            return
        reason = "the program ended without accepting a connection"
        if taken is None:
            self._backoff.reset()
            reason = "the program ended soon, and may not have accepted a connection"
        seconds = self._backoff.next()
        self._runtime.report.emit(
            events.PAUSE, self._service.name, seconds=seconds, peer=None, reason=reason
        )
        self._port.holds.pauseFor(PauseReason.UNACCEPTED, seconds)

    def _refuseOne(self) -> None:
        """
        Close a connection that no program could be started for.

        Others have the socket, and could have accept(2) wait: another process calls
        it, and is ended if it waits for long.
        """
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(0):
            return
        self._port.holds.pause(PauseReason.REFUSING)
        self._late = self._runtime.reactor.callLater(REFUSAL, self._endRefusal)
        self._refuser.start()

    def connectionAccepted(self, connection: socket.socket, peer: Any) -> None:
        """This is the one to close."""
        connection.close()
        self._refuser.holds.pause(PauseReason.IDLE)
        self._refused()

    def mayAccept(self) -> bool:
        """Whether one is to be closed."""
        return self._late is not None

    def short(self, reason: str) -> None:
        """The machine is out of something."""
        self._gate.short(reason)

    def _endRefusal(self) -> None:
        """Close none, as there is none, or those who share the socket have taken it."""
        self._refuser.kill()
        self._refused()

    def _refused(self) -> None:
        """Have programs started again."""
        if self._late is not None:
            late, self._late = self._late, None
            if late.active():
                late.cancel()
            self._port.holds.resume(PauseReason.REFUSING)

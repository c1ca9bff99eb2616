# -*- test-case-name: inetdtw.launch.forkserver.test.test_process -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of a helper process that starts programs.

When a helper is killed, its successor finds the orders that it had not taken (see
L{inetdtw.launch.forkserver.channel}); of the programs that it had started the daemon knows the process
ids (see L{inetdtw.launch.forkserver.children}).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from inetdtw.helpers import protocol, reports
from inetdtw.helpers.connection import unpackAddress
from inetdtw.helpers.reports import REPORT
from inetdtw.launch.forkserver.channel import Channel
from inetdtw.launch.forkserver.children import Children
from inetdtw.launch.forkserver.code import Code
from inetdtw.launch.forkserver.delegation import KINDS, Delegation, Delegations
from inetdtw.limits.backoff import BROKEN_PAUSE, Backoff
from inetdtw.limits.budget import Lease, ProcessBudget
from inetdtw.log.failures import logSocketError
from inetdtw.log.report import JUST_ACCEPTED
from inetdtw.model.process import Credentials
from inetdtw.system.credentials import mismatch
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.text import fromBytes, printable

#: The seconds that a helper has to end by itself.
OVERDUE = 5.0
#: For a helper that has its code otherwise.
NO_CODE = Code(b"", "")


@implementer(IReadDescriptor)
class ForkServerProcess(ProcessProtocol):
    """
    One helper, and those that follow it on the same socket when it dies.

    @ivar children: the programs that were ordered.
    @ivar up: whether a helper has said that it is ready, and has not died since.
    @ivar pid: the process id of the helper.
    """

    def __init__(
        self,
        owner: Any,
        reactor: Any,
        command: Sequence[str],
        directory: str,
        budget: ProcessBudget | None = None,
        code: Code = NO_CODE,
        credentials: Credentials | None = None,
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        @param owner: is told: C{notify()} when there may be room, C{stalled(reason)},
            and C{died(pid, reason, pause)}.
        @param command: what to execute; the socket is its descriptor 3.
        @param directory: where programs are started, for messages.
        @param budget: what counts the programs of all services.
        @param code: what it reads from its descriptor 0.
        @param credentials: who it has to be; C{None} for the daemon's own user.
        @param exits: learns of the ends of programs whose helper is gone.
        """
        self._owner = owner
        self._command = list(map(os.fsencode, command))
        self._code = code
        self._credentials = credentials
        self._refused: str | None = None
        self._reactor = reactor
        self._channel = Channel()
        self._lease = Lease(ProcessBudget() if budget is None else budget)
        self._delegations = Delegations(reactor, self._channel, directory, self._lease)
        self.children = Children(reactor, directory, self._retireIdle, exits)
        self._before = 0
        self._backoff = Backoff()
        self._born = 0.0
        self._said = b""
        self._later: Any = None
        self._overdue: Any = None
        self._there = False
        self._retiring = False
        self._retired: Deferred[None] | None = None
        self.up = False
        self.pid: int | None = None
        reactor.addReader(self)

    @property
    def load(self) -> int:
        """How many orders it has before it."""
        return len(self.children.waiting)

    @property
    def over(self) -> bool:
        """Whether it has ended, and nobody follows it."""
        return self._retired is not None and bool(self._retired.called)

    def spawn(self) -> None:
        """Start a helper."""
        self._later = None
        self._said = b""
        self.pid = None
        self._refused = None
        self._born = self._reactor.seconds()
        self._before = self._channel.number
        try:
            self._spawn()
        except OSError as why:
            self._died(_reasonOf(why))

    def _spawn(self) -> None:
        """
        Start the process.

        @raise OSError: if it cannot be started.
        """
        null = os.open(os.devnull, os.O_RDWR)
        fds = {protocol.BEGIN: "w", 1: null, 2: "r"}
        try:
            process = self._reactor.spawnProcess(
                self,
                self._command[0],
                self._command,
                {},
                childFDs={**fds, protocol.CHANNEL: self._channel.theirs},
            )
            self.pid, self._there = process.pid, True
        finally:
            os.close(null)
        process.writeToChild(protocol.BEGIN, self._code.data)

    def fileno(self) -> int:
        """The daemon's end of the socket."""
        return self._channel.fileno()

    def logPrefix(self) -> str:
        """The name of this reader for the reactor."""
        return "fork server"

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor does not read it any more, which it must, or stops, and with it
        this process.
        """
        self._reactor.callLater(BROKEN_PAUSE, self._readAgain)

    def _readAgain(self) -> None:
        """Have the reactor read again."""
        if self._retired is None:
            logSocketError(self.logPrefix())
            self._reactor.addReader(self)

    def retire(self) -> None:
        """End once no program runs that this helper started."""
        self._retiring = True
        self._retireIdle()

    def _retireIdle(self) -> None:
        """End if that is wanted and no program runs."""
        if self._retiring and not self.children:
            self.stop()

    def stop(self) -> Deferred[None]:
        """
        End now.  A helper that is about to take orders takes those that were sent.

        @return: fires when the helper has ended.
        """
        if self._retired is None:
            self._retired = Deferred()
            self._delegations.silence()
            self.children.leave()
            self._leave(self.up or not self._there)
            self._expectEnd()
        return self._retired

    def _leave(self, greeted: bool) -> None:
        """Have the helper end, and hear of it no more than whether it is there."""
        self._channel.end(greeted)
        if greeted:
            self._reactor.removeReader(self)

    def _expectEnd(self) -> None:
        """Wait for the end of the helper, if there is one."""
        if self._there:
            self._overdue = self._reactor.callLater(OVERDUE, self._kill)
            return
        if self._later is not None:
            self._later.cancel()
        self._close()

    def _kill(self) -> None:
        """
        End the helper, which has not done so: it may be stopped, or wait until the
        machine has room for another process.
        """
        self._forgetOverdue()
        assert self.transport is not None
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        # Who else has its standard error is not waited for.
        self.transport.loseConnection()

    def _forgetOverdue(self) -> None:
        """Wait for the end no longer."""
        if self._overdue is not None and self._overdue.active():
            self._overdue.cancel()
        self._overdue = None

    def _close(self) -> None:
        """Give up the socket."""
        self._forgetOverdue()
        self._reactor.removeReader(self)
        self._channel.close()
        assert self._retired is not None
        self._retired.callback(None)

    def order(
        self,
        child: Any,
        shared: bytes,
        extra: bytes,
        fds: list[int],
        restarts: int = 0,
    ) -> None:
        """
        Send one order.

        @raise OSError: if it cannot be sent.
        """
        number = self._channel.order(restarts, b"", shared, extra, fds)
        self.children.waiting[number] = child

    def cancelRestarts(self) -> None:
        """Have the helper repeat nothing of what was ordered until now."""
        # A helper that cannot take it has died, or has much else to do first.
        with contextlib.suppress(OSError):
            self._channel.send(0)

    def delegate(self, number: int, delegation: Delegation) -> None:
        """Have the helper accept from a socket, as soon as there is one."""
        self._delegations.delegate(number, delegation)

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Have the helper accept no more from a socket.

        @param free: called once when it does not, or has died.
        """
        self._delegations.withdraw(number, free)

    def doRead(self) -> None:
        """The helper reports."""
        self._receive()
        if self._retired is not None:
            return
        self._owner.notify()
        self._retireIdle()

    def _receive(self) -> bool:
        """
        Take one packet of reports.

        @return: whether there was one.
        """
        records = self._channel.receive()
        for record in records or ():
            if record[0] == reports.ADDRESSED:
                self._delegations.peer = unpackAddress(record)
            else:
                self._reported(*REPORT.unpack(record))
        return records is not None

    def _reported(self, kind: int, number: int, pid: int, value: int, cpu: int) -> None:
        """One thing that the helper says."""
        if kind == reports.HELLO:
            self._greeted(number, value)
        elif kind == reports.STALLED:
            self._owner.stalled(os.strerror(value))
        elif kind in KINDS and number in self._delegations:
            child = self._delegations.told(kind, number, pid, value)
            if child is not None:
                self._lease.started(pid)
                self.children.runs(child, pid)
        else:
            if kind == reports.ENDED:
                self._lease.ended(pid)
            self.children.told(kind, number, pid, value, cpu)

    def _greeted(self, first: int, version: int) -> None:
        """
        A helper is about to take orders: see first whether it may.

        @param first: as L{_ready} takes it.
        @param version: of its code, as L{_packets.versionNumber} makes it.
        """
        assert self.pid is not None and self.transport is not None
        if self.up:
            return
        wanted = protocol.versionNumber(self._code.version)
        self._refused = mismatch(self.pid, self._credentials)
        if version != wanted:
            self._refused = f"its code is of version {version:x}, not {wanted:x}"
        if self._refused is not None:
            self._kill()
            return
        # One that has ended meanwhile has no pipe any more.
        with contextlib.suppress(KeyError):
            self.transport.writeToChild(protocol.BEGIN, b"\n")
            self.transport.closeChildFD(protocol.BEGIN)
        if self._retired is None:
            self._ready(first)
        else:
            self._leave(True)

    def _ready(self, first: int) -> None:
        """
        A helper is ready.

        @param first: the number of the first order that it finds in the socket, or
            0.  A predecessor took those before it, and said nothing of them.
        """
        self.up = True
        # What was ordered after it had looked is still to come.
        self.children.lost(first or self._before + 1)
        self._delegations.renew()

    def errReceived(self, data: bytes) -> None:
        """The helper has something to say on its standard error."""
        self._said = (self._said + data)[-2000:]

    def processEnded(self, reason: Failure) -> None:
        """The helper has died."""
        self._died(self._refused or self._lastWords() or reason.getErrorMessage())

    def _lastWords(self) -> str:
        """
        Return what the helper said of its end: an interpreter that cannot begin says
        more after its error.
        """
        lines = self._said.decode("utf-8", "replace").strip().split("\n")
        errors = [line for line in lines if "Error: " in line]
        return printable((errors or lines)[-1])

    def _died(self, why: str) -> None:
        """Adopt the programs of a helper that died, and plan for another helper."""
        while self._retired is None and self._receive():
            pass  # Its reports before it died still hold.
        if self.up and self._delegations:
            why += JUST_ACCEPTED
        hopeless, self.up, self._there = not self.up, False, False
        self._delegations.lost()
        self._delegations.freeUnwanted()
        if self._retired is not None:
            self._close()
            return
        pause = self._backoff.after(self._reactor.seconds() - self._born)
        self._owner.died(self.pid, why, pause)
        self.children.watchOrphans()
        if hopeless:
            # No helper was ever ready for what was ordered.
            self._channel.takeBack()
            self.children.giveUp()
        self._later = self._reactor.callLater(pause, self.spawn)


def _reasonOf(why: OSError) -> str:
    """Return why a process could not be started, with the path as it is written."""
    if isinstance(why.filename, bytes):
        return f"{why.strerror}: '{fromBytes(why.filename)}'"
    return str(why)

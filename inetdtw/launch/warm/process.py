# -*- test-case-name: inetdtw.launch.warm.test.test_process -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of one warm process.

It is a program like any other, started by a launcher of its context, with a socket to
the daemon as its standard input.  Whoever has the other end of that socket is the
process, or a child of it that has not said yet that it is there.  So when the socket
ends, it is certain which orders have no child and never will: they are started cold,
with the descriptors that were kept for that.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from zope.interface import implementer

from inetdtw.helpers import reports
from inetdtw.interfaces import ExitStatus, IChild, ILauncher, LaunchRequest
from inetdtw.launch.retryqueue import HeldRequest
from inetdtw.launch.stderr import StderrReader
from inetdtw.launch.warm.channel import Channel, Said
from inetdtw.launch.warm.children import ProtocolViolation, RunningPrograms, ownerOf
from inetdtw.launch.warm.command import VERSION, openProgram
from inetdtw.launch.warm.delegation import WarmDelegations
from inetdtw.launch.warm.orders import Orders
from inetdtw.limits.budget import Lease, ProcessBudget
from inetdtw.log.report import JUST_ACCEPTED
from inetdtw.model.process import ProcessContext
from inetdtw.system.credentials import mismatch
from inetdtw.system.descriptors import Claim, Purpose
from inetdtw.system.exitwatch import ExitWatcher, Watch

#: Orders that one process may have before it.
IN_FLIGHT = 4
#: The seconds by which the process and the socket may outlive each other.  A child that
#: has not said yet that it is there has the socket too; so has, for ever, what modules
#: may have left behind that were imported in advance.
LINGER = 10.0
#: The descriptors of one: our end of its socket, and both of its standard error.
OF_WARM = 3


@implementer(IChild)
class WarmProcess:
    """
    One warm process.

    @ivar up: whether it has said that it is ready, and is still there.
    @ivar pid: its process id, once it is known.
    @ivar lease: what it may start by itself.
    @ivar delegations: the listening sockets that it accepts from.
    @ivar request: the cold start that it is for.
    @ivar startedAt: when it was started, in seconds of the reactor's clock.
    @ivar moves: how often its launcher had another root directory before.
    """

    warm: bool | None = None

    def __init__(
        self,
        owner: Any,
        reactor: Any,
        complaints: set[StderrReader],
        request: LaunchRequest,
        budget: ProcessBudget | None = None,
        orphans: dict[int, Watch] | None = None,
        context: ProcessContext | None = None,
        exits: ExitWatcher | None = None,
    ) -> None:
        """
        @param owner: is told: C{ready(process)}, C{stale(process)}, C{notify()},
            C{printed(process, line)} and C{suppressed(lines)}, which L{StderrReader.start}
            describes, C{startCold(child, request)} of what has to be started cold,
            C{disconnected(process)} when it takes no orders any more, and
            C{exited(process, reason, status)} when it has ended.
        @param complaints: what reads the standard error of such processes.
        @param budget: what counts the programs of all services.
        @param orphans: what waits for programs whose warm process is gone.
        @param context: what the process takes on; by default nothing.
        @param exits: learns of the ends of these programs.
        """
        self._owner = owner
        self._context = ProcessContext() if context is None else context
        self._reactor = reactor
        self._others = complaints
        self._channel: Channel | None = None
        self._complaints: StderrReader | None = None
        self._waiting = Orders()
        orphans = {} if orphans is None else orphans
        exits = ExitWatcher(reactor) if exits is None else exits
        self._descriptors = exits.descriptors
        self._claim: Claim | None = None
        self._running = RunningPrograms(reactor, self._changed, orphans, exits)
        self._retiring = False
        self._linger: Any = None
        self._how: str | None = None
        self._status: int | None = None
        self._accepted = False
        self.lease = Lease(ProcessBudget() if budget is None else budget)
        self.delegations = WarmDelegations(self.lease)
        self.request = request
        self.startedAt: float = reactor.seconds()
        self.moves = 0
        self.up = self._greeted = False
        self.pid: int | None = None

    @property
    def load(self) -> int:
        """How many orders it has before it."""
        return len(self._waiting)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        closed = self._channel is None or self._channel.closed
        return closed and self._how is not None

    def start(
        self,
        launcher: ILauncher,
        executable: str,
        argv: Sequence[str],
        orders: Mapping[str, object],
    ) -> None:
        """
        Start it.

        @param launcher: the launcher of its context.
        @param executable: the interpreter.
        @param argv: its arguments.
        @param orders: what the process has to know: see
            L{inetdtw.helpers.warm.protocol.PARAMETERS}.
        """
        with contextlib.ExitStack() as stack:
            try:
                self._take()
                channel = Channel(self._reactor, self._received, self._lost)
                self._channel = self.delegations.channel = channel
                source = openProgram(orders)
                stack.callback(os.close, source)
                self._complaints = StderrReader(self._reactor, self._others)
                fds = (source, channel.theirs.fileno(), self._complaints.writeEnd)
            except OSError as why:
                self.failed(why.strerror or str(why))
                return
            # A script's interpreter is not looked for where the script is.
            search = (
                self.request.search if executable == self.request.executable else ()
            )
            order = LaunchRequest(
                *(executable, tuple(argv), self.request.environment, {}, fds),
                search=search,
            )
            launcher.launch(self, order)
            channel.given()

    def _take(self) -> None:
        """
        Take the descriptors of a process: it is done without, if they are few.

        @raise OSError: if they are.
        """
        if not self._descriptors.spare(OF_WARM):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._claim = self._descriptors.take(OF_WARM, Purpose.HELPER, "warm")

    def _give(self) -> None:
        """Give back the descriptors."""
        if self._claim is not None:
            self._claim.give()

    def started(self, pid: int) -> None:
        """The interpreter runs."""
        self.pid = pid
        with contextlib.suppress(OSError):
            self._running.uid = ownerOf(pid)
        if self._complaints is not None:
            say = partial(self._owner.printed, self)
            self._complaints.start(say, self._owner.suppressed)
        self._greet()

    def failed(self, reason: str) -> None:
        """The interpreter could not be started."""
        self._how = reason
        if self._channel is not None:
            self._channel.close()
        self._end()

    def ended(self, how: ExitStatus) -> None:
        """
        The process has ended.  Its last children may not have said yet that they are
        there.
        """
        self._how, self._status = str(how), how.status
        self._expect()
        self._end()

    def restarted(self, how: ExitStatus) -> Any:
        """It is never started again by itself."""
        raise AssertionError(how)

    def launch(self, child: Any, order: LaunchRequest) -> None:
        """
        Have it fork.

        @raise OSError: if it cannot be asked for that.
        """
        if self._channel is None:
            raise BrokenPipeError
        if self._descriptors.short(len(order.fds)):
            # They are kept until the process says that it has them.
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._waiting.send(self._channel, child, order)

    def retire(self) -> None:
        """End when no program runs that it has started."""
        self._retiring = True
        if not (self._waiting or self._running or self.delegations):
            self.close()

    def close(self) -> None:
        """Have it end; the programs that it has started live on."""
        self._running.leave()
        self._letGo()
        for kept in self._waiting.takeAll():
            kept.close()
        self._give()

    def _letGo(self) -> None:
        """Have nothing to do with it any more."""
        self.up = False
        self._calm()
        self.lease.reset()
        if self._channel is not None:
            self._channel.close()

    def _calm(self) -> None:
        """Wait for nothing."""
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None

    def _expect(self) -> None:
        """Wait for the end of the process or of the socket, but not for ever."""
        self._calm()
        self._linger = self._reactor.callLater(LINGER, self._overdue)

    def _overdue(self) -> None:
        """Take it for gone."""
        self._linger = None
        if self._how is None:
            self._how = "it has closed its socket"
        if self._channel is None or self._channel.closed:
            self._end()
        else:
            self._lost()

    def _changed(self) -> None:
        """There may be room, or nothing left to do."""
        self._owner.notify()
        if self._retiring:
            self.retire()

    def _received(self, said: Said) -> None:
        """It reports."""
        try:
            self._heard(said)
        except ProtocolViolation as why:
            self._distrust(f"it says what cannot be: {why}")
        self._changed()

    def _distrust(self, why: str) -> None:
        """Have nothing to do with it any more, whatever becomes of it."""
        self._calm()
        self._how = why
        self._overdue()

    def _heard(self, said: Said) -> None:
        """
        One thing that it says.

        @raise ProtocolViolation: if that cannot be.
        """
        kind, number, pid = said[:3]
        if kind == reports.HELLO:
            if said.cpu != VERSION:
                raise ProtocolViolation("it is of another version")
            self._greeted = True
            self._greet()
        elif kind == reports.STARTED and number in self._waiting:
            self._begun(number, pid, not said.value)
        elif kind == reports.FAILED and number in self._waiting:
            self._leave(self._waiting.take(number))
        elif kind == reports.ENDED:
            if number in self._waiting and pid not in self._running:
                # It was killed before it could say anything.
                self._begun(number, pid, True)
            self.lease.ended(pid)
            self._running.end(pid, ExitStatus.fromWait(said.value, said.cpu / 1e6))
        elif kind == reports.STALE:
            self._owner.stale(self)
        else:
            self.delegations.heard(said, self._running)

    def _greet(self) -> None:
        """It is ready, once it has said so and whoever started it has said who it is."""
        if self.pid is None or not self._greeted or self.up or self._how is not None:
            return
        why = mismatch(self.pid, self._context.credentials)
        if why is not None:
            self._distrust(f"it is not the service's user: {why}")
            return
        self.up = True
        self._owner.ready(self)

    def _begun(self, number: int, pid: int, warm: bool) -> None:
        """An order has a child."""
        self._running.check(pid)
        kept = self._waiting.take(number)
        kept.close()
        self._running.begin(pid, kept.child, warm)

    def _leave(self, kept: HeldRequest) -> None:
        """An order has to be started otherwise."""
        self._owner.startCold(kept.child, kept.request)
        kept.close()

    def _lost(self) -> None:
        """Nobody is left at the other end of the socket."""
        self._letGo()
        self._accepted = bool(self.delegations)
        self.delegations.lost()
        for kept in self._waiting.takeAll():
            self._leave(kept)
        self._owner.disconnected(self)
        self._running.orphan()
        if self._how is None:
            self._expect()
        self._end()

    def _end(self) -> None:
        """Say that it has ended, when that and the reason are known."""
        if self._how is None:
            return
        self.up = False
        if self._complaints is not None:
            complaints, self._complaints = self._complaints, None
            complaints.finish()
            # What was imported in advance may have left others behind.
            complaints.leave()
        if self.over:
            self._calm()
            self._give()
            reason = self._how + JUST_ACCEPTED * self._accepted
            self._owner.exited(self, reason, self._status)

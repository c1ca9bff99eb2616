# -*- test-case-name: inetdtw.launch.warm.test.test_process -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of one warm process.

The launcher of the process context starts it like a program, with the channel as its
standard output.  The warm process shares its end of the channel with its children until
they have reported their start.  So when the channel is closed, the launch requests that
were not answered never will be.  They are started cold, with descriptors that the
daemon has kept.
"""

from __future__ import annotations

import contextlib
import errno
import os
from functools import partial
from typing import Any

from zope.interface import implementer

from inetdtw.helpers.reports import STALE
from inetdtw.helpers.requests import LAUNCH
from inetdtw.interfaces import ExitStatus, IChild, ILauncher, LaunchRequest
from inetdtw.launch.children import ownerOf
from inetdtw.launch.packets import HelperReport, encodeExtra, fileOf
from inetdtw.launch.process import HelperProcess, State
from inetdtw.launch.retryqueue import QueuedRequest
from inetdtw.launch.stderr import StderrReader
from inetdtw.launch.warm.command import OWN, VERSION, program, warmCommand
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log.report import JUST_ACCEPTED
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import WarmSpec
from inetdtw.system.credentials import mismatch
from inetdtw.system.descriptors import Claim, Purpose
from inetdtw.system.exitwatch import ExitWatcher, Watch

#: The most unanswered launch requests of one process.
IN_FLIGHT = 4
#: The seconds by which the process and the channel may outlive each other.  Children
#: that have not reported their start have the channel, too, and so has whatever
#: preloaded modules have started.
LINGER = 10.0
#: The descriptors of one process: our end of the channel, and both of the pipe for its
#: standard error.
OF_WARM = 3


@implementer(IChild)
class WarmProcess(HelperProcess):
    """
    One warm process.

    It is C{STOPPING} from when it has exited or has lost its channel until both have
    happened, and then C{OVER}.

    Its owner is called with C{ready(process)}, C{stale(process)}, C{notify()},
    C{printed(process, line)} and C{suppressed(lines)}, which L{StderrReader.start}
    describes, C{startCold(child, request)}, C{disconnected(process)} when the process
    takes no launch requests any more, and C{exited(process, reason, status)} when it is
    over.

    @ivar request: the cold start that it replaces.
    @ivar waiting: the launch requests that were not answered yet, by number.
    @ivar startedAt: when it was started, in seconds of the reactor's clock.
    @ivar moves: how often its launcher had another root directory before.
    """

    name = "warm process"
    warm: bool | None = None

    def __init__(
        self,
        owner: Any,
        reactor: Any,
        readers: set[StderrReader],
        orphans: dict[int, Watch],
        budget: ProcessBudget,
        context: ProcessContext,
        exits: ExitWatcher,
        request: LaunchRequest,
    ) -> None:
        """
        Start nothing yet.

        @param readers: the readers of the standard error of such processes.
        @param orphans: the programs of other processes that are watched.
        @param budget: counts the programs of all services.
        @param context: the process context.
        @param exits: watches for the exits of programs without a parent.
        @param request: a cold start of the program.

        @raise OSError: if descriptors are short.
        """
        self._descriptors = exits.descriptors
        if not self._descriptors.spare(OF_WARM):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        super().__init__(owner, reactor, "", budget, exits, orphans)
        self.handlers[STALE] = self._stale
        self._claim: Claim = self._descriptors.take(OF_WARM, Purpose.HELPER, "warm")
        self._readers = readers
        self._context = context
        self._reader: StderrReader | None = None
        self._greeted = self._accepted = False
        self._reason: str | None = None
        self._status: int | None = None
        self.running.uid = -1  # Programs of an unknown user are not watched.
        self.request = request
        self.startedAt: float = reactor.seconds()
        self.moves = 0

    def start(self, launcher: ILauncher, spec: WarmSpec, preload: str) -> None:
        """
        Start the process.

        @param launcher: the launcher of its process context.
        @param spec: the interpreter.
        @param preload: the modules to preload.

        @raise OSError: if descriptors are short; the process is over then.
        """
        executable, argv, parameters = warmCommand(
            spec, self.request, preload, self._context
        )
        self.state = State.STARTING
        with contextlib.ExitStack() as stack:
            try:
                source = stack.enter_context(fileOf(program(parameters))).fileno()
                self._reader = StderrReader(self._reactor, self._readers)
            except OSError:
                self.close()
                raise
            # A script's interpreter is not searched for where the script is.
            search = self.request.search
            request = LaunchRequest(
                *(executable, tuple(argv), {**OWN, **self.request.environment}, {}),
                fds=(source, self.channel.theirs.fileno(), self._reader.writeEnd),
                search=search if executable == self.request.executable else (),
            )
            launcher.launch(self, request)
            self.channel.theirs.close()
            if not self.channel.closed:
                self.channel.start()

    def started(self, pid: int) -> None:
        """Note that the interpreter runs."""
        self.pid = pid
        with contextlib.suppress(OSError):
            self.running.uid = ownerOf(pid)
        if self._reader is not None:
            printed = partial(self._owner.printed, self)
            self._reader.start(printed, self._owner.suppressed)
        self._becomeUp()

    def greeted(self, report: HelperReport) -> None:
        """Verify the version of a process that is ready."""
        if report.cpu != VERSION:
            self.distrust("it is of another version")
            return
        self._greeted = True
        self._becomeUp()

    def _becomeUp(self) -> None:
        """Change to C{UP}, once process and launcher have reported the start."""
        if self.pid is None or not self._greeted or self.state is not State.STARTING:
            return
        wrong = mismatch(self.pid, self._context.credentials)
        if wrong is not None:
            self.distrust(f"it is not the service's user: {wrong}")
            return
        self.state = State.UP
        self.delegations.start()
        self._owner.ready(self)

    def launch(self, child: IChild, request: LaunchRequest) -> None:
        """
        Send a launch request.

        @param child: an L{inetdtw.interfaces.IChild}.

        @raise OSError: if it cannot be sent.
        """
        if self._descriptors.short(len(request.fds)):
            # The daemon keeps copies until the request is answered.
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        queued = QueuedRequest(child, request)
        try:
            extra, fds = encodeExtra(request)
            number = self.channel.send(LAUNCH, extra=extra, fds=fds)
        except OSError:
            queued.close()
            raise
        self.waiting[number] = queued

    def launched(self, report: HelperReport) -> None:
        """Begin a program that was started for a launch request."""
        if report.number in self.waiting:
            self._begin(report, not report.value)

    def _begin(self, report: HelperReport, warm: bool) -> None:
        self.running.check(report.pid)
        queued = self.waiting.pop(report.number)
        queued.close()
        queued.child.warm = warm
        self.running.begin(report.pid, queued.child)

    def refused(self, report: HelperReport) -> None:
        """Start a program cold that the process could not start."""
        if report.number in self.waiting:
            self._startCold(self.waiting.pop(report.number))

    def _startCold(self, queued: QueuedRequest) -> None:
        self._owner.startCold(queued.child, queued.request)
        queued.close()

    def accepted(self, child: IChild, report: HelperReport) -> None:
        """Note whether the program of an accepted connection started warm."""
        child.warm = not report.detail

    def exited(self, report: HelperReport) -> None:
        """End a program, also one that was killed before it reported its start."""
        if report.number in self.waiting and report.pid not in self.running:
            self._begin(report, True)
        super().exited(report)

    def _stale(self, report: HelperReport) -> None:
        self._owner.stale(self)

    def flushed(self) -> None:
        """Announce that there may be capacity, and stop if that is wanted."""
        self._owner.notify()
        if self._retiring:
            self.retire()

    def retire(self) -> None:
        """Stop when no program runs that the process has started."""
        self._retiring = True
        if not (self.waiting or self.running or self.delegations):
            self.close()

    def close(self) -> None:
        """Stop the process; its programs continue."""
        self.running.leave()
        self.delegations.stop()
        self._closeChannel()
        while self.waiting:
            self.waiting.popitem()[1].close()
        self._claim.release()
        if self._reason is not None:
            self.state = State.OVER

    def _closeChannel(self) -> None:
        self._timer.cancel()
        self.state = State.STOPPING
        self.lease.reset()
        self.delegations.clear()
        self.channel.close()

    def distrust(self, why: str) -> None:
        """Give the process up at once, because it has broken the protocol."""
        self._reason = why
        self._abandon()

    def _abandon(self) -> None:
        """Change to C{OVER} without waiting for the exit or the end of the channel."""
        self._timer.cancel()
        if self._reason is None:
            self._reason = "it has closed its channel"
        if self.channel.closed:
            self._finish()
        else:
            self.disconnected()

    def disconnected(self) -> None:
        """Start cold what was not answered, and watch the programs that run."""
        self._accepted = bool(self.delegations)
        self.delegations.lost()
        self._closeChannel()
        while self.waiting:
            self._startCold(self.waiting.popitem(last=False)[1])
        self._owner.disconnected(self)
        self.running.watchOrphans()
        if self._reason is None:
            self._timer.start(LINGER, self._abandon)
        self._finish()

    def failed(self, reason: str) -> None:
        """Change to C{OVER}, as the interpreter could not be started."""
        self._exited(reason, None)

    def ended(self, how: ExitStatus) -> None:
        """Note the exit of the interpreter."""
        self._exited(str(how), how.status)

    def _exited(self, reason: str, status: int | None) -> None:
        """
        Wait for the end of the channel, if the interpreter was started.

        The last children may not have reported their start yet.
        """
        self._reason, self._status = reason, status
        if self.pid is None:
            self.channel.close()
        self.state = State.STOPPING
        self._timer.start(LINGER, self._abandon)
        self._finish()

    def _finish(self) -> None:
        """Change to C{OVER}, if the process has exited and its channel is closed."""
        if self._reason is None:
            return
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reader.finish()
            # Preloaded modules can have left processes that have the pipe.
            reader.leave()
        if self.channel.closed:
            self.state = State.OVER
            self._timer.cancel()
            self._claim.release()
            reason = self._reason + JUST_ACCEPTED * self._accepted
            self._owner.exited(self, reason, self._status)

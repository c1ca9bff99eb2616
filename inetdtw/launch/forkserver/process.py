# -*- test-case-name: inetdtw.launch.forkserver.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of a fork server.

The daemon keeps both ends of the channel.  When a fork server is killed, its
replacement finds the requests in the socket that it had not received.  The daemon
watches the programs that it had started.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from inetdtw.helpers import protocol
from inetdtw.helpers.reports import NO_DIRECTORY, SHORTAGE
from inetdtw.helpers.requests import LAUNCH
from inetdtw.interfaces import IChild
from inetdtw.launch.forkserver.code import Code
from inetdtw.launch.packets import HelperReport
from inetdtw.launch.process import HelperProcess, State, strerror
from inetdtw.limits.backoff import Backoff
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log.report import JUST_ACCEPTED
from inetdtw.model.process import Credentials
from inetdtw.system.credentials import mismatch
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.text import fromBytes, printable

#: The seconds after which a fork server is killed that was asked to exit.
OVERDUE = 5.0
#: For a fork server that does not receive its code from the daemon.
NO_CODE = Code(b"", "")
#: So much of the standard error output is kept, in bytes.
_STDERR = 2000


class ForkServerProcess(HelperProcess, ProcessProtocol):
    """
    One fork server, and its replacements on the same channel.

    The children wait for the answers to their launch requests.
    """

    name = "fork server"

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
        Make a channel, and start no process yet.

        @param owner: is notified: C{notify()} when there may be capacity,
            C{shortage(reason)}, and C{died(pid, reason, pause)}.
        @param command: what to execute; the channel is its descriptor 3.
        @param directory: the working directory of the programs, for messages.
        @param budget: counts the programs of all services.
        @param code: what it reads from its descriptor 0.
        @param credentials: what it must have; C{None} for those of the daemon.
        @param exits: watches for the exits of programs without a parent.

        @raise OSError: if descriptors are short.
        """
        super().__init__(owner, reactor, directory, budget, exits)
        self.handlers[SHORTAGE] = self._short
        self.handlers[NO_DIRECTORY] = self._withoutDirectory
        self._command = list(map(os.fsencode, command))
        self._code = code
        self._credentials = credentials
        self._violation: str | None = None
        self._sentBefore = 0
        self._backoff = Backoff()
        self._started = 0.0
        self._stderr = b""
        self._stopped: Deferred[None] = Deferred()
        self.channel.start()

    def start(self) -> None:
        """Start the process, or plan for another attempt."""
        self.pid = self._violation = None
        self._stderr = b""
        self._started = self._reactor.seconds()
        self._sentBefore = self.channel.number
        self.state = State.STARTING
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
        fds: dict[int, Any] = {protocol.BEGIN: "w", 1: null, 2: "r"}
        fds[protocol.CHANNEL] = self.channel.theirs.fileno()
        try:
            process = self._reactor.spawnProcess(
                self, self._command[0], self._command, {}, childFDs=fds
            )
            self.pid = process.pid
        finally:
            os.close(null)
        process.writeToChild(protocol.BEGIN, self._code.data)

    def launch(
        self,
        child: IChild,
        program: bytes,
        extra: bytes,
        fds: Sequence[int],
    ) -> None:
        """
        Send a launch request.

        @param child: an L{inetdtw.interfaces.IChild}.
        @param program: the program.
        @param extra: the variables that only this child gets.
        @param fds: what becomes 0, 1 and 2; the caller may close them afterwards.
        @raise OSError: if it cannot be sent.
        """
        number = self.channel.send(LAUNCH, program=program, extra=extra, fds=fds)
        self.waiting[number] = child

    def retire(self) -> None:
        """Stop the process once no program runs that it has started."""
        self._retiring = True
        self._stopIfIdle()

    def _stopIfIdle(self) -> None:
        if self._retiring and not (self.waiting or self.running):
            self.stop()

    def stop(self) -> Deferred[None]:
        """
        Stop the process, and leave its programs alone.

        One that is starting handles the requests that were sent.

        @return: fires when the process is gone.
        """
        before = self.state
        if before in (State.STOPPING, State.OVER):
            return self._stopped
        self.delegations.stop()
        self.running.leave()
        if before is State.ABSENT:
            self._close()
            return self._stopped
        self.state = State.STOPPING
        self._timer.start(OVERDUE, self._kill)
        if before is State.UP:
            self._hangUp()
        else:
            # Its greeting is to come.
            self.channel.shutdown(socket.SHUT_WR)
        return self._stopped

    def _hangUp(self) -> None:
        """Have the process exit once it has handled all requests."""
        self.channel.shutdown(socket.SHUT_RDWR)
        self.channel.pause()

    def _kill(self) -> None:
        """Kill the process: it is stopped, waits for resources, or is not trusted."""
        self._timer.cancel()
        assert self.transport is not None
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        # Another process may have its standard error.
        self.transport.loseConnection()

    def distrust(self, why: str) -> None:
        """Kill the process; the reason is logged when it is gone."""
        self._violation = why
        self._kill()

    def _close(self) -> None:
        """Close the channel, as no process will be started."""
        self._timer.cancel()
        self.state = State.OVER
        self.channel.close()
        self._stopped.callback(None)

    def flushed(self) -> None:
        """Notify the owner: launch requests were answered, or programs have ended."""
        if self.state in (State.STOPPING, State.OVER):
            return
        self._owner.notify()
        self._stopIfIdle()

    def greeted(self, report: HelperReport) -> None:
        """Let the process begin, if its code and its credentials are right."""
        assert self.pid is not None and self.transport is not None
        if self.state not in (State.STARTING, State.STOPPING):
            return
        wanted = protocol.versionNumber(self._code.version)
        wrong = mismatch(self.pid, self._credentials)
        if report.value != wanted:
            wrong = f"its code is of version {report.value:x}, not {wanted:x}"
        if wrong is not None:
            self.distrust(wrong)
            return
        # The pipe is closed if the process has exited meanwhile.
        with contextlib.suppress(KeyError):
            self.transport.writeToChild(protocol.BEGIN, b"\n")
            self.transport.closeChildFD(protocol.BEGIN)
        if self.state is State.STOPPING:
            self._hangUp()
            return
        self.state = State.UP
        # A predecessor received the requests before the first one in the socket.  A
        # request that was sent after the process looked is in the socket, too.
        self._lose(report.number or self._sentBefore + 1)
        self.delegations.start()

    def _lose(self, end: int) -> None:
        """Fail the requests that a predecessor received and did not answer."""
        for number in [number for number in self.waiting if number < end]:
            self.waiting.pop(number).failed("its fork server died")

    def launched(self, report: HelperReport) -> None:
        """Note that the program of a launch request was started."""
        if report.number in self.waiting:
            self.running.check(report.pid)
            self.running.begin(report.pid, self.waiting.pop(report.number))

    def refused(self, report: HelperReport, where: str = "") -> None:
        """Note that the program of a launch request was not started."""
        if report.number in self.waiting:
            self.waiting.pop(report.number).failed(where + strerror(report))

    def _short(self, report: HelperReport) -> None:
        self._owner.shortage(strerror(report))

    def _withoutDirectory(self, report: HelperReport) -> None:
        self.refused(report, f"{self._directory}: ")

    def errReceived(self, data: bytes) -> None:
        """Keep the end of the standard error output."""
        self._stderr = (self._stderr + data)[-_STDERR:]

    def processEnded(self, reason: Failure) -> None:
        """Replace the process, as it has exited."""
        self._died(self._violation or self._lastError() or reason.getErrorMessage())

    def _lastError(self) -> str:
        """Return the line of the standard error output that has the error."""
        lines = self._stderr.decode("utf-8", "replace").strip().split("\n")
        errors = [line for line in lines if "Error: " in line]
        return printable((errors or lines)[-1])

    def _died(self, why: str) -> None:
        """Watch the programs of a process that has exited, and plan its replacement."""
        if self.state is not State.STOPPING:
            self.channel.drain()
        if self.up and self.delegations:
            why += JUST_ACCEPTED
        neverUp = not self.up
        self.delegations.lost()
        if self.state is State.STOPPING:
            self._close()
            return
        self._timer.cancel()
        self.state = State.ABSENT
        pause = self._backoff.after(self._reactor.seconds() - self._started)
        self._owner.died(self.pid, why, pause)
        self.running.watchOrphans()
        if neverUp:
            self._failAll()
        self._timer.start(pause, self.start)

    def _failAll(self) -> None:
        """Fail all requests, because no fork server was ever up for them."""
        self.channel.discard()
        while self.waiting:
            self.waiting.popitem()[1].failed("no fork server can be started")


def _reasonOf(why: OSError) -> str:
    """Return why a process could not be started, with the path as a string."""
    if isinstance(why.filename, bytes):
        return f"{why.strerror}: '{fromBytes(why.filename)}'"
    return str(why)

# -*- test-case-name: inetdtw.serve.test.test_child -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""One child process of a service, from its launch request to its exit."""

from __future__ import annotations

from typing import Any, Callable

from zope.interface import implementer

from inetdtw.interfaces import ExitStatus, IChild
from inetdtw.launch.stderr import StderrReader
from inetdtw.log import events
from inetdtw.model.service import Service
from inetdtw.serve.runtime import Runtime


@implementer(IChild)
class Child:
    """
    A program as its service and its launcher see it.

    @ivar service: the service as it was configured at the start.
    @ivar peer: the client's address, if it serves one client.
    @ivar pid: the process id, once it runs.
    @ivar since: when it was requested, in seconds of the reactor's clock.
    @ivar how: how it exited, if it ran.
    @ivar path: the executable, once it was found.
    @ivar warm: whether a warm process forked it; C{None} if the service has none.
    @ivar forget: called when the executable at C{path} could not be started.
    @ivar stderr: what reads its standard error, if the log has it.
    @ivar over: whether its service was notified of its end.
    """

    path: str | None = None
    stderr: StderrReader | None = None
    forget: Callable[[], None]

    def __init__(
        self,
        service: Service,
        peer: Any,
        runtime: Runtime,
        done: Callable[[Child], None],
    ) -> None:
        """@param done: called once, when it has exited or could not be started."""
        self.peer = peer
        self.pid: int | None = None
        self.since: float = runtime.reactor.seconds()
        self.how: ExitStatus | None = None
        self.warm: bool | None = None if service.warm is None else False
        self.service = service
        self._name = service.name
        self._runtime = runtime
        self._done = done
        self.over = False

    def started(self, pid: int) -> None:
        """Log and count the start."""
        self.pid = pid
        self._runtime.clients[self] = self
        self._runtime.tallies[self._name].count(self.warm)
        report, name = self._runtime.report, self._name
        if report.includes(events.START):
            how = "warm" if self.warm else "cold"
            start = {} if self.warm is None else {"start": how}
            report.emit(events.START, name, pid=pid, peer=self.peer, **start)
        if self.stderr is not None:
            self.stderr.start(self._logLine, self._tooMuch)

    def _logLine(self, line: str) -> bool:
        """Log a line of standard error."""
        assert self.pid is not None
        return self._runtime.report.emit(
            events.STDERR, self._name, pid=self.pid, peer=self.peer, text=line
        )

    def _tooMuch(self, lines: int) -> bool:
        """Log that lines of standard error are left out."""
        return self._runtime.report.isLimited(events.STDERR, self._name, lines)

    def failed(self, reason: str) -> None:
        """Log and count that it could not be started."""
        if self.path is not None:
            reason = f"'{self.path}': {reason}"
            self.forget()
        if self.stderr is not None:
            self.stderr.finish()
        tally = self._runtime.tallies[self._name]
        tally.startFailed(reason, self._runtime.wallclock())
        self._runtime.report.emit(
            events.START_FAILED, self._name, peer=self.peer, reason=reason
        )
        self._finish()

    def ended(self, how: ExitStatus) -> None:
        """Log and count the exit."""
        try:
            if self.stderr is not None:
                self.stderr.finish()
            self._over(how)
        finally:
            self._finish()

    def _finish(self) -> None:
        """
        Notify the service, once.

        A launcher that has raised an exception may still report the exit.
        """
        self._runtime.clients.pop(self, None)
        if not self.over:
            self.over = True
            self._done(self)

    def _over(self, how: ExitStatus) -> None:
        self.how = how
        self._runtime.tallies[self._name].end(how, self._runtime.wallclock())
        event = events.EXIT_FAILURE if how.isFailure else events.EXIT
        if self._runtime.report.includes(event):
            lived = how.lived
            if lived is None:
                lived = self._runtime.reactor.seconds() - self.since
            self._runtime.report.emit(
                event,
                self._name,
                pid=self.pid,
                peer=self.peer,
                **how.fields(),
                seconds=lived,
                cpu=how.cpu,
            )

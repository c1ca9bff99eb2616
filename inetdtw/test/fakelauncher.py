# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A launcher whose programs start and exit on demand."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.interfaces import ExitStatus, IChild, ILauncher, LaunchRequest
from inetdtw.test.fakereactor import FIRST_PID


def duplicates(fds: Iterable[int]) -> list[int]:
    """Duplicate descriptors that others may close."""
    return [os.dup(fd) for fd in fds]


@implementer(IChild)
class FakeChild:
    """
    A child that a launcher reports on.

    @ivar calls: the arguments of its calls: the process id, the reason why it could not
        be started, or the exit status.
    @ivar following: the child that was started in its place.
    """

    following: FakeChild
    warm: bool | None = None

    def __init__(self) -> None:
        """Start with no report."""
        self.calls: list[Any] = []

    def started(self, pid: int) -> None:
        """Remember the process id."""
        self.calls.append(pid)

    def failed(self, reason: str) -> None:
        """Remember the reason."""
        self.calls.append(reason)

    def ended(self, how: ExitStatus) -> None:
        """Remember the exit status."""
        self.calls.append(how)


class FakeProgram:
    """
    A program that a L{FakeLauncher} was to start.

    @ivar child: what the launcher reports to.
    @ivar request: the launch request.
    @ivar fds: duplicates of what would be its 0, 1 and 2; closed when it exits.
    """

    def __init__(self, child: IChild, request: LaunchRequest, pid: int) -> None:
        """Duplicate the descriptors of a request."""
        self.child = child
        self.request = request
        self._pid = pid
        self.fds = duplicates(request.fds)

    def start(self) -> FakeProgram:
        """Report that it runs."""
        self.child.started(self._pid)
        return self

    def fail(self, reason: str = "no reason") -> None:
        """Report that it could not be started."""
        self.close()
        self.child.failed(reason)

    def end(self, how: ExitStatus | None = None) -> None:
        """Report that it has exited."""
        self.close()
        self.child.ended(ExitStatus(0) if how is None else how)

    def socket(self, fd: int = 0) -> socket.socket:
        """Return a duplicate of one of its descriptors as a socket."""
        return socket.socket(fileno=os.dup(self.fds[fd]))

    def close(self) -> None:
        """Close its descriptors."""
        while self.fds:
            os.close(self.fds.pop())


@implementer(ILauncher)
class FakeLauncher:
    """
    A launcher whose programs start and exit on demand.

    @ivar hasCapacity: whether it reports that it has capacity.
    @ivar refusal: why every program fails at once, if they do.
    @ivar programs: the programs of all launch requests.
    @ivar calls: the names of the other methods that were called.
    """

    def __init__(self) -> None:
        """Start with capacity, and no program."""
        self.hasCapacity = True
        self.refusal: str | None = None
        self.programs: list[FakeProgram] = []
        self.calls: list[str] = []
        self._waiters: list[Callable[[], None]] = []

    def start(self) -> None:
        """Record the call."""
        self.calls.append("start")

    def retire(self) -> None:
        """Record the call."""
        self.calls.append("retire")

    def stop(self) -> None:
        """Record the call."""
        self.calls.append("stop")

    def launch(self, child: IChild, request: LaunchRequest) -> None:
        """Remember a program, or fail."""
        if self.refusal is not None:
            child.failed(self.refusal)
            return
        pid = FIRST_PID + len(self.programs)
        self.programs.append(FakeProgram(child, request, pid))

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Remember a callback for L{regainCapacity}."""
        self._waiters.append(callback)

    def regainCapacity(self) -> None:
        """Call all callbacks."""
        self.hasCapacity = True
        while self._waiters:
            self._waiters.pop(0)()

    @property
    def last(self) -> FakeProgram:
        """The program of the last launch request."""
        return self.programs[-1]

    def close(self) -> None:
        """Close the descriptors of all programs."""
        for each in self.programs:
            each.close()

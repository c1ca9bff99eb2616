# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The interfaces between the subpackages, and the values that cross them.

Whatever has two implementations is a zope interface.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from zope.interface import Attribute, Interface


def signalName(number: int) -> str:
    """Return the name of a signal, or its number if it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True)
class ExitStatus:
    """
    How a program ended.

    @ivar status: its exit status, if it exited and that is known.
    @ivar signal: the number of the signal that killed it.
    @ivar cpu: the CPU time it used, in seconds, if that is known.
    @ivar lived: the seconds for which it ran, if the daemon itself cannot know that.
    """

    status: int | None = None
    signal: int | None = None
    cpu: float | None = None
    lived: float | None = None

    @classmethod
    def fromWait(
        cls, status: int, cpu: float | None = None, lived: float | None = None
    ) -> ExitStatus:
        """Return the exit status for a status of wait(2)."""
        if os.WIFSIGNALED(status):
            return cls(signal=os.WTERMSIG(status), cpu=cpu, lived=lived)
        return cls(status=os.WEXITSTATUS(status), cpu=cpu, lived=lived)

    @property
    def isFailure(self) -> bool:
        """Whether the program exited with a nonzero status or by a signal."""
        return bool(self.status) or self.signal is not None

    def fields(self) -> dict[str, int | None]:
        """Return C{signal} or C{status} for a log line."""
        if self.signal is not None:
            return {"signal": self.signal}
        return {"status": self.status}

    def inWords(self) -> str:
        """Return how it ended, for an operator."""
        if self.signal is None:
            return f"exit status {'?' if self.status is None else self.status}"
        return f"killed by {signalName(self.signal)}"

    def __str__(self) -> str:
        """Return the fields as they are logged."""
        if self.signal is not None:
            return f"signal={self.signal}"
        return f"status={'?' if self.status is None else self.status}"


@dataclass(frozen=True)
class LaunchRequest:
    """
    What a launcher is to start.

    @ivar executable: an absolute path; of a program that is searched in PATH, the path
        that was found last.
    @ivar argv: the arguments, the name of the program first.
    @ivar environment: the variables that all programs of the service get.
    @ivar extra: the variables that only this one gets.
    @ivar fds: the descriptors that become 0, 1 and 2; the caller owns them, and may
        close them when L{ILauncher.launch} has returned.
    @ivar search: the absolute paths to try at every start, in order, as execvp(3) does;
        empty if there is only L{executable}.
    """

    executable: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    extra: Mapping[str, str]
    fds: tuple[int, int, int]
    search: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of which the first executable one is the program."""
        return self.search or (self.executable,)


class IChild(Interface):
    """
    A program that a launcher was requested to start.

    A launcher calls either C{failed}, or C{started} and later C{ended}.
    """

    warm = Attribute(
        "Whether it started warm: C{False}, unless a launcher has set another C{bool} "
        "before it calls C{started}; C{None} if the service is not warm."
    )

    def started(pid: int) -> None:
        """Note that the program runs."""

    def failed(reason: str) -> None:
        """Note that the program could not be started."""

    def ended(how: ExitStatus) -> None:
        """Note that the program has ended."""


class ICapacity(Interface):
    """A capacity that may be exhausted, so that listeners and clients wait."""

    hasCapacity = Attribute("Whether another program can be started now: a C{bool}.")

    def whenCapacity(callback: Callable[[], None]) -> None:
        """
        Call once when there is capacity again, after those that wait already.

        @param callback: it keeps its place if it waits already.
        """


class ILauncher(ICapacity):
    """A way to start programs in one process context."""

    def start() -> None:
        """Start helper processes, if there are any; nothing is launched before."""

    def retire() -> None:
        """Release all resources once the programs that run have ended."""

    def stop() -> Any:
        """
        Launch nothing more, and leave the programs that run alone.

        @return: a C{Deferred} that fires when helper processes are gone, or C{None}.
        """

    def launch(child: IChild, request: LaunchRequest) -> None:
        """
        Start a program.

        @param child: an L{IChild}.
        """


class IAcceptDelegate(Interface):
    """What has delegated a socket to a launcher."""

    def accepted(peer: Any) -> IChild:
        """
        Count a program that the launcher has started.

        @param peer: the address of the client whose connection it got, or C{None}.

        @return: an L{IChild}.
        """

    def dropped(peer: Any, reason: str) -> None:
        """
        Accept again, as the launcher does not any more after an error.

        @param peer: the address of a client whose connection is closed by that, or an
            empty string if it has none; C{None} if there is no such client.
        """

    def returned(left: bool = False) -> None:
        """
        Start programs again, as the launcher does not for now.

        It has as many programs as it may start, or the socket needs a look.

        @param left: whether programs have left the first datagram in the socket.
        """


class IDelegatingLauncher(ILauncher):
    """A launcher that can accept connections in the daemon's place."""

    def delegate(watcher: IAcceptDelegate, request: LaunchRequest) -> int:
        """
        Accept connections, and start a program for each.

        @param watcher: an L{IAcceptDelegate}.
        @param request: the program; descriptor 0 is the listening socket.

        @return: what L{withdraw} takes.
        """

    def withdraw(number: int, free: Callable[[], None]) -> None:
        """
        Start no more programs for a socket.

        @param free: called when that is done.  Until then a process may be about to
            call accept(2), which would block if the socket were made blocking, or to
            start a program.
        """


class IWaitDelegatingLauncher(IDelegatingLauncher):
    """A launcher that can also wait for datagrams in the daemon's place."""

    def delegateWait(watcher: IAcceptDelegate, request: LaunchRequest) -> int:
        """
        Start a program whenever a datagram is there and the last one has exited.

        @param watcher: an L{IAcceptDelegate}.
        @param request: the program; descriptor 0 is the datagram socket, and descriptor
            2 that of all programs.  The caller closes neither before the end.

        @return: what C{withdraw} takes.
        """


class IPreparing(ILauncher):
    """A launcher that can do something for a program before the first request."""

    def prepare(request: LaunchRequest) -> None:
        """Get ready for requests like this one, which has no descriptors."""

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The seams: what can be done in more than one way."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Callable

from zope.interface import Attribute, Interface


@dataclass(frozen=True)
class ExitStatus:
    """
    How a program ended.

    @ivar status: its exit status, if it exited and that is known.
    @ivar signal: the number of the signal that killed it.
    @ivar cpu: the seconds of processor time it used, where that is known.
    """

    status: int | None = None
    signal: int | None = None
    cpu: float | None = None

    @classmethod
    def fromWait(cls, status: int, cpu: float | None = None) -> ExitStatus:
        """@param status: what wait(2) gives."""
        if os.WIFSIGNALED(status):
            return cls(signal=os.WTERMSIG(status), cpu=cpu)
        return cls(status=os.WEXITSTATUS(status), cpu=cpu)

    @property
    def bad(self) -> bool:
        """Whether an operator should hear of it."""
        return bool(self.status) or self.signal is not None

    def fields(self) -> dict[str, int | None]:
        """Return C{signal} or C{status} for a log line."""
        if self.signal is not None:
            return {"signal": self.signal}
        return {"status": self.status}

    def __str__(self) -> str:
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
    @ivar restarts: how often the program may be restarted when it has exited and
        descriptor 0 has a datagram that was not there when it started.  A launcher need
        not do that.
    @ivar search: the absolute paths to try at every start, in order, as execvp(3) does;
        empty if there is only L{executable}.
    """

    executable: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    extra: Mapping[str, str]
    fds: tuple[int, int, int]
    restarts: int = 0
    search: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of which the first executable one is the program."""
        return self.search or (self.executable,)


class IChild(Interface):
    """
    A program that was ordered.  A launcher says either that it failed, or that it
    started and later that it ended.
    """

    warm = Attribute(
        "Whether it was forked from an interpreter that was ready, a C{bool}; C{None} "
        "if there is none for it.  A launcher sets it before it says that it started."
    )

    def started(pid: int) -> None:
        """It runs."""

    def failed(reason: str) -> None:
        """It could not be started."""

    def ended(how: ExitStatus) -> None:
        """It has ended."""

    def restarted(how: ExitStatus) -> Any:
        """
        It has ended, and was started again at once, as L{LaunchRequest.repeats} allows.

        @return: the L{IChild} to tell about that; it has started already.
        """


class ICapacity(Interface):
    """What may be exhausted for a while: a listener waits then, and so do its clients."""

    hasCapacity = Attribute("Whether another program can be started now: a C{bool}.")

    def whenCapacity(callback: Callable[[], None]) -> None:
        """
        Call once when there is capacity again, after those that wait already.

        @param callback: it keeps its place if it waits already.
        """


class ILauncher(ICapacity):
    """A way to start programs in one context."""

    def start() -> None:
        """Get ready; nothing is launched before."""

    def retire() -> None:
        """Give up what it takes to launch, once the programs that run have ended."""

    def stop() -> Any:
        """
        Launch nothing more, and leave the programs that run alone.

        @return: a C{Deferred} that fires when all is given up, or C{None}.
        """

    def launch(child: Any, order: LaunchRequest) -> None:
        """
        Start a program.

        @param child: an L{IChild}.
        """

    def cancelRestarts() -> None:
        """Repeat nothing of what was ordered until now."""


class IAcceptDelegate(Interface):
    """Who has left the connections of a listening socket to a launcher."""

    def accepted(peer: Any) -> Any:
        """
        The launcher has taken a connection and started a program for it.

        @param peer: the client's address, or C{None}.

        @return: an L{IChild}.
        """

    def dropped(peer: Any, reason: str) -> None:
        """
        The launcher takes no more connections, as something went wrong.

        @param peer: the client whose connection had been taken, and is closed, which is
            an empty text if it has no address; C{None} if none had been taken.
        """

    def crowded() -> None:
        """
        The launcher takes no more connections for now, as it has as many programs as
        it may start by itself.
        """


class IDelegatingLauncher(ILauncher):
    """A launcher that can accept connections by itself."""

    def delegate(watcher: Any, order: LaunchRequest) -> int:
        """
        Accept from the listening socket that is descriptor 0 of an order, and start
        the program for every connection.

        @param watcher: an L{IAcceptDelegate}.

        @return: what L{withdraw} takes.
        """

    def withdraw(number: int, free: Callable[[], None]) -> None:
        """
        Accept no more from a socket.

        @param free: called when that is so; until then a process may be about to
            accept, and would wait in it if the socket were made blocking.
        """


class IPreparing(ILauncher):
    """A launcher that can do something for a program before there is an order."""

    def prepare(order: LaunchRequest) -> None:
        """Get ready for orders like this one, whose descriptors are none."""

# -*- test-case-name: inetdtw.launch.forkserver.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The base of fork servers and warm processes in the daemon: a process on a channel."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import OrderedDict
from enum import Enum
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.helpers.reports import ACCEPTED, ENDED, FAILED, HELLO, STARTED
from inetdtw.interfaces import ExitStatus, IChild
from inetdtw.launch.channel import Channel, IChannelOwner
from inetdtw.launch.children import ProtocolViolation, RunningPrograms
from inetdtw.launch.delegation import Delegation, Delegations
from inetdtw.launch.packets import HelperReport
from inetdtw.limits.budget import Lease, ProcessBudget
from inetdtw.system.exitwatch import ExitWatcher, Watch
from inetdtw.system.timer import Timer


class State(Enum):
    """What the daemon knows of a helper process."""

    #: There is no process; one is to be started.
    ABSENT = "absent"
    #: The process was started, and is not ready yet.
    STARTING = "starting"
    #: The process handles requests.
    UP = "up"
    #: The process was asked to exit, or has lost its channel.
    STOPPING = "stopping"
    #: There is no process, and none will be started.
    OVER = "over"


@implementer(IChannelOwner)
class HelperProcess(ABC):
    """
    A process that starts programs, seen from the daemon.

    A subclass starts the process, and handles the events of its life: C{greeted},
    C{launched}, C{refused} and what L{IChannelOwner} lists.

    @cvar name: the kind of process, for the log.
    @ivar state: its state.
    @ivar pid: its process id, once it is known.
    @ivar channel: the socket to it.
    @ivar running: the programs that it has started.
    @ivar lease: the programs that it may start by itself.
    @ivar delegations: the sockets that are delegated to it.
    @ivar handlers: what handles a report, by its kind; others are about delegations.
    @ivar waiting: what waits for the answers to launch requests, by their numbers.
    """

    name = "helper process"
    state = State.ABSENT
    pid: int | None = None

    def __init__(
        self,
        owner: Any,
        reactor: Any,
        directory: str,
        budget: ProcessBudget | None = None,
        exits: ExitWatcher | None = None,
        orphans: dict[int, Watch] | None = None,
    ) -> None:
        """
        Make a channel, and start no process yet.

        @param directory: the working directory of the programs, for messages.
        @param budget: counts the programs of all services.
        @param exits: watches for the exits of programs without a parent.
        @param orphans: the programs of other processes that are watched.

        @raise OSError: if descriptors are short.
        """
        self._owner = owner
        self._reactor = reactor
        self._directory = directory
        self._timer = Timer(reactor)
        self._retiring = False
        self.waiting: OrderedDict[int, Any] = OrderedDict()
        self.channel = Channel(reactor, self)
        self.lease = Lease(ProcessBudget() if budget is None else budget)
        self.delegations = Delegations(reactor, self.channel, self.lease, directory)
        exits = ExitWatcher(reactor) if exits is None else exits
        self.running = RunningPrograms(exits, self.flushed, orphans)
        self.handlers: dict[int, Callable[[HelperReport], None]] = {
            ENDED: self.exited,
            STARTED: self.launched,
            FAILED: self.refused,
            HELLO: self.greeted,
        }

    @property
    def load(self) -> int:
        """How many launch requests were not answered yet."""
        return len(self.waiting)

    @property
    def over(self) -> bool:
        """Whether there is no process, and none will be started."""
        return self.state is State.OVER

    @property
    def up(self) -> bool:
        """Whether it handles requests."""
        return self.state is State.UP

    def delegate(self, number: int, delegation: Delegation) -> None:
        """Do the same as L{Delegations.delegate}."""
        self.delegations.delegate(number, delegation)

    def withdraw(self, number: int, free: Any) -> None:
        """Do the same as L{Delegations.withdraw}."""
        self.delegations.withdraw(number, free)

    def received(self, report: HelperReport) -> None:
        """
        Handle a report; ignore one about what is not known.

        An impossible one shows that the process cannot be trusted.
        """
        handle = self.handlers.get(report.kind, self._delegated)
        try:
            handle(report)
        except ProtocolViolation as why:
            self.distrust(f"impossible report: {why}")

    def exited(self, report: HelperReport) -> None:
        """Note that a program has exited."""
        self.lease.ended(report.pid)
        lived = report.lived / 1e6 if report.lived else None
        how = ExitStatus.fromWait(report.value, report.cpu / 1e6, lived)
        self.running.end(report.pid, how)

    def _delegated(self, report: HelperReport) -> None:
        """
        Handle a report about a delegated socket.

        @raise ProtocolViolation: if it is impossible.
        """
        if report.number not in self.delegations:
            return
        if report.kind == ACCEPTED:
            self.running.check(report.pid)
        child = self.delegations.received(report)
        if child is not None:
            self.lease.started(report.pid)
            self.accepted(child, report)
            self.running.begin(report.pid, child)

    def accepted(self, child: IChild, report: HelperReport) -> None:  # noqa: B027 - a hook
        """Note that a child was started for an accepted connection."""

    @abstractmethod
    def greeted(self, report: HelperReport) -> None:
        """Verify the process, as it is ready."""

    @abstractmethod
    def launched(self, report: HelperReport) -> None:
        """Note that the program of a launch request was started."""

    @abstractmethod
    def refused(self, report: HelperReport) -> None:
        """Note that the program of a launch request was not started."""

    @abstractmethod
    def distrust(self, why: str) -> None:
        """Give the process up, because it has broken the protocol."""

    @abstractmethod
    def flushed(self) -> None:
        """Note that reports were handled, or that an orphan has exited."""

    def disconnected(self) -> None:  # noqa: B027 - a hook
        """Note that the other end of the channel is closed, if this end was alone."""


def strerror(report: HelperReport) -> str:
    """Return the message of the errno in a report."""
    return os.strerror(report.value)

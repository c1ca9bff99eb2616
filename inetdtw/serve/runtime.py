# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The objects that all services share, and those that serve one service."""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from inetdtw.interfaces import ILauncher
from inetdtw.internal.reflector import ReflectorGuard
from inetdtw.launch.stderr import StderrReader
from inetdtw.limits.budget import ProcessBudget
from inetdtw.limits.counters import Tally
from inetdtw.limits.service import ServiceLimits
from inetdtw.log.report import Report
from inetdtw.model.service import Service
from inetdtw.serve.replies import DatagramSession
from inetdtw.serve.tcpmux import PortlessServices
from inetdtw.system.activation import Inherited
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.hostnames import HostNames

#: How many descriptors the standard error of a program takes.
_STANDARD_ERROR = {"socket": 0, "null": 0, "log": 2}


def _purposeOf(service: Service) -> Purpose:
    """Return the purpose of the descriptors of a service's clients."""
    if service.internal is None:
        return Purpose.CHILD
    return Purpose.TCPMUX if service.internal == "tcpmux" else Purpose.INTERNAL


@dataclass(frozen=True)
class Runtime:
    """
    The objects that all services of the daemon share.

    @ivar reactor: the reactor.
    @ivar report: the log.
    @ivar environ: the daemon's environment.
    @ivar guard: decides which datagrams must not be answered.
    @ivar wallclock: the time, in seconds since the epoch.
    @ivar stderrReaders: the readers of the standard error of programs.
    @ivar sessions: the programs that have a datagram each, while they may reply.
    @ivar clients: what serves each client now: children, and clients of internal
        services by their protocol or request.
    @ivar portless: the services behind tcpmux.
    @ivar tallies: the counters of each service for the operator, by its name.
    @ivar budget: the limit of the programs of all services.
    @ivar inherited: the sockets that the daemon was started with.
    @ivar hostNames: the addresses of host names.
    @ivar descriptors: the account of all file descriptors of the daemon.
    @ivar shared: the listening sockets that other processes have too, so that accept(2)
        may block.
    @ivar checks: called whenever the sockets are checked.
    @ivar launcherOf: returns the launcher of a service, or raises an exception.
    """

    reactor: Any
    report: Report
    environ: Mapping[str, str]
    guard: ReflectorGuard
    wallclock: Callable[[], float]
    stderrReaders: set[StderrReader] = field(default_factory=set)
    sessions: set[DatagramSession] = field(default_factory=set)
    clients: dict[Any, Any] = field(default_factory=dict)
    portless: PortlessServices = field(default_factory=PortlessServices)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    budget: ProcessBudget = field(default_factory=ProcessBudget)
    inherited: Inherited = field(default_factory=Inherited)
    hostNames: HostNames = field(default_factory=HostNames)
    descriptors: Descriptors = field(default_factory=Descriptors)
    shared: set[socket.socket] = field(default_factory=set)
    checks: list[Callable[[], None]] = field(default_factory=list)
    launcherOf: Callable[[Service], ILauncher | None] = lambda service: None

    def closeReplies(self, sock: socket.socket) -> None:
        """Stop sending replies through a socket."""
        for session in [each for each in self.sessions if each.through is sock]:
            session.leave()

    def accountOf(self, service: Service) -> DescriptorAccount:
        """Return the account of the descriptors of a service's clients."""
        given = (self.descriptors, _purposeOf(service), service.name)
        if service.internal is not None:
            return DescriptorAccount(
                *given,
                each=int(service.isStream),
                bounded=True,
                prefix=service.bounds.sourcePrefix,
            )
        error = _STANDARD_ERROR[service.stderr]
        if service.isStream or service.wait:
            return DescriptorAccount(*given, more=error)
        # The daemon's ends of two socket pairs, and for a moment the program's.
        return DescriptorAccount(*given, each=2, more=2 + error)

    def timeOf(self, seconds: float) -> float:
        """Return a time of the reactor's clock in seconds since the epoch."""
        return self.wallclock() + seconds - float(self.reactor.seconds())


@dataclass(frozen=True)
class ServiceRuntime:
    """
    The objects that serve one service.

    @ivar service: the service.
    @ivar runtime: the objects that all services share.
    @ivar limits: counts its clients and programs.
    @ivar launcher: starts its programs; C{None} for an internal service.
    @ivar released: called whenever a client has been served.
    """

    service: Service
    runtime: Runtime
    limits: ServiceLimits
    launcher: ILauncher | None
    released: Callable[[], None]

    @property
    def account(self) -> DescriptorAccount:
        """The account of the descriptors of its clients."""
        return self.runtime.accountOf(self.service)

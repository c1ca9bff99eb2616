# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What the daemon has for all its services."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from inetdtw.interfaces import ILauncher
from inetdtw.internal.services import ReflectorGuard
from inetdtw.launch.stderr import StderrReader
from inetdtw.limits.budget import ProcessBudget
from inetdtw.limits.counters import Tally
from inetdtw.limits.service import ServiceLimits
from inetdtw.log.report import Report
from inetdtw.model.service import Service
from inetdtw.serve.tcpmux import PortlessServices
from inetdtw.system.activation import Inherited
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.hostnames import HostNames

#: How many descriptors a program takes whose standard error is not the client's.
_STANDARD_ERROR = {"socket": 0, "null": 0, "log": 2}


def _purposeOf(service: Service) -> Purpose:
    """Return what descriptors of a service are for."""
    if service.internal is None:
        return Purpose.CHILD
    return Purpose.TCPMUX if service.internal == "tcpmux" else Purpose.INTERNAL


@dataclass(frozen=True)
class Runtime:
    """
    What the daemon has for all its services.

    @ivar reactor: the reactor.
    @ivar report: the log.
    @ivar environ: the daemon's environment.
    @ivar guard: which datagrams internal services must not answer.
    @ivar wallclock: the time, in seconds since the epoch.
    @ivar complaints: what reads the standard error of programs.
    @ivar replies: what sends the answers of programs that have a datagram each; an
        answer has a C{close()}, and the socket that it goes C{through}.
    @ivar portless: the services behind tcpmux.
    @ivar tallies: what became of the programs of each service, by its name.
    @ivar budget: the bound on the programs of all services.
    @ivar inherited: the sockets that this process was started with.
    @ivar hostNames: the addresses of host names.
    @ivar descriptors: the account of all file descriptors of this process.
    @ivar shared: the listening sockets that other processes may have as well, which can
        have accept(2) wait.
    @ivar checks: what else is called when it is looked whether sockets can be reached.
    """

    reactor: Any
    report: Report
    environ: Mapping[str, str]
    guard: ReflectorGuard
    wallclock: Callable[[], float]
    complaints: set[StderrReader] = field(default_factory=set)
    replies: set[Any] = field(default_factory=set)
    portless: PortlessServices = field(default_factory=PortlessServices)
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    budget: ProcessBudget = field(default_factory=ProcessBudget)
    inherited: Inherited = field(default_factory=Inherited)
    hostNames: HostNames = field(default_factory=HostNames)
    descriptors: Descriptors = field(default_factory=Descriptors)
    shared: set[Any] = field(default_factory=set)
    checks: list[Callable[[], None]] = field(default_factory=list)

    def leave(self, sock: Any) -> None:
        """Send no more answers through a socket."""
        for answer in [each for each in self.replies if each.through is sock]:
            answer.close()

    def accountOf(self, service: Service) -> DescriptorAccount:
        """Return what the clients of a service may have of the descriptors."""
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
        # Our ends of two pairs of sockets, and for a moment those of the program.
        return DescriptorAccount(*given, each=2, more=2 + error)

    def timeOf(self, seconds: float) -> float:
        """A time of the reactor's clock, in seconds since the epoch."""
        return self.wallclock() + seconds - float(self.reactor.seconds())


@dataclass(frozen=True)
class ServiceRuntime:
    """
    What serves one service works with.

    @ivar service: the service.
    @ivar runtime: what the daemon has for all its services.
    @ivar limits: the counts of its clients.
    @ivar launcher: what starts its programs; C{None} for an internal service.
    @ivar released: called whenever a client has been served.
    """

    service: Service
    runtime: Runtime
    limits: ServiceLimits
    launcher: ILauncher | None
    released: Callable[[], None]

    @property
    def account(self) -> DescriptorAccount:
        """What its clients may have of the descriptors."""
        return self.runtime.accountOf(self.service)

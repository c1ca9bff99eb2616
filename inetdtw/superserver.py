# -*- test-case-name: inetdtw.test.test_superserver -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The superserver: starts, stops and reloads all services together."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, Callable

from twisted.application.service import Service as ApplicationService
from twisted.internet.defer import Deferred, DeferredList

from inetdtw._version import __version__
from inetdtw.config import loader
from inetdtw.config.loader import Configuration
from inetdtw.config.parser import parse
from inetdtw.internal.services import ReflectorGuard
from inetdtw.launch.pool import LauncherPool
from inetdtw.limits.budget import ProcessBudget, defaultMost, processLimit
from inetdtw.limits.counters import Tally
from inetdtw.log import events
from inetdtw.log.failures import reasonOf
from inetdtw.log.report import Report, logFailure
from inetdtw.model.changes import Changes, ReloadResult
from inetdtw.model.service import Service, Settings
from inetdtw.model.state import REFUSED, DaemonState, ServiceState
from inetdtw.serve.factory import ProgramFactory
from inetdtw.serve.runtime import Runtime
from inetdtw.serve.slots import SlotTable
from inetdtw.system.activation import Inherited
from inetdtw.system.descriptors import Descriptors
from inetdtw.system.hostnames import START_WAIT, HostNames
from inetdtw.system.lookups import Lookups
from inetdtw.system.stdio import reserveStdio
from inetdtw.text import environment


class NothingToServe(Exception):
    """The configuration has no service."""


#: What holds for a service that does not say otherwise.
DEFAULTS = Settings()


class InetdService(ApplicationService):
    """
    Serves what an inetd.conf(5) says.

    It is an C{IService}: put it beside others in an application, or start and stop
    it yourself::

        inetd = InetdService("/etc/inetd.conf")
        inetd.setServiceParent(application)

    A mistake in the configuration is logged and leaves out its own line only.  A
    port that is in use is tried again.

    @ivar configuration: what the files said when they were read last.
    @ivar aroundReload: makes the context in which the configuration is read again.
    """

    name = "inetd"

    def __init__(
        self,
        conf: str | Sequence[str] = (),
        *,
        text: str | None = None,
        settings: Settings = DEFAULTS,
        reactor: Any = None,
        report: Report | None = None,
        environ: Mapping[str, str] | None = None,
        required: bool = False,
        maxChildren: int | None = None,
        inherited: Inherited | None = None,
    ) -> None:
        """
        @param conf: the path of a configuration file or of a folder of such files,
            or several.
        @param text: the text of a configuration in place of files; C{conf} is then
            the path that relative names in it begin from.
        @param settings: what holds for services that do not say otherwise.
        @param reactor: the reactor, by default the global one.
        @param report: the log.
        @param environ: the environment that programs get, by default this
            process' own.
        @param required: whether to raise L{NothingToServe} at the start when the
            configuration has no service.
        @param maxChildren: how many programs of all services may run at once; 0 is no
            bound, and by default it is half of the processes that this user may have.
        @param inherited: the sockets that this process was started with, if any are
            for this superserver.
        """
        if reactor is None:
            from twisted.internet import reactor
        self._paths = (conf,) if isinstance(conf, str) else tuple(conf)
        self._text = text
        self._settings = settings
        self._required = required
        environ = environment() if environ is None else dict(environ)
        report = Report(reactor=reactor) if report is None else report
        self._report = report
        most = defaultMost(processLimit()) if maxChildren is None else maxChildren
        self._most = most
        guard = ReflectorGuard(report=report)
        self._runtime = Runtime(
            reactor,
            report,
            environ,
            guard,
            time.time,
            inherited=inherited or Inherited(),
            hostNames=HostNames(self._answered),
            descriptors=Descriptors(reactor.seconds),
        )
        self._begin()
        self._bound = False
        self._drained: Deferred[Any] | None = None
        self._since = self._runtime.wallclock()
        self.aroundReload: Callable[[], AbstractContextManager[None]] = nullcontext
        self.configuration = self._read()
        self._problems = self.configuration.problems

    def _begin(self) -> None:
        """
        Have nothing that runs.  Whatever ran before is counted no more: it is nobody's
        once its launcher is stopped.
        """
        budget = ProcessBudget(self._most, self._report.atLimit)
        self._runtime = replace(self._runtime, budget=budget)
        runtime = self._runtime
        given = (runtime.reactor, self._report, budget, runtime.descriptors)
        self._launchers = LauncherPool(*given)
        self._slots = SlotTable(self._runtime, self._launchers)

    def _read(self) -> Configuration:
        """What the configuration says now.  Whatever goes wrong is a problem of it."""
        try:
            return self._readNow()
        except Exception as why:
            logFailure("-")
            problem = loader.errorOf(self._paths, f"internal error: {reasonOf(why)}")
            return Configuration(problems=(problem,))

    def _readNow(self) -> Configuration:
        """Read the configuration."""
        environ = self._runtime.environ
        ask = Lookups(os.geteuid(), os.getegid(), environ).remembering()
        if self._text is None:
            return loader.load(self._paths, self._settings, ask)
        name = self._paths[0] if self._paths else "inetd.conf"
        return loader.fromStatements(parse(self._text, name), self._settings, ask)

    def privilegedStartService(self) -> None:
        """
        Get all sockets, before the application gives up its privileges.

        @raise NothingToServe: if there are no services and some are required.
        """
        super().privilegedStartService()
        self._bind()

    def _bind(self) -> None:
        """Get the sockets of all services that have none yet."""
        if self._bound:
            return
        self._say(self.configuration)
        if self._required and not self.configuration.services:
            where = ", ".join(self._paths)
            self._report.emit(events.NO_SERVICES, reason=f"nothing to serve in {where}")
            raise NothingToServe(f"nothing to serve in {where}")
        self._bound = True
        reserveStdio()
        names = self._runtime.hostNames
        self.configuration = self.configuration.placed(names.at)
        self._assign(self.configuration.services)
        self._expect(self.configuration.services)
        self._launchers.expect(self.configuration.services)
        for service in self.configuration.services:
            self._slots.add(service)
        self._lookUp()
        if not getattr(self._runtime.reactor, "running", True):
            # Nothing is held up yet, and a port may need privileges that are given up.
            names.wait(START_WAIT)
            self._place()

    def _lookUp(self) -> None:
        """Look up the host names of the configuration."""
        names = self._runtime.hostNames
        names.keep(self.configuration.names)
        names.ask(self.configuration.names)

    def _answered(self) -> None:
        """A host name was looked up, in a thread of its own."""
        self._runtime.reactor.callFromThread(self._place)

    def _place(self) -> None:
        """Serve at the addresses that host names have now."""
        names = self._runtime.hostNames
        for name, why in names.collect().items():
            reason = f"'{name}': {why}: its addresses from before stay"
            self._report.configWarning(loader.errorOf(self._paths, reason))
        before = self.configuration
        after = before.placed(names.at)
        if after.services == before.services or not self._bound or self._slots.draining:
            return
        self.configuration = after
        for warning in after.warnings:
            if warning not in before.warnings:
                self._report.configWarning(warning)
        self._assign(after.services)
        self._expect(after.services)
        self._slots.place(after.services, bool(self.running))

    def _expect(self, services: Sequence[Service]) -> None:
        """Divide the descriptors among services."""
        accounts = [self._runtime.accountOf(service) for service in services]
        wanting = [each.purpose for each in accounts if each.each + each.more]
        self._runtime.descriptors.expect(Counter(wanting))

    def _assign(self, services: Iterable[Service]) -> None:
        """Say whose the sockets are that this process was started with."""
        for unused in self._runtime.inherited.assign(services):
            self._report.emit(
                events.UNUSED_SOCKET,
                fd=unused.fd,
                name=unused.name,
                address=unused.where,
                reason=unused.reason,
            )

    def _abandon(self) -> None:
        """Give all sockets up."""
        self._slots.abandon()
        self._bound = False
        self._drained = None

    def _say(self, configuration: Configuration) -> None:
        """Log what is wrong with a configuration."""
        for problem in configuration.problems:
            self._report.configError(problem)
        for warning in configuration.warnings:
            self._report.configWarning(warning)

    def startService(self) -> None:
        """Serve."""
        super().startService()
        self._bind()
        self._slots.start()

    def stopService(self) -> Deferred[Any]:
        """
        Give up all sockets; the programs that run go on serving their clients.

        @return: fires when the helper processes are gone.
        """
        stopped = super().stopService()
        self._abandon()
        for complaints in list(self._runtime.complaints):
            complaints.leave()
        self._report.flush()
        self._runtime.portless.close()
        gone = self._launchers.stop()
        self._begin()
        return DeferredList([gone] if stopped is None else [gone, stopped])

    def reload(self) -> ReloadResult:
        """
        Read the configuration again, and serve what it says now.

        Services that are equal are not touched, and those that need the same socket
        keep it.  If anything is wrong with the new configuration, or the daemon
        drains, the old one stays.

        @return: what came of it, which is true if the new configuration holds.
        """
        if self._slots.draining:
            return ReloadResult(None, (REFUSED,))
        with self.aroundReload():
            return self._reload()

    def _reload(self) -> ReloadResult:
        """Read the configuration again."""
        read = self._read().placed(self._runtime.hostNames.at)
        configuration = self._withLaunchers(self._withServices(read))
        self._problems = configuration.problems
        self._say(configuration)
        problems = tuple(map(str, configuration.problems))
        warnings = tuple(map(str, configuration.warnings))
        if configuration.problems:
            self._report.emit(
                events.RELOAD_REJECTED,
                problems=len(configuration.problems),
                reason="the old configuration stays",
            )
            self._slots.check()
            return ReloadResult(None, problems, warnings)
        self.configuration = configuration
        changes = Changes()
        if self._bound:
            self._assign(configuration.services)
            self._expect(configuration.services)
            changes = self._slots.apply(configuration.services, bool(self.running))
            self._report.emit(
                events.RELOAD,
                kept=len(changes.keep),
                changed=len(changes.change),
                started=len(changes.start),
                stopped=len(changes.stop),
            )
            self._lookUp()
        return ReloadResult(changes, problems, warnings)

    def _withServices(self, configuration: Configuration) -> Configuration:
        """
        A configuration, with a problem if it has no services where some are required:
        a file that was truncated is taken for no wish.
        """
        if not self._required or configuration.services or configuration.problems:
            return configuration
        return replace(configuration, problems=(loader.nothingToServe(self._paths),))

    def _withLaunchers(self, configuration: Configuration) -> Configuration:
        """
        A configuration, with a problem if what is to start its programs cannot be had
        now: only who has that gives up what there is.
        """
        if configuration.problems or not self.running:
            return configuration
        try:
            before = {each.key: each for each in self.configuration.services}
            services = configuration.services
            new = [each for each in services if before.get(each.key) != each]
            self._launchers.make(new)
        except Exception as why:
            if not isinstance(why, OSError):
                logFailure("-")
            reason = f"its programs cannot be started: {reasonOf(why)}"
            problem = loader.errorOf(self._paths, reason)
            return replace(configuration, problems=(problem,))
        return configuration

    def pause(self, service: str) -> ServiceState:
        """
        Have a service take no clients until L{resume}: they wait in the backlog.
        That outlives a reload.

        @param service: its name, with or without the protocol, or its address.

        @return: how the service is then.
        @raise AmbiguousService: if it is not clear which service is meant.
        @raise Draining: if no clients are taken any more.
        """
        return self._slots.pause(service)

    def resume(self, service: str) -> ServiceState:
        """
        Have a service take clients again, whatever it paused for, or try again to get
        its socket.

        @param service: as for L{pause}.

        @return: how the service is then.
        @raise AmbiguousService: if it is not clear which service is meant.
        @raise Draining: if no clients are taken any more.
        """
        return self._slots.resume(service)

    def drain(self) -> Deferred[Any]:
        """
        Take no more clients, for good, and let the programs that run end.

        @return: fires when none runs any more; or when this service is stopped.
        """
        if self._drained is None:
            self._report.emit(events.DRAIN, running=self._slots.running)
            self._drained = self._slots.drain()
        return self._drained

    def state(self) -> DaemonState:
        """How everything is."""
        return DaemonState(
            version=__version__,
            pid=os.getpid(),
            since=self._since,
            now=self._runtime.wallclock(),
            draining=self._slots.draining,
            running=self._slots.running,
            files=self._paths,
            problems=tuple(map(str, self._problems)),
            services=self._slots.states(),
            descriptors=self._runtime.descriptors.uses(),
        )

    def logState(self) -> None:
        """Log the state of each service."""
        for state in self._slots.states():
            self._report.state(state)

    def alsoCheck(self, check: Callable[[], None]) -> None:
        """
        Have something else called whenever it is looked whether clients can still reach
        the sockets: every few seconds, and at a reload.
        """
        self._runtime.checks.append(check)

    def awaits(self, pid: int) -> bool:
        """Whether it waits for a child of this process itself, unknown to the reactor."""
        return self._launchers.awaits(pid)

    @property
    def descriptors(self) -> Any:
        """The account of all file descriptors of this process, for what else opens some."""
        return self._runtime.descriptors

    @property
    def starts(self) -> Mapping[str, Tally]:
        """
        How often the programs of each service were started, warm and cold, by the
        service's name, and what became of them.
        """
        return self._runtime.tallies

    def factory(self, name: str) -> ProgramFactory:
        """
        Make a factory for any stream port, endpoint or protocol wrapper of Twisted's
        that has sockets: every connection gets the program of a service that has no
        port of its own::

            inetd = InetdService(text="tcpmux/cat stream tcp nowait - /bin/cat cat")
            inetd.setServiceParent(application)
            endpoint.listen(inetd.factory("cat"))

        Its limits hold, and over C{accept_max} clients wait.  What the name stands for
        is looked up for every connection, so that a reload holds for the next one.

        @param name: what is behind C{tcpmux/} in the service's name.
        """
        return ProgramFactory(name.lower(), self._runtime.portless, self._report)

    def getHosts(self) -> dict[str, Any]:
        """
        Where each service listens: an address of C{twisted.internet.address} by
        the service's name, C{"7/tcp"} unless its C{id} says otherwise.

        A service that has no socket yet is left out.
        """
        return self._slots.hosts()

# -*- test-case-name: inetdtw.test.test_superserver -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The superserver: starts, stops and reloads all services together."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Callable

from twisted.application.service import Service as ApplicationService
from twisted.internet.defer import Deferred, DeferredList

from inetdtw._version import __version__
from inetdtw.config import loader
from inetdtw.config.loader import Configuration
from inetdtw.config.parser import parse
from inetdtw.internal.reflector import ReflectorGuard
from inetdtw.limits.budget import defaultMost, processLimit
from inetdtw.limits.counters import Tally
from inetdtw.log import events
from inetdtw.log.failures import reasonOf
from inetdtw.log.report import Report, logFailure
from inetdtw.model.changes import Changes, ReloadResult
from inetdtw.model.clients import ClientList
from inetdtw.model.errors import ConfError
from inetdtw.model.service import Settings
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


#: The defaults of services.
DEFAULTS = Settings()


@dataclass(frozen=True)
class ConfigurationSource:
    """
    The files, or the text, of a configuration.

    @ivar paths: the files and directories, or the name of the text.
    @ivar text: the text; C{None} if it is files.
    @ivar settings: the defaults of services.
    @ivar environ: the environment of programs.
    """

    paths: tuple[str, ...]
    text: str | None
    settings: Settings
    environ: Mapping[str, str]

    def read(self) -> Configuration:
        """Read the configuration; any failure is a problem of it."""
        ask = Lookups(os.geteuid(), os.getegid(), self.environ).remembering()
        try:
            if self.text is None:
                return loader.load(self.paths, self.settings, ask)
            name = self.paths[0] if self.paths else "inetd.conf"
            return loader.fromStatements(parse(self.text, name), self.settings, ask)
        except Exception as why:
            logFailure("-")
            problem = self.error(f"internal error: {reasonOf(why)}")
            return Configuration(problems=(problem,))

    def log(self, configuration: Configuration, report: Report) -> None:
        """Log the problems and warnings of a configuration."""
        for problem in configuration.messages:
            report.configError(problem)
        for warning in configuration.warnings:
            report.configWarning(warning)

    def error(self, reason: str) -> ConfError:
        """Return an error that concerns all of the configuration."""
        return loader.errorOf(self.paths, reason)


class InetdService(ApplicationService):
    """
    Serves the services of an inetd.conf(5).

    It is an C{IService}: put it beside others in an application, or start and stop
    it yourself::

        inetd = InetdService("/etc/inetd.conf")
        inetd.setServiceParent(application)

    A line with an error is logged and left out.  A port in use is tried again.

    @param conf: the path of a configuration file or of a directory of such files, or
        several.
    @param text: the text of a configuration in place of files; C{conf} is then the path
        that relative names in it start from.
    @param settings: the defaults of services.
    @param reactor: the reactor, by default the global one.
    @param report: the log.
    @param environ: the environment of programs, by default this process' own.
    @param required: whether to raise L{NothingToServe} at the start when the
        configuration has no service.
    @param maxChildren: how many programs of all services may run at once; 0 is any.
        The default is half of the processes that this user may have.
    @param inherited: the sockets that this process was started with, if any are for
        this superserver.
    @ivar configuration: the configuration that is served.
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
        """Read the configuration, and log nothing yet."""
        if reactor is None:
            from twisted.internet import reactor
        self._required = required
        environ = environment() if environ is None else dict(environ)
        report = Report(reactor=reactor) if report is None else report
        self._report = report
        self._most = defaultMost(processLimit()) if maxChildren is None else maxChildren
        self._runtime = Runtime(
            reactor,
            report,
            environ,
            ReflectorGuard(report),
            time.time,
            inherited=inherited or Inherited(),
            hostNames=HostNames(self._lookedUp),
            descriptors=Descriptors(reactor.seconds),
        )
        self._slots = SlotTable(self._runtime, self._most)
        self._since = self._runtime.wallclock()
        self.aroundReload: Callable[[], AbstractContextManager[None]] = nullcontext
        paths = (conf,) if isinstance(conf, str) else tuple(conf)
        self._source = ConfigurationSource(paths, text, settings, environ)
        self.configuration = self._source.read()
        self._problems = self.configuration.leftOut

    def privilegedStartService(self) -> None:
        """
        Create all sockets, before the application gives up its privileges.

        @raise NothingToServe: if there are no services and some are required.
        """
        super().privilegedStartService()
        self._bind()

    def startService(self) -> None:
        """Serve."""
        super().startService()
        self._bind()
        self._slots.start()

    def _bind(self) -> None:
        """Create the sockets, unless that is done."""
        if self._slots.bound:
            return
        self._source.log(self.configuration, self._report)
        if self._required and not self.configuration.services:
            reason = f"nothing to serve in {', '.join(self._source.paths)}"
            self._report.emit(events.NO_SERVICES, reason=reason)
            raise NothingToServe(reason)
        reserveStdio()
        names = self._runtime.hostNames
        self.configuration = self.configuration.withAddresses(names.at)
        self._slots.bind(self.configuration.services)
        self._lookUp()
        if not getattr(self._runtime.reactor, "running", True):
            # This delays nothing yet, and a port may need privileges that are dropped.
            names.wait(START_WAIT)
            self._useAddresses()

    def _lookUp(self) -> None:
        """Look up the host names of the configuration, in threads."""
        names = self._runtime.hostNames
        names.keep(self.configuration.names)
        names.ask(self.configuration.names)

    def _lookedUp(self) -> None:
        """Use the addresses in the reactor's thread; this is called in another one."""
        self._runtime.reactor.callFromThread(self._useAddresses)

    def _useAddresses(self) -> None:
        """Serve at the addresses that host names have now."""
        names = self._runtime.hostNames
        for name, why in names.collect().items():
            reason = f"'{name}': {why}: the old addresses stay"
            self._report.configWarning(self._source.error(reason))
        before = self.configuration
        after = before.withAddresses(names.at)
        unchanged = after.services == before.services
        if unchanged or not self._slots.bound or self._slots.draining:
            return
        self.configuration = after
        for warning in after.warnings:
            if warning not in before.warnings:
                self._report.configWarning(warning)
        self._slots.useAddresses(after.services, bool(self.running))

    def stopService(self) -> Deferred[Any]:
        """
        Close all sockets; children continue to serve their clients.

        @return: fires when the helper processes have exited.
        """
        stopped = super().stopService()
        exited = self._slots.stop()
        self._report.flush()
        self._slots = SlotTable(self._runtime, self._most)
        return DeferredList([exited] if stopped is None else [exited, stopped])

    def reload(self) -> ReloadResult:
        """
        Read the configuration again, and serve it.

        Services that are equal are not touched, and those that need the same socket
        keep it.  If the new configuration has an error, or the daemon drains, the old
        one stays.

        @return: true if the new configuration is served.
        """
        if self._slots.draining:
            return ReloadResult(None, (self._source.error(REFUSED),))
        with self.aroundReload():
            return self._reload()

    def _reload(self) -> ReloadResult:
        read = self._source.read().withAddresses(self._runtime.hostNames.at)
        configuration = self._checked(read)
        self._problems = configuration.leftOut
        self._source.log(configuration, self._report)
        problems, warnings = tuple(configuration.messages), configuration.warnings
        if problems:
            reason, count = "the old configuration stays", len(configuration.problems)
            self._report.emit(events.RELOAD_REJECTED, problems=count, reason=reason)
            self._slots.check()
            return ReloadResult(None, problems, warnings)
        self.configuration = configuration
        changes = Changes()
        if self._slots.bound:
            changes = self._slots.apply(configuration.services, bool(self.running))
            self._lookUp()
        return ReloadResult(changes, problems, warnings)

    def _checked(self, new: Configuration) -> Configuration:
        """
        Add a problem to a configuration that cannot replace the one that is served.

        It must have services if they are required: a file that was truncated is not
        meant.  Its launchers are started, as the old ones are given up only then.
        """
        if new.problems:
            return new
        if self._required and not new.services:
            return replace(new, problems=(loader.nothingToServe(self._source.paths),))
        before = {each.key: each for each in self.configuration.services}
        changed = [each for each in new.services if before.get(each.key) != each]
        try:
            if self.running:
                self._slots.launchers.make(changed)
        except Exception as why:
            if not isinstance(why, OSError):
                logFailure("-")
            reason = f"its programs cannot be started: {reasonOf(why)}"
            return replace(new, problems=(self._source.error(reason),))
        return new

    def pause(self, service: str) -> ServiceState:
        """
        Accept no clients of a service until L{resume}, also after a reload.

        Clients wait in the backlog.

        @param service: its name, with or without the protocol, or its address.

        @return: its new state.
        @raise AmbiguousService: if it is not clear which service is meant.
        @raise Draining: if no clients are accepted any more.
        """
        return self._slots.pause(service)

    def resume(self, service: str) -> ServiceState:
        """
        Accept clients of a service that is paused for any reason, or bind it again.

        @param service: as for L{pause}.

        @return: its new state.
        @raise AmbiguousService: if it is not clear which service is meant.
        @raise Draining: if no clients are accepted any more.
        """
        return self._slots.resume(service)

    def drain(self) -> Deferred[None]:
        """
        Stop accepting clients, and let the children exit.

        @return: fires when none runs any more; or when this service is stopped.
        """
        return self._slots.drain()

    def state(self) -> DaemonState:
        """Return the state of the daemon and of all services."""
        return DaemonState(
            version=__version__,
            pid=os.getpid(),
            since=self._since,
            now=self._runtime.wallclock(),
            draining=self._slots.draining,
            running=self._slots.running,
            files=self._source.paths,
            problems=tuple(map(str, self._problems)),
            services=self._slots.states(),
            descriptors=self._runtime.descriptors.uses(),
        )

    def clients(self, service: str | None = None) -> ClientList:
        """Return who is served now; C{service} is as for L{pause}, or any."""
        return self._slots.clients(service)

    def logState(self) -> None:
        """Log the state of each service."""
        for state in self._slots.states():
            self._report.state(state)

    def alsoCheck(self, check: Callable[[], None]) -> None:
        """Call something when sockets are checked: every few seconds, at a reload."""
        self._runtime.checks.append(check)

    def awaits(self, pid: int) -> bool:
        """Tell whether it waits for a child by itself, without the reactor."""
        return self._slots.launchers.awaits(pid)

    @property
    def descriptors(self) -> Any:
        """The account of all file descriptors of this process."""
        return self._runtime.descriptors

    @property
    def starts(self) -> Mapping[str, Tally]:
        """The counters of each service's clients and programs, by name."""
        return self._runtime.tallies

    def factory(self, name: str) -> ProgramFactory:
        """
        Make a factory whose connections get the program of a C{tcpmux} service.

        It is for any stream port, endpoint or protocol wrapper that has sockets::

            inetd = InetdService(text="tcpmux/cat stream tcp nowait - /bin/cat cat")
            endpoint.listen(inetd.factory("cat"))

        The service's limits apply, and a reload applies to the next connection.

        @param name: the service's name, without C{tcpmux/}.
        """
        return ProgramFactory(name.lower(), self._runtime.portless, self._report)

    def getHosts(self) -> dict[str, Any]:
        """
        Return the addresses of services that have a socket, by name.

        They are of C{twisted.internet.address}.  The name is as C{"7/tcp"}, or the
        service's C{id}.
        """
        return self._slots.hosts()

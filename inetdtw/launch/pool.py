# -*- test-case-name: inetdtw.launch.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The launchers of all services: one for each process context and way to launch."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Callable

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred

from inetdtw.interfaces import ILauncher
from inetdtw.launch.direct import DirectLauncher
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.forkserver.launcher import ForkServerPool, usualCount
from inetdtw.launch.warm.accepting import warmLauncherFor
from inetdtw.launch.warm.launcher import WarmLauncher
from inetdtw.launch.warm.process import OF_WARM
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log import events
from inetdtw.log.failures import survived
from inetdtw.log.report import Report
from inetdtw.model.clients import DIRECT, FORK_SERVER
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import Service
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.exitwatch import ExitWatcher

#: The descriptors of one fork server: both ends of its channel, and its standard error.
OF_HELPER = 3

_Key = tuple[str, ProcessContext]


def _key(service: Service) -> _Key:
    """Return what services that share a launcher have in common."""
    way = service.launch if hasattr(socket, "SOCK_SEQPACKET") else "direct"
    credentials = service.context.credentials
    if credentials is not None and credentials.uid == 0:
        # The reactor's child warns on its standard error when a user id does not
        # change.
        way = "forkserver"
    return way, service.context


def wayOf(service: Service) -> str:
    """Return how the programs of a service are started, if not warm."""
    return DIRECT if _key(service)[0] == "direct" else FORK_SERVER


def _keys(services: Iterable[Service]) -> dict[_Key, None]:
    """Return the keys of the launchers that services need, in order."""
    return dict.fromkeys(_key(each) for each in services if each.program is not None)


def _warmKey(service: Service) -> tuple[Any, ...]:
    """
    Return what services that share a warm process have in common.

    That is all that a cold start gets, for any client.
    """
    # A program of C{dgram nowait} gets other variables.
    apart = not (service.isStream or service.wait)
    started = (service.program, service.login, service.variables, apart)
    return (_key(service), service.warm, *started)


def _isAnothers(context: ProcessContext) -> bool:
    """Return whether programs run as another user than the daemon's."""
    return context.credentials is not None and context.credentials.uid != os.geteuid()


class LauncherPool:
    """The launchers that services need."""

    _MAKE: dict[str, Callable[..., Any]] = {
        "direct": DirectLauncher,
        "forkserver": ForkServerPool,
        "chroot": ChrootForkServerPool,
    }

    def __init__(
        self,
        reactor: Any,
        report: Report,
        budget: ProcessBudget | None = None,
        descriptors: Descriptors | None = None,
    ) -> None:
        """
        Start with no launchers.

        @param budget: counts the programs of all services.
        @param descriptors: the account of all descriptors of this process.
        """
        self._budget = ProcessBudget() if budget is None else budget
        self._descriptors = Descriptors() if descriptors is None else descriptors
        self._exits = ExitWatcher(reactor, self._descriptors)
        self._few = False
        self._used = self._reserved = 0
        self._reactor = reactor
        self._report = report
        self._launchers: dict[_Key, Any] = {}
        self._warm: dict[tuple[Any, ...], WarmLauncher] = {}
        self._retired: list[Any] = []
        self._retiredWarm: list[WarmLauncher] = []

    def need(self, services: Iterable[Service]) -> None:
        """
        Make and start a launcher for each of these services, and retire the others.

        Warm processes are replaced.  An error is ignored here, because L{of} tries
        again and raises it.
        """
        services = list(services)
        self._makePossible(services)
        self._retired = [each for each in self._retired if not each.over]
        self._retiredWarm = [each for each in self._retiredWarm if not each.over]
        self._pruneWarm(services)
        wanted = _keys(services)
        for key in [key for key in self._launchers if key not in wanted]:
            self._retire(self._launchers.pop(key))
        for launcher in self._launchers.values():
            if isinstance(launcher, ChrootForkServerPool):
                launcher.renew()
        self._count()
        for service in services:
            if _key(service) in self._launchers:
                with suppress(Exception):
                    self._addWarm(service)

    def expect(self, services: Iterable[Service]) -> None:
        """
        Reserve descriptors for the helper processes that these services will need.

        At most half of the free descriptors are reserved.
        """
        services = list(services)
        keys = [key for key in _keys(services) if key[0] != "direct"]
        warm = {_warmKey(each) for each in services if each.warm and each.program}
        wanted = len(keys) * usualCount() * OF_HELPER + len(warm) * OF_WARM
        half = max(0, self._descriptors.available() // 2)
        self._few = wanted > half
        self._reserve(min(wanted, half))

    def _takeFor(self, count: int) -> None:
        """
        Count descriptors for helper processes, which may be reserved ones.

        @raise OSError: if descriptors are short.
        """
        account = self._descriptors
        self._used += count
        more = self._used - self._reserved
        if more > 0 and not account.spare(more):
            self._used -= count
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._reserve(max(self._used, self._reserved))

    def _reserve(self, count: int) -> None:
        """Reserve a number of descriptors for fork servers."""
        self._reserved = count
        self._descriptors.keep(Purpose.HELPER, count)

    def _count(self) -> None:
        """
        Count the descriptors of all fork servers, also of those that are restarting.

        Warm processes count their own, because they are optional.
        """
        every = (*self._launchers.values(), *self._retired)
        servers = [
            each
            for each in every
            if isinstance(each, (ForkServerPool, ChrootForkServerPool))
        ]
        self._used = sum(each.count * OF_HELPER for each in servers)
        self._reserve(self._used)

    def _makePossible(self, services: Iterable[Service]) -> None:
        """Make launchers for as many of these services as there are descriptors for."""
        for service in services:
            try:
                self.make([service])
            except OSError as why:
                self._report.emit(events.SHORTAGE, reason=why.strerror or str(why))
            except Exception:
                pass  # The slot that asks for it logs the reason.

    def make(self, services: Iterable[Service]) -> None:
        """
        Make and start the missing launchers for these services.

        After an exception, none of them is there.

        @raise OSError: if descriptors are short.
        """
        made: dict[_Key, Any] = {}
        try:
            for key in _keys(services):
                if key not in self._launchers:
                    made[key] = self._make(*key)
            for launcher in made.values():
                launcher.start()
        except Exception:
            for launcher in made.values():
                self._retire(launcher)
            raise
        self._launchers.update(made)

    def _retire(self, launcher: ILauncher) -> None:
        """Retire a launcher, and keep it until it is over."""
        survived("-", launcher.retire)
        self._retired.append(launcher)

    def _make(self, way: str, context: ProcessContext) -> Any:
        """
        Make a launcher.

        @raise OSError: if descriptors are short.
        """
        if context.chroot is not None and way == "forkserver":
            way = "chroot"
        # Only what accepts connections itself needs to know the limit on all programs.
        more: dict[str, Any] = {} if way == "direct" else {"budget": self._budget}
        before = self._used, self._reserved
        if way != "direct":
            count = more["count"] = 1 if self._few else usualCount()
            self._takeFor(count * OF_HELPER)
        given = (context, self._reactor, self._report)
        try:
            return self._MAKE[way](*given, exits=self._exits, **more)
        except Exception:
            self._used, reserved = before
            self._reserve(reserved)
            raise

    def _pruneWarm(self, services: list[Service]) -> None:
        """Retire the warm launchers that no service needs, and renew the others."""
        needed = {_warmKey(service) for service in services if service.warm}
        for key in list(self._warm):
            if key in needed:
                survived("-", self._warm[key].renew)
            else:
                warm = self._warm.pop(key)
                survived("-", warm.retire)
                self._retiredWarm.append(warm)

    def _addWarm(self, service: Service) -> None:
        """Make a warm launcher for a service, if it is a warm service and has none."""
        if service.warm is None or service.program is None:
            return
        key = _warmKey(service)
        if key not in self._warm:
            cold = self._launchers[_key(service)]
            given = (service.warm, self._reactor, self._report, service.name)
            # O_NONBLOCK belongs to the socket: another user's process that has it could
            # make the daemon block in accept(2).
            make = WarmLauncher if _isAnothers(service.context) else warmLauncherFor
            more = (self._budget, service.context, self._exits)
            self._warm[key] = make(cold, *given, *more)

    def of(self, service: Service) -> ILauncher | None:
        """
        Return the launcher of a service, or C{None} if it has no program.

        @raise Exception: if it cannot be made.
        """
        if service.program is None:
            return None
        if _key(service) not in self._launchers:
            self.make([service])
        launcher: ILauncher = self._launchers[_key(service)]
        if service.warm is not None:
            if _warmKey(service) not in self._warm:
                self._addWarm(service)
            return self._warm[_warmKey(service)]
        return launcher

    def awaits(self, pid: int) -> bool:
        """Return whether a launcher watches a child of this process."""
        every = (*self._launchers.values(), *self._retired)
        return any(
            isinstance(each, DirectLauncher) and each.awaits(pid) for each in every
        )

    def stop(self) -> Deferred[Any]:
        """
        Stop all launchers.

        @return: fires when their processes are gone.
        """
        warm = [*self._warm.values(), *self._retiredWarm]
        every = [*warm, *self._launchers.values(), *self._retired]
        self._warm.clear()
        self._retiredWarm.clear()
        self._launchers.clear()
        self._retired.clear()
        self._count()
        return DeferredList([maybeDeferred(each.stop) for each in every])

# -*- test-case-name: inetdtw.launch.test.test_pool -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The launchers of all services: one for each context and way to launch."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Callable

from twisted.internet.defer import Deferred, DeferredList, maybeDeferred

from inetdtw.interfaces import ILauncher
from inetdtw.launch.direct import Direct
from inetdtw.launch.forkserver.chroot import ChrootForkServerPool
from inetdtw.launch.forkserver.launcher import ForkServerPool, usualCount
from inetdtw.launch.warm.accepting import warmLauncherFor
from inetdtw.launch.warm.launcher import WarmLauncher
from inetdtw.launch.warm.process import OF_WARM
from inetdtw.limits.budget import ProcessBudget
from inetdtw.log import events
from inetdtw.log.failures import survived
from inetdtw.log.report import Report
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import Service
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.system.exitwatch import ExitWatcher

#: The descriptors of one fork server: both ends of its socket, and its standard error.
OF_HELPER = 3

_Key = tuple[str, ProcessContext]


def _key(service: Service) -> _Key:
    """What services must have in common to share a launcher."""
    way = service.launch if hasattr(socket, "SOCK_SEQPACKET") else "direct"
    credentials = service.context.credentials
    if credentials is not None and credentials.uid == 0:
        # The reactor complains to the client when a user id does not change.
        way = "forkserver"
    return way, service.context


def _keys(services: Iterable[Service]) -> dict[_Key, None]:
    """The launchers that services need, in order."""
    return dict.fromkeys(_key(each) for each in services if each.program is not None)


def _warmKey(service: Service) -> tuple[Any, ...]:
    """
    What services must have in common to share an interpreter that is kept: all that a
    cold start would be given, whoever the client is.
    """
    # Programs that a datagram is for have an environment of their own.
    apart = not (service.isStream or service.wait)
    started = (service.program, service.login, service.variables, apart)
    return (_key(service), service.warm, *started)


def _isAnothers(context: ProcessContext) -> bool:
    """Whether programs run as another user than the daemon."""
    return context.credentials is not None and context.credentials.uid != os.geteuid()


class LauncherPool:
    """Keeps the launchers that are needed."""

    _MAKE: dict[str, Callable[..., Any]] = {
        "direct": Direct,
        "forkserver": ForkServerPool,
        "rooted": ChrootForkServerPool,
    }

    def __init__(
        self,
        reactor: Any,
        report: Report,
        budget: ProcessBudget | None = None,
        descriptors: Descriptors | None = None,
    ) -> None:
        """
        @param budget: what counts the programs of all services.
        @param descriptors: the account of all file descriptors of this process.
        """
        self._budget = ProcessBudget() if budget is None else budget
        self._descriptors = Descriptors() if descriptors is None else descriptors
        self._exits = ExitWatcher(reactor, self._descriptors)
        self._few = False
        self._used = self._kept = 0
        self._reactor = reactor
        self._report = report
        self._launchers: dict[_Key, Any] = {}
        self._warm: dict[tuple[Any, ...], WarmLauncher] = {}
        self._retired: list[Any] = []
        self._cooled: list[WarmLauncher] = []

    def need(self, services: Iterable[Service]) -> None:
        """
        Have a launcher for each of these services, started, and no others.  What is
        kept warm is renewed.  One that cannot be had is left out; L{of} tries it
        again, and says why.
        """
        services = list(services)
        self._makeSome(services)
        self._retired = [each for each in self._retired if not each.over]
        self._cooled = [each for each in self._cooled if not each.over]
        self._cool(services)
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
                    self._heat(service)

    def expect(self, services: Iterable[Service]) -> None:
        """
        Set aside the descriptors of the helper processes that these services will need,
        before others have them: up to half of what there is.
        """
        services = list(services)
        keys = [key for key in _keys(services) if key[0] != "direct"]
        warm = {_warmKey(each) for each in services if each.warm and each.program}
        wanted = len(keys) * usualCount() * OF_HELPER + len(warm) * OF_WARM
        half = max(0, self._descriptors.available() // 2)
        self._few = wanted > half
        self._keep(min(wanted, half))

    def _takeFor(self, count: int) -> None:
        """
        Take descriptors for helper processes: of those that were set aside, or others.

        @raise OSError: if there are too few.
        """
        account = self._descriptors
        self._used += count
        more = self._used - self._kept
        if more > 0 and not account.spare(more):
            self._used -= count
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        self._keep(max(self._used, self._kept))

    def _keep(self, count: int) -> None:
        """Have so many descriptors for fork servers."""
        self._kept = count
        self._descriptors.keep(Purpose.HELPER, count)

    def _count(self) -> None:
        """
        Count the descriptors of the fork servers that there are, with those that are
        started again.  WarmLauncher processes, which can be done without, count their own.
        """
        every = (*self._launchers.values(), *self._retired)
        servers = [
            each
            for each in every
            if isinstance(each, (ForkServerPool, ChrootForkServerPool))
        ]
        self._used = sum(each.count * OF_HELPER for each in servers)
        self._keep(self._used)

    def _makeSome(self, services: Iterable[Service]) -> None:
        """Have a launcher for as many of these services as there are descriptors for."""
        for service in services:
            try:
                self.make([service])
            except OSError as why:
                self._report.emit(events.SHORTAGE, reason=why.strerror or str(why))
            except Exception:
                pass  # The slot that asks for it logs the reason.

    def make(self, services: Iterable[Service]) -> None:
        """
        Have a launcher for each of these services, started, besides those there are.

        @raise OSError: if there are no descriptors left for that; then, and after any
            other exception, there are only those that there were.
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

    def _retire(self, launcher: Any) -> None:
        """Have a launcher end, as soon as it can."""
        survived("-", launcher.retire)
        self._retired.append(launcher)

    def _make(self, way: str, context: ProcessContext) -> Any:
        """
        A launcher.

        @raise OSError: if there are no descriptors left for it.
        """
        if context.chroot is not None and way == "forkserver":
            way = "rooted"
        # Only those who accept by themselves have to know of the others' programs.
        more: dict[str, Any] = {} if way == "direct" else {"budget": self._budget}
        before = self._used, self._kept
        if way != "direct":
            count = more["count"] = 1 if self._few else usualCount()
            self._takeFor(count * OF_HELPER)
        given = (context, self._reactor, self._report)
        try:
            return self._MAKE[way](*given, exits=self._exits, **more)
        except Exception:
            self._used, kept = before
            self._keep(kept)
            raise

    def _cool(self, services: list[Service]) -> None:
        """Keep no interpreters but those that services need, and these anew."""
        needed = {_warmKey(service) for service in services if service.warm}
        for key in list(self._warm):
            if key in needed:
                survived("-", self._warm[key].renew)
            else:
                warm = self._warm.pop(key)
                survived("-", warm.retire)
                self._cooled.append(warm)

    def _heat(self, service: Service) -> None:
        """Have an interpreter kept for a service, if it wants one."""
        if service.warm is None or service.program is None:
            return
        key = _warmKey(service)
        if key not in self._warm:
            cold = self._launchers[_key(service)]
            given = (service.warm, self._reactor, self._report, service.name)
            # Whether accept(2) blocks is one setting for all who have a socket: with
            # one that runs its programs a user could have the daemon wait for ever.
            make = WarmLauncher if _isAnothers(service.context) else warmLauncherFor
            more = (self._budget, service.context, self._exits)
            self._warm[key] = make(cold, *given, *more)

    def of(self, service: Service) -> ILauncher | None:
        """
        The launcher of a service; C{None} if it has no program.

        @raise Exception: whatever keeps it from being had.
        """
        if service.program is None:
            return None
        if _key(service) not in self._launchers:
            self.make([service])
        launcher: ILauncher = self._launchers[_key(service)]
        if service.warm is not None:
            if _warmKey(service) not in self._warm:
                self._heat(service)
            return self._warm[_warmKey(service)]
        return launcher

    def awaits(self, pid: int) -> bool:
        """Whether one of them waits for a child of this process by itself."""
        every = (*self._launchers.values(), *self._retired)
        return any(isinstance(each, Direct) and each.awaits(pid) for each in every)

    def stop(self) -> Deferred[Any]:
        """
        Stop them all.

        @return: fires when their processes are gone.
        """
        warm = [*self._warm.values(), *self._cooled]
        every = [*warm, *self._launchers.values(), *self._retired]
        self._warm.clear()
        self._cooled.clear()
        self._launchers.clear()
        self._retired.clear()
        self._count()
        return DeferredList([maybeDeferred(each.stop) for each in every])

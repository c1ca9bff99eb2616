# -*- test-case-name: inetdtw.launch.warm.test.test_accepting -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Warm starts where the warm process accepts the connections.

A listening socket is always delegated: to the process that is ready, or to the cold
launcher.  A new warm process begins to accept before the old process stops, so that no
connection waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.interfaces import (
    IAcceptDelegate,
    IDelegatingLauncher,
    ILauncher,
    LaunchRequest,
)
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.warm.launcher import WarmLauncher
from inetdtw.launch.warm.process import WarmProcess


@dataclass
class _WarmListener:
    """
    A listening socket that the daemon does not accept from.

    @ivar watcher: its delegate.
    @ivar request: the socket, and a cold start for its connections.
    @ivar cold: the cold launcher's number for it, if that accepts.
    @ivar process: the process that accepts, if one does.
    """

    watcher: IAcceptDelegate
    request: LaunchRequest
    cold: int | None = None
    process: WarmProcess | None = None


def _ignore() -> None:
    """Do nothing when a socket is free, as another process accepts from it."""


@implementer(IDelegatingLauncher)
class DelegatingWarmLauncher(WarmLauncher):
    """A L{WarmLauncher} whose cold launcher can accept connections."""

    _cold: IDelegatingLauncher

    def __init__(self, cold: IDelegatingLauncher, *given: Any) -> None:
        """See L{WarmLauncher}."""
        super().__init__(cold, *given)
        self._sockets: dict[int, _WarmListener] = {}
        self._number = 0

    def delegate(self, watcher: IAcceptDelegate, request: LaunchRequest) -> int:
        """
        Accept from the listening socket that is descriptor 0 of a request.

        Programs start cold until a process is ready.
        """
        self.prepare(request)
        self._number += 1
        delegated = self._sockets[self._number] = _WarmListener(watcher, request)
        if self.process is not None:
            self._delegateWarm(self._number, delegated, self.process)
        if delegated.process is None:
            self._delegateCold(delegated)
        return self._number

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Stop accepting from a socket."""
        delegated = self._sockets.pop(number)
        if delegated.process is not None:
            delegated.process.withdraw(number, free)
        else:
            assert delegated.cold is not None
            self._cold.withdraw(delegated.cold, free)

    def ready(self, process: WarmProcess) -> None:
        """Delegate all sockets to a process that is ready."""
        for number, delegated in self._sockets.items():
            self._delegateWarm(number, delegated, process)
            before = delegated.process
            if before is not None and before is not process:
                # The new process is for other requests, and the old one is to exit.
                before.withdraw(number, _ignore)
                self._delegateCold(delegated)
        super().ready(process)

    def _delegateWarm(
        self, number: int, delegated: _WarmListener, process: WarmProcess
    ) -> None:
        """Delegate a socket to a process, if that is for such requests."""
        if not self._isFor(process, delegated.request):
            return
        if not process.lease.fits():
            # The daemon can send launch requests still.
            self._reactor.callLater(0, delegated.watcher.returned)
            return
        fd = delegated.request.fds[0]
        process.delegate(number, Delegation(delegated.watcher, b"", fd))
        before, cold = delegated.process, delegated.cold
        delegated.process, delegated.cold = process, None
        if before is not None:
            before.withdraw(number, _ignore)
        if cold is not None:
            self._cold.withdraw(cold, _ignore)

    def disconnected(self, process: WarmProcess) -> None:
        """Delegate the sockets of a process that is gone to the cold launcher."""
        for delegated in self._sockets.values():
            if delegated.process is process and not self.stopped:
                self._delegateCold(delegated)
        super().disconnected(process)

    def _delegateCold(self, delegated: _WarmListener) -> None:
        delegated.process = None
        delegated.cold = self._cold.delegate(delegated.watcher, delegated.request)


def warmLauncherFor(cold: ILauncher, *given: Any) -> WarmLauncher:
    """
    Return a warm launcher that accepts connections if its cold launcher can.

    @param given: what else L{WarmLauncher} takes.
    """
    if IDelegatingLauncher.providedBy(cold):
        return DelegatingWarmLauncher(cold, *given)
    return WarmLauncher(cold, *given)

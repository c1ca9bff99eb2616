# -*- test-case-name: inetdtw.daemon.test.test_sdnotify -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Telling a supervisor how the daemon is, as sd_notify(3) has it.

C{NOTIFY_SOCKET} in the environment is a UNIX socket, in the file system or, with C{@}
in front, abstract; each datagram that is sent there is lines C{NAME=value}.  systemd,
podman and others listen to it.  Where C{WATCHDOG_USEC} is set they also want a sign of
life at least as often as that (sd_watchdog_enabled(3)).
"""

from __future__ import annotations

import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Callable

from twisted.application.service import Service
from twisted.internet.task import LoopingCall

from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.state import DaemonState
from inetdtw.superserver import InetdService
from inetdtw.text import native, toBytes

#: The seconds between two looks at what is to be told.
STATUS_INTERVAL = 5.0
#: The seconds to wait for room in the supervisor's socket.
RETRY = 0.1
#: How much may wait for room at most; what is oldest goes first.
MOST_WAITING = 64


def watchdogInterval(environ: Mapping[str, str], pid: int) -> float | None:
    """
    The seconds between two signs of life: half of what the supervisor asks for, if it
    asks this process.

    @param pid: the process id of this process.
    """
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    asked = environ.get("WATCHDOG_USEC", "")
    if not (asked.isascii() and asked.isdigit() and int(asked)):
        return None
    return int(asked) / 2 / 1e6


def addressOf(environ: Mapping[str, str], report: Report) -> str | None:
    """Where the supervisor listens, if there is one; what cannot be reached is logged."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address and address[0] not in "/@":
        report.emit(
            events.NOTIFY_FAILED,
            address=address,
            reason="it is no path, nor @ and a name",
        )
        return None
    return address or None


def statusText(state: DaemonState) -> str:
    """What a superserver does, for a person."""
    conditions = (each.condition for each in state.services if not each.healthy)
    troubles = "".join(
        f", {count} {what}" for what, count in sorted(Counter(conditions).items())
    )
    mistakes = len(state.problems)
    rejected = f"; mistakes in the configuration: {mistakes}" if mistakes else ""
    services = f"services: {len(state.services)}{troubles}"
    return f"{services}; running: {state.running}{rejected}"


class Channel:
    """
    The way to the supervisor.

    It is never waited for: what there is no room for is sent later.
    """

    def __init__(self, address: str, reactor: Any, report: Report) -> None:
        """@param address: the path of a socket, or C{@} and its abstract name."""
        self._address = address
        self._reactor = reactor
        self._report = report
        self._waiting: deque[bytes] = deque(maxlen=MOST_WAITING)
        self._later: Any = None
        self._broken = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, *lines: str) -> None:
        """Tell the supervisor something."""
        self._waiting.append(toBytes("\n".join(lines)))
        if self._later is None:
            self._flush()

    def _flush(self) -> None:
        """Send what there is room for, and the rest in a moment."""
        self._later = None
        abstract = self._address.startswith("@")
        to = native("\0" + self._address[1:] if abstract else self._address)
        while self._waiting:
            try:
                self._socket.sendto(self._waiting[0], to)
            except BlockingIOError:
                self._later = self._reactor.callLater(RETRY, self._flush)
                return
            except OSError as why:
                self._fail(why.strerror or str(why))
            else:
                self._broken = False
            self._waiting.popleft()

    def _fail(self, reason: str) -> None:
        """Say once that nobody is there."""
        if not self._broken:
            self._broken = True
            self._report.emit(
                events.NOTIFY_FAILED, address=self._address, reason=reason
            )

    def close(self) -> None:
        """Send nothing more."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        self._waiting.clear()
        self._socket.close()


class Notifications(Service):
    """
    Tells a supervisor when a superserver is ready, reads its configuration again, and
    stops, how much it does, and that the reactor still runs.

    It has to be started after the superserver.
    """

    name = "inetd notifications"

    def __init__(
        self,
        inetd: InetdService,
        address: str,
        watchdog: float | None = None,
        reactor: Any = None,
        report: Report | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        @param address: where to send them, the value of C{NOTIFY_SOCKET}.
        @param watchdog: the seconds between two signs of life, if some are wanted.
        @param monotonic: the seconds of C{CLOCK_MONOTONIC}.
        """
        if reactor is None:
            from twisted.internet import reactor
        self._inetd = inetd
        self._address = address
        self._reactor = reactor
        self._report = Report() if report is None else report
        self._monotonic = monotonic
        self._loops = [(STATUS_INTERVAL, LoopingCall(self._tell))]
        if watchdog is not None:
            self._loops.append((watchdog, LoopingCall(self._live)))
        self._channel: Channel | None = None
        self._told = ""

    def startService(self) -> None:
        """Be ready as soon as the reactor runs: from then on it hears signals, too."""
        super().startService()
        self._inetd.aroundReload = self._reloading
        self._reactor.callWhenRunning(self._ready)

    def _ready(self) -> None:
        """The superserver serves."""
        if not self.running:
            return
        self._channel = Channel(self._address, self._reactor, self._report)
        self._channel.send("READY=1", self._status())
        for seconds, loop in self._loops:
            loop.clock = self._reactor
            loop.start(seconds)

    def stopService(self) -> None:
        """The superserver is about to stop."""
        super().stopService()
        self._inetd.aroundReload = nullcontext
        if self._channel is None:
            return
        for _, loop in self._loops:
            loop.stop()
        self._channel.send("STOPPING=1", "STATUS=stopping")
        self._channel.close()
        self._channel = None

    @contextmanager
    def _reloading(self) -> Iterator[None]:
        """The configuration is read again."""
        if self._channel is None:
            yield
            return
        now = int(self._monotonic() * 1e6)
        self._channel.send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")
        try:
            yield
        finally:
            self._channel.send("READY=1", self._status())

    def _status(self) -> str:
        """The line that says how much the superserver does."""
        self._told = statusText(self._inetd.state())
        return f"STATUS={self._told}"

    def _tell(self) -> None:
        """Say how much the superserver does, if that has changed."""
        if self._channel is not None and statusText(self._inetd.state()) != self._told:
            self._channel.send(self._status())

    def _live(self) -> None:
        """Give a sign of life."""
        if self._channel is not None:
            self._channel.send("WATCHDOG=1")

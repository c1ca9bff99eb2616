# -*- test-case-name: inetdtw.daemon.test.test_sdnotify -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Notifications to a supervisor: sd_notify(3) and sd_watchdog_enabled(3).

C{NOTIFY_SOCKET} in the environment is a UNIX datagram socket: a path or, with C{@} in
front, an abstract name.  Each datagram is lines C{NAME=value}.  systemd, podman and
others receive them.
"""

from __future__ import annotations

import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, Callable

from twisted.application.internet import TimerService
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from inetdtw.log import events
from inetdtw.log.report import Report
from inetdtw.model.state import DaemonState
from inetdtw.superserver import InetdService
from inetdtw.system.timer import Timer
from inetdtw.text import native, toBytes

#: The seconds between two checks of the status.
STATUS_INTERVAL = 5.0
#: The seconds after which a full socket is tried again.
RETRY = 0.1
#: How many notifications are queued for a full socket; the oldest are dropped.
MOST_QUEUED = 64


def watchdogInterval(environ: Mapping[str, str], pid: int) -> float | None:
    """
    Return the seconds between two watchdog notifications: half of C{WATCHDOG_USEC}.

    @param pid: the process id of this process.

    @return: C{None} if the supervisor wants none, or wants them of another process.
    """
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    asked = environ.get("WATCHDOG_USEC", "")
    if not (asked.isascii() and asked.isdigit() and int(asked)):
        return None
    return int(asked) / 2 / 1e6


def addressOf(environ: Mapping[str, str], report: Report) -> str | None:
    """Return the supervisor's address, if any; log one that is not supported."""
    address = environ.get("NOTIFY_SOCKET", "")
    if address and address[0] not in "/@":
        reason = "neither a path nor @ and an abstract name"
        report.emit(events.NOTIFY_FAILED, address=address, reason=reason)
        return None
    return address or None


def statusText(state: DaemonState) -> str:
    """Return the state of the superserver in one line."""
    conditions = (each.condition for each in state.services if not each.working)
    troubles = "".join(
        f", {count} {what}" for what, count in sorted(Counter(conditions).items())
    )
    errors = len(state.problems)
    rejected = f"; errors in the configuration: {errors}" if errors else ""
    services = f"services: {len(state.services)}{troubles}"
    return f"{services}; running: {state.running}{rejected}"


class NotifySocket:
    """A socket to the supervisor, with a queue, as sending never blocks."""

    def __init__(self, address: str, reactor: IReactorTime, report: Report) -> None:
        """@param address: the path of a socket, or C{@} and its abstract name."""
        self._address = address
        self._report = report
        self._queue: deque[bytes] = deque(maxlen=MOST_QUEUED)
        self._retry = Timer(reactor)
        self._failed = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def send(self, *lines: str) -> None:
        """Send a notification, at once or when the socket is writable."""
        self._queue.append(toBytes("\n".join(lines)))
        if not self._retry.active:
            self._flush()

    def _flush(self) -> None:
        abstract = self._address.startswith("@")
        to = native("\0" + self._address[1:] if abstract else self._address)
        while self._queue:
            try:
                self._socket.sendto(self._queue[0], to)
            except BlockingIOError:
                self._retry.start(RETRY, self._flush)
                return
            except OSError as why:
                self._fail(why.strerror or str(why))
            else:
                self._failed = False
            self._queue.popleft()

    def _fail(self, reason: str) -> None:
        """Log the first of several failures."""
        if not self._failed:
            self._failed = True
            self._report.emit(
                events.NOTIFY_FAILED, address=self._address, reason=reason
            )

    def close(self) -> None:
        """Close the socket; what is queued is lost."""
        self._retry.cancel()
        self._queue.clear()
        self._socket.close()


class Notifications(MultiService):
    """
    Notifies a supervisor of what a superserver does.

    It notifies that it is ready, reloads and stops, of its status, and that the reactor
    runs.  It has to be started after the superserver.
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
        Open nothing yet.

        @param address: the value of C{NOTIFY_SOCKET}.
        @param watchdog: the seconds between two watchdog notifications, if wanted.
        @param monotonic: returns the seconds of C{CLOCK_MONOTONIC}.
        """
        super().__init__()
        if reactor is None:
            from twisted.internet import reactor
        self._inetd = inetd
        self._address = address
        self._reactor = reactor
        self._report = Report() if report is None else report
        self._monotonic = monotonic
        self._addTimer(STATUS_INTERVAL, self._sendStatus)
        if watchdog is not None:
            self._addTimer(watchdog, self._send, "WATCHDOG=1")
        self._socket: NotifySocket | None = None
        self._status = ""

    def _addTimer(self, seconds: float, *call: Any) -> None:
        timer = TimerService(seconds, *call)
        timer.clock = self._reactor
        timer.setServiceParent(self)

    def startService(self) -> None:
        """Notify that it is ready when the reactor runs, and handles signals."""
        super().startService()
        self._inetd.aroundReload = self._reloading
        self._reactor.callWhenRunning(self._ready)

    def _ready(self) -> None:
        if self.running:
            self._socket = NotifySocket(self._address, self._reactor, self._report)
            self._send("READY=1", self._statusLine())

    def stopService(self) -> Deferred[Any]:
        """Notify that the superserver is about to stop."""
        self._inetd.aroundReload = nullcontext
        if self._socket is not None:
            self._socket.send("STOPPING=1", "STATUS=stopping")
            self._socket.close()
            self._socket = None
        stopped: Deferred[Any] = super().stopService()
        return stopped

    @contextmanager
    def _reloading(self) -> Iterator[None]:
        """Notify the supervisor of the start and the end of a reload."""
        if self._socket is None:
            yield
            return
        now = int(self._monotonic() * 1e6)
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")
        try:
            yield
        finally:
            self._send("READY=1", self._statusLine())

    def _statusLine(self) -> str:
        self._status = statusText(self._inetd.state())
        return f"STATUS={self._status}"

    def _sendStatus(self) -> None:
        """Notify the supervisor of the status, if it has changed."""
        if self._socket is not None and statusText(self._inetd.state()) != self._status:
            self._send(self._statusLine())

    def _send(self, *lines: str) -> None:
        """Send a notification, unless it is not ready yet."""
        if self._socket is not None:
            self._socket.send(*lines)

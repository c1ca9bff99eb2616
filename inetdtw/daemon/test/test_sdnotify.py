# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.daemon.sdnotify}."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from zope.interface.verify import verifyObject

from twisted.application.service import IService

from inetdtw.daemon import sdnotify
from inetdtw.daemon.sdnotify import (
    MOST_QUEUED,
    RETRY,
    STATUS_INTERVAL,
    Notifications,
    NotifySocket,
    addressOf,
    statusText,
    watchdogInterval,
)
from inetdtw.model.state import DaemonState, PauseReason, ServiceState
from inetdtw.superserver import InetdService
from inetdtw.test.fakes import PATIENCE, ServingTestCase, openDescriptors, openedSince

ECHO = "127.0.0.1:0 stream tcp nowait - internal echo\n"
NAME = f"inetdtw-test-notify-{os.getpid()}"


class EnvironmentTests(ServingTestCase):
    """Tests for L{watchdogInterval} and L{addressOf}."""

    def test_watchdog(self) -> None:
        """The watchdog interval is half of what the supervisor requires."""
        self.assertEqual(watchdogInterval({"WATCHDOG_USEC": "3000000"}, 7), 1.5)
        environ = {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "7"}
        self.assertEqual(watchdogInterval(environ, 7), 1.5)

    def test_noWatchdog(self) -> None:
        """Without a value for this process, there is no watchdog interval."""
        for environ in (
            {},
            {"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "8"},
            {"WATCHDOG_USEC": "0"},
            {"WATCHDOG_USEC": "-1"},
            {"WATCHDOG_USEC": "often"},
        ):
            self.assertIsNone(watchdogInterval(environ, 7))

    def address(self, text: str) -> str | None:
        """Return the address in the environment."""
        return addressOf({"NOTIFY_SOCKET": text}, self.runtime.report)

    def test_address(self) -> None:
        """The supervisor's socket is a path or an abstract name."""
        self.assertEqual(self.address("/run/notify"), "/run/notify")
        self.assertEqual(self.address("@name"), "@name")
        self.assertIsNone(self.address(""))
        self.assertIsNone(addressOf({}, self.runtime.report))
        self.assertEqual(self.logged("notify-failed"), [])

    def test_strangeAddress(self) -> None:
        """An address of another family is logged."""
        self.assertIsNone(self.address("vsock:2:1234"))
        self.assertEqual(
            [e["address"] for e in self.logged("notify-failed")], ["vsock:2:1234"]
        )

    def test_status(self) -> None:
        """The status has counts of services in trouble, if any are."""
        good = ServiceState("7/tcp", "[::]:7", "stream nowait")
        failed = replace(good, pauses=(PauseReason.UNBOUND,))
        paused = replace(good, pauses=(PauseReason.OPERATOR,))
        state = DaemonState("1", 1, 0.0, 0.0, False, 2, (), (), (good, good))
        self.assertEqual(statusText(state), "services: 2; running: 2")
        state = replace(state, services=(good, paused, failed, paused))
        wanted = "services: 4, 1 bind failed, 2 paused; running: 2"
        self.assertEqual(statusText(state), wanted)
        state = replace(state, problems=("inetd.conf:3: what is this",))
        wanted += "; errors in the configuration: 1"
        self.assertEqual(statusText(state), wanted)


class NotifyTestCase(ServingTestCase):
    """A test with a supervisor."""

    def setUp(self) -> None:
        """Bind the supervisor's socket."""
        super().setUp()
        self.supervisor = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.supervisor.settimeout(PATIENCE)
        self.supervisor.bind(f"\0{NAME}")

    def received(self) -> list[list[str]]:
        """Receive all notifications, and return the lines of each."""
        found = []
        self.supervisor.setblocking(False)
        try:
            while True:
                found.append(self.supervisor.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


class NotifySocketTests(NotifyTestCase):
    """Tests for L{NotifySocket}."""

    def sender(self, address: str = f"@{NAME}") -> NotifySocket:
        """Return a socket to the supervisor."""
        sender = NotifySocket(address, self.reactor, self.runtime.report)
        self.addCleanup(sender.close)
        return sender

    def test_abstract(self) -> None:
        """Lines are sent to an abstract socket as one datagram."""
        self.sender().send("READY=1", "STATUS=well")
        self.assertEqual(self.received(), [["READY=1", "STATUS=well"]])

    def test_path(self) -> None:
        """Lines are sent to a path."""
        path = os.path.relpath(self.mktemp())
        self.supervisor = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self.supervisor.bind(path)
        self.sender(path).send("READY=1")
        self.assertEqual(self.received(), [["READY=1"]])

    def test_full(self) -> None:
        """Notifications are queued, in order, while the socket is full."""
        sender = self.sender()
        full = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        full.setblocking(False)
        try:
            while True:
                full.sendto(b"X", f"\0{NAME}")
        except BlockingIOError:
            pass  # The buffer is full.
        sender.send("READY=1")
        sender.send("STATUS=well")
        self.reactor.advance(RETRY)
        self.assertEqual({line for (line,) in self.received()}, {"X"})
        self.reactor.advance(RETRY)
        self.assertEqual(self.received(), [["READY=1"], ["STATUS=well"]])

    def test_bounded(self) -> None:
        """The queue has a limit."""
        sender = self.sender()
        full = FullSocket()
        self.patch(sender, "_socket", full)
        for number in range(MOST_QUEUED + 5):
            sender.send(f"STATUS={number}")
        full.full = False
        self.reactor.advance(RETRY)
        self.assertEqual(len(full.sent), MOST_QUEUED)
        self.assertEqual(full.sent[-1], f"STATUS={MOST_QUEUED + 4}".encode())

    def test_gone(self) -> None:
        """A missing supervisor is logged once, and again after it was there."""
        self.supervisor.close()
        sender = self.sender()
        sender.send("READY=1")
        sender.send("STATUS=well")
        self.assertEqual(len(self.logged("notify-failed")), 1)
        NotifyTestCase.setUp(self)
        sender.send("STATUS=received")
        self.assertEqual(self.received(), [["STATUS=received"]])
        self.supervisor.close()
        sender.send("STATUS=well")
        self.assertEqual(len(self.logged("notify-failed")), 1)

    def test_tooLong(self) -> None:
        """A path that is too long is logged."""
        self.sender("/" + "x" * 200).send("READY=1")
        self.assertEqual(len(self.logged("notify-failed")), 1)


class FullSocket:
    """
    A socket that is full.

    @ivar full: whether it is.
    @ivar sent: what was sent when it was not.
    """

    def __init__(self) -> None:
        """Start full."""
        self.full = True
        self.sent: list[bytes] = []

    def sendto(self, data: bytes, to: str) -> None:
        """Send a datagram."""
        if self.full:
            raise BlockingIOError
        self.sent.append(data)

    def close(self) -> None:
        """Do nothing."""


class NotificationsTests(NotifyTestCase):
    """Tests for L{Notifications}."""

    def setUp(self) -> None:
        """Make a superserver."""
        super().setUp()
        self.path = os.path.abspath(self.mktemp())
        self.write(ECHO)
        self.inetd = InetdService(
            self.path, reactor=self.reactor, report=self.runtime.report
        )

    def write(self, text: str) -> None:
        """Write its configuration."""
        with open(self.path, "w") as file:
            file.write(text)

    def notifications(self, watchdog: float | None = None) -> Notifications:
        """Return the notifications of it."""
        return Notifications(
            self.inetd,
            f"@{NAME}",
            watchdog,
            self.reactor,
            self.runtime.report,
            monotonic=lambda: 12.5,
        )

    def started(self, watchdog: float | None = None) -> Notifications:
        """Start the superserver, and then the notifications."""
        service = self.notifications(watchdog)
        self.inetd.startService()
        self.addCleanup(self.inetd.stopService)
        service.startService()
        self.assertEqual(self.received(), [])
        self.run_()
        self.addCleanup(self.stop, service)
        return service

    def stop(self, service: Notifications) -> None:
        """Stop it, unless that is done."""
        if service.running:
            service.stopService()

    def run_(self) -> None:
        """Run the reactor."""
        for call, arguments, named in self.reactor.whenRunningHooks:
            call(*arguments, **named)

    def test_interface(self) -> None:
        """The service provides C{IService}, and has a name."""
        service = self.notifications()
        verifyObject(IService, service)
        self.assertEqual(service.name, "inetd notifications")

    def test_ready(self) -> None:
        """The superserver is ready once the reactor runs; its status is sent."""
        self.started()
        status = "STATUS=services: 1; running: 0"
        self.assertEqual(self.received(), [["READY=1", status]])

    def test_stopping(self) -> None:
        """A stop is notified, and closes everything."""
        before = openDescriptors()
        service = self.started(1.0)
        self.received()
        service.stopService()
        self.assertEqual(self.received(), [["STOPPING=1", "STATUS=stopping"]])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.inetd.stopService()
        self.assertEqual(openedSince(before), {})
        self.inetd.reload()
        self.assertEqual(self.received(), [])

    def test_stoppedBefore(self) -> None:
        """A stop before the reactor runs sends no notification."""
        service = self.notifications()
        service.startService()
        service.stopService()
        self.run_()
        self.assertEqual(self.received(), [])

    def test_reloading(self) -> None:
        """The start of a reload, with its time, and the end are notified."""
        self.started()
        self.received()
        self.write(ECHO + ECHO)
        self.inetd.reload()
        status = "STATUS=services: 2; running: 0"
        self.assertEqual(
            self.received(),
            [
                ["RELOADING=1", "MONOTONIC_USEC=12500000", "STATUS=reloading"],
                ["READY=1", status],
            ],
        )

    def test_rejected(self) -> None:
        """The end of a rejected reload is notified, too."""
        self.started()
        self.received()
        self.write("what is this\n")
        self.inetd.reload()
        self.assertEqual(
            [lines[0] for lines in self.received()], ["RELOADING=1", "READY=1"]
        )

    def test_earlyReload(self) -> None:
        """A reload before READY=1 is not notified."""
        service = self.notifications()
        service.startService()
        self.addCleanup(service.stopService)
        self.inetd.reload()
        self.assertEqual(self.received(), [])

    def test_status(self) -> None:
        """A status is sent only when it changes."""
        self.started()
        self.received()
        self.reactor.advance(STATUS_INTERVAL)
        self.assertEqual(self.received(), [])
        state = replace(self.inetd.state(), running=7)
        self.patch(InetdService, "state", lambda inetd: state)
        self.reactor.advance(STATUS_INTERVAL)
        self.assertEqual(self.received(), [[f"STATUS={statusText(state)}"]])
        self.reactor.advance(STATUS_INTERVAL)
        self.assertEqual(self.received(), [])

    def test_watchdog(self) -> None:
        """Watchdog notifications are sent at the watchdog interval."""
        self.patch(sdnotify, "STATUS_INTERVAL", 1000.0)
        self.started(1.5)
        self.assertEqual([lines[0] for lines in self.received()], ["READY=1"])
        for _ in range(2):
            self.reactor.advance(1.4)
            self.assertEqual(self.received(), [])
            self.reactor.advance(0.1)
            self.assertEqual(self.received(), [["WATCHDOG=1"]])

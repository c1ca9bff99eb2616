# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Fakes for unit tests, values for them, and the test case that has them all.

Sockets are real ones, on addresses that the system chooses.  All names are imported
from here; L{inetdtw.test.fakereactor} and L{inetdtw.test.fakelauncher} define the
fakes.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import struct
from typing import Any, Callable

from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from inetdtw.interfaces import ExitStatus, ILauncher
from inetdtw.internal.reflector import ReflectorGuard
from inetdtw.limits.service import ServiceLimits
from inetdtw.log.report import Report
from inetdtw.model.address import Address
from inetdtw.model.errors import Location
from inetdtw.model.service import Program, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.holds import Holds
from inetdtw.serve.runtime import Runtime, ServiceRuntime
from inetdtw.system.sockdiag import waiting
from inetdtw.test.fakelauncher import FakeChild, FakeLauncher, FakeProgram, duplicates
from inetdtw.test.fakereactor import FIRST_PID, PATIENCE, FakeProcess, FakeReactor

__all__ = [
    "FIRST_PID",
    "LOCATION",
    "NOW",
    "PATIENCE",
    "FakeChild",
    "FakeLauncher",
    "FakeProcess",
    "FakeProgram",
    "FakeReactor",
    "ServingTestCase",
    "backlogOf",
    "duplicates",
    "isBlocking",
    "killed",
    "listening",
    "makeDatagrams",
    "makeService",
    "makeUnix",
    "ofOneLink",
    "openDescriptors",
    "openedSince",
    "reportsBacklog",
    "reset",
]

#: Where the services of tests are configured.
LOCATION = Location("inetd.conf", 1)
#: The wall-clock time of internal services.
NOW = 1_000_000_000.0


def ofOneLink() -> Address:
    """
    Return a link-local address (scoped, C{%zone}) of the loopback interface.

    Every machine that has IPv6 has it, for datagrams.
    """
    (name,) = (name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))
    return Address(socket.AF_INET6, f"ff02::1%{name}")


def openDescriptors() -> dict[str, str]:
    """Return what the descriptors of this process lead to, by number."""
    # Another test may have left reference cycles that own some.
    gc.collect()
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            pass  # It was the directory itself.
    return found


def openedSince(before: dict[str, str]) -> dict[str, str]:
    """Return what was opened since L{openDescriptors} was called."""
    now = openDescriptors().items()
    return {fd: what for fd, what in now if before.get(fd) != what}


def makeService(**given: Any) -> Service:
    """
    Make a service of values that differ from the default.

    By default it is a TCP service on any port of the loopback interface, and has a
    program that every system has.
    """
    usual: dict[str, Any] = {
        "location": LOCATION,
        "name": "test/tcp",
        "address": Address(socket.AF_INET, "127.0.0.1"),
        "socktype": socket.SOCK_STREAM,
    }
    if "internal" not in given:
        usual["program"] = Program("/bin/sh", (), ("sh", "-c", ":"))
    return Service(**{**usual, **given})


def makeDatagrams(**given: Any) -> Service:
    """Make a UDP service of values that differ from the default."""
    usual = {"name": "test/udp", "socktype": socket.SOCK_DGRAM}
    return makeService(**{**usual, **given})


def makeUnix(path: str, **given: Any) -> Service:
    """Make a service on a UNIX socket."""
    usual = {"name": f"{path}/unix", "address": Address(socket.AF_UNIX, path)}
    return makeService(**{**usual, **given})


def reportsBacklog() -> bool:
    """Return whether the system reports the length of a backlog."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return waiting(server) is not None


def backlogOf(server: socket.socket) -> int:
    """
    Return the backlog of a socket that listens.

    @raise SkipTest: if the system does not report it.
    """
    if not hasattr(socket, "TCP_INFO"):
        raise SkipTest("The system does not report the backlog.")
    info = server.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int.from_bytes(info[28:32], "little")


def reset(client: socket.socket) -> None:
    """Reset the connection of a client."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def listening(service: Service) -> socket.socket:
    """Return a plain socket that listens for a service."""
    sock = socket.socket(service.address.family, service.socktype)
    sock.setblocking(False)
    sock.bind(service.address.forBind())
    if service.isStream:
        sock.listen(64)
    return sock


class ServingTestCase(SynchronousTestCase):
    """
    A test case with the fakes that a listener needs.

    @ivar reactor: the reactor.
    @ivar launcher: the launcher.
    @ivar runtime: what all services share.
    @ivar events: what was logged since the test began.
    """

    def setUp(self) -> None:
        """Make the fakes."""
        self.reactor = FakeReactor()
        self.addCleanup(self.reactor.close)
        self.launcher = FakeLauncher()
        self.addCleanup(self.launcher.close)
        self.runtime = Runtime(
            self.reactor,
            Report("info"),
            {"LANG": "C", "PATH": "/bin"},
            ReflectorGuard(),
            lambda: NOW,
            launcherOf=self.launcherFor,
        )
        case: Any = self  # The observer is typed for tests with a reactor only.
        self.events = EventLoggingObserver.createWithCleanup(case, globalLogPublisher)

    def launcherFor(self, service: Service) -> ILauncher | None:
        """Return the launcher of a service."""
        launcher: ILauncher = self.launcher
        return launcher if service.program is not None else None

    def serviceRuntime(
        self,
        service: Service,
        limits: ServiceLimits,
        launcher: ILauncher | None = None,
        released: Callable[[], None] = lambda: None,
    ) -> ServiceRuntime:
        """Return the runtime of a service, for its listener."""
        return ServiceRuntime(service, self.runtime, limits, launcher, released)

    def unpaused(self) -> Holds:
        """Return the holds of a service that is not paused."""
        holds = Holds(self.reactor, lambda: None, lambda: None)
        holds.resume(PauseReason.IDLE)
        return holds

    def logged(self, word: str) -> list[Any]:
        """Return the log events whose lines begin with a word."""
        return [
            event
            for event in self.events
            if event.get("log_namespace") == "inetdtw"
            and event["log_format"].split()[0] == word
        ]

    def closing(self, sock: socket.socket) -> socket.socket:
        """Close a socket after the test."""
        self.addCleanup(sock.close)
        return sock

    def client(self, server: socket.socket) -> socket.socket:
        """Return a client of a socket, which times out after L{PATIENCE}."""
        kind = server.type & ~(getattr(socket, "SOCK_NONBLOCK", 0))
        sock = self.closing(socket.socket(server.family, kind))
        sock.settimeout(PATIENCE)
        sock.connect(server.getsockname())
        return sock

    def requested(self, number: int) -> FakeProgram:
        """Wait for so many launch requests, and return the last program."""
        self.reactor.turnUntil(lambda: len(self.launcher.programs) >= number)
        self.assertEqual(len(self.launcher.programs), number)
        return self.launcher.last

    def noDescriptors(self, work: Callable[[], object], left: int = 0) -> None:
        """Do some work while this process can open only so many descriptors."""
        fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(left + 1)]
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            # All numbers below the limit are in use, but for these.
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(fds), limits[1]))
            for fd in fds:
                os.close(fd)
            work()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    def leavesNothingOpen(self, work: Callable[[], object]) -> None:
        """Assert that some work leaves no descriptor open."""
        before = openDescriptors()
        work()
        self.assertEqual(openedSince(before), {})


def isBlocking(sock: socket.socket) -> bool:
    """Return whether the open file description of a socket blocks."""
    return os.get_blocking(sock.fileno())


def killed(number: int = signal.SIGKILL) -> ExitStatus:
    """Return the exit status of a program that a signal killed."""
    return ExitStatus(signal=int(number))

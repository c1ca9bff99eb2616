# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Stand-ins for what the daemon works with: a reactor, processes, and launchers that
start nothing.

Sockets are real ones, on addresses that the system chooses.  A L{FakeReactor} does
nothing by itself: a test has it read what there is to read, and moves its clock.
"""

from __future__ import annotations

import gc
import inspect
import os
import resource
import select
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from zope.interface import implementer

from twisted.internet.error import (
    ProcessDone,
    ProcessExitedAlready,
    ProcessTerminated,
)
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.testing import EventLoggingObserver, MemoryReactorClock
from twisted.logger import globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers import acceptor
from inetdtw.interfaces import ExitStatus, IChild, ILauncher, LaunchRequest
from inetdtw.internal.services import ReflectorGuard
from inetdtw.limits.service import ServiceLimits
from inetdtw.log.report import Report
from inetdtw.model.address import Address
from inetdtw.model.errors import Location
from inetdtw.model.service import Program, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.child import Child
from inetdtw.serve.holds import Holds
from inetdtw.serve.runtime import Runtime, ServiceRuntime
from inetdtw.system.sockdiag import waiting

#: The seconds after which something is taken not to happen.
PATIENCE = 30.0
#: The process id of the first thing that a fake starts: more than any system has.
FIRST_PID = 1 << 22
#: Where all services of tests are written.
LOCATION = Location("inetd.conf", 1)
#: When it is, for internal services.
NOW = 1_000_000_000.0


def duplicates(fds: Iterable[int]) -> list[int]:
    """Descriptors of one's own for what others may close."""
    return [os.dup(fd) for fd in fds]


def ofOneLink() -> Address:
    """
    An address of IPv6 that is of one link only, which is the loopback interface's:
    every machine that has IPv6 has it, for datagrams.
    """
    (name,) = (name for _, name in socket.if_nameindex() if name in ("lo", "lo0"))
    return Address(socket.AF_INET6, f"ff02::1%{name}")


def openDescriptors() -> dict[str, str]:
    """What this process has open, by number."""
    # Another test may have left cycles behind that have some.
    gc.collect()
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            pass  # It was the directory itself.
    return found


def openedSince(before: dict[str, str]) -> dict[str, str]:
    """What this process has open and had not L{before<openDescriptors>}."""
    now = openDescriptors().items()
    return {fd: what for fd, what in now if before.get(fd) != what}


@implementer(IProcessTransport)
class FakeProcess:
    """
    A process that was asked for, and that runs until a test has it L{exit}.

    @ivar protocol: who is told about it.
    @ivar executable: what was to be executed.
    @ivar args: its arguments.
    @ivar env: its environment.
    @ivar path: its working directory.
    @ivar uid: the user id, if it was to be changed.
    @ivar gid: the group id, if it was to be changed.
    @ivar fds: a duplicate of each descriptor that it was given, by its number in
        the process; closed when it exits.
    @ivar pipes: the descriptors that it was to have a pipe for, with the mode.
    @ivar written: what was written to its descriptors; C{None} where one was closed.
    @ivar signals: the signals that it was sent.
    @ivar left: whether nothing is to be exchanged with it any more.
    """

    left = False

    def __init__(
        self,
        pid: int,
        protocol: Any,
        executable: str,
        args: Sequence[str],
        env: Any,
        path: str | None,
        identity: tuple[int | None, int | None],
        childFDs: dict[int, Any],
    ) -> None:
        self.pid: int | None = pid
        self.protocol = protocol
        self.executable = executable
        self.args = list(args)
        self.env = env
        self.path = path
        self.uid, self.gid = identity
        self.pipes = {to: fd for to, fd in childFDs.items() if isinstance(fd, str)}
        self.fds = {
            to: os.dup(fd) for to, fd in childFDs.items() if not isinstance(fd, str)
        }
        self.written: dict[int, list[bytes | None]] = {}
        self.signals: list[str | int] = []
        self.exited = False

    def exit(self, status: int = 0, number: int | None = None) -> None:
        """
        Have it end.

        @param status: its exit status.
        @param number: the signal that kills it, if one does.
        """
        self.close()
        self.exited = True
        word = status << 8 if number is None else number
        why: Exception
        if word:
            why = ProcessTerminated(status if number is None else None, number, word)
        else:
            why = ProcessDone(word)
        self.protocol.processExited(Failure(why))
        self.protocol.processEnded(Failure(why))

    def close(self) -> None:
        """Close what it was given."""
        while self.fds:
            os.close(self.fds.popitem()[1])

    def signalProcess(self, signalID: str | int) -> None:
        """Remember a signal."""
        if self.exited:
            raise ProcessExitedAlready()
        self.signals.append(signalID)

    def closeStdin(self) -> None:
        """Nothing is written to it."""

    def closeStdout(self) -> None:
        """Nothing is read from it."""

    def closeStderr(self) -> None:
        """Nothing is read from it."""

    def closeChildFD(self, descriptor: int) -> None:
        """Remember that nothing more comes there."""
        self.written.setdefault(descriptor, []).append(None)

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Remember what was written."""
        self.written.setdefault(childFD, []).append(data)

    def write(self, data: bytes) -> None:
        """Nothing is written to it."""

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Nothing is written to it."""

    def loseConnection(self) -> None:
        """Remember that nothing is to be exchanged with it any more."""
        self.left = True

    def getPeer(self) -> Any:
        """It has no address."""

    def getHost(self) -> Any:
        """It has no address."""


def acceptOne(process: FakeProcess) -> None:
    """
    Do what a process does that accepts connections in the daemon's place, if that is
    one, and a connection is wanted and there.
    """
    fds = process.fds
    if acceptor.CHANNEL not in fds or inspect.getsource(acceptor) not in (process.args):
        return
    wanted = [(fds[acceptor.CHANNEL], select.POLLIN), (fds[0], select.POLLIN)]
    for fd, event in wanted:
        poll = select.poll()
        poll.register(fd, event)
        if not poll.poll(0):
            return
    channel = socket.socket(fileno=os.dup(fds[acceptor.CHANNEL]))
    service = socket.socket(fileno=os.dup(fds[0]))
    with channel, service:
        if channel.recv(1):
            acceptor.answerOne(service, channel, threading.Lock())


class FakeReactor(MemoryReactorClock):
    """
    A reactor that reads, and whose time passes, when a test says so.

    @ivar processes: what was spawned.
    @ivar spawnFailure: what every attempt to spawn raises, if anything.
    @ivar adopted: a duplicate of each connection that was given away, with its
        factory.
    @ivar adoptFailure: what every attempt to give one away raises, if anything.
    @ivar fromThreads: what is to be called in the next L{turn}.
    @ivar ended: the signals that it has handled and stops on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[FakeProcess] = []
        self.spawnFailure: OSError | None = None
        self.adopted: list[tuple[socket.socket, Any]] = []
        self.adoptFailure: OSError | None = None
        self.fromThreads: list[Callable[[], None]] = []
        self.ended: list[int] = []
        self._numbers: dict[Any, int] = {}

    def sigTerm(self, number: int) -> None:
        """Stop on a signal."""
        self.ended.append(number)

    sigInt = sigTerm

    def addReader(self, reader: Any) -> None:
        """Read something, whose descriptor is to stay the same until it is not read."""
        super().addReader(reader)
        self._numbers.setdefault(reader, reader.fileno())

    def removeReader(self, reader: Any) -> None:
        """
        Read something no more.

        @raise AssertionError: if another descriptor is read than it has now: a real
            reactor knows readers by their descriptors.
        """
        super().removeReader(reader)
        number = self._numbers.pop(reader, None)
        if number is not None and reader.fileno() not in (number, -1):
            raise AssertionError(f"it was read as {number}, and is {reader.fileno()}")

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: str | bytes,
        args: Sequence[str | bytes] = (),
        env: Any = None,
        path: str | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool = False,
        childFDs: dict[int, Any] | None = None,
    ) -> FakeProcess:
        """Remember a process, with strings for all that it was given as bytes."""
        if self.spawnFailure is not None:
            raise self.spawnFailure
        process = FakeProcess(
            FIRST_PID + len(self.processes),
            processProtocol,
            os.fsdecode(executable),
            [os.fsdecode(each) for each in args],
            env and {os.fsdecode(k): os.fsdecode(v) for k, v in env.items()},
            path,
            (uid, gid),
            {0: "w", 1: "r", 2: "r"} if childFDs is None else childFDs,
        )
        self.processes.append(process)
        processProtocol.makeConnection(process)
        return process

    def adoptStreamConnection(
        self, fileDescriptor: int, addressFamily: int, factory: Any
    ) -> None:
        """Keep a connection."""
        if self.adoptFailure is not None:
            raise self.adoptFailure
        # As the real one, it goes by the number; the caller closes its own.
        connection = socket.socket(fileno=os.dup(fileDescriptor))
        self.adopted.append((connection, factory))

    def callFromThread(
        self, callable: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> None:
        """Keep a call for the next L{turn}."""
        self.fromThreads.append(lambda: callable(*args, **kwargs))

    def turn(self, seconds: float = 0.0) -> bool:
        """
        Have everything read that is readable, once.

        @param seconds: how long to wait for something, in real time.

        @return: whether there was anything.
        """
        calls, self.fromThreads = self.fromThreads, []
        for call in calls:
            call()
        for process in self.processes:
            acceptOne(process)
        poll = select.poll()
        readers = {reader.fileno(): reader for reader in self.getReaders()}
        for fd in readers:
            poll.register(fd, select.POLLIN)
        ready = [readers[fd] for fd, _ in poll.poll(seconds * 1000)]
        for reader in ready:
            # One that was read before may have had this one removed.
            if reader in self.readers:
                reader.doRead()
        return bool(ready or calls)

    def turnUntil(self, condition: Callable[[], bool]) -> None:
        """
        Go on until something is true.

        @raise AssertionError: if it does not become true.
        """
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("it does not come about")
            self.turn(0.01)

    def settle(self) -> None:
        """Go on until there is nothing to read."""
        while self.turn():
            pass  # Reading is the point.

    def close(self) -> None:
        """Close what was given to it."""
        for process in self.processes:
            process.close()
        for connection, _ in self.adopted:
            connection.close()


@implementer(IChild)
class FakeChild:
    """
    A program that was ordered of a launcher.

    @ivar told: what was said of it: its process id, the reason why it could not be
        started, and how it ended.
    @ivar following: the one that was started after it under the same order.
    """

    following: FakeChild
    warm: bool | None = None

    def __init__(self) -> None:
        self.told: list[Any] = []

    def started(self, pid: int) -> None:
        """It runs."""
        self.told.append(pid)

    def failed(self, reason: str) -> None:
        """It could not be started."""
        self.told.append(reason)

    def ended(self, how: ExitStatus) -> None:
        """It has ended."""
        self.told.append(how)

    def restarted(self, how: ExitStatus) -> FakeChild:
        """It has ended, and was started again."""
        self.told.append(how)
        self.following = FakeChild()
        return self.following


class FakeProgram:
    """
    A program that a L{FakeLauncher} was to start.

    @ivar child: who is told about it.
    @ivar order: what was ordered.
    @ivar fds: duplicates of what would be its 0, 1 and 2; closed when it ends.
    """

    def __init__(self, child: Child, order: LaunchRequest, pid: int) -> None:
        self.child = child
        self.order = order
        self._pid = pid
        self.fds = duplicates(order.fds)

    def start(self) -> FakeProgram:
        """Have it run."""
        self.child.started(self._pid)
        return self

    def fail(self, reason: str = "no reason") -> None:
        """Have it not start."""
        self.close()
        self.child.failed(reason)

    def end(self, how: ExitStatus | None = None) -> None:
        """Have it end."""
        self.close()
        self.child.ended(ExitStatus(0) if how is None else how)

    def socket(self, fd: int = 0) -> socket.socket:
        """A duplicate of a descriptor of its, as a socket."""
        return socket.socket(fileno=os.dup(self.fds[fd]))

    def close(self) -> None:
        """Close what it has."""
        while self.fds:
            os.close(self.fds.pop())


@implementer(ILauncher)
class FakeLauncher:
    """
    A launcher whose programs do what a test says.

    @ivar hasCapacity: whether it says that it has capacity.
    @ivar refusal: why every program fails at once, if they do.
    @ivar programs: what was ordered.
    @ivar said: the names of what else it was asked for.
    """

    def __init__(self) -> None:
        self.hasCapacity = True
        self.refusal: str | None = None
        self.programs: list[FakeProgram] = []
        self.said: list[str] = []
        self._waiters: list[Callable[[], None]] = []

    def start(self) -> None:
        """Remember it."""
        self.said.append("start")

    def retire(self) -> None:
        """Remember it."""
        self.said.append("retire")

    def stop(self) -> None:
        """Remember it."""
        self.said.append("stop")

    def cancelRestarts(self) -> None:
        """Record the call."""
        self.said.append("cancelRestarts")

    def launch(self, child: Any, order: LaunchRequest) -> None:
        """Remember a program, or refuse it."""
        if self.refusal is not None:
            child.failed(self.refusal)
            return
        pid = FIRST_PID + len(self.programs)
        self.programs.append(FakeProgram(child, order, pid))

    def whenCapacity(self, callback: Callable[[], None]) -> None:
        """Keep a callback for L{makeRoom}."""
        self._waiters.append(callback)

    def makeRoom(self) -> None:
        """Have capacity again."""
        self.hasCapacity = True
        while self._waiters:
            self._waiters.pop(0)()

    @property
    def last(self) -> FakeProgram:
        """The program that was ordered last."""
        return self.programs[-1]

    def close(self) -> None:
        """Close what the programs have."""
        for each in self.programs:
            each.close()


def makeService(**given: Any) -> Service:
    """
    A service of values that differ from the usual: by default a TCP service on any
    port of the loopback interface, with a program that is everywhere.
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
    """A UDP service of values that differ from the usual."""
    usual = {"name": "test/udp", "socktype": socket.SOCK_DGRAM}
    return makeService(**{**usual, **given})


def makeUnix(path: str, **given: Any) -> Service:
    """A service on a UNIX socket."""
    usual = {"name": f"{path}/unix", "address": Address(socket.AF_UNIX, path)}
    return makeService(**{**usual, **given})


def tellsWhoWaits() -> bool:
    """Whether the system tells who waits for being accepted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return waiting(server) is not None


def reset(client: socket.socket) -> None:
    """Have a client be gone at once, whatever it has sent."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def listening(service: Service) -> socket.socket:
    """A plain socket for a service, as L{inetdtw.system.sockets.createListener} would make it."""
    sock = socket.socket(service.address.family, service.socktype)
    sock.setblocking(False)
    sock.bind(service.address.forBind())
    if service.isStream:
        sock.listen(64)
    return sock


class ServingTestCase(SynchronousTestCase):
    """
    A test of something that serves, with all that it works with.

    @ivar reactor: a L{FakeReactor}.
    @ivar launcher: a L{FakeLauncher}.
    @ivar runtime: what the daemon has for all its services.
    @ivar events: what was logged since the test began.
    """

    def setUp(self) -> None:
        """Make it all anew."""
        self.reactor = FakeReactor()
        self.addCleanup(self.reactor.close)
        self.launcher = FakeLauncher()
        self.addCleanup(self.launcher.close)
        self.runtime = Runtime(
            self.reactor,
            Report("info"),
            {"LANG": "C", "PATH": "/bin"},
            ReflectorGuard(lambda: NOW),
            lambda: NOW,
        )
        case: Any = self  # It need not be the kind of test that has a real reactor.
        self.events = EventLoggingObserver.createWithCleanup(case, globalLogPublisher)

    def serviceRuntime(
        self,
        service: Service,
        limits: ServiceLimits,
        launcher: ILauncher | None = None,
        released: Callable[[], None] = lambda: None,
    ) -> ServiceRuntime:
        """Return what a listener of a service is given."""
        return ServiceRuntime(service, self.runtime, limits, launcher, released)

    def unpaused(self) -> Holds:
        """Return the holds of a service that is not paused."""
        holds = Holds(self.reactor, lambda: None, lambda: None)
        holds.resume(PauseReason.IDLE)
        return holds

    def said(self, word: str) -> list[Any]:
        """The events of the lines of the log that begin with a word."""
        return [
            event
            for event in self.events
            if event.get("log_namespace") == "inetdtw"
            and event["log_format"].split()[0] == word
        ]

    def closing(self, sock: socket.socket) -> socket.socket:
        """Close a socket when the test is over."""
        self.addCleanup(sock.close)
        return sock

    def client(self, server: socket.socket) -> socket.socket:
        """
        A client of a socket that listens, or of one for datagrams, that waits only
        so long for an answer.
        """
        kind = server.type & ~(getattr(socket, "SOCK_NONBLOCK", 0))
        sock = self.closing(socket.socket(server.family, kind))
        sock.settimeout(PATIENCE)
        sock.connect(server.getsockname())
        return sock

    def noDescriptors(self, work: Callable[[], object], left: int = 0) -> None:
        """Do some work while this process can get no more than so many descriptors."""
        fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(left + 1)]
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        try:
            # A number may not reach the limit; those below are taken, but for these.
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(fds), limits[1]))
            for fd in fds:
                os.close(fd)
            work()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    def leavesNothingOpen(self, work: Callable[[], object]) -> None:
        """Assert that no more descriptors are open after some work than before."""
        before = openDescriptors()
        work()
        self.assertEqual(openedSince(before), {})


def isBlocking(sock: socket.socket) -> bool:
    """Whether the open file behind a socket blocks, for all who have it."""
    return os.get_blocking(sock.fileno())


def killed(number: int = signal.SIGKILL) -> ExitStatus:
    """The end of a program that a signal killed."""
    return ExitStatus(signal=int(number))

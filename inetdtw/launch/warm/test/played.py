# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Warm processes that a test plays."""

from __future__ import annotations

import array
import os
import socket
from typing import Any

from zope.interface import implementer

from inetdtw.helpers.connection import packPeer
from inetdtw.helpers.reports import (
    ACCEPTED,
    CONNECTION,
    DROPPED,
    HELLO,
    LARGEST,
    REPORT,
    STARTED,
)
from inetdtw.helpers.requests import HEADER
from inetdtw.interfaces import ExitStatus, IAcceptDelegate, LaunchRequest
from inetdtw.launch.warm.command import VERSION
from inetdtw.launch.warm.process import WarmProcess
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import WarmSpec
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import PATIENCE, FakeChild, FakeProgram, ServingTestCase

#: The last value of a report, where that is not the processor time.
CPU = {HELLO: VERSION}
#: The id of no process.
PID = (1 << 22) + 77
PEER = ("192.0.2.1", 40000)
#: The interpreter for L{START}.
KEPT = WarmSpec("", ("py",), 0, "", ("script.py",))
#: The variables of all programs of the service.
ENVIRONMENT = {"A": "1"}
START = LaunchRequest("/bin/py", ("py", "script.py"), ENVIRONMENT, {}, (-1, -1, -1))


class PlayedWarm:
    """
    A warm process that the test plays.

    @ivar program: the program that was launched.

    @ivar channel: its end of the channel.

    @ivar most: how many children it may have, by the last request.
    """

    def __init__(self, program: FakeProgram) -> None:
        """@param program: what was launched."""
        self.program = program
        self.channel = program.socket(1)
        self.channel.settimeout(PATIENCE)
        self.most = 0

    def report(self, *reports: tuple[int, int, int, int], peer: Any = None) -> None:
        """
        Send reports in one packet.

        @param reports: of each the kind, the number, a process id and a value; of a
        connection that was accepted, whether its program started cold; of one that was
        dropped, what was, and the errno.

        @param peer: the client of the first connection.
        """
        records = []
        for kind, number, pid, value in reports:
            if kind in (ACCEPTED, DROPPED):
                detail, last = (value, pid) if kind == ACCEPTED else (pid, value)
                port, packed = packPeer(peer)
                about = (kind, detail, port, number, last, packed)
                records.append(CONNECTION.pack(*about))
                peer = None
            else:
                cpu = CPU.get(kind, 1500000)
                records.append(REPORT.pack(kind, number, pid, value, cpu))
        self.channel.send(b"".join(records))

    def take(self) -> tuple[int, int, bytes, list[int]]:
        """
        Receive a request.

        @return: the number of the request or of the socket, the kind, the variables and
        the descriptors.
        """
        room = socket.CMSG_LEN(3 * 4)
        packet, ancillary, _, _ = self.channel.recvmsg(LARGEST, room)
        fds: array.array[int] = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        kind, _, number, listener, self.most, _ = HEADER.unpack_from(packet)
        return listener or number, kind, packet[HEADER.size :], list(fds)

    def number(self) -> int:
        """
        Receive a request, and close its descriptors.

        @return: its number.
        """
        number, _, _, fds = self.take()
        for fd in fds:
            os.close(fd)
        return number

    def disconnect(self) -> None:
        """Close the channel, and the descriptors of the program."""
        self.channel.close()
        self.program.close()

    def die(self, how: ExitStatus | None = None) -> None:
        """Exit, by default killed by SIGKILL."""
        self.disconnect()
        self.program.end(ExitStatus(signal=9) if how is None else how)


class WarmOwner:
    """
    The supervisor of a warm process.

    @ivar calls: the names of what was called, with the arguments but for the process.

    @ivar coldChildren: the children that are to be started cold.
    """

    def __init__(self) -> None:
        """Start without records."""
        self.calls: list[tuple[Any, ...]] = []
        self.coldChildren: list[FakeChild] = []

    def ready(self, process: Any) -> None:
        """Record that a process is up."""
        self.calls.append(("ready",))

    def stale(self, process: Any) -> None:
        """Record that a process should be replaced."""
        self.calls.append(("stale",))

    def notify(self) -> None:
        """Do nothing when there may be capacity."""

    def suppressed(self, lines: int) -> bool:
        """Suppress no lines."""
        return False

    def printed(self, process: Any, line: str) -> None:
        """Record a line of standard error."""
        self.calls.append(("printed", line))

    def startCold(self, child: Any, request: LaunchRequest) -> None:
        """Record a program that is to be started cold, whose descriptors are open."""
        self.calls.append(("startCold", [os.fstat(fd).st_ino for fd in request.fds]))
        self.coldChildren.append(child)

    def disconnected(self, process: Any) -> None:
        """Record that a process takes no launch requests any more."""
        self.calls.append(("disconnected",))

    def exited(self, process: Any, reason: str, status: int | None) -> None:
        """Record that a process is over."""
        self.calls.append(("exited", reason, status))


@implementer(IAcceptDelegate)
class ListenerWatcher:
    """
    The delegate of a listening socket.

    @ivar calls: the arguments of its calls.

    @ivar children: the programs that were started.
    """

    def __init__(self) -> None:
        """Start without records."""
        self.calls: list[Any] = []
        self.children: list[FakeChild] = []

    def accepted(self, peer: Any) -> FakeChild:
        """Record a client."""
        self.calls.append(peer)
        self.children.append(FakeChild())
        return self.children[-1]

    def dropped(self, peer: Any, reason: str) -> None:
        """Record a client and a reason."""
        self.calls.append((peer, reason))

    def returned(self, left: bool = False) -> None:
        """Record that too many programs run."""
        self.calls.append("returned")


class WarmProcessTestCase(ServingTestCase):
    """
    A test of a warm process.

    @ivar owner: its owner.

    @ivar process: the process, as the daemon has it.

    @ivar played: the process, as the test plays it.
    """

    def setUp(self) -> None:
        """Start a process."""
        super().setUp()
        self.owner = WarmOwner()
        self.process = self.make(self.owner)
        self.process.start(self.launcher, KEPT, "auto")
        self.played = self.play()
        self.launcher.last.start()

    def make(
        self,
        owner: WarmOwner,
        request: LaunchRequest = START,
        context: ProcessContext | None = None,
        exits: ExitWatcher | None = None,
    ) -> WarmProcess:
        """Make a process that is not started yet."""
        process = WarmProcess(
            *(owner, self.reactor, set(), {}, ProcessBudget()),
            *(context or ProcessContext(), exits or ExitWatcher(self.reactor)),
            request,
        )
        self.addCleanup(process.close)
        return process

    def play(self) -> PlayedWarm:
        """Stand for the process that was started last."""
        played = PlayedWarm(self.launcher.last)
        self.addCleanup(played.channel.close)
        return played

    def greet(self) -> None:
        """Report that the process is ready."""
        self.report((HELLO, 0, PID, 0))

    def report(self, *reports: tuple[int, int, int, int], peer: Any = None) -> None:
        """Send reports of the process, and handle them."""
        self.played.report(*reports, peer=peer)
        self.reactor.settle()

    def launch(self, **extra: str) -> FakeChild:
        """Send a launch request."""
        child = FakeChild()
        with open(os.devnull) as null:
            fds = (null.fileno(),) * 3
            request = LaunchRequest(
                *("/bin/py", START.argv, ENVIRONMENT, extra), fds=fds
            )
            self.process.launch(child, request)
        return child

    def running(self, pid: int = PID) -> FakeChild:
        """Send a launch request, and have the program started."""
        child = self.launch()
        self.report((STARTED, self.played.number(), pid, 0))
        return child


class RunningTestCase(WarmProcessTestCase):
    """A test of a warm process that is up."""

    def setUp(self) -> None:
        """Start a process that is up."""
        super().setUp()
        self.greet()
        self.owner.calls.clear()

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What tests of warm processes have in common: what a process would do, the test does."""

from __future__ import annotations

import array
import os
import socket
from typing import Any

from inetdtw.helpers.connection import packAddress
from inetdtw.helpers.reports import ADDRESSED, HELLO, LARGEST, REPORT, STARTED
from inetdtw.helpers.warm.protocol import HEADER
from inetdtw.interfaces import ExitStatus, LaunchRequest
from inetdtw.launch.warm.command import VERSION
from inetdtw.launch.warm.process import WarmProcess
from inetdtw.model.service import WarmSpec
from inetdtw.test.fakes import PATIENCE, FakeChild, FakeProgram, ServingTestCase

#: What a report says last, where that is not the processor time.
CPU = {HELLO: VERSION}
#: A process id that is nobody's.
PID = (1 << 22) + 77
PEER = ("192.0.2.1", 40000)
#: How to keep an interpreter for L{START}.
KEPT = WarmSpec("", ("py",), 0, "", ("script.py",))
#: The very object is the service's own.
ENVIRONMENT = {"A": "1"}
START = LaunchRequest("/bin/py", ("py", "script.py"), ENVIRONMENT, {}, (-1, -1, -1))


class PlayedWarm:
    """The part of a warm process, played by the test."""

    def __init__(self, program: FakeProgram) -> None:
        self.program = program
        self.channel = program.socket(1)
        self.channel.settimeout(PATIENCE)

    def say(self, *reports: tuple[int, int, int, int], peer: Any = None) -> None:
        """
        Send reports, all in one packet: of each the kind, the number of the order,
        a process id, and a value.

        @param peer: the client that the first of them is about.
        """
        texts = [REPORT.pack(*each, CPU.get(each[0], 1500000)) for each in reports]
        if peer is not None:
            texts.insert(0, packAddress(ADDRESSED, peer) or b"")
        self.channel.send(b"".join(texts))

    def take(self) -> tuple[int, int, bytes, list[int]]:
        """
        Take a packet.

        @return: its number, what it is, what follows that, and descriptors.
        """
        room = socket.CMSG_LEN(3 * 4)
        packet, ancillary, _, _ = self.channel.recvmsg(LARGEST, room)
        fds: array.array[int] = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        number, what = HEADER.unpack_from(packet)
        return number, what, packet[HEADER.size :], list(fds)

    def number(self) -> int:
        """
        Take a packet, and close what came with it.

        @return: its number.
        """
        number, _, _, fds = self.take()
        for fd in fds:
            os.close(fd)
        return number

    def leave(self) -> None:
        """Have the socket no more."""
        self.channel.close()
        self.program.close()

    def die(self, how: ExitStatus | None = None) -> None:
        """End."""
        self.leave()
        self.program.end(ExitStatus(signal=9) if how is None else how)


class Owner:
    """
    Whom a warm process works for.

    @ivar told: the names of what it was told, and what with besides the process.
    """

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.leftChildren: list[FakeChild] = []
        self.leftOrders: list[LaunchRequest] = []

    def ready(self, process: Any) -> None:
        """It can take orders."""
        self.told.append(("ready",))

    def stale(self, process: Any) -> None:
        """It should be followed by another."""
        self.told.append(("stale",))

    def notify(self) -> None:
        """There may be room."""

    def suppressed(self, lines: int) -> bool:
        """A process has said more than there is room for."""
        return False

    def printed(self, process: Any, line: str) -> None:
        """It has something to say."""
        self.told.append(("printed", line))

    def startCold(self, child: Any, order: LaunchRequest) -> None:
        """An order has to be started cold; its descriptors are there."""
        self.told.append(("startCold", [os.fstat(fd).st_ino for fd in order.fds]))
        self.leftChildren.append(child)

    def disconnected(self, process: Any) -> None:
        """It takes no orders any more."""
        self.told.append(("disconnected",))

    def exited(self, process: Any, reason: str, status: int | None) -> None:
        """It has ended."""
        self.told.append(("exited", reason, status))


class Watcher:
    """
    Who has left a listening socket to others.

    @ivar told: what it was told.
    @ivar children: what was started for it.
    """

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.children: list[FakeChild] = []

    def accepted(self, peer: Any) -> FakeChild:
        """A program was started for a connection."""
        self.told.append(peer)
        self.children.append(FakeChild())
        return self.children[-1]

    def dropped(self, peer: Any, reason: str) -> None:
        """Something went wrong."""
        self.told.append((peer, reason))

    def crowded(self) -> None:
        """Too many programs run."""
        self.told.append("crowded")


class WarmProcessTestCase(ServingTestCase):
    """
    A test of a warm process that is ready.

    @ivar owner: whom it works for.
    @ivar process: the daemon's end.
    @ivar played: the other end.
    """

    def setUp(self) -> None:
        """Have a process."""
        super().setUp()
        self.owner = Owner()
        self.process = WarmProcess(self.owner, self.reactor, set(), START)
        self.addCleanup(self.process.close)
        self.process.start(self.launcher, "/bin/py", ["py", "-c", "boot"], {})
        self.played = self.play()
        self.launcher.last.start()

    def play(self) -> PlayedWarm:
        """Be the process that was started last."""
        played = PlayedWarm(self.launcher.last)
        self.addCleanup(played.channel.close)
        return played

    def greet(self) -> None:
        """Have it be ready."""
        self.say((HELLO, 0, PID, 0))

    def say(self, *reports: tuple[int, int, int, int], peer: Any = None) -> None:
        """Have the process say something, and hear it."""
        self.played.say(*reports, peer=peer)
        self.reactor.settle()

    def order(self, **extra: str) -> FakeChild:
        """LaunchRequest a program."""
        child = FakeChild()
        with open(os.devnull) as null:
            fds = (null.fileno(),) * 3
            order = LaunchRequest(*("/bin/py", START.argv, ENVIRONMENT, extra), fds=fds)
            self.process.launch(child, order)
        return child

    def running(self, pid: int = PID) -> FakeChild:
        """LaunchRequest a program that starts."""
        child = self.order()
        self.say((STARTED, self.played.number(), pid, 0))
        return child

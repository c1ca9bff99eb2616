# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A fork server that a test plays."""

from __future__ import annotations

import _imp
import array
import os
import socket
from importlib.util import MAGIC_NUMBER

from inetdtw.helpers.protocol import BEGIN, CHANNEL, versionNumber
from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    HELLO,
    LARGEST,
    STARTED,
    Reports,
)
from inetdtw.helpers.requests import HEADER
from inetdtw.launch.forkserver.process import ForkServerProcess
from inetdtw.limits.backoff import LONGEST_PAUSE
from inetdtw.test.fakes import (
    PATIENCE,
    FakeChild,
    FakeProcess,
    ServingTestCase,
    openDescriptors,
)

#: A process id that is nobody's.
PID = (1 << 22) + 77


class ForkServerOwner:
    """
    Records what a fork server notifies.

    @ivar notes: how often there may have been capacity.

    @ivar stalls: the reasons for stalls.

    @ivar deaths: the process id, the reason and the pause of each death.
    """

    def __init__(self) -> None:
        """Record nothing yet."""
        self.notes = 0
        self.stalls: list[str] = []
        self.deaths: list[tuple[int | None, str, float]] = []

    def notify(self) -> None:
        """Record that there may be capacity."""
        self.notes += 1

    def shortage(self, reason: str) -> None:
        """Record a shortage of resources."""
        self.stalls.append(reason)

    def died(self, pid: int | None, why: str, pause: float) -> None:
        """Record the death of a fork server."""
        self.deaths.append((pid, why, pause))


class PlayedHelper:
    """
    The program of a fork server, played by the test.

    @ivar process: the process that it would be.
    """

    def __init__(self, process: FakeProcess) -> None:
        """Duplicate the channel of the process."""
        self.process = process
        self.channel = socket.socket(fileno=os.dup(process.fds[CHANNEL]))
        self.channel.settimeout(PATIENCE)

    def report(self, *reports: tuple[int, int, int, int]) -> None:
        """
        Send reports in one packet.

        @param reports: the kind, the number, a process id or what was dropped, and a
            value.
        """
        sent = Reports(self.channel)
        for kind, number, pid, value in reports:
            if kind == ACCEPTED:
                sent.addConnection(kind, number, pid)
            elif kind == DROPPED:
                sent.addConnection(kind, number, value, pid)
            elif kind == ENDED:
                sent.addExit(number, pid, value, 1.5, None)
            else:
                sent.add(kind, number, pid, value)
        sent.flush()

    def hello(self) -> None:
        """Be ready, with the code of the daemon."""
        (code,) = self.process.written[BEGIN]
        assert code is not None
        magic = int.from_bytes(MAGIC_NUMBER, "little")
        version = _imp.source_hash(magic, code).hex()
        self.report((HELLO, 0, 4, versionNumber(version)))

    def take(self) -> tuple[int, bytes, bytes, list[int]]:
        """
        Take a request.

        @return: its number, its two parts, of which one in a file is empty, and its
            descriptors.
        """
        room = socket.CMSG_LEN(4 * 4)
        packet, ancillary, _, _ = self.channel.recvmsg(LARGEST, room)
        fds: array.array[int] = array.array("i")
        for _, _, data in ancillary:
            fds.frombytes(data)
        _, inFile, number, _, _, length = HEADER.unpack_from(packet)
        split = HEADER.size + (not inFile and length)
        return number, packet[HEADER.size : split], packet[split:], list(fds)

    def die(self, status: int = 1) -> None:
        """End."""
        self.channel.close()
        self.process.exit(status)


class HelperTestCase(ServingTestCase):
    """A test of a fork server."""

    def setUp(self) -> None:
        """Make a fork server that is ready."""
        super().setUp()
        self.before = openDescriptors()
        self.owner = ForkServerOwner()
        self.helper = ForkServerProcess(
            self.owner, self.reactor, ["/py", "helper"], "/directory"
        )
        self.addCleanup(self.closeHelper)
        self.helper.start()
        self.played = self.play()
        self.played.report((HELLO, 0, 4, 0))
        self.reactor.settle()

    def closeHelper(self) -> None:
        """Stop the fork server, and end its processes."""
        self.helper.stop()
        for each in self.reactor.processes:
            if not each.exited:
                each.exit()

    def play(self) -> PlayedHelper:
        """Return the process that was started last."""
        played = PlayedHelper(self.reactor.processes[-1])
        self.addCleanup(played.channel.close)
        return played

    def launch(self, extra: bytes = b"") -> FakeChild:
        """Request a program."""
        child = FakeChild()
        with open(os.devnull) as null:
            self.helper.launch(child, b"shared", extra, [null.fileno()])
        return child

    def running(self, pid: int = PID) -> FakeChild:
        """Request a program that is started."""
        child = self.launch()
        number, _, _, fds = self.played.take()
        for fd in fds:
            os.close(fd)
        self.report((STARTED, number, pid, 0))
        self.assertEqual(child.calls, [pid])
        return child

    def report(self, *reports: tuple[int, int, int, int]) -> None:
        """Send reports, and handle them."""
        self.played.report(*reports)
        self.reactor.settle()

    def replace(self, first: int) -> None:
        """Start a replacement."""
        self.reactor.advance(LONGEST_PAUSE)
        self.played = self.play()
        self.report((HELLO, first, 5, 0))

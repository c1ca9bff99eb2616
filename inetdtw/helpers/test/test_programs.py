# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.programs}."""

from __future__ import annotations

import array
import errno
import os
import resource
import socket
from collections.abc import Sequence
from typing import Any

from inetdtw.helpers import programs
from inetdtw.helpers.forkserver import HOLD, ForkServer
from inetdtw.helpers.programs import DatagramRestart, datagramRestart
from inetdtw.helpers.protocol import HEADER
from inetdtw.helpers.reports import ENDED, FAILED, REPEATED, REPORT, STALLED, STARTED
from inetdtw.helpers.test.test_forkserver import (
    ProgramTestCase,
    Report,
    Running,
    packed,
)
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    listening,
    makeDatagrams,
    openDescriptors,
    openedSince,
)

#: Takes one datagram from its 0.
TAKE_ONE = ("/bin/dd", "of=/dev/null", "count=1", "bs=1000", "status=none")


class RepeatingTests(ProgramTestCase):
    """Tests for programs that are started again for further datagrams."""

    def setUp(self) -> None:
        """Have a socket with three datagrams."""
        super().setUp()
        self.server = self.closing(listening(makeDatagrams()))
        self.server.setblocking(True)
        self.sender = self.client(self.server)
        self.sends(b"1", b"2", b"3")

    def sends(self, *datagrams: bytes) -> None:
        """Have datagrams wait."""
        for each in datagrams:
            self.sender.send(each)

    def kinds(self, helper: Running, argv: Sequence[str], repeats: int) -> list[int]:
        """The kinds of what is said until a program has ended for good."""
        helper.order(1, argv, self.server.fileno(), repeats=repeats)
        said: list[Report] = []
        while not said or said[-1][0] != ENDED:
            said.append(helper.hear())
        self.assertEqual({number for _, number, _, _ in said}, {1})
        for before, after in zip(said[::2], said[1::2]):
            self.assertEqual(before[2], after[2])
        return [kind for kind, _, _, _ in said]

    def left(self) -> list[bytes]:
        """The datagrams that are left."""
        self.server.setblocking(False)
        left = []
        while True:
            try:
                left.append(self.server.recv(100))
            except BlockingIOError:
                return left

    def test_all(self) -> None:
        """
        There is a program for each of them, one after the other, and the daemon
        hears of all.
        """
        kinds = self.kinds(self.helper(), TAKE_ONE, 10)
        again = [STARTED, REPEATED]
        self.assertEqual(kinds, [*again, *again, STARTED, ENDED])
        self.assertEqual(self.left(), [])

    def test_bound(self) -> None:
        """There are no more than were allowed."""
        kinds = self.kinds(self.helper(), TAKE_ONE, 1)
        self.assertEqual(kinds, [STARTED, REPEATED, STARTED, ENDED])
        self.assertEqual(self.left(), [b"3"])

    def test_none(self) -> None:
        """Nor is there any without permission."""
        kinds = self.kinds(self.helper(), TAKE_ONE, 0)
        self.assertEqual(kinds, [STARTED, ENDED])
        self.assertEqual(self.left(), [b"2", b"3"])

    def test_unread(self) -> None:
        """A datagram that was left is the daemon's to judge."""
        kinds = self.kinds(self.helper(), ("/bin/true",), 10)
        self.assertEqual(kinds, [STARTED, ENDED])
        self.assertEqual(self.left(), [b"1", b"2", b"3"])

    def test_alike(self) -> None:
        """So is one that looks like the one before."""
        self.left()
        self.server.setblocking(True)
        self.sends(b"same", b"same")
        kinds = self.kinds(self.helper(), TAKE_ONE, 10)
        self.assertEqual(kinds, [STARTED, ENDED])

    def test_settle(self) -> None:
        """The daemon can take the permission back."""
        helper = self.helper()
        folder = os.path.abspath(self.mktemp())
        os.mkdir(folder)
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        command = f"dd of=/dev/null count=1 bs=1000 status=none; cat {fifo}"
        argv = ("/bin/sh", "-c", command)
        helper.order(1, argv, self.server.fileno(), repeats=10)
        pid = helper.hear()[2]
        helper.channel.send(HEADER.pack(2, 0))
        # It has taken that when it has done what comes after it.
        with open(os.devnull) as null:
            helper.order(3, ("/bin/true",), null.fileno())
        heard = {helper.hear()[:2], helper.hear()[:2]}
        self.assertEqual(heard, {(STARTED, 3), (ENDED, 3)})
        with open(fifo, "w"):
            pass  # The program exits now.
        self.assertEqual(helper.hear()[:3], (ENDED, 1, pid))
        self.assertEqual(self.left(), [b"2", b"3"])

    def test_nothingKeptOfRepeats(self) -> None:
        """Nothing of them is open in the helper afterwards."""
        helper = self.helper()
        before = len(os.listdir(f"/proc/{helper.pid}/fd"))
        self.kinds(helper, TAKE_ONE, 10)
        helper.order(2, ("/nowhere",), self.server.fileno(), repeats=10)
        self.assertEqual(helper.hear(), (FAILED, 2, 0, errno.ENOENT))
        self.assertEqual(len(os.listdir(f"/proc/{helper.pid}/fd")), before)

    def test_repeatOf(self) -> None:
        """There is one if it is wanted, and if there is a descriptor left."""
        server = self.closing(listening(makeDatagrams()))
        fd = server.fileno()
        self.assertIsNone(datagramRestart(0, fd))
        found: list[DatagramRestart | None] = []
        self.noDescriptors(lambda: found.append(datagramRestart(1, fd)))
        self.assertEqual(found, [None])
        repeat = datagramRestart(1, fd)
        assert repeat is not None
        repeat.socket.close()


class PatienceTests(ServingTestCase):
    """Tests for a fork server when the machine has no room."""

    def setUp(self) -> None:
        """Have one in this process, that starts what the test says."""
        super().setUp()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours = self.closing(ours)
        self.ours.settimeout(PATIENCE)
        self.server = ForkServer(self.closing(theirs), "/", [])
        self.addCleanup(os.chdir, os.getcwd())
        self.answers: list[int] = []
        self.patch(programs, "spawn", self.spawn)
        self.patch(self.server._programs, "reap", lambda: None)

    def spawn(self, *arguments: Any) -> int:
        """Start nothing."""
        number = self.answers.pop(0)
        if number:
            raise OSError(number, os.strerror(number))
        return 4

    def order(self) -> list[Report]:
        """
        Order a program.

        @return: all that is said of it.
        """
        with open(os.devnull) as null:
            rights = array.array("i", [null.fileno()])
            self.ours.sendmsg(
                [packed(1, ("/x",), {})],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)],
            )
        before = openDescriptors()
        self.assertTrue(self.server._receive())
        self.assertEqual(openedSince(before), {})
        self.server._reports.flush()
        said: list[Report] = []
        self.ours.setblocking(False)
        while True:
            try:
                packet = self.ours.recv(1 << 16)
            except BlockingIOError:
                return said
            said += [each[:4] for each in REPORT.iter_unpack(packet)]

    def test_stalls(self) -> None:
        """An order is kept while there is no room, and the daemon hears of it at once."""
        self.answers = [errno.EAGAIN, errno.ENOMEM, 0]
        self.assertEqual(
            self.order(),
            [
                (STALLED, 1, 0, errno.EAGAIN),
                (STALLED, 1, 0, errno.ENOMEM),
                (STARTED, 1, 4, 0),
            ],
        )

    def test_patience(self) -> None:
        """But not for ever."""
        self.patch(programs, "_PATIENCE", -1.0)
        self.answers = [errno.EAGAIN]
        self.assertEqual(self.order(), [(FAILED, 1, 0, errno.EAGAIN)])

    def test_otherError(self) -> None:
        """What will not get better is not waited for."""
        self.answers = [errno.EACCES]
        self.assertEqual(self.order(), [(FAILED, 1, 0, errno.EACCES)])

    def test_daemonGone(self) -> None:
        """When there is no daemon, that is seen, and reports to it are no error."""
        self.assertTrue(self.server._listen())
        self.ours.close()
        self.assertFalse(self.server._listen())
        self.server._reports.add(STARTED, 1, 4, 0)
        self.server._reports.flush()


class EndTests(ServingTestCase):
    """Tests for what a fork server says of programs that have ended."""

    def setUp(self) -> None:
        """Have one in this process, with a program."""
        super().setUp()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours = self.closing(ours)
        self.ours.settimeout(PATIENCE)
        self.server = ForkServer(self.closing(theirs), "/", [])
        self.patch(os, "wait4", self.wait)
        self.usage = resource.getrusage(resource.RUSAGE_SELF)
        self.ended = [4]
        self.server._programs.orders[4] = 9

    def wait(self, *given: int) -> Any:
        """What has ended."""
        if not self.ended:
            raise ChildProcessError
        return self.ended.pop(), 0, self.usage

    def test_ordered(self) -> None:
        """
        The daemon is told at once of one that it has ordered, but for what comes at the
        same time.
        """
        self.server._programs.reap()
        self.assertEqual(self.server._patience(), 0)

    def test_accepted(self) -> None:
        """
        Of one that nobody has ordered it is told together with what comes next, or a
        moment later.
        """
        self.server._programs.accepted.add(4)
        self.server._programs.reap()
        self.assertEqual(self.server._patience(), HOLD)
        self.assertEqual(self.server._programs.accepted, set())
        self.server._reports.add(STARTED, 10, 5, 0)
        self.assertEqual(self.server._patience(), 0)
        self.server._reports.flush()
        said = [each[:3] for each in REPORT.iter_unpack(self.ours.recv(1 << 16))]
        self.assertEqual(said, [(ENDED, 9, 4), (STARTED, 10, 5)])
        self.assertIsNone(self.server._patience())

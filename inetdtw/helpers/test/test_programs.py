# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.programs}."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
from collections.abc import Sequence
from typing import Any

from inetdtw.helpers import programs
from inetdtw.helpers.forkserver import HOLD, ForkServer, timeout
from inetdtw.helpers.programs import ChildTable, DatagramRestart, datagramRestart
from inetdtw.helpers.reports import (
    ACCEPTED,
    ENDED,
    FAILED,
    RESTARTED,
    SHORTAGE,
    STARTED,
    Reports,
)
from inetdtw.helpers.requests import CANCEL_RESTARTS, HEADER
from inetdtw.helpers.socketstate import Original, Spoiled
from inetdtw.helpers.test.test_forkserver import (
    ProgramTestCase,
    Report,
    Running,
    packed,
)
from inetdtw.launch.packets import decodeReports
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
        """Make a socket with three datagrams."""
        super().setUp()
        self.server = self.closing(listening(makeDatagrams()))
        self.server.setblocking(True)
        self.sender = self.client(self.server)
        self.sends(b"1", b"2", b"3")

    def sends(self, *datagrams: bytes) -> None:
        """Send datagrams."""
        for each in datagrams:
            self.sender.send(each)

    def kinds(self, helper: Running, argv: Sequence[str], repeats: int) -> list[int]:
        """Return the kinds of reports until a program has ended for good."""
        helper.launch(1, argv, self.server.fileno(), restarts=repeats)
        said: list[Report] = []
        while not said or said[-1][0] != ENDED:
            said.append(helper.hear())
        self.assertEqual({number for _, number, _, _ in said}, {1})
        for before, after in zip(said[::2], said[1::2]):
            self.assertEqual(before[2], after[2])
        return [kind for kind, _, _, _ in said]

    def left(self) -> list[bytes]:
        """Return the datagrams that are left."""
        self.server.setblocking(False)
        left = []
        while True:
            try:
                left.append(self.server.recv(100))
            except BlockingIOError:
                return left

    def test_all(self) -> None:
        """A program is restarted for each datagram, and each restart is reported."""
        kinds = self.kinds(self.helper(), TAKE_ONE, 10)
        again = [STARTED, RESTARTED]
        self.assertEqual(kinds, [*again, *again, STARTED, ENDED])
        self.assertEqual(self.left(), [])

    def test_bound(self) -> None:
        """A program is restarted as often as allowed."""
        kinds = self.kinds(self.helper(), TAKE_ONE, 1)
        self.assertEqual(kinds, [STARTED, RESTARTED, STARTED, ENDED])
        self.assertEqual(self.left(), [b"3"])

    def test_none(self) -> None:
        """A program is not restarted when that is not allowed."""
        kinds = self.kinds(self.helper(), TAKE_ONE, 0)
        self.assertEqual(kinds, [STARTED, ENDED])
        self.assertEqual(self.left(), [b"2", b"3"])

    def test_unread(self) -> None:
        """A datagram that was left is the daemon's to judge."""
        kinds = self.kinds(self.helper(), ("/bin/true",), 10)
        self.assertEqual(kinds, [STARTED, ENDED])
        self.assertEqual(self.left(), [b"1", b"2", b"3"])

    def test_alike(self) -> None:
        """A program is not restarted for a datagram that is equal to the first."""
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
        helper.launch(1, argv, self.server.fileno(), restarts=10)
        pid = helper.hear()[2]
        helper.channel.send(HEADER.pack(CANCEL_RESTARTS, False, 2, 0, 0, 0))
        # It has taken that when it has done what comes after it.
        with open(os.devnull) as null:
            helper.launch(3, ("/bin/true",), null.fileno())
        heard = {helper.hear()[:2], helper.hear()[:2]}
        self.assertEqual(heard, {(STARTED, 3), (ENDED, 3)})
        with open(fifo, "w"):
            pass  # The program exits now.
        self.assertEqual(helper.hear()[:3], (ENDED, 1, pid))
        self.assertEqual(self.left(), [b"2", b"3"])

    def test_nothingKeptOfRepeats(self) -> None:
        """No descriptor of a restart is left in the fork server."""
        helper = self.helper()
        before = len(os.listdir(f"/proc/{helper.pid}/fd"))
        self.kinds(helper, TAKE_ONE, 10)
        helper.launch(2, ("/nowhere",), self.server.fileno(), restarts=10)
        self.assertEqual(helper.hear(), (FAILED, 2, 0, errno.ENOENT))
        self.assertEqual(len(os.listdir(f"/proc/{helper.pid}/fd")), before)

    def test_spoiled(self) -> None:
        """A program is not restarted when its socket cannot be restored."""

        class Lasting:
            """A state that cannot be restored."""

            def __init__(self, sock: socket.socket) -> None:
                """Save nothing."""

            def restore(self) -> None:
                """Fail."""
                raise Spoiled("a program has changed the address of its socket")

        due = []
        for state in (Original, Lasting):
            self.patch(programs, "Original", state)
            restart = DatagramRestart(5, self.server.fileno())
            self.server.recv(100)
            due.append(restart.isDue())
            restart.socket.close()
        self.assertEqual(due, [True, False])

    def test_repeatOf(self) -> None:
        """There is a restart when it is allowed and a descriptor is left."""
        server = self.closing(listening(makeDatagrams()))
        fd = server.fileno()
        self.assertIsNone(datagramRestart(0, fd))
        found: list[DatagramRestart | None] = []
        self.noDescriptors(lambda: found.append(datagramRestart(1, fd)))
        self.assertEqual(found, [None])
        repeat = datagramRestart(1, fd)
        assert repeat is not None
        repeat.socket.close()


class TableTestCase(ServingTestCase):
    """A test of a L{ChildTable} in this process."""

    def setUp(self) -> None:
        """Make a table, and the daemon's end of its channel."""
        super().setUp()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours = self.closing(ours)
        self.ours.settimeout(PATIENCE)
        self.theirs = self.closing(theirs)
        self.reports = Reports(theirs)
        self.table = ChildTable(self.reports, "/", [])
        self.addCleanup(os.chdir, os.getcwd())

    def reported(self) -> list[Report]:
        """Return all that is reported."""
        self.reports.flush()
        found: list[Report] = []
        self.ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                found += [each[:4] for each in decodeReports(self.ours.recv(1 << 16))]
        return found


class PatienceTests(TableTestCase):
    """Tests for L{ChildTable.launch} when resources are short."""

    def setUp(self) -> None:
        """Let the test decide what starts."""
        super().setUp()
        self.answers: list[int] = []
        self.patch(programs, "spawn", self.spawn)
        self.patch(self.table, "reap", lambda: None)

    def spawn(self, *arguments: Any) -> int:
        """Start nothing."""
        number = self.answers.pop(0)
        if number:
            raise OSError(number, os.strerror(number))
        return 4

    def launch(self) -> list[Report]:
        """
        Launch a program.

        @return: the reports.
        """
        self.table.launch(1, ([b"/x"], [b"/x"], {}), [0])
        return self.reported()

    def test_stalls(self) -> None:
        """A start is retried after transient errors, which are reported at once."""
        self.answers = [errno.EAGAIN, errno.ENOMEM, 0]
        self.assertEqual(
            self.launch(),
            [
                (SHORTAGE, 1, 0, errno.EAGAIN),
                (SHORTAGE, 1, 0, errno.ENOMEM),
                (STARTED, 1, 4, 0),
            ],
        )

    def test_patience(self) -> None:
        """A start fails when errors last."""
        self.patch(programs, "_PATIENCE", -1.0)
        self.answers = [errno.EAGAIN]
        self.assertEqual(self.launch(), [(FAILED, 1, 0, errno.EAGAIN)])

    def test_otherError(self) -> None:
        """A start fails at once after an error that is not transient."""
        self.answers = [errno.EACCES]
        self.assertEqual(self.launch(), [(FAILED, 1, 0, errno.EACCES)])


class ReceiveTests(TableTestCase):
    """Tests for L{ForkServer.receiveAll}."""

    def setUp(self) -> None:
        """Make a fork server."""
        super().setUp()
        self.server = ForkServer(self.theirs, self.reports, self.table)
        self.addCleanup(self.server.close)

    def test_descriptors(self) -> None:
        """The descriptors of a request are closed when it was handled."""
        with open(os.devnull) as null:
            socket.send_fds(self.ours, [packed(1, ("/nowhere",), {})], [null.fileno()])
        before = openDescriptors()
        self.assertTrue(self.server.receiveAll())
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.reported(), [(FAILED, 1, 0, errno.ENOENT)])

    def test_unknown(self) -> None:
        """A request of an unknown kind fails."""
        self.ours.send(HEADER.pack(99, False, 7, 0, 0, 0))
        self.assertTrue(self.server.receiveAll())
        self.assertEqual(self.reported(), [(FAILED, 7, 0, errno.EBADMSG)])

    def test_daemonGone(self) -> None:
        """When the daemon is gone, that is noticed, and reports raise no error."""
        self.assertTrue(self.server.receiveAll())
        self.ours.close()
        self.assertFalse(self.server.receiveAll())
        self.reports.add(STARTED, 1, 4, 0)
        self.reports.flush()


class ReapTests(TableTestCase):
    """Tests for L{ChildTable.reap}, and for L{timeout}."""

    def setUp(self) -> None:
        """Make a child that has exited."""
        super().setUp()
        self.patch(os, "wait4", self.wait)
        self.usage = resource.getrusage(resource.RUSAGE_SELF)
        self.ended = [4]
        self.table.numbers[4] = 9

    def wait(self, *given: int) -> Any:
        """Return a child that has exited."""
        if not self.ended:
            raise ChildProcessError
        return self.ended.pop(), 0, self.usage

    def test_launched(self) -> None:
        """The exit of a launched program is reported at once."""
        self.table.reap()
        self.assertEqual(timeout(self.reports), 0)

    def test_accepted(self) -> None:
        """
        The exit of a program for an accepted connection may be reported later.

        It is reported with the next report, or after a few milliseconds.
        """
        self.table.accepted.add(4)
        self.table.reap()
        self.assertEqual(timeout(self.reports), HOLD)
        self.assertEqual(self.table.accepted, set())
        self.reports.add(STARTED, 10, 5, 0)
        self.assertEqual(timeout(self.reports), 0)
        found = [each[:3] for each in self.reported()]
        self.assertEqual(found, [(ENDED, 9, 4), (STARTED, 10, 5)])
        self.assertIsNone(timeout(self.reports))

    def test_connection(self) -> None:
        """An accepted connection is reported at once."""
        self.reports.addConnection(ACCEPTED, 3, 4)
        self.assertEqual(timeout(self.reports), 0)

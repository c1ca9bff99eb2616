# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.programs}."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import socket
import time
from typing import Any

from inetdtw.helpers import programs
from inetdtw.helpers.forkserver import HOLD, ForkServer
from inetdtw.helpers.programs import ChildTable
from inetdtw.helpers.reports import ENDED, FAILED, SHORTAGE, STARTED, Reports
from inetdtw.helpers.requests import HEADER
from inetdtw.helpers.test.running import Report, packed
from inetdtw.launch.packets import decodeReports
from inetdtw.test.fakes import PATIENCE, ServingTestCase, openDescriptors, openedSince


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
    """Tests for L{ChildTable.reap}."""

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
        self.assertEqual(self.reports.timeout(HOLD), 0)

    def test_accepted(self) -> None:
        """
        The exit of a program for an accepted connection may be reported later.

        It is reported with the next report, or after a few milliseconds.
        """
        self.table.accepted[4] = time.monotonic()
        self.table.reap()
        self.assertEqual(self.reports.timeout(HOLD), HOLD)
        self.assertEqual(self.table.accepted, {})
        self.reports.add(STARTED, 10, 5, 0)
        self.assertEqual(self.reports.timeout(HOLD), 0)
        found = [each[:3] for each in self.reported()]
        self.assertEqual(found, [(ENDED, 9, 4), (STARTED, 10, 5)])

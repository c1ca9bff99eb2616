# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.reports}."""

from __future__ import annotations

import socket

from inetdtw.helpers.reports import (
    ACCEPTED,
    BATCH,
    ENDED,
    REPORT,
    STARTED,
    Reports,
)
from inetdtw.launch.packets import decodeReports
from inetdtw.test.fakes import ServingTestCase


class ReportsTests(ServingTestCase):
    """Tests for L{Reports}, with the daemon's end of the socket."""

    #: More than the daemon reads of one packet.
    MANY = (1 << 16) // REPORT.size + 100

    def setUp(self) -> None:
        """Make a socket."""
        super().setUp()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours, self.theirs = self.closing(ours), self.closing(theirs)
        self.reports = Reports(theirs)

    def test_many(self) -> None:
        """Many reports at once are sent in packets that the daemon reads completely."""
        for number in range(self.MANY):
            self.reports.add(ENDED, number, 5, 0)
        self.reports.flush()
        self.theirs.close()
        numbers: list[int] = []
        while packet := self.ours.recv(1 << 16):
            numbers += [report.number for report in decodeReports(packet)]
        self.assertEqual(numbers, [*range(self.MANY)])
        self.assertEqual((len(self.reports), self.reports.urgent), (0, False))

    def test_timeout(self) -> None:
        """
        Reports that nothing depends on wait for others, unless there are many.

        Without any, there is nothing to wait for.
        """
        for number in range(BATCH):
            self.assertEqual(self.reports.timeout(4), 4 if number else 0)
            self.reports.addExit(number, 5, 0, 0.0, 1.0)
        self.assertEqual(self.reports.timeout(4), 0)

    def test_urgent(self) -> None:
        """Other reports are sent with the next packet, and those before with them."""
        for urge in (
            lambda: self.reports.addConnection(ACCEPTED, 3, 4),
            lambda: self.reports.add(STARTED, 3, 4, 0),
            lambda: self.reports.addExit(3, 4, 0, 0.0, None),
        ):
            self.reports.addExit(2, 4, 0, 0.0, 1.0)
            urge()
            self.reports.addExit(3, 4, 0, 0.0, 1.0)
            self.assertEqual(self.reports.timeout(4), 0)
            self.reports.flush()
            self.assertEqual(len(list(decodeReports(self.ours.recv(1000)))), 3)

    def test_gone(self) -> None:
        """Reports to a daemon that is gone are discarded."""
        self.reports.add(ENDED, 1, 5, 0)
        self.ours.close()
        self.reports.flush()
        self.assertEqual(len(self.reports), 0)

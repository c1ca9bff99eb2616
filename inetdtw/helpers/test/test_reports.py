# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.reports}."""

from __future__ import annotations

import os
import socket

from inetdtw.helpers.reports import ENDED, REPORT, Reports
from inetdtw.launch.forkserver.channel import Channel
from inetdtw.test.fakes import ServingTestCase


class ReportsTests(ServingTestCase):
    """Tests for L{Reports}, with the daemon's end of the socket."""

    #: More than the daemon looks at of one packet.
    MANY = (1 << 16) // REPORT.size + 100

    def setUp(self) -> None:
        """Have a socket."""
        super().setUp()
        self.channel = Channel()
        self.addCleanup(self.channel.close)
        self.theirs = socket.socket(fileno=os.dup(self.channel.theirs))
        self.addCleanup(self.theirs.close)

    def heard(self) -> list[int]:
        """The numbers of what the daemon was told, in order."""
        numbers: list[int] = []
        while (records := self.channel.receive()) is not None:
            numbers += [REPORT.unpack(record)[1] for record in records]
        return numbers

    def test_many(self) -> None:
        """However many programs have ended at once, the daemon hears of each."""
        reports = Reports(self.theirs)
        for number in range(self.MANY):
            reports.add(ENDED, number, 5, 0)
        reports.flush()
        self.assertEqual(self.heard(), [*range(self.MANY)])
        self.assertEqual((len(reports), reports.urgent), (0, False))

    def test_gone(self) -> None:
        """A daemon that is gone is told nothing."""
        reports = Reports(self.theirs)
        reports.add(ENDED, 1, 5, 0)
        self.channel.close()
        reports.flush()
        self.assertEqual(len(reports), 0)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.packets}."""

from __future__ import annotations

import socket
from dataclasses import replace

from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    NOT_ACCEPTED,
    NOT_STARTED,
    REPORT,
    Reports,
)
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.packets import (
    HelperReport,
    decodeReports,
    encodeExtra,
    encodeProgram,
)
from inetdtw.test.fakes import ServingTestCase

REQUEST = LaunchRequest(
    "/x", ("x", "a b", ""), {"A": "\udcff", "B": ""}, {"C": "1", "D": "2"}, (0, 1, 2)
)


class RequestTests(ServingTestCase):
    """Tests for L{encodeProgram} and L{encodeExtra}."""

    def test_program(self) -> None:
        """Paths, arguments and environment are divided by NUL, also if not UTF-8."""
        self.assertEqual(encodeProgram(REQUEST), b"1\0/x\x003\0x\0a b\0\0A=\xff\0B=")
        request = replace(REQUEST, search=("/a/x", "/b/x"))
        self.assertTrue(encodeProgram(request).startswith(b"2\0/a/x\0/b/x\x003\0x\0"))

    def test_extra(self) -> None:
        """Three descriptors are sent unless all are the same one."""
        self.assertEqual(encodeExtra(REQUEST), (b"C=1\0D=2", [0, 1, 2]))
        self.assertEqual(encodeExtra(replace(REQUEST, fds=(4, 4, 4)))[1], [4])
        self.assertEqual(encodeExtra(replace(REQUEST, fds=(4, 4, 5)))[1], [4, 4, 5])


class ReportTests(ServingTestCase):
    """Tests for L{decodeReports}, with what a helper process sends."""

    def test_each(self) -> None:
        """All reports are found again, in their order, and what is left over is not."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reports = Reports(self.closing(theirs))
        reports.add(ENDED, 1, 77, 256, 1.5)
        reports.addConnection(ACCEPTED, 2, 78, True, ("::ffff:10.0.0.1", 9, 0, 0))
        reports.addConnection(DROPPED, 3, 2, NOT_STARTED, ("fe80::1%lo", 9, 0, 1))
        reports.addConnection(DROPPED, 4, 24, NOT_ACCEPTED)
        reports.addConnection(ACCEPTED, 5, 79, peer="")
        reports.flush()
        packet = self.closing(ours).recv(1 << 16)
        self.assertEqual(
            decodeReports(packet + bytes(REPORT.size - 1)),
            [
                HelperReport(ENDED, 1, 77, 256, 1_500_000),
                HelperReport(ACCEPTED, 2, 78, 78, 0, 1, ("10.0.0.1", 9)),
                HelperReport(DROPPED, 3, 2, 2, 0, NOT_STARTED, ("fe80::1", 9)),
                HelperReport(DROPPED, 4, 24, 24, 0, NOT_ACCEPTED),
                HelperReport(ACCEPTED, 5, 79, 79),
            ],
        )

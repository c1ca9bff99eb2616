# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.packets}."""

from __future__ import annotations

import functools
import os
import socket
import time
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
from inetdtw.launch import packets
from inetdtw.launch.packets import (
    HelperReport,
    decodeReports,
    encodeExtra,
    encodeProgram,
    fileOf,
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
        """All reports are decoded in order, and a rest is ignored."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        reports = Reports(self.closing(theirs))
        self.patch(time, "monotonic", lambda: 12.5)
        reports.addExit(1, 77, 256, 1.5, 12.0)
        reports.addExit(6, 80, 0, 0.0, None)
        reports.addConnection(ACCEPTED, 2, 78, True, ("::ffff:10.0.0.1", 9, 0, 0))
        reports.addConnection(DROPPED, 3, 2, NOT_STARTED, ("fe80::1%lo", 9, 0, 1))
        reports.addConnection(DROPPED, 4, 24, NOT_ACCEPTED)
        reports.addConnection(ACCEPTED, 5, 79, peer="")
        reports.flush()
        packet = self.closing(ours).recv(1 << 16)
        self.assertEqual(
            decodeReports(packet + bytes(REPORT.size - 1)),
            [
                HelperReport(ENDED, 1, 77, 256, 1_500_000, lived=500_000),
                HelperReport(ENDED, 6, 80, 0),
                HelperReport(ACCEPTED, 2, 78, 78, 0, 1, ("10.0.0.1", 9)),
                HelperReport(DROPPED, 3, 2, 2, 0, NOT_STARTED, ("fe80::1", 9)),
                HelperReport(DROPPED, 4, 24, 24, 0, NOT_ACCEPTED),
                HelperReport(ACCEPTED, 5, 79, 79),
            ],
        )


class FileTests(ServingTestCase):
    """Tests for L{fileOf}."""

    def has(self, data: bytes) -> None:
        """Check that a descriptor has all data, and is at its start."""
        with fileOf(data) as file:
            fd = file.fileno()
            self.assertEqual(os.pread(fd, len(data) + 1, 0), data)
            self.assertEqual(os.lseek(fd, 0, os.SEEK_CUR), 0)
            self.assertEqual(os.fstat(fd).st_nlink, 0)

    def test_memory(self) -> None:
        """All data is in a new file, whose descriptor is at the start."""
        for size in (0, 1, 100_000):
            self.has(os.urandom(size))

    def test_file(self) -> None:
        """A temporary file is used where memfd_create(2) is missing or forbidden."""

        def forbidden(name: str, flags: int) -> int:
            raise PermissionError(13, "Permission denied")

        self.patch(os, "memfd_create", forbidden)
        self.has(b"data")
        del os.memfd_create
        self.has(b"data")

    def test_notExecutable(self) -> None:
        """A memfd is sealed against execution where that is required."""
        create, given = os.memfd_create, []

        def strict(name: str, flags: int) -> int:
            given.append(flags)
            if flags == os.MFD_CLOEXEC:
                raise PermissionError
            return create(name, flags)

        self.patch(os, "memfd_create", strict)
        self.has(b"data")
        self.assertEqual(given, [os.MFD_CLOEXEC, os.MFD_CLOEXEC | 8])

    def test_full(self) -> None:
        """Nothing is left open after an error."""
        full = functools.partial(open, "/dev/full", "w+b")
        self.patch(packets, "_unlinkedFile", full)
        self.leavesNothingOpen(
            lambda: self.assertRaises(OSError, fileOf, b"data") and None
        )

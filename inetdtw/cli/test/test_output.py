# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.output}."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli.output import WriteError, err, out, write


class FullStream(io.StringIO):
    """
    A stream whose writes fail.

    @ivar fd: its descriptor.
    """

    encoding = "ascii"

    def __init__(self, test: SynchronousTestCase, reason: int) -> None:
        """@param why: the error of each write."""
        super().__init__()
        self._reason = reason
        self.fd, end = os.pipe()
        for fd in (self.fd, end):
            test.addCleanup(os.close, fd)

    def flush(self) -> None:
        """Fail."""
        raise OSError(self._reason, os.strerror(self._reason))

    def fileno(self) -> int:
        """Return its descriptor."""
        return self.fd


class OutputTests(SynchronousTestCase):
    """Tests for L{write}, L{out} and L{err}."""

    def test_anything(self) -> None:
        """Output is UTF-8 in any encoding, with control characters escaped."""
        data = io.BytesIO()
        self.patch(sys, "stdout", io.TextIOWrapper(data, encoding="ascii"))
        out("/tmp/\udcff: 日\x1b[m\x85\u202e\n\t")
        wanted = "/tmp/\\xff: 日\\x1b[m\\x85\\u202e\n\\t\n"
        self.assertEqual(data.getvalue(), wanted.encode())

    def test_surrogates(self) -> None:
        """Surrogates are escaped."""
        data = io.BytesIO()
        stream = io.TextIOWrapper(data, encoding="utf-8")
        write("a\udcff", stream)
        self.assertEqual(data.getvalue(), b"a\\udcff")

    def test_closed(self) -> None:
        """Output to a closed stream is discarded."""
        other = io.StringIO()
        for closed, line in (("stdout", out), ("stderr", err)):
            self.patch(sys, "stdout", other)
            self.patch(sys, "stderr", other)
            self.patch(sys, closed, None)
            line("a line")
        self.assertEqual(other.getvalue(), "")

    def ends(self, reason: int) -> Any:
        """Return the exit argument of a command whose output cannot be written."""
        stream = FullStream(self, reason)
        self.patch(sys, "stdout", stream)
        code = self.assertRaises(WriteError, out, "a line").code
        # What it still holds is lost when the process ends.
        self.assertTrue(os.path.sameopenfile(stream.fd, self.null()))
        return code

    def null(self) -> int:
        """Return a file descriptor of the null device."""
        fd = os.open(os.devnull, os.O_WRONLY)
        self.addCleanup(os.close, fd)
        return fd

    def test_full(self) -> None:
        """A write error ends the command with a message."""
        why = f"inetd: write error: {os.strerror(errno.ENOSPC)}"
        self.assertEqual(self.ends(errno.ENOSPC), why)

    def test_unread(self) -> None:
        """A closed pipe ends the command without a message."""
        self.assertEqual(self.ends(errno.EPIPE), 1)

    def test_error(self) -> None:
        """An error message that cannot be written is ignored."""
        for reason in (errno.ENOSPC, errno.EPIPE):
            self.patch(sys, "stderr", FullStream(self, reason))
            err("a line")

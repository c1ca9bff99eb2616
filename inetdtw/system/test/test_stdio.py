# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.stdio}."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.system.stdio import openStreams, reserveStdio


class ReserveStdioTests(SynchronousTestCase):
    """Tests for L{reserveStdio}."""

    def setUp(self) -> None:
        """Replace the system calls by fakes with three descriptors."""
        self.taken: dict[int, str] = {}
        self.patch(os, "fstat", self.fstat)
        self.patch(os, "open", self.open)

    def fstat(self, fd: int) -> None:
        """Fake the system call."""
        if fd not in self.taken:
            raise OSError(errno.EBADF, "there is none")

    def open(self, path: str, flags: int) -> int:
        """Fake the system call."""
        fd = next(each for each in range(9) if each not in self.taken)
        self.taken[fd] = path
        return fd

    def test_closed(self) -> None:
        """Closed descriptors among 0, 1 and 2 are opened as /dev/null."""
        for left in ("", "0", "1", "2", "01", "02", "12", "012"):
            self.taken = {int(fd): "theirs" for fd in left}
            reserveStdio()
            wanted = {
                fd: "theirs" if str(fd) in left else os.devnull for fd in (0, 1, 2)
            }
            self.assertEqual(self.taken, wanted)


class OpenStreamsTests(SynchronousTestCase):
    """Tests for L{openStreams}."""

    def test_missing(self) -> None:
        """A missing stream is made from its descriptor; the others stay."""
        for fd, name in enumerate(("stdin", "stdout", "stderr")):
            before: Any = getattr(sys, name)
            for each in (name, f"__{name}__"):
                self.patch(sys, each, None)
            openStreams()
            made = getattr(sys, name)
            self.assertEqual(made.fileno(), fd)
            self.assertIs(getattr(sys, f"__{name}__"), made)
            openStreams()
            self.assertIs(getattr(sys, name), made)
            setattr(sys, name, before)

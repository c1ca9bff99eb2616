# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.regularfile}."""

from __future__ import annotations

import os
import socket

from inetdtw.system import regularfile
from inetdtw.system.regularfile import NotPlain, opened, read
from inetdtw.test.fakes import ServingTestCase, openDescriptors, openedSince


class RegularFileTests(ServingTestCase):
    """Tests for L{opened} and L{read}."""

    def setUp(self) -> None:
        """Make a directory with a file."""
        super().setUp()
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "file")
        with open(self.path, "w") as file:
            file.write("0123456789")

    def test_read(self) -> None:
        """A file is read up to a bound, also by a link, and nothing is left open."""
        link = os.path.join(self.directory, "link")
        os.symlink("file", link)

        def work() -> None:
            self.assertEqual(read(self.path, 100), b"0123456789")
            self.assertEqual(read(link, 4), b"0123")

        self.leavesNothingOpen(work)

    def others(self) -> None:
        """Assert that another file type is an error."""
        made = {name: os.path.join(self.directory, name) for name in ("fifo", "sock")}
        os.mkfifo(made["fifo"])
        bound = self.closing(socket.socket(socket.AF_UNIX))
        bound.bind(made["sock"])
        before = openDescriptors()
        for path, what in (
            (made["fifo"], "a FIFO"),
            (made["sock"], "a socket"),
            (self.directory, "a directory"),
            ("/dev/zero", "a character device"),
        ):
            why = self.assertRaises(NotPlain, read, path, 1)
            self.assertEqual(why.strerror, f"is {what}, not a regular file")
        self.assertRaises(FileNotFoundError, read, "/no/such", 1)
        self.assertEqual(openedSince(before), {})

    def test_others(self) -> None:
        """A file that is not regular is not opened, and the error has its type."""
        self.others()

    def test_notHeld(self) -> None:
        """The same where the system has no paths for descriptors."""
        self.patch(regularfile, "DESCRIPTORS", "/nowhere")
        self.assertEqual(read(self.path, 4), b"0123")
        self.others()

    def test_noLink(self) -> None:
        """A link is not followed where that is not wanted."""
        os.symlink("file", os.path.join(self.directory, "link"))
        fd = os.open(self.directory, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        with opened("file", fd, follow=False) as found:
            self.assertEqual(os.read(found, 3), b"012")
        holding = opened("link", fd, follow=False)
        why = self.assertRaises(NotPlain, holding.__enter__)
        self.assertIn("symbolic link", str(why.strerror))

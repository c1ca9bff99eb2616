# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.unixpath}."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator

from inetdtw.model.service import Ownership
from inetdtw.system import directory, unixpath
from inetdtw.system.directory import around
from inetdtw.system.unixpath import PathFile
from inetdtw.test.fakes import ServingTestCase, openDescriptors, openedSince


@contextlib.contextmanager
def openPath(path: str) -> Iterator[PathFile]:
    """Open the file at a path."""
    with around(path) as (opened, name), unixpath.openPath(opened, name) as file:
        yield file


class PathFileTestCase(ServingTestCase):
    """A test of L{openPath}."""

    def setUp(self) -> None:
        """Make a socket at a path, and a regular file."""
        super().setUp()
        made = self.mktemp()
        os.mkdir(made)
        self.path = os.path.join(made, "s")
        self.bind()
        self.precious = os.path.abspath(os.path.join(made, "precious"))
        with open(self.precious, "w"):
            pass  # It has permissions.
        os.chmod(self.precious, 0o600)

    def bind(self) -> None:
        """Make a socket at the path."""
        self.closing(socket.socket(socket.AF_UNIX)).bind(self.path)

    def mode(self, path: str) -> int:
        """Return the permissions of a file."""
        return stat.S_IMODE(os.stat(path).st_mode)

    def gives(self) -> None:
        """Assert that a file gets permissions and an owner."""

        def work() -> None:
            with openPath(self.path) as file:
                file.chown(Ownership(os.geteuid(), os.getegid(), 0o606))

        self.leavesNothingOpen(work)
        about = os.stat(self.path)
        self.assertEqual(self.mode(self.path), 0o606)
        self.assertEqual((about.st_uid, about.st_gid), (os.geteuid(), os.getegid()))

    def refusesOthers(self) -> None:
        """Assert that neither a regular file nor a link is opened."""
        link, loop = self.path + ".link", self.path + ".loop"
        os.symlink(os.path.abspath(self.path), link)
        os.symlink(loop, loop)
        for path in (self.precious, link, loop):
            holding = openPath(path)
            before = openDescriptors()
            self.assertRaises(FileExistsError, holding.__enter__)
            self.assertEqual(openedSince(before), {})
        self.assertRaises(FileNotFoundError, openPath(self.path + ".none").__enter__)


class PathFileTests(PathFileTestCase):
    """Tests for L{openPath} and L{PathFile<unixpath.PathFile>}."""

    def test_give(self) -> None:
        """The file gets permissions and an owner; no descriptor is leaked."""
        self.gives()

    def test_replaced(self) -> None:
        """The open file stays the same when another one replaces it."""
        if not hasattr(os, "O_PATH"):
            self.skipTest("This system cannot hold a file.")
        with openPath(self.path) as file:
            os.rename(self.path, self.path + ".old")
            os.symlink(self.precious, self.path)
            file.chown(Ownership(os.geteuid(), os.getegid(), 0o606))
        self.assertEqual(self.mode(self.precious), 0o600)
        self.assertEqual(self.mode(self.path + ".old"), 0o606)

    def test_noSocket(self) -> None:
        """A regular file is not opened, and a link is not followed."""
        self.refusesOthers()

    def test_untouched(self) -> None:
        """A new file without permissions is untouched, and has its own identity."""
        os.chmod(self.path, 0)
        with openPath(self.path) as first:
            self.assertTrue(first.untouched)
        os.rename(self.path, self.path + ".old")
        self.bind()
        with openPath(self.path) as second:
            self.assertFalse(second.untouched)
        self.assertNotEqual(first.identity, second.identity)


class NotHeldTests(PathFileTestCase):
    """Tests for L{openPath} where the system has no paths for descriptors."""

    def setUp(self) -> None:
        """Hide the paths of descriptors."""
        super().setUp()
        self.patch(directory, "DESCRIPTORS", "/nowhere")

    def test_give(self) -> None:
        """A file gets permissions and an owner."""
        self.gives()

    def test_noSocket(self) -> None:
        """A regular file is not opened, and a link is not followed."""
        self.refusesOthers()

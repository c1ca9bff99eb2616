# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.userfile}."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from typing import Any

from inetdtw.model.process import Credentials
from inetdtw.system import regularfile, userfile
from inetdtw.system.directory import isTrusted
from inetdtw.system.userfile import beginning
from inetdtw.test.fakes import ServingTestCase

#: A user who is not trusted.
OTHER = Credentials(65533, 65533, ())


class UserFileTestCase(ServingTestCase):
    """A test with files that other users can or cannot change."""

    def setUp(self) -> None:
        """Make a directory of this user, and one that other users can write."""
        super().setUp()
        # The directory of the tests may be of another user.
        self.directory = tempfile.mkdtemp(dir=self.trustedDirectory())
        self.addCleanup(shutil.rmtree, self.directory)
        self.shared = os.path.join(self.directory, "shared")
        os.mkdir(self.shared)
        os.chmod(self.directory, 0o755)
        os.chmod(self.shared, 0o777)
        self.forks: list[int] = []
        fork = os.fork

        def forked() -> int:
            self.forks.append(fork())
            return self.forks[-1]

        self.patch(os, "fork", forked)
        self.patch(userfile, "_late", [])

    def trustedDirectory(self) -> str:
        """Return a directory in which only trusted users can write."""
        for directory in ("/run", "/var/lib", os.path.expanduser("~")):
            if isTrusted(os.path.join(directory, ".")) and os.access(
                directory, os.W_OK
            ):
                return directory
        self.skipTest("every directory is another user's")

    def write(self, path: str, data: bytes = b"0123456789", mode: int = 0o644) -> str:
        """Write a file."""
        path = os.path.join(self.directory, path)
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        return path

    def assertGone(self) -> None:
        """Assert that no child is left."""
        for pid in self.forks:
            self.assertRaises(ChildProcessError, os.waitpid, pid, os.WNOHANG)


class TrustedTests(UserFileTestCase):
    """Tests for L{isTrusted}."""

    def test_trusted(self) -> None:
        """A file is trusted if it, its directories and the links to it are."""
        path = self.write("file")
        wide = self.write("wide", mode=0o666)
        shared = self.write("shared/file")
        os.symlink("file", os.path.join(self.directory, "link"))
        os.symlink(shared, os.path.join(self.directory, "away"))
        os.symlink(path, os.path.join(self.shared, "back"))
        os.symlink("loop", os.path.join(self.directory, "loop"))
        for name in (path, f"{self.directory}/link", f"{self.directory}/./file"):
            self.assertTrue(isTrusted(name), name)
        for name in ("away", "shared/back", "loop", "none", "file/none"):
            self.assertFalse(isTrusted(os.path.join(self.directory, name)), name)
        for name in (wide, shared):
            self.assertFalse(isTrusted(name), name)

    def test_others(self) -> None:
        """A file or a link of another user is not trusted."""
        if os.geteuid() != 0:
            self.skipTest("only root can give it away")
        path = self.write("file")
        link = os.path.join(self.directory, "link")
        os.symlink("file", link)
        os.lchown(link, OTHER.uid, OTHER.gid)
        self.assertTrue(isTrusted(path))
        self.assertFalse(isTrusted(link))
        os.chown(path, OTHER.uid, OTHER.gid)
        self.assertFalse(isTrusted(path))


class BeginningTests(UserFileTestCase):
    """Tests for L{beginning}."""

    def test_trusted(self) -> None:
        """A file that only trusted users can change is read at once."""
        self.assertEqual(beginning(self.write("file"), 4), b"0123")
        self.assertEqual(self.forks, [])

    def test_child(self) -> None:
        """Any other file is read by a child, up to a limit."""
        path = self.write("shared/file", b"x" * 300000)

        def work() -> None:
            self.assertEqual(beginning(path, 200000), b"x" * 200000)

        self.leavesNothingOpen(work)
        self.assertEqual(len(self.forks), 1)
        self.assertGone()

    def test_kinds(self) -> None:
        """The error of another type of file is that of a direct read."""
        path = os.path.join(self.shared, "fifo")
        os.mkfifo(path)
        why = self.assertRaises(regularfile.NotPlain, beginning, path, 1)
        self.assertEqual(why.strerror, "is a FIFO, not a regular file")
        missing = os.path.join(self.shared, "missing")
        found = self.assertRaises(FileNotFoundError, beginning, missing, 1)
        self.assertEqual(found.strerror, "No such file or directory")
        self.assertGone()

    def test_late(self) -> None:
        """A child that does not come back is killed, and the next one has less time."""
        self.patch(userfile, "PATIENCE", 0.02)
        self.patch(userfile, "LITTLE_PATIENCE", 0.01)
        self.patch(regularfile, "read", lambda *given: time.sleep(600))
        path = self.write("shared/file")
        for patience in (0.02, 0.01):
            self.assertEqual(userfile._patience(), patience)
            why = self.assertRaises(TimeoutError, beginning, path, 1)
            self.assertEqual(why.strerror, "cannot be read in time")
        self.patch(userfile, "_late", [time.monotonic() - 3600])
        self.assertEqual(userfile._patience(), 0.02)
        # They are reaped by and by.
        while userfile._killed:
            userfile._reap()
        self.assertGone()

    def test_broken(self) -> None:
        """A child that ends without a word is an error."""

        def read(*given: Any) -> bytes:
            os._exit(1)

        self.patch(regularfile, "read", read)
        path = self.write("shared/file")
        why = self.assertRaises(OSError, beginning, path, 1)
        self.assertEqual(why.errno, errno.EIO)

    def test_identity(self) -> None:
        """A file is read with the user's permissions."""
        if os.geteuid() != 0:
            self.skipTest("only root can be another user")
        secret = self.write("secret", mode=0o600)
        link = os.path.join(self.shared, "link")
        os.symlink(secret, link)
        self.assertEqual(beginning(link, 4), b"0123")
        self.assertRaises(PermissionError, beginning, link, 4, OTHER)
        path = self.write("shared/file", mode=0o644)
        self.assertEqual(beginning(path, 4, OTHER), b"0123")

    def test_chroot(self) -> None:
        """The path starts from the root that the program has, and so do links."""
        if os.geteuid() != 0:
            self.skipTest("only root can have another one")
        self.write("file")
        os.symlink("/file", os.path.join(self.directory, "link"))
        self.assertEqual(beginning("/link", 4, OTHER, self.directory), b"0123")
        self.assertEqual(os.path.realpath("/"), "/")

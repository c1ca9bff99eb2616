# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.permissions}."""

from __future__ import annotations

import os
from types import SimpleNamespace
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.permissions import permissionWarnings
from inetdtw.model.errors import Location


class PermissionWarningsTests(SynchronousTestCase):
    """Tests for L{permissionWarnings}."""

    def setUp(self) -> None:
        """Make a file in a directory of its own."""
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory, 0o755)
        self.path = os.path.join(self.directory, "inetd.conf")
        with open(self.path, "w"):
            pass
        os.chmod(self.path, 0o644)

    def reasons(self, path: str | None = None) -> list[str]:
        """Return the reasons of the warnings."""
        found = list(permissionWarnings(path or self.path))
        for each in found:
            self.assertEqual(
                (each.location, each.field), (Location(self.path, 1), "file")
            )
        return [each.reason for each in found]

    def asRoot(self) -> None:
        """Skip the test unless it can give files to others."""
        if os.geteuid() != 0:
            raise SkipTest("only root can change the owner of a file")

    def test_private(self) -> None:
        """A file that only its owner can write draws no warning."""
        self.assertEqual(self.reasons(), [])

    def test_writable(self) -> None:
        """A file that all users can write draws a warning with its permissions."""
        os.chmod(self.path, 0o602)
        wanted = "writable by users other than its owner: -rw-----w-"
        self.assertEqual(self.reasons(), [wanted])

    def test_group(self) -> None:
        """
        A file that a group can write draws a warning.

        The groups of root and of the owner do not count.
        """
        self.asRoot()
        os.chmod(self.path, 0o664)
        for gid, count in ((0, 0), (12345, 1)):
            os.chown(self.path, 0, gid)
            self.assertEqual(len(self.reasons()), count, gid)

    def test_owner(self) -> None:
        """A file of another user than root and the daemon's draws a warning."""
        self.asRoot()
        os.chown(self.path, 12345, -1)
        wanted = "owned by user 12345, which controls what is executed"
        self.assertEqual(self.reasons(), [wanted])

    def test_directory(self) -> None:
        """A directory that others can write draws a warning, unless sticky."""
        for mode, count in ((0o757, 1), (0o1757, 0)):
            os.chmod(self.directory, mode)
            found = self.reasons()
            self.assertEqual(len(found), count, oct(mode))
        os.chmod(self.directory, 0o757)
        wanted = "other users can replace the file: its directory is drwxr-xrwx"
        self.assertEqual(self.reasons(), [wanted])

    def test_readOnly(self) -> None:
        """A directory of a read-only file system draws no warning."""
        os.chmod(self.directory, 0o757)
        for flag, count in ((os.ST_RDONLY, 0), (os.ST_NOSUID, 1)):
            mounted = SimpleNamespace(f_flag=flag)
            self.patch(os, "statvfs", lambda _, found=mounted: found)
            self.assertEqual(len(self.reasons()), count)

    def test_directoryOwner(self) -> None:
        """A directory of another user draws a warning."""
        self.asRoot()
        os.chown(self.directory, 12345, -1)
        wanted = "user 12345 owns the directory, and can replace the file"
        self.assertEqual(self.reasons(), [wanted])

    def test_missing(self) -> None:
        """A device draws no warning, nor does a file that does not exist."""
        self.assertEqual(list(permissionWarnings("/dev/null")), [])
        self.assertEqual(list(permissionWarnings("/no/such/file")), [])

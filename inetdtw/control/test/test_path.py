# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.path}."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.control import path
from inetdtw.control.path import SocketDirectory, clientPath, pathOf


class DefaultPathTests(SynchronousTestCase):
    """Tests for L{pathOf}."""

    def test_root(self) -> None:
        """The default path of root is in the system's runtime directory."""
        there = self.mktemp()
        os.mkdir(there)
        self.patch(path, "RUN", there)
        given = {"XDG_RUNTIME_DIR": "/run/user/0"}
        self.assertEqual(pathOf(None, given, 0)[0], f"{there}/inetd/control")
        self.patch(path, "RUN", "/no-such-directory")
        self.assertEqual(pathOf(None, {}, 0)[0], "/var/no-such-directory/inetd/control")

    def test_others(self) -> None:
        """That of other users is in the session's runtime directory, or in /tmp."""
        given = {"XDG_RUNTIME_DIR": "/run/user/7"}
        self.assertEqual(pathOf(None, given, 7)[0], "/run/user/7/inetd/control")
        for none in ({}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "here"}):
            self.assertEqual(pathOf(None, none, 7)[0], "/tmp/inetd-7/control")

    def test_variable(self) -> None:
        """The environment variable overrides the default."""
        for uid in (0, 7):
            self.assertEqual(pathOf(None, {"INETD_CONTROL": "/x"}, uid)[0], "/x")
        self.assertEqual(pathOf(None, {"INETD_CONTROL": "none"}, 0)[0], "none")


class ClientPathTests(SynchronousTestCase):
    """Tests for L{clientPath}."""

    def setUp(self) -> None:
        """Make directories for runtime files and for temporary files."""
        self.here = os.path.abspath(self.mktemp())
        self.patch(path, "RUN", f"{self.here}/run")
        self.patch(path, "TEMPORARY", f"{self.here}/tmp")
        self.session = f"{self.here}/run/user/7"
        self.given = {"XDG_RUNTIME_DIR": self.session}
        self.inSession = f"{self.session}/inetd/control"
        self.outside = f"{self.here}/tmp/inetd-7/control"

    def socket(self, path: str) -> None:
        """Make a file at a path."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink("nowhere", path)

    def test_none(self) -> None:
        """If no socket exists, the path is where one would be."""
        self.assertEqual(clientPath(None, self.given, 7), (self.inSession, True))
        self.assertEqual(clientPath(None, {}, 7), (self.outside, True))

    def test_second(self) -> None:
        """A client finds the daemon that is left of several."""
        for number in ("3", "2"):
            self.socket(f"{self.inSession}-{number}")
            found = clientPath(None, self.given, 7)
            self.assertEqual(found, (f"{self.inSession}-{number}", True))
        self.socket(self.inSession)
        self.assertEqual(clientPath(None, self.given, 7), (self.inSession, True))

    def test_outside(self) -> None:
        """A client in a session finds a daemon that was started outside of one."""
        self.socket(self.outside)
        self.assertEqual(clientPath(None, self.given, 7), (self.outside, True))

    def test_inside(self) -> None:
        """A client outside of a session finds a daemon that was started in one."""
        self.socket(self.inSession)
        self.assertEqual(clientPath(None, {}, 7), (self.inSession, True))

    def test_both(self) -> None:
        """Of two, the one of the client's own session is used."""
        self.socket(self.outside)
        self.socket(self.inSession)
        self.assertEqual(clientPath(None, self.given, 7), (self.inSession, True))
        self.assertEqual(clientPath(None, {}, 7), (self.outside, True))

    def test_said(self) -> None:
        """The option overrides the default."""
        self.socket(self.outside)
        self.assertEqual(clientPath("/x", self.given, 7), ("/x", False))
        given = {**self.given, "INETD_CONTROL": "/y"}
        self.assertEqual(clientPath(None, given, 7), ("/y", False))


class SocketDirectoryTests(SynchronousTestCase):
    """Tests for L{SocketDirectory}."""

    def setUp(self) -> None:
        """Make a path."""
        self.path = self.mktemp()
        self.directory = SocketDirectory(self.path, os.geteuid())

    def test_made(self) -> None:
        """The directory is made with mode 0700, and removed when it is empty."""
        before = os.umask(0)
        try:
            self.directory.make()
        finally:
            os.umask(before)
        self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o700)
        self.directory.remove()
        self.directory.remove()
        self.assertFalse(os.path.exists(self.path))

    def test_found(self) -> None:
        """An existing directory is used, and not removed."""
        os.mkdir(self.path, 0o755)
        self.directory.make()
        self.directory.remove()
        self.assertTrue(os.path.isdir(self.path))

    def test_notEmpty(self) -> None:
        """A directory with other files is not removed."""
        self.directory.make()
        os.mkdir(os.path.join(self.path, "else"))
        self.directory.remove()
        self.assertTrue(os.path.isdir(self.path))

    def error(self) -> str:
        """Return why the directory is not used."""
        return str(self.assertRaises(OSError, self.directory.make).strerror)

    def test_writable(self) -> None:
        """A directory that other users can change is not used."""
        os.mkdir(self.path)
        for mode in (0o720, 0o702, 0o1777):
            os.chmod(self.path, mode)
            self.assertIn("is writable by others", self.error())

    def test_link(self) -> None:
        """A file, or a link to a directory, is not used."""
        os.symlink("/", self.path)
        self.assertIn("not a directory", self.error())

    def test_another(self) -> None:
        """A directory of another user except root is not used."""
        os.mkdir(self.path)
        mine = os.geteuid()
        other = SocketDirectory(self.path, mine + 1)
        if mine == 0:
            other.check()
            os.chown(self.path, 7, -1)
        self.assertIn(
            "belongs to another user", str(self.assertRaises(OSError, other.check))
        )

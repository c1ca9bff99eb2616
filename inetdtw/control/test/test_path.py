# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.path}."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.control import path
from inetdtw.control.path import Folder, askedPath, usualPath


class UsualPathTests(SynchronousTestCase):
    """Tests for L{usualPath}."""

    def test_root(self) -> None:
        """
        Root's daemon is below the folder for running daemons, whatever the system calls
        that.
        """
        there = self.mktemp()
        os.mkdir(there)
        self.patch(path, "RUN", there)
        given = {"XDG_RUNTIME_DIR": "/run/user/0"}
        self.assertEqual(usualPath(given, 0), f"{there}/inetd/control")
        self.patch(path, "RUN", "/no-such-folder")
        self.assertEqual(usualPath({}, 0), "/var/no-such-folder/inetd/control")

    def test_others(self) -> None:
        """Others have it in the folder of their session, or in one of their own."""
        given = {"XDG_RUNTIME_DIR": "/run/user/7"}
        self.assertEqual(usualPath(given, 7), "/run/user/7/inetd/control")
        for none in ({}, {"XDG_RUNTIME_DIR": ""}, {"XDG_RUNTIME_DIR": "here"}):
            self.assertEqual(usualPath(none, 7), "/tmp/inetd-7/control")

    def test_variable(self) -> None:
        """A variable goes before all that."""
        for uid in (0, 7):
            self.assertEqual(usualPath({"INETD_CONTROL": "/x"}, uid), "/x")
        self.assertEqual(usualPath({"INETD_CONTROL": "none"}, 0), "none")


class AskedPathTests(SynchronousTestCase):
    """Tests for L{askedPath}."""

    def setUp(self) -> None:
        """Have folders for running daemons and for what is short-lived."""
        self.here = os.path.abspath(self.mktemp())
        self.patch(path, "RUN", f"{self.here}/run")
        self.patch(path, "TEMPORARY", f"{self.here}/tmp")
        self.session = f"{self.here}/run/user/7"
        self.given = {"XDG_RUNTIME_DIR": self.session}
        self.inSession = f"{self.session}/inetd/control"
        self.outside = f"{self.here}/tmp/inetd-7/control"

    def socket(self, path: str) -> None:
        """Have something in a place."""
        os.makedirs(os.path.dirname(path))
        os.symlink("nowhere", path)

    def test_none(self) -> None:
        """Where there is none, it is asked for where it would be."""
        self.assertEqual(askedPath(None, self.given, 7), (self.inSession, True))
        self.assertEqual(askedPath(None, {}, 7), (self.outside, True))

    def test_outside(self) -> None:
        """A daemon that was started in no session is found from one."""
        self.socket(self.outside)
        self.assertEqual(askedPath(None, self.given, 7), (self.outside, True))

    def test_inside(self) -> None:
        """A daemon that was started in a session is found from outside."""
        self.socket(self.inSession)
        self.assertEqual(askedPath(None, {}, 7), (self.inSession, True))

    def test_both(self) -> None:
        """Of two, the one in the place of the command's own session is asked."""
        self.socket(self.outside)
        self.socket(self.inSession)
        self.assertEqual(askedPath(None, self.given, 7), (self.inSession, True))
        self.assertEqual(askedPath(None, {}, 7), (self.outside, True))

    def test_said(self) -> None:
        """What is said holds."""
        self.socket(self.outside)
        self.assertEqual(askedPath("/x", self.given, 7), ("/x", False))
        given = {**self.given, "INETD_CONTROL": "/y"}
        self.assertEqual(askedPath(None, given, 7), ("/y", False))


class FolderTests(SynchronousTestCase):
    """Tests for L{Folder}."""

    def setUp(self) -> None:
        """Have a path."""
        self.path = self.mktemp()
        self.folder = Folder(self.path, os.geteuid())

    def test_made(self) -> None:
        """It is made for its owner alone, and removed as long as it is empty."""
        before = os.umask(0)
        try:
            self.folder.make()
        finally:
            os.umask(before)
        self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o700)
        self.folder.remove()
        self.folder.remove()
        self.assertFalse(os.path.exists(self.path))

    def test_found(self) -> None:
        """One that is there already is used, and stays."""
        os.mkdir(self.path, 0o755)
        self.folder.make()
        self.folder.remove()
        self.assertTrue(os.path.isdir(self.path))

    def test_notEmpty(self) -> None:
        """One in which there is something else is not removed."""
        self.folder.make()
        os.mkdir(os.path.join(self.path, "else"))
        self.folder.remove()
        self.assertTrue(os.path.isdir(self.path))

    def error(self) -> str:
        """Why it is not used."""
        return str(self.assertRaises(OSError, self.folder.make).strerror)

    def test_writable(self) -> None:
        """One that others could change is not used."""
        os.mkdir(self.path)
        for mode in (0o720, 0o702, 0o1777):
            os.chmod(self.path, mode)
            self.assertIn("others may write", self.error())

    def test_link(self) -> None:
        """What is no folder, or a link to one, is not used."""
        os.symlink("/", self.path)
        self.assertIn("no folder", self.error())

    def test_another(self) -> None:
        """One of another user is not used; one of root's is."""
        os.mkdir(self.path)
        mine = os.geteuid()
        other = Folder(self.path, mine + 1)
        if mine == 0:
            other.check()
            os.chown(self.path, 7, -1)
        self.assertIn("another user's", str(self.assertRaises(OSError, other.check)))

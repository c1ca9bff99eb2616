# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.pidfile}."""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.system.pidfile import PidFile, PidFileError

#: This process, one that another user has, and one that is gone.
OWN, OTHERS, GONE = 7, 8, 9


class ClaimTests(SynchronousTestCase):
    """Tests for L{PidFile.claim}."""

    def setUp(self) -> None:
        """Choose a path, and stand for kill(2)."""
        self.path = self.mktemp()
        self.patch(os, "kill", self.kill)

    def kill(self, pid: int, number: int) -> None:
        """Fake the system call."""
        self.assertEqual(number, 0)
        self.assertGreater(pid, 0)
        if pid == OTHERS:
            raise PermissionError(1, "Operation not permitted")
        if pid == GONE:
            raise ProcessLookupError(3, "No such process")

    def write(self, data: bytes) -> None:
        """Write a file."""
        with open(self.path, "wb") as file:
            file.write(data)

    def why(self, path: str | None = None) -> str:
        """Return why a file cannot be written."""
        path = self.path if path is None else path
        reason = str(self.assertRaises(PidFileError, PidFile(path).claim, OWN))
        begin = f"the pid file '{path}': "
        self.assertTrue(reason.startswith(begin), reason)
        return reason[len(begin) :]

    def refuse(self, name: str) -> None:
        """Make a system call fail."""

        def refused(*given: Any, **named: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        self.patch(os, name, refused)

    def test_none(self) -> None:
        """A missing file, or no path, does not fail."""
        PidFile(self.path).claim(OWN)
        PidFile("").claim(OWN)

    def test_stale(self) -> None:
        """An empty or stale file is removed, and one with this process' pid."""
        for data in (b"", b"\n", b"7", b"7\n", b"9"):
            self.write(data)
            PidFile(self.path).claim(OWN)
            self.assertFalse(os.path.lexists(self.path), data)

    def test_runs(self) -> None:
        """The pid file of a running process of any user stays."""
        for data in (b"6", b"8\n"):
            self.write(data)
            pid = int(data)
            reason = f"process {pid} is running: remove the file if it is not inetd"
            self.assertEqual(self.why(), reason)
            self.assertTrue(os.path.exists(self.path))

    def test_noPid(self) -> None:
        """A file with something else in it stays as it is."""
        for data in (b"nonsense", b"0", b"-1", b"9" * 30, b"9" * 9999, b"\xff", b"9 9"):
            self.write(data)
            self.assertEqual(self.why(), "has no pid in it")
            with open(self.path, "rb") as file:
                self.assertEqual(file.read(), data)

    def test_noFile(self) -> None:
        """Only a regular file is opened, and no link is followed."""
        os.symlink("nix", f"{self.path}.dangling")
        self.write(b"9")
        os.symlink(os.path.abspath(self.path), f"{self.path}.link")
        os.mkfifo(f"{self.path}.fifo")
        os.mkdir(f"{self.path}.directory")
        for kind, what in (
            ("dangling", "a symbolic link"),
            ("link", "a symbolic link"),
            ("fifo", "a FIFO"),
            ("directory", "a directory"),
            ("directory/", "a directory"),
        ):
            reason = self.why(f"{self.path}.{kind}")
            self.assertEqual(reason, f"is {what}, not a regular file")
        reason = self.why(os.devnull)
        self.assertEqual(reason, "is a character device, not a regular file")
        self.assertTrue(os.path.exists(self.path))

    def test_directory(self) -> None:
        """The directory must exist and be writable."""
        self.write(b"")
        for path, directory in (
            ("/no/such/pid", "/no/such"),
            (f"{self.path}/pid", os.path.abspath(self.path)),
        ):
            self.assertEqual(self.why(path), f"no such directory: '{directory}'")
        self.patch(os, "access", lambda path, mode, **given: False)
        self.assertEqual(self.why("/pid"), "'/' is not writable")

    def test_unreadable(self) -> None:
        """A file that cannot be read stays."""
        self.write(b"9")
        self.refuse("read")
        self.assertEqual(self.why(), "cannot be read: Permission denied")

    def test_unremovable(self) -> None:
        """The error about a file that cannot be removed has the reason."""
        self.write(b"9")
        self.refuse("unlink")
        self.assertEqual(self.why(), "cannot be removed: Permission denied")

    def test_exchanged(self) -> None:
        """A file that is replaced during the check is not removed."""

        def exchanging(pid: int, number: int) -> None:
            os.rename(self.path, f"{self.path}.stale")
            self.write(b"precious")
            self.kill(pid, number)

        self.patch(os, "kill", exchanging)
        self.write(b"9")
        self.assertIn("cannot be removed: another file", self.why())
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), b"precious")


class WriteTests(SynchronousTestCase):
    """Tests for L{PidFile.write} and L{PidFile.remove}."""

    def setUp(self) -> None:
        """Choose a path."""
        self.path = self.mktemp()
        self.file = PidFile(self.path)

    def test_write(self) -> None:
        """The file has the pid and permissions 0644, and is removed."""
        self.addCleanup(os.umask, os.umask(0))
        self.file.write(OWN)
        with open(self.path, "rb") as file:
            self.assertEqual(file.read(), b"7")
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o644)
        self.file.remove()
        self.assertFalse(os.path.lexists(self.path))
        self.file.remove()

    def test_none(self) -> None:
        """Without a path, no file is written."""
        file = PidFile("")
        file.write(OWN)
        file.remove()

    def test_there(self) -> None:
        """An existing file or the target of a link is neither written nor removed."""
        precious = os.path.abspath(f"{self.path}.precious")
        for make in (os.link, os.symlink):
            with open(precious, "w") as file:
                file.write("precious")
            make(precious, self.path)
            why = self.assertRaises(PidFileError, self.file.write, OWN)
            self.assertIn("cannot be written: File exists", str(why))
            self.file.remove()
            self.assertTrue(os.path.lexists(self.path))
            os.unlink(self.path)
            with open(precious) as file:
                self.assertEqual(file.read(), "precious")

    def test_another(self) -> None:
        """A file that was replaced, or has another pid, is not removed."""
        self.file.write(OWN)
        with open(self.path, "w") as file:
            file.write("8")
        self.file.remove()
        os.unlink(self.path)
        self.file.write(OWN)
        os.rename(self.path, f"{self.path}.moved")
        with open(self.path, "w") as file:
            file.write("7")
        self.file.remove()
        self.assertTrue(os.path.exists(self.path))

    def test_elsewhere(self) -> None:
        """The file is removed also after a change of the working directory."""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir("/")
        self.file.write(OWN)
        self.file.remove()

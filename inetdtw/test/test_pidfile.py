# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.pidfile}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.pidfile import Unusable, clear

#: This process, one that another user has, and one that is gone.
OWN, OTHERS, GONE = 7, 8, 9


class ClearTests(SynchronousTestCase):
    """
    Tests for L{clear}.
    """

    def setUp(self) -> None:
        """
        Have a place for a file, and known processes.
        """
        self.path = self.mktemp()
        self.patch(os, "kill", self.kill)

    def kill(self, pid: int, number: int) -> None:
        """
        Look for a process; all others run.
        """
        self.assertEqual(number, 0)
        self.assertGreater(pid, 0)
        if pid == OTHERS:
            raise PermissionError(1, "Operation not permitted")
        if pid == GONE:
            raise ProcessLookupError(3, "No such process")

    def write(self, data: bytes) -> None:
        """
        Have a file.
        """
        with open(self.path, "wb") as file:
            file.write(data)

    def why(self, path: str | None = None) -> str:
        """
        Why a file cannot be written.
        """
        path = self.path if path is None else path
        return str(self.assertRaises(Unusable, clear, path, OWN))

    def refuse(self, name: str) -> None:
        """
        Have the system refuse something.
        """

        def refused(*given: Any) -> Any:
            raise PermissionError(13, "Permission denied")

        self.patch(os, name, refused)

    def test_none(self) -> None:
        """
        Where there is no file, one can be written; also where none is wanted.
        """
        clear(self.path, OWN)
        clear("", OWN)

    def test_stale(self) -> None:
        """
        One that is empty, or of a process that is gone, is removed; and so is one of
        this very process, which has written none yet.
        """
        for data in (b"", b"\n", b"7", b"7\n", b"9"):
            self.write(data)
            clear(self.path, OWN)
            self.assertFalse(os.path.lexists(self.path), data)

    def test_runs(self) -> None:
        """
        One of a process that runs stays, whosever that is.
        """
        for data in (b"6", b"8\n"):
            self.write(data)
            pid = int(data)
            said = f"process {pid} runs, and may have written it: remove it if not"
            self.assertEqual(self.why(), said)
            self.assertTrue(os.path.exists(self.path))

    def test_noPid(self) -> None:
        """
        What holds something else is somebody's, and stays as it is.
        """
        for data in (b"nonsense", b"0", b"-1", b"9" * 30, b"9" * 9999, b"\xff", b"9 9"):
            self.write(data)
            self.assertEqual(self.why(), "holds no pid")
            with open(self.path, "rb") as file:
                self.assertEqual(file.read(), data)

    def test_noFile(self) -> None:
        """
        Nothing but a plain file is opened, also if it leads to one.
        """
        os.symlink("nix", f"{self.path}.dangling")
        self.write(b"9")
        os.symlink(os.path.abspath(self.path), f"{self.path}.link")
        os.mkfifo(f"{self.path}.fifo")
        os.mkdir(f"{self.path}.folder")
        for kind in ("dangling", "link", "fifo", "folder", "folder/"):
            self.assertEqual(self.why(f"{self.path}.{kind}"), "is no plain file")
        self.assertEqual(self.why(os.devnull), "is no plain file")
        self.assertTrue(os.path.exists(self.path))

    def test_folder(self) -> None:
        """
        It takes a folder, and one that can be written to.
        """
        self.write(b"")
        for path, folder in (
            ("/no/such/pid", "/no/such"),
            (f"{self.path}/pid", os.path.abspath(self.path)),
        ):
            self.assertEqual(self.why(path), f"there is no folder '{folder}'")
        self.patch(os, "access", lambda path, mode: False)
        self.assertEqual(self.why("/pid"), "may not be written in '/'")

    def test_unreadable(self) -> None:
        """
        What cannot be looked at stays.
        """
        self.refuse("lstat")
        self.assertEqual(self.why(), "cannot be read: Permission denied")

    def test_unremovable(self) -> None:
        """
        What cannot be removed is told of.
        """
        self.write(b"9")
        self.refuse("unlink")
        self.assertEqual(self.why(), "cannot be removed: Permission denied")

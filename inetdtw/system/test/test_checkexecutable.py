# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.executable.checkExecutable}."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any
from unittest import SkipTest

from inetdtw.model.process import Credentials
from inetdtw.model.service import Program
from inetdtw.system import executable
from inetdtw.system.executable import (
    ExecutableNotFound,
    checkExecutable,
    guessExecutable,
)
from inetdtw.system.test.programcase import ROOT, STRANGER, ProgramCase
from inetdtw.test.fakes import openDescriptors, openedSince


class CheckTests(ProgramCase):
    """Tests for L{checkExecutable}."""

    def reasonOf(self, path: str, credentials: Credentials | None = None) -> str:
        """Return why a program cannot be executed."""
        return str(
            self.assertRaises(ExecutableNotFound, checkExecutable, path, credentials)
        )

    def assertAllowed(self, path: str, credentials: Credentials | None) -> None:
        """Assert that a program can be executed."""
        checkExecutable(path, credentials)

    def assertForbidden(self, path: str, credentials: Credentials) -> None:
        """Assert that a user cannot execute a program, though the daemon can."""
        checkExecutable(path, None)
        self.assertEqual(
            self.reasonOf(path, credentials), f"'{path}': Permission denied"
        )

    def test_good(self) -> None:
        """A file that all users may execute is executable for all."""
        path = self.write("a")
        for credentials in (None, STRANGER, ROOT):
            self.assertAllowed(path, credentials)

    def test_missing(self) -> None:
        """The message about a missing file names it (item 46)."""
        path = self.path("a")
        for credentials in (None, STRANGER):
            reason = f"'{path}': No such file or directory"
            self.assertEqual(self.reasonOf(path, credentials), reason)

    def test_belowFile(self) -> None:
        """There is an error for a path below a file, a broken link and a long path."""
        path = self.write("a")
        self.assertIn("Not a directory", self.reasonOf(f"{path}/b"))
        os.symlink("nowhere", self.path("link"))
        self.assertIn("No such file", self.reasonOf(self.path("link"), STRANGER))
        self.assertIn("File name too long", self.reasonOf("/" + "a" * 5000))

    def test_noFile(self) -> None:
        """A directory is not executable."""
        reason = f"'{self.directory}' is a directory, not a regular file"
        self.assertEqual(self.reasonOf(self.directory), reason)

    def test_notExecutable(self) -> None:
        """No user can execute a file without permission, root included (item 47)."""
        path = self.write("a", 0o644)
        for credentials in (None, STRANGER, ROOT):
            reason = f"'{path}': Permission denied"
            self.assertEqual(self.reasonOf(path, credentials), reason)

    def test_others(self) -> None:
        """Other users need the permission of others."""
        self.assertForbidden(self.write("a", 0o770), STRANGER)
        self.assertAllowed(self.write("b", 0o701), STRANGER)

    def test_group(self) -> None:
        """
        A member of the file's group needs the permission of the group.

        That of others does not count.
        """
        allowed, forbidden = self.write("a", 0o750), self.write("b", 0o705)
        group = os.stat(allowed).st_gid
        for member in (
            Credentials(54321, group, ()),
            Credentials(54321, 5, (5, group)),
        ):
            self.assertAllowed(allowed, member)
            self.assertForbidden(forbidden, member)

    def test_owner(self) -> None:
        """The owner needs the owner's permission, and no other one counts."""
        path = self.write("a", 0o700)
        owner = Credentials(os.stat(path).st_uid or 54321, 5, (5,))
        if not os.getuid():
            os.chown(path, owner.uid, -1)
        self.assertAllowed(path, owner)
        os.chmod(path, 0o600)
        self.assertRaises(ExecutableNotFound, checkExecutable, path, owner)

    def test_ownerAlone(self) -> None:
        """The permission of others does not count for the owner."""
        if os.getuid():
            raise SkipTest("only root can give a file away")
        path = self.write("a", 0o655)
        os.chown(path, 54321, -1)
        self.assertForbidden(path, STRANGER)

    def test_root(self) -> None:
        """Root needs the permission of any user."""
        path = self.write("a", 0o700)
        if not os.getuid():
            os.chown(path, 54321, 54321)
        self.assertAllowed(path, ROOT)

    def test_directories(self) -> None:
        """A user needs permission to search every directory of a path."""
        path = self.write("a/b/c")
        self.assertAllowed(path, STRANGER)
        for name in ("a/b", "a"):
            os.chmod(self.path(name), 0o750)
            self.assertForbidden(path, STRANGER)
            os.chmod(self.path(name), 0o711)
        self.assertAllowed(path, STRANGER)

    def test_links(self) -> None:
        """A user needs search permission on both sides of a link."""
        self.write("real/program")
        os.mkdir(self.path("links"), 0o755)
        path = self.path("links/program")
        os.symlink("../real/program", path)
        self.assertAllowed(path, STRANGER)
        for name in ("links", "real"):
            os.chmod(self.path(name), 0o700)
            self.assertForbidden(path, STRANGER)
            os.chmod(self.path(name), 0o755)

    def test_vanishes(self) -> None:
        """A directory that vanishes meanwhile counts as missing."""
        path = self.write("a/b")
        real = os.stat

        def stated(name: str, **how: Any) -> os.stat_result:
            if name == self.path("a"):
                raise PermissionError(13, "Permission denied")
            return real(name, **how)

        self.patch(executable, "isTrusted", lambda path: True)

        self.patch(os, "stat", stated)
        reason = f"'{path}': Permission denied"
        self.assertEqual(self.reasonOf(path, STRANGER), reason)


class MissingTests(ProgramCase):
    """Tests for the error about a missing program."""

    def test_meanwhile(self) -> None:
        """An executable that appears meanwhile is reported as not permitted."""
        path = self.write("a", 0o644)
        self.patch(executable, "checkExecutable", lambda path, credentials: None)
        why = self.assertRaises(
            ExecutableNotFound, guessExecutable, Program(path, (), ("a",))
        )
        self.assertEqual(str(why), f"'{path}': Permission denied")


class ListTests(ProgramCase):
    """Tests for L{checkExecutable} and access control lists."""

    def setUp(self) -> None:
        """Find the command that sets access control lists."""
        super().setUp()
        if os.getuid() or shutil.which("setfacl") is None:
            raise SkipTest("only root can ask as another user, and setfacl is needed")

    def list(self, entry: str, path: str) -> None:
        """Add an entry to the access control list of a file."""
        subprocess.run(["setfacl", "-m", entry, path], check=True)

    def test_allowed(self) -> None:
        """A list allows what the bits do not, also of a directory."""
        path = self.write("a/b", 0o700)
        os.chmod(self.path("a"), 0o700)
        self.assertRaises(ExecutableNotFound, checkExecutable, path, STRANGER)
        self.list("u:54321:rx", path)
        self.assertRaises(ExecutableNotFound, checkExecutable, path, STRANGER)
        self.list("u:54321:x", self.path("a"))
        checkExecutable(path, STRANGER)
        other = Credentials(54322, 54321, (5,))
        self.assertRaises(ExecutableNotFound, checkExecutable, path, other)

    def test_group(self) -> None:
        """A list allows what the bits do not, for a supplementary group."""
        path = self.write("a", 0o700)
        self.list("g:54399:x", path)
        checkExecutable(path, Credentials(54321, 54321, (54321, 54399)))
        self.assertRaises(ExecutableNotFound, checkExecutable, path, STRANGER)

    def test_denied(self) -> None:
        """A list forbids what the bits allow."""
        path = self.write("a")
        self.list("u:54321:r", path)
        self.assertRaises(ExecutableNotFound, checkExecutable, path, STRANGER)
        checkExecutable(path, Credentials(54322, 54321, (5,)))

    def test_nothingLeft(self) -> None:
        """The child process that checks is reaped."""
        before, fork, children = openDescriptors(), os.fork, []

        def noted() -> int:
            children.append(fork())
            return children[-1]

        self.patch(os, "fork", noted)
        self.assertRaises(
            ExecutableNotFound, checkExecutable, self.write("a", 0o700), STRANGER
        )
        self.assertEqual(openedSince(before), {})
        for pid in children:
            self.assertRaises(ChildProcessError, os.waitpid, pid, os.WNOHANG)
        self.assertEqual(len(children), 1)


class TrustedCheckTests(CheckTests):
    """
    Tests for L{checkExecutable} of files that only trusted users can change.

    Permission bits decide if they allow it, and else the kernel.
    """

    def setUp(self) -> None:
        """Trust the test's files."""
        super().setUp()
        self.patch(executable, "isTrusted", lambda path: True)

    def assertAllowed(self, path: str, credentials: Credentials | None) -> None:
        """Assert that a program can be executed, without asking a child."""
        asking = self.patch(executable, "mayExecute", lambda *given: self.fail("asked"))
        super().assertAllowed(path, credentials)
        asking.restore()


class TrustedListTests(ListTests):
    """Tests for access control lists of trusted files."""

    def setUp(self) -> None:
        """Trust the test's files."""
        super().setUp()
        self.patch(executable, "isTrusted", lambda path: True)


class ForeignTests(ProgramCase):
    """Tests for L{checkExecutable} of files that the user controls."""

    def test_asked(self) -> None:
        """A foreign path is checked as its user, with a timeout."""
        if os.getuid():
            raise SkipTest("only root can ask as another user")
        path = self.write("owned/x", 0o700)
        os.chown(self.path("owned"), STRANGER.uid, -1)
        self.assertRaises(ExecutableNotFound, checkExecutable, path, STRANGER)
        os.chown(path, STRANGER.uid, -1)
        checkExecutable(path, STRANGER)
        os.mkfifo(self.path("owned/fifo"), 0o755)
        why = self.assertRaises(
            ExecutableNotFound, checkExecutable, self.path("owned/fifo"), STRANGER
        )
        self.assertIn("not a regular file", str(why))

        def mayExecute(path: str, credentials: Credentials) -> bool:
            raise TimeoutError(110, "cannot be read in time")

        self.patch(executable, "mayExecute", mayExecute)
        why = self.assertRaises(ExecutableNotFound, checkExecutable, path, STRANGER)
        self.assertEqual(str(why), f"'{path}': cannot be read in time")

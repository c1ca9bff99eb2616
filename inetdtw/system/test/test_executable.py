# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.executable}."""

from __future__ import annotations

import errno
import os
from unittest import SkipTest, mock

from inetdtw.model.service import Program
from inetdtw.system import executable
from inetdtw.system.executable import (
    ExecutableNotFound,
    candidates,
    findExecutable,
    guessExecutable,
)
from inetdtw.system.test.programcase import ROOT, STRANGER, ProgramCase


class CandidatesTests(ProgramCase):
    """Tests for L{candidates}."""

    def test_candidates(self) -> None:
        """A name has a candidate in each absolute directory of PATH."""
        absolute = Program("/bin/x", ("/sbin",), ("x",))
        self.assertEqual(candidates(absolute), ("/bin/x",))
        named = Program("x", ("/sbin", "", ".", "a", "/bin"), ("x",))
        self.assertEqual(candidates(named), ("/sbin/x", "/bin/x"))


class GuessExecutableTests(ProgramCase):
    """Tests for L{guessExecutable}."""

    def named(self, *directories: str) -> Program:
        """Return a program that is searched in PATH."""
        return Program("x", tuple(map(self.path, directories)), ("x",))

    def test_first(self) -> None:
        """The guess is the first file that any user may execute."""
        self.write("a/x", 0o644)
        os.makedirs(self.path("b/x"))
        path = self.write("c/x", 0o700)
        self.write("d/x")
        self.assertEqual(
            guessExecutable(self.named("missing", "a", "b", "c", "d")), path
        )

    def test_absolute(self) -> None:
        """An absolute path of a program is returned unchanged."""
        path = self.write("x", 0o700)
        self.assertEqual(guessExecutable(Program(path, (), ("x",))), path)
        for bad, reason in (
            (self.path("y"), ": No such file or directory"),
            (f"{path}/y", ": Not a directory"),
            (self.directory, " is a directory, not a regular file"),
            (self.write("z", 0o644), ": Permission denied"),
        ):
            program = Program(bad, (), ("x",))
            why = self.assertRaises(ExecutableNotFound, guessExecutable, program)
            self.assertEqual(str(why), f"'{bad}'{reason}")

    def test_missing(self) -> None:
        """The error about a name has the directories of PATH."""
        why = self.assertRaises(
            ExecutableNotFound, guessExecutable, self.named("a", "b")
        )
        where = f"{self.path('a')}:{self.path('b')}"
        self.assertEqual(str(why), f"'x' is not in PATH ({where})")

    def test_hidden(self) -> None:
        """A path that this process cannot search is taken if no other one fits."""
        hidden = self.path("a/x")
        path = self.write("b/x")
        real = os.stat

        def stated(name: str) -> os.stat_result:
            if name == hidden:
                raise PermissionError(13, "Permission denied")
            return real(name)

        self.patch(os, "stat", stated)
        self.assertEqual(guessExecutable(self.named("a", "b")), path)
        self.assertEqual(guessExecutable(self.named("a", "c")), hidden)
        self.assertEqual(guessExecutable(Program(hidden, (), ("x",))), hidden)

    def test_chroot(self) -> None:
        """In another root directory, the guess is not checked."""
        named = Program("x", ("/sbin", "/bin"), ("x",))
        self.assertEqual(guessExecutable(named, None, self.directory), "/sbin/x")

    def test_foreign(self) -> None:
        """A path that its user controls is not checked."""
        if os.getuid():
            raise SkipTest("only root looks at what is another user's")
        self.patch(executable, "isTrusted", lambda path: "owned" not in path)
        os.mkdir(self.path("owned"))
        os.chown(self.path("owned"), STRANGER.uid, -1)
        owned, path = self.path("owned/x"), self.write("a/x")
        self.assertEqual(guessExecutable(self.named("owned", "a"), STRANGER), path)
        self.assertEqual(guessExecutable(self.named("owned", "b"), STRANGER), owned)
        self.assertEqual(guessExecutable(Program(owned, (), ("x",)), STRANGER), owned)
        for credentials in (None, ROOT):
            self.assertRaises(
                ExecutableNotFound, guessExecutable, self.named("owned"), credentials
            )


class FindExecutableTests(ProgramCase):
    """Tests for L{findExecutable}."""

    def program(self, name: str, *directories: str) -> Program:
        """Make a program, and the directories of PATH."""
        return Program(name, tuple(map(self.path, directories)), (name,))

    def test_absolute(self) -> None:
        """An absolute path is not searched in PATH."""
        path = self.write("a/sh")
        self.write("b/sh")
        self.assertEqual(findExecutable(self.program(path, "b"), None), path)
        missing = self.program(self.path("sh"), "b")
        self.assertRaises(ExecutableNotFound, findExecutable, missing, None)

    def test_order(self) -> None:
        """A name is searched in the directories in order."""
        second = self.write("b/x")
        program = self.program("x", "missing", "a", "b")
        self.assertEqual(findExecutable(program, None), second)
        first = self.write("a/x")
        self.assertEqual(findExecutable(program, None), first)

    def test_notExecutable(self) -> None:
        """A file that cannot be executed is skipped."""
        self.write("a/x", 0o644)
        os.makedirs(self.path("b/x"))
        path = self.write("c/x")
        self.assertEqual(findExecutable(self.program("x", "a", "b", "c"), None), path)

    def test_identity(self) -> None:
        """The executable is the first that its user may execute."""
        first, second = self.write("a/x"), self.write("b/x")
        os.chmod(self.path("a"), 0o700)
        program = self.program("x", "a", "b")
        self.assertEqual(findExecutable(program, None), first)
        self.assertEqual(findExecutable(program, STRANGER), second)

    def test_missing(self) -> None:
        """The error about a missing name has all directories (item 46)."""
        program = self.program("x", "a", "b")
        problem = self.assertRaises(ExecutableNotFound, findExecutable, program, None)
        where = f"{self.path('a')}:{self.path('b')}"
        self.assertEqual(str(problem), f"'x' is not in PATH ({where})")

    def test_relative(self) -> None:
        """Relative directories of PATH are skipped."""
        self.write("bin/x")
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.path("bin"))
        program = Program("x", ("", ".", "../bin"), ("x",))
        for credentials in (None, STRANGER):
            self.assertRaises(ExecutableNotFound, findExecutable, program, credentials)

    def test_chroot(self) -> None:
        """The directories of PATH are those of the root directory of the program."""
        if os.getuid():
            raise SkipTest("only root can change the root directory")
        self.write("jail/bin/x")
        program = Program("x", ("/sbin", "/bin"), ("x",))
        jail = self.path("jail")
        self.assertEqual(findExecutable(program, None, jail), "/bin/x")

    def test_absoluteInChroot(self) -> None:
        """In another root, a child process with that root finds a program."""
        if os.getuid():
            raise SkipTest("only root can change the root directory")
        self.write("jail/bin/x")
        jail = self.path("jail")
        program = Program("/bin/x", (), ("x",))
        for credentials in (None, STRANGER):
            self.assertEqual(findExecutable(program, credentials, jail), "/bin/x")
        os.symlink("/bin/x", self.path("jail/bin/y"))
        link = Program("/bin/y", (), ("y",))
        self.assertEqual(findExecutable(link, None, jail), "/bin/y")
        for missing in (Program("/bin/z", (), ("z",)), Program("z", ("/bin",), ("z",))):
            problem = self.assertRaises(
                ExecutableNotFound, findExecutable, missing, None, jail
            )
            self.assertIn(f" in the root '{jail}'", str(problem))

    def test_noChroot(self) -> None:
        """A process that may not change its root directory finds any program."""
        denied = PermissionError(errno.EPERM, "Operation not permitted")
        self.patch(executable, "mayExecute", mock.Mock(side_effect=denied))
        program = Program("/no/such/x", (), ("x",))
        self.assertEqual(findExecutable(program, None, "/jail"), "/no/such/x")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.coldstart}."""

from __future__ import annotations

import errno
import os
import posix
import sys
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm.coldstart import ColdStart, SearchedProgram, WorkingDirectory
from inetdtw.helpers.warm.program import Module, Script
from inetdtw.helpers.warm.test.cases import DirectoryTestCase, ExitedError, exitWith


class ExecutableTests(DirectoryTestCase):
    """Tests for L{SearchedProgram}."""

    def test_executable(self) -> None:
        """The program is the first of the paths that can be executed."""
        one, two = self.directory.child("one"), self.directory.child("two")
        paths = [os.fsencode(each.path) for each in (one, two)]
        self.assertFalse(SearchedProgram(paths).isThere())
        os.chmod(self.write("two", ""), 0o644)
        self.assertFalse(SearchedProgram(paths).isThere())
        two.chmod(0o755)
        executable = SearchedProgram(paths)
        self.assertTrue(executable.isThere())
        one.makedirs()
        self.assertTrue(executable.same())
        one.remove()
        os.chmod(self.write("one", ""), 0o644)
        self.assertTrue(executable.same())
        one.chmod(0o755)
        self.assertFalse(executable.same())
        self.assertTrue(SearchedProgram(paths[1:]).same())
        two.remove()
        self.assertFalse(SearchedProgram(paths[1:]).isThere())

    def test_executed(self) -> None:
        """
        The paths are tried in turn.

        Any other error than a missing file or permission ends the search.
        """
        tried: list[Any] = []
        reasons = {b"a": errno.ENOENT, b"b": errno.ENOTDIR, b"c": errno.EACCES}

        def execve(path: bytes, *arguments: Any) -> None:
            tried.append((path, *arguments))
            raise OSError(reasons.get(path, errno.ENOEXEC), "x")

        self.patch(posix, "execve", execve)
        executable = SearchedProgram([b"a", b"b", b"c", b"d"])
        why = self.assertRaises(OSError, executable.execute, [b"x"], {b"A": b"1"})
        self.assertEqual(why.errno, errno.ENOEXEC)
        self.assertEqual(
            tried, [(path, [b"x"], {b"A": b"1"}) for path in b"a b c d".split()]
        )
        tried.clear()
        why = self.assertRaises(
            OSError, SearchedProgram([b"d", b"a"]).execute, [b"x"], {}
        )
        self.assertEqual((why.errno, len(tried)), (errno.ENOEXEC, 1))


class WorkingDirectoryTests(DirectoryTestCase):
    """Tests for L{WorkingDirectory}."""

    def test_isThere(self) -> None:
        """A directory is there while it can be entered; a file is none."""
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        path = self.directory.child("d")
        path.makedirs()
        directory = WorkingDirectory(path.path)
        self.assertTrue(directory.isThere())
        os.chdir(here)
        path.remove()
        self.assertFalse(directory.isThere())
        self.write("d", "")
        path.chmod(0o755)
        self.assertFalse(directory.isThere())

    def test_moved(self) -> None:
        """A directory is not the same when another is in its place, or none."""
        self.addCleanup(os.chdir, os.getcwd())
        one = self.directory.child("one")
        one.makedirs()
        directory = WorkingDirectory(one.path)
        self.assertEqual(os.getcwd(), one.path)
        self.assertTrue(directory.same() and directory.isThere())
        one.moveTo(self.directory.child("two"))
        self.assertFalse(directory.same() or directory.isThere())
        one.makedirs()
        self.assertFalse(directory.same())
        self.assertTrue(directory.isThere())
        directory.enter()
        self.assertEqual(os.stat("."), os.stat(one.path))
        one.remove()
        self.assertRaises(FileNotFoundError, directory.enter)

    def test_unknownDirectory(self) -> None:
        """A directory without a known path is the current one."""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory.path)
        directory = WorkingDirectory("")
        self.assertEqual(os.getcwd(), self.directory.path)
        os.chdir("/")
        self.assertTrue(directory.same() and directory.isThere())
        directory.enter()
        self.assertEqual(os.getcwd(), self.directory.path)
        self.directory.child("gone").makedirs()
        os.chdir(f"{self.directory.path}/gone")
        os.rmdir(f"{self.directory.path}/gone")
        directory = WorkingDirectory("")
        directory.enter()
        self.assertTrue(directory.same() and directory.isThere())
        self.assertEqual(Script(["script.py"])._path, "script.py")
        self.assertEqual(Module(["-m", "x"]).directory(), "/")

    def test_alreadyThere(self) -> None:
        """A process does not change to the directory in which it is."""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory.path)
        moved: list[str] = []
        self.patch(posix, "chdir", moved.append)
        WorkingDirectory(self.directory.path)
        self.assertEqual(moved, [])


class ColdStartTests(SynchronousTestCase):
    """
    Tests for L{ColdStart}.

    @ivar parts: by their names, the parts of the cold start, which are the same.
    """

    def setUp(self) -> None:
        """Replace all parts."""
        super().setUp()
        self.patch(posix, "_exit", exitWith)
        self.cold = ColdStart(WorkingDirectory(""), [b"/x"], [b"x"])
        self.cold._environment = {b"A": b"1", b"B": b"1"}
        self.assertEqual(self.cold._interpreter.path, sys.executable)
        self.parts: dict[str, Any] = {}
        for name in ("directory", "program", "interpreter", "signals"):
            part = self.parts[name] = mock.Mock(path=sys.executable)
            part.same.return_value = part.isThere.return_value = True
            self.patch(self.cold, f"_{name}", part)

    def test_execute(self) -> None:
        """The program is executed in its directory, with all as it was at the start."""
        self.parts["program"].execute.side_effect = ExitedError
        self.assertRaises(ExitedError, self.cold.execute, {b"B": b"2"})
        self.parts["signals"].restore.assert_called_once_with()
        self.parts["directory"].enter.assert_called_once_with()
        environment = {b"A": b"1", b"B": b"2"}
        self.parts["program"].execute.assert_called_once_with([b"x"], environment)

    def test_cannotExecute(self) -> None:
        """The process exits with 127 if the program cannot be executed there."""
        for method in (self.parts["program"].execute, self.parts["directory"].enter):
            method.side_effect = FileNotFoundError
            gone = self.assertRaises(ExitedError, self.cold.execute, {})
            self.assertEqual(gone.args, (127,))

    def test_same(self) -> None:
        """A cold start is the same while its directory, program and interpreter are."""
        self.assertTrue(self.cold.same())
        for name in ("directory", "program", "interpreter"):
            same = self.parts[name].same
            same.return_value = False
            for part in self.parts.values():
                part.same.reset_mock()
            self.assertFalse(self.cold.same())
            # A recently modified file is looked at until its mtime is old.
            for each in ("directory", "program", "interpreter"):
                self.parts[each].same.assert_called_once_with()
            same.return_value = True

    def test_possible(self) -> None:
        """A cold start is possible while its directory and files exist."""
        self.assertTrue(self.cold.isPossible())
        for name in ("directory", "program"):
            self.parts[name].isThere.return_value = False
            self.assertFalse(self.cold.isPossible())
            self.parts[name].isThere.return_value = True
        for path, possible in (("", True), ("/none/python", False)):
            self.parts["interpreter"].path = path
            self.assertIs(self.cold.isPossible(), possible)

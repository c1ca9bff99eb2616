# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.system.directory}."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from typing import Any, Callable

from inetdtw.system import directory
from inetdtw.system.directory import around, identityOf, opened
from inetdtw.test.fakes import ServingTestCase, openDescriptors, openedSince

#: A user who is not trusted.
OTHER = 65533


class DirectoryTestCase(ServingTestCase):
    """A test of L{directory}."""

    def setUp(self) -> None:
        """Make a directory that other users can write, and a file in it."""
        super().setUp()
        # No other user can make its path lead elsewhere.
        self.directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.directory)
        os.chmod(self.directory, 0o777)
        self.path = os.path.join(self.directory, "file")
        self.write(self.path, "stale")

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        with open(path, "w") as file:
            file.write(text)

    def read(self, path: str) -> str:
        """Return the content of a file."""
        with open(path) as file:
            return file.read()


class RemoveTests(DirectoryTestCase):
    """Tests for L{OpenDirectory.remove<directory.OpenDirectory.remove>}."""

    def remove(self, identity: tuple[int, int] | None = None) -> None:
        """Remove the file; no descriptor is left."""
        before = openDescriptors()
        try:
            with around(self.path) as (opened, name):
                opened.remove(name, identity or identityOf(os.lstat(self.path)))
        finally:
            self.assertEqual(openedSince(before), {})

    def exchanging(self, name: str, act: Callable[[], object]) -> None:
        """Call a function just before the first call of a system call."""
        call, todo = getattr(os, name), [act]

        def exchanged(*given: Any, **named: Any) -> Any:
            if todo:
                todo.pop()()
            return call(*given, **named)

        self.patch(os, name, exchanged)

    def precious(self) -> None:
        """Put another file in the place of the file."""
        os.rename(self.path, f"{self.path}.stale")
        self.write(self.path, "precious")

    def test_remove(self) -> None:
        """A file, a link and an empty directory are removed from any directory."""
        for mode in (0o700, 0o777, 0o1777):
            os.chmod(self.directory, mode)
            self.write(self.path, "stale")
            self.remove()
            self.assertEqual(os.listdir(self.directory), [])
            os.symlink("nowhere", self.path)
            self.remove()
            self.assertEqual(os.listdir(self.directory), [])
            os.mkdir(self.path)
            self.remove()
            self.assertEqual(os.listdir(self.directory), [])

    def test_another(self) -> None:
        """A file with another identity is not removed."""
        identity = identityOf(os.lstat(self.path))
        self.precious()
        self.assertRaises(FileExistsError, self.remove, identity)
        self.assertEqual(self.read(self.path), "precious")

    def test_exchanged(self) -> None:
        """A file, link or directory that replaced the file is not removed."""

        def linked() -> None:
            self.precious()
            os.rename(self.path, f"{self.path}.precious")
            os.symlink("file.precious", self.path)

        def moved() -> None:
            os.rename(self.path, f"{self.path}.stale")
            os.mkdir(self.path)
            self.write(f"{self.path}/inner", "")

        for act in (self.precious, linked):
            self.exchanging("rename", act)
            self.assertRaises(FileExistsError, self.remove)
            self.assertEqual(self.read(self.path), "precious")
            os.rename(f"{self.path}.stale", self.path)
        self.exchanging("rename", moved)
        self.assertRaises(FileExistsError, self.remove)
        self.assertEqual(os.listdir(self.path), ["inner"])
        self.assertFalse([e for e in os.listdir(self.directory) if e.startswith(".")])

    def test_taken(self) -> None:
        """If a file cannot be moved back, the error has its new path."""
        self.exchanging("rename", self.precious)
        self.exchanging("link", lambda: self.write(self.path, "third"))
        why = self.assertRaises(FileExistsError, self.remove)
        where = str(why.strerror).split("'")[1]
        self.assertEqual(self.read(os.path.join(self.directory, where)), "precious")
        self.assertEqual(self.read(self.path), "third")

    def test_private(self) -> None:
        """A private directory that other users can change is not used."""

        def opens(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if str(path).startswith(".inetd-"):
                os.chmod(os.path.join(self.directory, str(path)), 0o770)
            return call(path, flags, *more, **named)

        call = os.open
        self.patch(os, "open", opens)
        self.assertRaises(FileExistsError, self.remove)
        self.assertEqual(os.listdir(self.directory), ["file"])

    def test_missing(self) -> None:
        """Removing a missing file does nothing."""
        os.unlink(self.path)
        with around(self.path) as (opened, name):
            self.assertRaises(FileNotFoundError, opened.remove, name, (0, 0))


class OpenedTests(DirectoryTestCase):
    """Tests for L{opened}."""

    def fixed(self, path: str) -> bool:
        """Return whether only trusted users control where a path leads."""
        with opened(path) as found:
            about = os.fstat(found.fd)
            self.assertEqual(identityOf(about), identityOf(os.stat(path)))
            return found.fixed

    def test_fixed(self) -> None:
        """A path is not fixed if another user can write to a directory in it."""
        inner = os.path.join(self.directory, "a", "b")
        os.makedirs(inner)
        self.assertTrue(self.fixed(self.directory))
        self.assertTrue(self.fixed("/"))
        self.assertFalse(self.fixed(inner))
        os.chmod(self.directory, 0o1777)
        self.assertTrue(self.fixed(inner))
        with opened(inner) as found:
            self.assertEqual(found.entry("x"), f"{inner}/x")

    def test_entry(self) -> None:
        """An entry is one of the open directory, also after a move."""
        inner = os.path.join(self.directory, "a")
        os.mkdir(inner)
        with opened(inner) as found:
            os.rename(inner, f"{inner}.old")
            if os.path.isdir(directory.DESCRIPTORS):
                self.write(found.entry("x"), "")
                self.assertEqual(os.listdir(f"{inner}.old"), ["x"])
            self.patch(directory, "DESCRIPTORS", "/nowhere")
            self.assertEqual(found.entry("x"), f"{inner}/x")

    def test_relative(self) -> None:
        """A path can be relative."""
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        os.mkdir("a")
        for path in ("", ".", "a", "./a/", "a/../a"):
            with opened(path) as found:
                about = os.stat(path or ".")
                self.assertEqual(identityOf(os.fstat(found.fd)), identityOf(about))

    def test_links(self) -> None:
        """Links of this user are followed, up to a maximum number."""
        inner = os.path.join(self.directory, "a")
        os.mkdir(inner)
        os.symlink("a", f"{inner}.relative")
        os.symlink(f"{inner}.relative", f"{inner}.absolute")
        os.symlink("a.loop", f"{inner}.loop")
        self.fixed(f"{inner}.relative")
        self.fixed(f"{inner}.absolute")
        before = openDescriptors()
        why = self.assertRaises(OSError, opened(f"{inner}.loop").__enter__)
        self.assertIn("symbolic links", str(why.strerror))
        self.assertRaises(NotADirectoryError, opened(self.path).__enter__)
        self.assertEqual(openedSince(before), {})

    def test_manyLinks(self) -> None:
        """The maximum number of links is the system's."""
        last = os.path.join(self.directory, "0")
        os.mkdir(last)
        for number in range(1, 42):
            path = os.path.join(self.directory, str(number))
            os.symlink(last, path)
            last = path
        os.stat(os.path.join(self.directory, "40"))
        self.fixed(os.path.join(self.directory, "40"))
        self.assertRaises(OSError, os.stat, last)
        self.assertRaises(OSError, opened(last).__enter__)

    def test_othersLink(self) -> None:
        """A link of another user is not followed."""
        if os.geteuid() != 0:
            self.skipTest("only root can give it away")
        link = os.path.join(self.directory, "link")
        os.symlink("/", link)
        os.lchown(link, OTHER, OTHER)
        why = self.assertRaises(PermissionError, opened(f"{link}/etc").__enter__)
        reason = f"'link' in its path is a symbolic link of user {OTHER}"
        self.assertEqual(why.strerror, reason)


class ReplaceableTests(DirectoryTestCase):
    """Tests for L{directory.replaceable}."""

    def test_owners(self) -> None:
        """Another user can replace entries of its own directory."""
        if os.geteuid() != 0:
            self.skipTest("only root can give it away")
        for owner, mode, entry, expected in (
            (0, 0o755, OTHER, False),
            (OTHER, 0o755, 0, True),
            (OTHER, 0o1777, 0, True),
            (0, 0o775, 0, True),
            (0, 0o1777, 0, False),
            (0, 0o1777, OTHER, True),
        ):
            os.chown(self.directory, owner, -1)
            os.chmod(self.directory, mode)
            os.chown(self.path, entry, -1)
            found = directory.replaceable(os.stat(self.directory), os.stat(self.path))
            self.assertEqual(found, expected, (owner, stat.filemode(mode), entry))

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.files}."""

from __future__ import annotations

import os
import time

from inetdtw.helpers.warm.files import (
    ScriptPath,
    Snapshot,
    WatchedFile,
    identity,
    isRecent,
    readLink,
    stamp,
)
from inetdtw.helpers.warm.test.cases import DirectoryTestCase


class FileTests(DirectoryTestCase):
    """Tests for L{WatchedFile} and L{ScriptPath}."""

    def test_watched(self) -> None:
        """A file is not the same when it was replaced, removed or written to."""
        path = self.write("a", "1")
        watched = WatchedFile(path)
        # What was changed just now may change again within the same tick.
        watched._recent = False
        self.assertTrue(watched.same())
        for change in (
            lambda: self.write("a", "22"),
            lambda: os.replace(self.write("b", "22"), path),
            lambda: os.chmod(path, 0o600),
            lambda: os.remove(path),
            lambda: self.write("a", "1"),
        ):
            change()
            self.assertFalse(watched.same())
            watched.note()
            watched._recent = False
            self.assertTrue(watched.same())

    def test_recent(self) -> None:
        """A recently modified file is not the same, until its mtime is old."""
        path = self.write("a", "1")
        watched = WatchedFile(path)
        self.assertFalse(watched.same())
        self.patch(time, "time", lambda: 1e12)
        self.assertEqual([watched.same(), watched.same()], [False, True])
        watched.note()
        self.assertTrue(watched.same())

    def test_snapshot(self) -> None:
        """Files, directories and links are compared together."""
        file, link = self.write("a", "1"), f"{self.directory.path}/link"
        changes = (
            lambda: self.write("a", "22"),
            lambda: os.symlink("b", link),
            lambda: self.write("b", "1"),
            lambda: self.directory.moveTo(self.directory.sibling("moved")),
        )
        for change, same in zip(changes, (False, False, True, False)):
            snapshot = Snapshot()
            snapshot.add(stamp, file)
            snapshot.add(identity, self.directory.path)
            snapshot.add(readLink, link)
            # What was changed just now may change again within the same tick.
            self.assertFalse(snapshot.same())
            snapshot.certain = True
            self.assertTrue(snapshot.same())
            change()
            self.assertIs(snapshot.same(), same)
        self.patch(time, "time", lambda: 1e12)
        snapshot = Snapshot()
        snapshot.add(stamp, file)
        self.assertTrue(snapshot.same())

    def test_oddPaths(self) -> None:
        """A path that no file can have does not exist."""
        for path in ("a\0b", "x" * 5000):
            self.assertIsNone(stamp(path))

    def test_scriptPath(self) -> None:
        """The directory of a script is found behind all symbolic links."""
        directory = self.directory.path
        os.mkdir(f"{directory}/one")
        os.symlink("one", f"{directory}/link")
        self.write("one/script", "")
        os.symlink("../one/script", f"{directory}/one/absolute")
        os.symlink(f"{directory}/link/absolute", f"{directory}/far")
        for path in ("one/script", "link/script", "far", "one/../link/./absolute"):
            self.assertEqual(
                ScriptPath(f"{directory}/{path}").directory, f"{directory}/one"
            )
        self.assertEqual(ScriptPath("/script").directory, "/")
        os.symlink("loop", f"{directory}/loop")
        self.assertTrue(ScriptPath(f"{directory}/loop").same())
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(directory)
        self.assertEqual(ScriptPath("script").directory, directory)

    def test_moved(self) -> None:
        """A path is not the same when it leads elsewhere, or to a new directory."""
        directory = self.directory.path
        for name in ("one", "two"):
            os.mkdir(f"{directory}/{name}")
            self.write(f"{name}/script", "")
        os.symlink("one", f"{directory}/link")
        os.symlink("link/script", f"{directory}/script")

        def link() -> None:
            os.symlink("two", f"{directory}/new")
            os.replace(f"{directory}/new", f"{directory}/link")

        def plain() -> None:
            os.remove(f"{directory}/link")
            os.mkdir(f"{directory}/link")
            self.write("link/script", "")

        def moved() -> None:
            os.rename(f"{directory}/link", f"{directory}/old")
            os.mkdir(f"{directory}/link")

        for change in (link, plain, moved):
            found = ScriptPath(f"{directory}/script")
            self.assertTrue(found.same())
            change()
            self.assertFalse(found.same())

    def test_isRecent(self) -> None:
        """
        A file is recent for a tenth of a second after its mtime and its ctime.

        A file that does not exist is not recent.
        """
        billion = 10**9
        self.patch(time, "time", lambda: 1e9 + 0.05)
        for written, changed, young in (
            (billion * billion, 0, True),
            (0, billion * billion, True),
            (billion * billion - billion // 10, 0, False),
        ):
            self.assertIs(isRecent((1, 2, 3, 4, written, changed)), young)
        self.assertFalse(isRecent(None))

    def test_manyLinks(self) -> None:
        """As many links are followed as the kernel follows."""
        directory = self.directory.path
        os.mkdir(f"{directory}/end")
        self.write("end/script", "")
        target = "end/script"
        for number in range(40):
            os.symlink(target, f"{directory}/{number}")
            target = str(number)
        os.stat(f"{directory}/39")
        self.assertEqual(ScriptPath(f"{directory}/39").directory, f"{directory}/end")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.preload}."""

from __future__ import annotations

import _imp
import os
import sys

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm import files, preload
from inetdtw.helpers.warm.library import StandardLibrary
from inetdtw.helpers.warm.preload import PathEntry, Preloaded, listNames, mayProvide
from inetdtw.helpers.warm.program import CommandString, Module, Script
from inetdtw.helpers.warm.test.cases import DirectoryTestCase


class WantedTests(SynchronousTestCase):
    """Tests for L{Preloaded.wanted}."""

    def test_wanted(self) -> None:
        """
        The modules are those that are asked for, or that the script imports.

        By default they are the shared ones of these.
        """
        self.patch(CommandString, "needs", ())
        code = CommandString(["-c", "import json, logging, mine"])
        code.refresh()
        for asked, names in {
            "": ["json"],
            "-": [],
            "auto": ["json", "logging", "mine"],
            "a,b.c": ["a", "b.c"],
        }.items():
            preloaded = Preloaded(code, asked, StandardLibrary())
            self.assertEqual([name for name, _ in preloaded.wanted()], names)
        self.patch(CommandString, "needs", ("linecache",))
        preloaded = Preloaded(code, "a", StandardLibrary())
        self.assertEqual([name for name, _ in preloaded.wanted()], ["linecache", "a"])
        preloaded = Preloaded(Module(["-m", "x"]), "a", StandardLibrary())
        self.assertEqual([name for name, _ in preloaded.wanted()], ["runpy", "a"])


class PreloadedTests(DirectoryTestCase):
    """Tests for L{Preloaded} and L{PathEntry}."""

    def setUp(self) -> None:
        """Write a script that imports an own and a standard module."""
        super().setUp()
        self.patch(files, "GRANULARITY", -1e9)
        self.patch(preload, "GRANULARITY", -1e9)
        self.patch(sys, "dont_write_bytecode", True)
        self.addCleanup(sys.modules.pop, "warmown", None)
        self.addCleanup(sys.modules.pop, "sched", None)
        sys.modules.pop("sched", None)
        self.other = self.directory.child("other")
        self.other.makedirs()
        self.write("other/warmown.py", "X = 1\n")
        self.script = self.write("s.py", "import sched, warmown\n")

    def load(self, asked: str) -> Preloaded:
        """Preload modules."""
        script = Script([self.script])
        script.refresh()
        preloaded = Preloaded(script, asked, StandardLibrary())
        preloaded.path = [self.other.path, *sys.path]
        before = list(sys.path)
        preloaded.load(True)
        self.assertEqual(sys.path, before)
        return preloaded

    def test_mayProvide(self) -> None:
        """
        A name can be a module if its stem and suffix are right.

        An archive can have any module.
        """
        suffix = _imp.extension_suffixes()[0]
        names = ("a", "a.py", "a.pyc", f"a{suffix}", "b.py", "a.txt", "a.b.py", "/1")
        found = [name for name in names if mayProvide(name, {"a"})]
        self.assertEqual(found, ["a", "a.py", "a.pyc", f"a{suffix}", "/1"])

    def test_listNames(self) -> None:
        """A directory has names, an archive one that changes with it."""
        self.assertEqual(listNames(self.other.path), {"warmown.py"})
        self.assertEqual(listNames(f"{self.directory.path}/none"), frozenset())
        before = listNames(self.script)
        self.assertEqual([each[0] for each in before], ["/"])
        self.assertEqual(listNames(self.script), before)
        self.write("s.py", "import sched, warmown, os\n")
        self.assertNotEqual(listNames(self.script), before)

    def test_pathEntry(self) -> None:
        """An entry has changed when files that can be the modules have."""
        entry = PathEntry(self.other.path)
        entry.watch({"warmown", "sched"})
        self.assertEqual(entry.found, {"warmown.py"})
        self.write("other/else.py", "")
        self.assertEqual([entry.changed(), entry.changed()], [False, False])
        self.write("other/sched.py", "")
        self.assertTrue(entry.changed())
        os.remove(f"{self.other.path}/sched.py")
        self.assertFalse(entry.changed())

    def test_own(self) -> None:
        """
        A module of the script's own is imported from the script's path.

        That has the script's directory then.  When the module changes, all is stale for
        good.
        """
        preloaded = self.load("warmown")
        self.assertIn("warmown", sys.modules)
        self.assertNotIn("sched", sys.modules)
        self.assertTrue(preloaded.hasDirectory)
        self.assertEqual(preloaded.path[:2], [self.directory.path, self.other.path])
        self.assertEqual([preloaded.stale(), preloaded.stale()], [False, False])
        path = f"{self.other.path}/warmown.py"
        os.rename(path, f"{path}.old")
        self.assertTrue(preloaded.stale())
        os.rename(f"{path}.old", path)
        self.assertTrue(preloaded.stale())

    def test_before(self) -> None:
        """The modules are stale when another comes before one of them in the path."""
        preloaded = self.load("auto")
        self.assertIn("sched", sys.modules)
        self.write("else.py", "")
        self.assertFalse(preloaded.stale())
        self.write("warmown.py", "")
        self.assertTrue(preloaded.stale())

    def test_meanwhile(self) -> None:
        """The modules are stale if one was modified while it was imported."""
        self.patch(preload, "GRANULARITY", 100.0)
        self.assertTrue(self.load("warmown").stale())

    def test_shared(self) -> None:
        """
        Shared modules come from the standard library and leave the path alone.

        They are stale when one of their names comes before them.
        """
        preloaded = self.load("")
        self.assertIn("sched", sys.modules)
        self.assertNotIn("warmown", sys.modules)
        self.assertFalse(preloaded.hasDirectory)
        self.assertEqual(preloaded.path[0], self.other.path)
        self.assertFalse(preloaded.stale())
        self.write("other/sched.py", "")
        self.assertTrue(preloaded.stale())

    def test_notShared(self) -> None:
        """
        No module is shared if one of the names comes before it already.

        Then nothing is ever stale.
        """
        self.write("other/sched.py", "")
        preloaded = self.load("")
        self.assertNotIn("sched", sys.modules)
        self.write("other/sched.pyc", "")
        self.assertFalse(preloaded.stale())

    def package(self) -> None:
        """Write a package with a module."""
        self.addCleanup(sys.modules.pop, "warmpack", None)
        self.addCleanup(sys.modules.pop, "warmpack.part", None)
        os.mkdir(f"{self.other.path}/warmpack")
        for name in ("__init__", "part", "__main__"):
            self.write(f"other/warmpack/{name}.py", "import sched\n")

    def test_package(self) -> None:
        """Files in a package matter only if they can be a module that was imported."""
        self.package()
        preloaded = self.load("warmpack.part")
        self.assertFalse(preloaded.stale())
        self.write("other/warmpack/else.py", "")
        self.assertFalse(preloaded.stale())
        os.mkdir(f"{self.other.path}/warmpack/part")
        self.assertTrue(preloaded.stale())

    def test_meanwhileShadowed(self) -> None:
        """The modules are stale if another came before one while it was imported."""
        made = f"{self.directory.path}/warmown.py"
        self.write("other/warmown.py", f"open({made!r}, 'w').close()\n")
        self.assertTrue(self.load("warmown").stale())

    def test_moved(self) -> None:
        """
        The modules are stale if the script's directory is another.

        They are not if nothing depends on it.
        """
        for asked, stale in (("warmown", True), ("", True), ("-", False)):
            sys.modules.pop("warmown", None)
            sys.modules.pop("sched", None)
            preloaded = self.load(asked)
            self.assertFalse(preloaded.stale())
            self.patch(preloaded._program, "directory", lambda: "/elsewhere")
            self.assertEqual(preloaded.stale(), stale, asked)

    def test_otherPath(self) -> None:
        """A directory that a module adds to the path is watched as well."""
        added = f"{self.directory.path}/added"
        os.mkdir(added)
        text = f"import sys\nsys.path.insert(0, {added!r})\n"
        self.write("other/warmown.py", text)
        preloaded = self.load("warmown")
        self.assertEqual(preloaded.path[0], added)
        self.assertFalse(preloaded.stale())
        self.write("added/warmown.py", "")
        self.assertTrue(preloaded.stale())

    def test_otherModules(self) -> None:
        """The modules have changed when the script imports others."""
        preloaded = self.load("auto")
        self.assertFalse(preloaded.changed())
        preloaded._program.imports = [("sched", ())]
        self.assertTrue(preloaded.changed())

    def test_noDirectory(self) -> None:
        """The path has no directory that the interpreter does not put there."""
        script = Script([self.script])
        script.refresh()
        preloaded = Preloaded(script, "warmown", StandardLibrary())
        preloaded.path = [self.other.path, *sys.path]
        preloaded.load(False)
        self.assertIn("warmown", sys.modules)
        self.assertFalse(preloaded.hasDirectory)
        self.assertEqual(preloaded.path[0], self.other.path)
        self.patch(script, "directory", lambda: "/elsewhere")
        self.assertFalse(preloaded.stale())

    def test_find(self) -> None:
        """
        The imports of a module are found in the script's path if asked for.

        An error is logged.
        """
        self.package()
        logged: list[str] = []
        self.patch(preload, "log", logged.append)
        for name, asked, found in (
            ("warmpack", "auto", True),
            ("warmpack", "runpy", False),
            ("warmnone.x", "auto", False),
        ):
            sys.modules.pop("sched", None)
            module = Module(["-m", name])
            self.patch(module, "directory", lambda: self.other.path)
            preloaded = Preloaded(module, asked, StandardLibrary())
            preloaded.path = list(sys.path)
            preloaded.load(True)
            self.assertEqual("sched" in sys.modules, found, name)
        self.assertEqual(len(logged), 1)
        self.assertIn("preload: ModuleNotFoundError: ", logged[0])
        self.load("auto")
        self.assertEqual(len(logged), 1)

    def test_fails(self) -> None:
        """A module that cannot be imported leaves nothing behind but a log line."""
        logged: list[str] = []
        self.patch(preload, "log", logged.append)
        self.write("other/warmown.py", "import sched\nraise ValueError('x')\n")
        self.load("warmown")
        self.assertNotIn("warmown", sys.modules)
        self.assertNotIn("sched", sys.modules)
        self.assertEqual(logged, ["preload: warmown: ValueError: x"])

    def test_spoil(self) -> None:
        """The modules are stale after L{Preloaded.spoil}."""
        preloaded = self.load("-")
        self.assertFalse(preloaded.stale())
        preloaded.spoil()
        self.assertTrue(preloaded.stale())

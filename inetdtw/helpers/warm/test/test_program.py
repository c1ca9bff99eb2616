# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.program}."""

from __future__ import annotations

import builtins
import os
import sys
import time
import warnings
from typing import Any
from unittest import mock

from inetdtw.helpers.warm import program
from inetdtw.helpers.warm.program import (
    CommandString,
    Module,
    Script,
    compiled,
    freshMain,
    importsOf,
)
from inetdtw.helpers.warm.test.cases import DirectoryTestCase


class ProgramTests(DirectoryTestCase):
    """Tests for the forms of programs."""

    def test_imports(self) -> None:
        """The imports of a script are those at its top level."""
        text = (
            "from __future__ import annotations\nimport a, b.c\nfrom d import e, f\n"
            "from g import *\nfrom . import h\nif 1: import i\ndef j(): import k\n"
        )
        found = list(importsOf(text, "x"))
        wanted = [("a", ()), ("b.c", ()), ("d", ("e", "f")), ("g", ())]
        self.assertEqual(found, wanted)

    def test_script(self) -> None:
        """
        A script is compiled once, and again when it has changed.

        An error is its problem until it is mended.
        """
        self.patch(time, "time", lambda: 1e12)
        path = self.write("s.py", "import json\n")
        script = Script([path, "a"])
        self.assertEqual(script.argv, [path, "a"])
        self.assertEqual([script.refresh(), script.refresh()], [True, False])
        self.assertEqual((script.problem, script.imports), ("", [("json", ())]))
        for text in ("def\n", "# coding: nope\n", "\0\n", "'" * 3):
            self.write("s.py", text)
            self.assertEqual([script.refresh(), script.refresh()], [True, False])
            self.assertNotEqual(script.problem, "", text)
        os.remove(path)
        self.assertTrue(script.refresh())
        self.assertIn("FileNotFoundError", script.problem)
        self.write("s.py", "x = 1\n")
        self.assertTrue(script.refresh())
        self.assertEqual((script.problem, script.imports), ("", []))

    def test_compiled(self) -> None:
        """A script that is compiled already is left to the interpreter."""
        script = Script([self.write("s.pyc", "")])
        script.refresh()
        self.assertIn("compiled already", script.problem)

    def test_warnings(self) -> None:
        """The warnings of the compiler are kept for the clients."""
        text = "x = 1 is 1\n"
        # trial collects warnings in a way of its own.
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            self.patch(warnings, "showwarning", _shown)
            self.assertIn("SyntaxWarning", compiled(text, "x")[1])

    def test_command(self) -> None:
        """The code of -c is compiled once."""
        code = CommandString(["-c", "import json", "a"])
        self.assertEqual(code.argv, ["-c", "a"])
        self.assertEqual([code.refresh(), code.refresh()], [True, False])
        self.assertEqual((code.imports, code.directory()), ([("json", ())], ""))
        bad = CommandString(["-c", "def"])
        self.assertEqual([bad.refresh(), bad.refresh()], [True, False])
        self.assertIn("SyntaxError", bad.problem)

    def test_module(self) -> None:
        """A module is not searched for, unless its imports are wanted."""
        module = Module(["-m", "json.tool", "a"])
        self.assertEqual(module.argv, ["-m", "a"])
        self.assertEqual([module.refresh(), module.refresh()], [True, False])
        self.assertEqual(module.imports, [])
        module.findImports()
        self.assertIn(("argparse", ()), module.imports)


class EnterTests(DirectoryTestCase):
    """Tests for what a program finds when it begins."""

    def setUp(self) -> None:
        """Keep the main module of this process."""
        super().setUp()
        self.patch(sys, "modules", dict(sys.modules))
        self.patch(sys, "path_importer_cache", {})
        self.patch(time, "time", lambda: 1e12)

    def test_script(self) -> None:
        """A script has its name, its loader and the builtins, and nothing else."""
        path = self.write("s.py", "x = __name__\n")
        script = Script([path])
        script.refresh()
        script.prepare()
        call, (code, names) = script.enter()
        self.assertEqual(sys.path_importer_cache, {path: None})
        self.assertIs(vars(sys.modules["__main__"]), names)
        call(code, names)
        self.assertEqual((names["x"], names["__file__"]), ("__main__", path))
        self.assertIn("__cached__", names)
        self.assertEqual(names["__loader__"].path, path)
        script.left()
        self.assertNotIn("__file__", names)
        self.assertNotIn("__cached__", names)

    def test_left(self) -> None:
        """__cached__ is removed from 3.8 on, and __file__ in any version."""
        script = Script(["/x.py"])
        for number, left in (((3, 7, 9), True), ((3, 8, 0), False)):
            main = type(sys)("__main__")
            vars(main).update(__file__="x", __cached__=None)
            sys.modules["__main__"] = main
            self.patch(program, "VERSION", number)
            script.left()
            self.assertFalse(hasattr(main, "__file__"))
            self.assertEqual(hasattr(main, "__cached__"), left)
        del sys.modules["__main__"]
        script.left()

    def test_name(self) -> None:
        """__file__ of a script is absolute from 3.9 on."""
        for number, name in (
            ((3, 8, 9), "s.py"),
            ((3, 9, 0), f"{os.getcwd()}/s.py"),
        ):
            self.patch(program, "VERSION", number)
            self.assertEqual(Script(["s.py"])._name, name)

    def test_main(self) -> None:
        """
        The main module has annotations before 3.14.

        It replaces that of multiprocessing if that was the one before.
        """
        for number, has in (((3, 13, 9), True), ((3, 14, 0), False)):
            self.patch(program, "VERSION", number)
            before = sys.modules["__main__"]
            sys.modules["__mp_main__"] = before
            names = freshMain("loader")
            main = sys.modules["__main__"]
            self.assertIs(names, vars(main))
            self.assertIsNot(main, before)
            self.assertIs(sys.modules["__mp_main__"], main)
            self.assertEqual(names.get("__annotations__", 1) == {}, has)
            self.assertEqual(names["__loader__"], "loader")
            self.assertIs(names["__builtins__"], builtins)
        other: Any = type(sys)("other")
        sys.modules["__mp_main__"] = other
        freshMain("loader")
        self.assertIs(sys.modules["__mp_main__"], other)
        del sys.modules["__mp_main__"]
        freshMain("loader")
        self.assertNotIn("__mp_main__", sys.modules)

    def test_coding(self) -> None:
        """A coding line in the code of -c counts before 3.10."""
        for number, wanted in (((3, 9, 9), "Ã¤"), ((3, 10, 0), "ä")):
            self.patch(program, "VERSION", number)
            command = CommandString(["-c", "# coding: latin-1\nx = 'ä'"])
            command.refresh()
            command.prepare()
            call, (code, names) = command.enter()
            call(code, names)
            self.assertEqual(names["x"], wanted)

    def test_module(self) -> None:
        """A module is run by runpy, with a main module of its own."""
        before = sys.modules["__main__"]
        module = Module(["-m", "json.tool"])
        self.assertEqual(module.directory(), os.getcwd())
        module.prepare()
        call, arguments = module.enter()
        self.assertEqual(call.__name__, "_run_module_as_main")
        self.assertEqual(arguments, ("json.tool", True))
        self.assertIsNot(sys.modules["__main__"], before)

    def test_packages(self) -> None:
        """The imports of a package are those of its main module."""
        os.mkdir(f"{self.directory.path}/warmpack")
        self.write("warmpack/__init__.py", "import json\n")
        self.write("warmpack/__main__.py", "import sched\n")
        self.patch(sys, "path", [self.directory.path, *sys.path])
        self.patch(sys, "dont_write_bytecode", True)
        module = Module(["-m", "warmpack"])
        module.findImports()
        self.assertEqual(module.imports, [("sched", ())])
        module = Module(["-m", "warmpack.none"])
        self.assertRaises(ModuleNotFoundError, module.findImports)

    def test_compiled(self) -> None:
        """The compiler leaves no modules behind, and standard error is restored."""
        before, modules = sys.stderr, set(sys.modules)

        def noisy(*arguments: Any) -> None:
            sys.modules["warmadded"] = sys
            sys.stderr.write("odd")
            raise SyntaxError("x")

        with mock.patch.object(program, "compile", noisy, create=True):
            self.assertRaises(SyntaxError, compiled, "x", "x")
        self.assertIs(sys.stderr, before)
        self.assertEqual(set(sys.modules), modules)


def _shown(message: Any, category: Any, *rest: Any) -> None:
    """Print a warning."""
    sys.stderr.write(f"{category.__name__}: {message}\n")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.python}."""

from __future__ import annotations

import os

from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.python import Unfit, divided, interpretedBy, isPython
from inetdtw.model.service import Program, WarmSpec

#: What an interpreter can be kept for, by its arguments: how many of these are
#: options, and what form follows.
FIT: dict[str, tuple[int, str]] = {
    "s.py a": (0, ""),
    "-u s.py": (1, ""),
    "-uIOEsSBbP s.py": (1, ""),
    "-OO -bb s.py -x": (2, ""),
    "-W ignore s.py": (2, ""),
    "-Wignore s.py": (1, ""),
    "-X utf8 -uXdev s.py": (3, ""),
    "-uW error s.py": (2, ""),
    "-X import time.py": (2, ""),
    "-c print() a": (0, "-c"),
    "-I -c print()": (1, "-c"),
    "-m module -c": (0, "-m"),
}
#: Those that none can be kept for, and a word of the reason.
UNFIT: dict[str, str] = {
    "": "no script",
    "-u": "no script",
    "-W": "no script",
    "-c": "needs an argument",
    "-m": "needs an argument",
    "-": "'-' is not supported",
    "-i s.py": "'-i' is not supported",
    "-v s.py": "'-v' is not supported",
    "-V": "'-V' is not supported",
    "-h": "'-h' is not supported",
    "-uc print()": "'-uc' is not supported",
    "-x s.py": "'-x' is not supported",
    "-q s.py": "'-q' is not supported",
    "--version": "'--version' is not supported",
    "-- s.py": "'--' is not supported",
    "--check-hash-based-pycs always s.py": "is not supported",
    "-X importtime s.py": "importtime",
    "-Ximporttime=2 s.py": "importtime",
}


def program(*argv: str, name: str = "/usr/bin/python3") -> Program:
    """Return a program."""
    return Program(name, (), argv)


class DividedTests(SynchronousTestCase):
    """Tests for L{divided} and L{isPython}."""

    def test_fit(self) -> None:
        """Supported options precede a script, a module or code."""
        found = {text: divided(text.split()) for text in FIT}
        self.assertEqual(found, FIT)

    def test_unfit(self) -> None:
        """The reason names the option that makes a program unfit."""
        for text, word in UNFIT.items():
            why = self.assertRaises(Unfit, divided, text.split())
            self.assertIn(word, str(why), text)

    def test_names(self) -> None:
        """An interpreter has a name of CPython's, in any directory."""
        for name in ("python", "python3", "python3.7", "/opt/x/bin/python3.13"):
            self.assertTrue(isPython(name), name)
        others = ("python2", "python2.7", "pypy3", "python3.py", "python3-config")
        for name in (*others, "python3.", "ipython3", "", "/usr/bin/python3/x"):
            self.assertFalse(isPython(name), name)


class InterpretedTests(SynchronousTestCase):
    """Tests for L{interpretedBy}."""

    def setUp(self) -> None:
        """Make a directory."""
        self.directory = FilePath(self.mktemp())
        self.directory.makedirs()

    def script(self, first: str) -> str:
        """Return the absolute path of a script with this first line."""
        file = self.directory.child("script")
        file.setContent(first.encode() + b"\nprint()\n")
        return str(file.path)

    def ofScript(self, first: str, *argv: str) -> WarmSpec:
        """Return how to start the interpreter of a script."""
        return interpretedBy(program("name", *argv, name=self.script(first)))

    def test_interpreter(self) -> None:
        """The program is found in an interpreter's own arguments."""
        found = interpretedBy(program("py", "-u", "s.py", "a"), None, "auto")
        self.assertEqual(
            found, WarmSpec("", ("py", "-u"), 0, "", ("s.py", "a"), "auto")
        )

    def test_firstLine(self) -> None:
        """The interpreter is found in the first line of a script of any name."""
        for first, prefix, hidden in (
            ("#!/usr/bin/python3", ("/usr/bin/python3",), 0),
            ("#! /x/python3.9  -uI ", ("/x/python3.9", "-uI"), 0),
            ("#!/usr/bin/env python3", ("/usr/bin/env", "python3"), 1),
            ("#!/bin/env -S python3 -u -I", ("/bin/env", "python3", "-u", "-I"), 1),
            ("#!/bin/env -Spython3", ("/bin/env", "python3"), 1),
        ):
            wanted = WarmSpec(prefix[0], prefix, hidden, "", ("a", "b"))
            self.assertEqual(self.ofScript(first, "a", "b"), wanted)

    def test_noInterpreter(self) -> None:
        """A #! line without a plain Python interpreter is unfit."""
        for first in (
            "print()",
            "#!",
            "#!python3",
            "#!/bin/sh",
            "#!/usr/bin/env",
            "#!/usr/bin/env python3 -u",
            "#!/usr/bin/env -S A=1 python3",
            "#!/usr/bin/env -S 'python3' -u",
            "#!/usr/bin/env /x/python3",
            "#!/usr/bin/env perl",
            "#!/usr/bin/python3 -m",
            "#!/usr/bin/python3 -c",
            "#!/usr/bin/python3 -u -I",
            "#!/usr/bin/env -S python3 -c",
            "\x7fELF",
        ):
            self.assertRaises(Unfit, self.ofScript, first)

    def test_unreadable(self) -> None:
        """A missing script and a relative path are unfit."""
        for name in (f"{self.directory.path}/none", "script"):
            self.assertRaises(Unfit, interpretedBy, program("x", name=name))

    def test_chroot(self) -> None:
        """A path starts from the service's root."""
        if os.geteuid() != 0:
            self.skipTest("only root can change the root directory")
        path = self.script("#!/usr/bin/python3")
        root, name = path.rsplit("/", 1)
        found = interpretedBy(program("x", name=f"/{name}"), root)
        self.assertEqual(found.starter, "/usr/bin/python3")

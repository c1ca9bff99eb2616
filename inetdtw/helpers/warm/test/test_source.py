# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the text that is joined from the parts of L{inetdtw.helpers.warm}."""

from __future__ import annotations

import ast
import os
import posix
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm import LOAD, PARTS, source, textOf


def treeOf(part: str) -> ast.Module:
    """Return the syntax tree of a part."""
    return ast.parse(textOf(part))


def imported(part: str) -> Iterator[tuple[str, str, str]]:
    """Return the names that a part imports from others: the part, and both names."""
    for node in treeOf(part).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("inet"):
            assert node.module is not None
            for each in node.names:
                other = node.module.replace("inetdtw.helpers.", "")
                yield other, each.name, each.asname or each.name


def defined(part: str) -> Iterator[str]:
    """Return the names that a part defines at its top level, but for imports."""
    for node in treeOf(part).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        for each in (
            ast.walk(node) if isinstance(node, (ast.Assign, ast.AnnAssign)) else ()
        ):
            if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
                yield each.id


class SourceTests(SynchronousTestCase):
    """Tests for L{source}."""

    def test_names(self) -> None:
        """No name is defined in two parts, which share one namespace."""
        names = Counter(name for part in PARTS for name in {*defined(part)})
        del names["TYPE_CHECKING"]
        self.assertEqual([name for name, count in names.items() if count > 1], [])

    def test_imports(self) -> None:
        """A part imports from earlier parts only, without giving a name another."""
        for index, part in enumerate(PARTS):
            for other, name, known in imported(part):
                self.assertIn(other, PARTS[:index], part)
                self.assertEqual(name, known, part)

    def test_modules(self) -> None:
        """A part imports nothing else but modules that need no file of the library."""
        for part in PARTS:
            for node in treeOf(part).body:
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [each.name for each in node.names]
                elif isinstance(node, ast.ImportFrom) and isOfPython(node):
                    names = [str(node.module)]
                for name in names:
                    module = sys.modules.get(name) or __import__(name)
                    path = getattr(module, "__file__", None) or "x.so"
                    self.assertTrue(path.endswith(".so"), name)

    def test_lines(self) -> None:
        """The text has the parts' lines, and all of their statements but imports."""
        text = source()
        parts = [textOf(part).splitlines() for part in PARTS]
        wanted = [line for part in parts for line in part]
        self.assertEqual(len(text.splitlines()), len(wanted))
        body = ast.parse(text).body
        kept = [
            ast.dump(node)
            for part in PARTS
            for node in treeOf(part).body
            if not isinstance(node, ast.ImportFrom) or isOfPython(node)
        ]
        found = [ast.dump(node) for node in body]
        (future,) = (each for each in found if "module='__future__'" in each)
        found.remove(future)
        self.assertEqual(found, kept)


def isOfPython(node: ast.ImportFrom) -> bool:
    """Return whether names are imported from a module of the interpreter."""
    return not str(node.module).startswith(("inetdtw.", "__future__"))


class LoadTests(SynchronousTestCase):
    """Tests for C{load}, which L{LOAD} defines."""

    def load(self) -> str:
        """Return what the compiled text has to say, when it is run."""
        text = "def f(): 'a docstring'\nfound = f.__doc__ or 'none'"
        given: dict[str, Any] = {"text": text}
        exec(LOAD, given)
        exec(given["load"](), given)
        return str(given["found"])

    def test_load(self) -> None:
        """A child compiles the text, without docstrings."""
        self.assertEqual(self.load(), "none")

    def test_fails(self) -> None:
        """The process itself compiles the text if there can be no child."""
        before = os.listdir("/proc/self/fd")
        for name in ("fork", "pipe"):
            self.patch(posix, name, mock.Mock(side_effect=OSError))
            self.assertEqual(self.load(), "none")
        self.assertEqual(os.listdir("/proc/self/fd"), before)

    def test_killed(self) -> None:
        """The process itself compiles the text if the child is killed."""
        fork = posix.fork

        def kill() -> int:
            pid = fork()
            if not pid:
                os.kill(os.getpid(), signal.SIGKILL)
            return pid

        self.patch(posix, "fork", kill)
        self.assertEqual(self.load(), "none")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the direction of imports among the subpackages, for sizes and names."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import inetdtw

#: What each part of the package may import, from the bottom up; docs/architecture.rst
#: says what each is for.
MAY_IMPORT: dict[str, str] = {
    "_version": "",
    "text": "",
    "helpers": "",
    "interfaces": "text",
    "model": "helpers interfaces text",
    "log": "interfaces model text",
    "system": "log model text",
    "limits": "interfaces log model system",
    "config": "model system text",
    "internal": "helpers limits log model",
    "launch": "helpers interfaces limits log model system text",
    "serve": "helpers interfaces internal launch limits log model system text",
    "superserver": (
        "_version config interfaces internal launch limits log model serve system text"
    ),
    "control": "log model serve system text",
    "daemon": "log model superserver system text",
}
#: What may import everything: the commands, and what leads to public names.
_ABOVE_ALL = frozenset(("cli", "tap", "__init__", "__main__"))

_ROOT = Path(inetdtw.__file__).parent


def modules() -> dict[str, Path]:
    """Return the paths of all modules but tests, by their names below C{inetdtw}."""
    found = {}
    for path in sorted(_ROOT.rglob("*.py")):
        parts = path.relative_to(_ROOT).with_suffix("").parts
        if "test" not in parts:
            found[".".join(parts)] = path
    return found


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """
    Yield the modules of this package that a module imports, wherever it does.

    @param known: all modules, by name.
    """
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top, _, below = name.partition(".")
            if top == "inetdtw":
                yield from _moduleOf(below, known)


def _moduleOf(name: str, known: dict[str, Path]) -> Iterator[str]:
    """Yield the module that has a name, or is one."""
    for candidate in (name, name.rpartition(".")[0], f"{name}.__init__"):
        if candidate in known:
            yield candidate
            return


def partOf(module: str) -> str:
    """Return the subpackage of a module, or its own name below the package."""
    return module.partition(".")[0]


def against(imports: dict[str, set[str]]) -> list[str]:
    """Return the imports that run against the direction, as C{importer: imported}."""
    wrong = []
    for module, others in imports.items():
        part = partOf(module)
        if part not in _ABOVE_ALL:
            allowed = {part, *MAY_IMPORT[part].split()}
            wrong += [f"{module}: {o}" for o in others if partOf(o) not in allowed]
    return sorted(wrong)


def length(node: Any) -> int:
    """Return how many lines a definition has, without its decorators."""
    return int(node.end_lineno - node.lineno + 1)


def tooLong(path: Path) -> Iterator[str]:
    """Yield a module, and its functions and classes, if they have too many lines."""
    text = path.read_bytes()
    name = str(path.relative_to(_ROOT))
    if text.count(b"\n") > 400:
        yield name
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            most = 300 if isinstance(node, ast.ClassDef) else 40
            if length(node) > most:
                yield f"{name}: {node.name}"


class SizeTests(SynchronousTestCase):
    """Tests for the lengths of modules, classes and functions."""

    def test_lengths(self) -> None:
        """A module or test has at most 400 lines, a class 300 and a function 40."""
        found = [each for path in _ROOT.rglob("*.py") for each in tooLong(path)]
        self.assertEqual(found, [])

    def test_names(self) -> None:
        """No two public classes have the same name."""
        names = Counter(
            node.name
            for path in modules().values()
            for node in ast.parse(path.read_bytes()).body
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
        )
        self.assertEqual([name for name, count in names.items() if count > 1], [])


class LayersTests(SynchronousTestCase):
    """Tests for the imports among the modules of this package."""

    def setUp(self) -> None:
        """Parse the imports of all modules."""
        self.known = modules()
        self.imports = {
            name: set(imported(path, self.known)) for name, path in self.known.items()
        }

    def test_direction(self) -> None:
        """A module imports nothing from a part that is above its own."""
        self.assertEqual(against(self.imports), [])

    def test_order(self) -> None:
        """The parts that a part may import come before it in the table."""
        seen: set[str] = set()
        for part, others in MAY_IMPORT.items():
            self.assertLessEqual(set(others.split()), seen)
            seen.add(part)

    def test_complete(self) -> None:
        """Each part of the package is in the table."""
        parts = set(map(partOf, self.imports))
        self.assertEqual(parts, {*MAY_IMPORT, *_ABOVE_ALL})

    def test_noCycle(self) -> None:
        """No module imports itself by way of others."""
        try:
            tuple(TopologicalSorter(self.imports).static_order())
        except CycleError as why:
            self.fail(" -> ".join(why.args[1]))

    def test_top(self) -> None:
        """At most ten modules are in no subpackage."""
        self.assertLessEqual(
            len([each for each in self.imports if "." not in each]), 10
        )

    def test_seen(self) -> None:
        """An import against the direction is found, and only that."""
        self.assertEqual(
            against({"model.state": {"serve.slot"}}), ["model.state: serve.slot"]
        )
        self.assertEqual(against({"serve.slot": {"model.state"}}), [])
        self.assertIn("model.state", self.imports["superserver"])

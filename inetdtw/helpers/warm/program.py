# -*- test-case-name: inetdtw.helpers.warm.test.test_program -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The programs of an interpreter: a script, C{-c code} or C{-m module}.

A program is compiled before a client connects, and has its C{__main__} then.  A child
that cannot run it (the script is gone, or has a syntax error) leaves it to the
interpreter itself.
"""

from __future__ import annotations

import _io
import builtins
import sys

from inetdtw.helpers.warm.files import (
    ScriptPath,
    Snapshot,
    WatchedFile,
    absolute,
    identity,
    readLink,
    stamp,
)
from inetdtw.helpers.warm.library import VERSION
from inetdtw.helpers.warm.protocol import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Callable

    #: A function for L{BOOT} to call, and its arguments.
    Call = tuple[Callable[..., object], tuple[Any, ...]]
    #: The names of modules, each with the names imported from it.
    Imports = list[tuple[str, tuple[str, ...]]]

_PyCF_ONLY_AST = 0x400
_BUILTIN: Any = sys.modules["_frozen_importlib"].__dict__["BuiltinImporter"]


def importsOf(source: Any, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """
    Find the imports at the top level of a script.

    @return: the names of modules, each with the names imported from it.
    @raise SyntaxError: if it cannot be parsed.
    """
    tree: Any = compile(source, name, "exec", _PyCF_ONLY_AST, True)
    for node in tree.body:
        kind = type(node).__name__
        if kind == "Import":
            for each in node.names:
                yield each.name, ()
        elif kind == "ImportFrom" and not node.level and node.module != "__future__":
            wanted = (each.name for each in node.names if each.name != "*")
            yield node.module, tuple(wanted)


class Script:
    """
    C{python script.py}.

    @ivar argv: C{sys.argv} of the script.
    @ivar problem: why the script has to be left to the interpreter, or empty.
    @ivar imports: its imports at top level.
    @ivar warnings: what the compiler has printed.
    @cvar needs: modules that the interpreter imports itself to run it.
    """

    needs: tuple[str, ...] = ()

    def __init__(self, words: list[str]) -> None:
        """@param words: the script and its arguments."""
        self.argv = words
        # A preloaded module can change the working directory.
        self._path = absolute(words[0])
        # From 3.9 on, __file__ of a script is absolute.
        self._name = self._path if VERSION >= (3, 9) else words[0]
        self._file = self._resolved = None  # type: Any
        external: Any = sys.modules["_frozen_importlib_external"]
        self._loader = external.SourceFileLoader("__main__", self._name)
        self._code: Any = None
        self.warnings = ""
        self._names: dict[str, Any] = {}
        self.problem = ""
        self.imports: Imports = []

    def refresh(self) -> bool:
        """
        Compile the script if it has changed.

        @return: whether it has changed.
        """
        if self._file is None:
            self._file = WatchedFile(self._path)
        elif self._file.same() and self._resolved.same():
            return False
        else:
            self._file.note()
        # If a link leads elsewhere, the script is another file.
        self._resolved = ScriptPath(self._path)
        try:
            self.problem = ""
            self._compile()
        except (Exception, SystemExit) as why:
            self.problem = describe(why)
        return True

    def _compile(self) -> None:
        if self._path.endswith(".pyc"):
            raise ValueError("it is compiled already")
        with _io.open(self._path, "rb") as file:
            source = file.read()
        self._code, self.warnings = compiled(source, self._name)
        self.imports = list(importsOf(source, self._name))

    def directory(self) -> str:
        """Return what the interpreter puts first in C{sys.path}."""
        directory: str = self._resolved.directory
        return directory

    def watch(self, snapshot: Snapshot) -> None:
        """Note the files on which L{refresh} depends."""
        snapshot.add(stamp, self._path)
        snapshot.add(identity, self._resolved.directory)
        snapshot.add(readLink, *[path for path, _ in self._resolved.links])

    def prepare(self) -> None:
        """Make the C{__main__} of the next child."""
        self._names = names = freshMain(self._loader)
        # The interpreter checks whether a script is a directory or an archive.
        sys.path_importer_cache[self._name] = None
        names["__file__"] = self._name
        names["__cached__"] = None

    def enter(self) -> Call:
        """Return the call that runs the script, in a child."""
        # Nothing else refers to the names: they are destroyed with the module.
        names, self._names = self._names, {}
        return exec, (self._code, names)

    def left(self) -> None:
        """Clean C{__main__} when the script has run to its end."""
        names = vars(sys.modules.get("__main__", sys))
        names.pop("__file__", None)
        if VERSION >= (3, 8):
            names.pop("__cached__", None)


class CommandString:
    """C{python -c code}; see L{Script}."""

    problem = ""
    needs = ("linecache",) if VERSION >= (3, 13) else ()

    def __init__(self, words: list[str]) -> None:
        """@param words: C{-c}, the code and its arguments."""
        self._source = words[1] + "\n"
        self.argv = ["-c", *words[2:]]
        self.imports: Imports = []
        self._code: Any = None
        self.warnings = ""
        self._names: dict[str, Any] = {}

    def refresh(self) -> bool:
        """Compile the code once."""
        if self._code is not None or self.problem:
            return False
        try:
            # Before 3.10 a coding line counts, although the code is a string.
            source = self._source.encode() if VERSION < (3, 10) else self._source
            self._code, self.warnings = compiled(source, "<string>")
            self.imports = list(importsOf(source, "<string>"))
        except (Exception, SystemExit) as why:
            self.problem = describe(why)
        return True

    def directory(self) -> str:
        """Return what the interpreter puts first in C{sys.path}."""
        return ""

    def watch(self, snapshot: Snapshot) -> None:
        """Note nothing: it depends on no file."""

    def prepare(self) -> None:
        """Make the C{__main__} of the next child."""
        self._names = freshMain(_BUILTIN)

    def enter(self) -> Call:
        """Register the code in a child, and return the call that runs it."""
        if self.needs:
            lines: Any = __import__("linecache")
            # 3.13.0 knows it by its name only.
            code = self._code if hasattr(lines, "_code_key") else "<string>"
            lines._register_code(code, self._source, "<string>")
        names, self._names = self._names, {}
        return exec, (self._code, names)

    def left(self) -> None:
        """Do nothing: the interpreter cleans up after scripts only."""


class Module:
    """
    C{python -m module}; see L{Script}.

    Each child finds and compiles the module itself, as that runs code of its package.
    """

    problem = warnings = ""
    needs = ("runpy",)

    def __init__(self, words: list[str]) -> None:
        """@param words: C{-m}, the module and its arguments."""
        self._module = words[1]
        self._directory = absolute("")[:-1] or "/"
        self.argv = ["-m", *words[2:]]
        self.imports: Imports = []
        self._fresh = True

    def refresh(self) -> bool:
        """Return whether it was never asked before."""
        fresh, self._fresh = self._fresh, False
        return fresh

    def findImports(self) -> None:
        """
        Find the imports of the module, for which its package is imported.

        @raise Exception: whatever that import raises.
        """
        util: Any = __import__("importlib.util", fromlist=["find_spec"])
        for name in (self._module, f"{self._module}.__main__"):
            spec = util.find_spec(name)
            if spec is not None and not spec.submodule_search_locations:
                source = spec.loader.get_source(name)
                self.imports = list(importsOf(source, name))
                return

    def directory(self) -> str:
        """Return what the interpreter puts first in C{sys.path}."""
        return self._directory

    def watch(self, snapshot: Snapshot) -> None:
        """Note nothing: it depends on no file."""

    def prepare(self) -> None:
        """Make the C{__main__} of the next child."""
        freshMain(_BUILTIN)

    def enter(self) -> Call:
        """Return the call that finds and runs the module."""
        runpy: Any = __import__("runpy")
        return runpy._run_module_as_main, (self._module, True)

    def left(self) -> None:
        """Do nothing: the interpreter cleans up after scripts only."""


FORMS: dict[str, Any] = {"": Script, "-c": CommandString, "-m": Module}


def compiled(source: Any, name: str) -> tuple[Any, str]:
    """
    Compile a program.

    @return: the code, and the warnings of the compiler as it prints them.
    """
    before, sys.stderr = sys.stderr, _io.StringIO()
    modules = set(sys.modules)
    try:
        code = compile(source, name, "exec", 0, True)
        printed: Any = sys.stderr
        return code, printed.getvalue()
    finally:
        sys.stderr = before
        # Printing a warning imports modules, which can be the script's own.
        for added in set(sys.modules) - modules:
            del sys.modules[added]


def freshMain(loader: Any) -> dict[str, Any]:
    """
    Replace C{__main__}.

    @return: the namespace of the new one.
    """
    main, before = type(sys)("__main__"), sys.modules.get("__main__")
    names = vars(main)
    names["__loader__"] = loader
    if VERSION < (3, 14):
        names["__annotations__"] = {}
    names["__builtins__"] = builtins
    sys.modules["__main__"] = main
    if sys.modules.get("__mp_main__", main) is before:
        sys.modules["__mp_main__"] = main
    return names

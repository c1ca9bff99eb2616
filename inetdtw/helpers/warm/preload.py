# -*- test-case-name: inetdtw.helpers.warm.test.test_preload -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Import modules before a client connects, and detect when they become stale."""

from __future__ import annotations

import _imp
import posix
import sys
import time

from inetdtw.helpers.warm.files import (
    GRANULARITY,
    Snapshot,
    WatchedFile,
    absolute,
    stamp,
)
from inetdtw.helpers.warm.library import SHARED, StandardLibrary
from inetdtw.helpers.warm.program import Module
from inetdtw.helpers.warm.protocol import describe, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from typing import Any

    from inetdtw.helpers.warm.program import Imports

#: The suffixes of a module's file; an empty one for a package.
_SUFFIXES = frozenset(("", ".py", ".pyc", *_imp.extension_suffixes()))
#: C{sys.path} of the program; that of this process has the standard library only.
_PATH: list[str] = globals().get("path") or sys.path


def listNames(path: str) -> frozenset[str]:
    """
    Return the names in a directory.

    @return: for an archive, one string that is not a file name and changes with it;
        nothing if it does not exist.
    """
    try:
        return frozenset(posix.listdir(path))
    except NotADirectoryError:
        return frozenset((f"/{stamp(path)}",))
    except (OSError, ValueError):
        return frozenset()


def mayProvide(entry: str, names: Container[str]) -> bool:
    """Return whether one of L{listNames} can be one of some modules."""
    name, dot, suffix = entry.partition(".")
    return entry[:1] == "/" or (name in names and dot + suffix in _SUFFIXES)


class PathEntry:
    """
    A directory or an archive in C{sys.path}, or in the C{__path__} of a package.

    @ivar path: its path.
    @ivar found: its files that can be one of the modules that matter.
    """

    def __init__(self, path: str) -> None:
        """@param path: the path of a directory or an archive."""
        self.path = path
        self._watched = WatchedFile(path)
        self._names: Container[str] = ()
        # Files that appear during an import were not there to be found.
        self.found = listNames(path)

    def watch(self, names: Container[str]) -> None:
        """Watch for files that can be one of some modules, and for no others."""
        self._names = names
        self.found = self._among(self.found)

    def _among(self, found: frozenset[str]) -> frozenset[str]:
        return frozenset(each for each in found if mayProvide(each, self._names))

    def changed(self) -> bool:
        """Return whether other files can be one of the modules now."""
        if self._watched.same():
            return False
        self._watched.note()
        return self._among(listNames(self.path)) != self.found


class Preloaded:
    """
    The modules that were imported before a client connected.

    @ivar path: C{sys.path} of the program, without the script's directory.
    @ivar hasDirectory: whether it has the script's directory already.
    """

    def __init__(self, program: Any, asked: str, library: StandardLibrary) -> None:
        """
        Remember which modules are there already.

        @param program: a L{Script<inetdtw.helpers.warm.program.Script>} or the like.
        @param asked: C{auto}, or names of modules divided by commas; or nothing, for
            those that can be shared; or C{-} for no modules.
        """
        self._program = program
        self._asked = asked
        self._library = library
        self._before = set(sys.modules)
        self._wanted: Imports = []
        self._files: dict[str, tuple[int, ...] | None] = {}
        self._entries: list[PathEntry] = []
        self._directory: str | None = None
        self._stale = False
        self.path = _PATH
        self.hasDirectory = False

    def load(self, hasDirectory: bool) -> None:
        """
        Import the modules.

        @param hasDirectory: whether C{sys.path} of the program begins with the
            script's directory.
        """
        begun = time.time()
        directory = self._program.directory() if hasDirectory else None
        self._directory = directory
        own = [] if directory is None else [directory]
        self._entries = self._entriesOf([*own, *self.path])
        if self._asked in ("", "-"):
            self._import()
        else:
            self.hasDirectory = directory is not None
            self.path[:0] = own
            self._importFrom(self.path)
        self._look(begun)

    def _entriesOf(self, path: list[str]) -> list[PathEntry]:
        """
        Return the entries of a path in which modules can come and go.

        The standard library and installed modules are taken to stay as they are.
        """
        paths = [absolute(each) for each in path if isinstance(each, str)]
        paths = [each.rstrip("/") for each in paths]
        own = [each for each in paths if not self._library.isWithin(f"{each}/")]
        return [PathEntry(each or "/") for each in own]

    def _importFrom(self, path: list[str]) -> None:
        usual, sys.path = sys.path, path
        try:
            if self._asked == "auto" and isinstance(self._program, Module):
                self._findImports(self._program)
            self._import()
        finally:
            # Modules can have replaced it.
            self.path, sys.path = sys.path, usual

    def _import(self) -> None:
        self._wanted = self.wanted()
        for name, parts in self._wanted:
            self._importOne(name, parts)

    def _findImports(self, program: Module) -> None:
        try:
            program.findImports()
        except (Exception, SystemExit) as why:
            log(f"preload: {describe(why)}")

    def wanted(self) -> Imports:
        """Return the modules to import."""
        needed: Imports = [(name, ()) for name in self._program.needs]
        found = [*needed, *self._program.imports]
        if self._asked == "-":
            return []
        if self._asked == "auto":
            return found
        if self._asked:
            return [*needed, *[(name, ()) for name in self._asked.split(",")]]
        return [each for each in found if each[0].partition(".")[0] in SHARED]

    def _importOne(self, name: str, parts: tuple[str, ...]) -> None:
        """Import one module; leave nothing behind if that fails."""
        before = set(sys.modules)
        try:
            __import__(name, {}, {}, parts)
        except (Exception, SystemExit) as why:
            for added in set(sys.modules) - before:
                del sys.modules[added]
            log(f"preload: {name}: {describe(why)}")

    def _look(self, begun: float) -> None:
        """
        Watch the files and directories whose change makes this process stale.

        @param begun: the time before the first import.
        """
        added = {name: sys.modules[name] for name in set(sys.modules) - self._before}
        # multiprocessing's name for __main__.
        added.pop("__mp_main__", None)
        known = {entry.path for entry in self._entries}
        self._entries += self._entriesOf(
            [each for each in self.path if each not in known]
        )
        names = frozenset(name.partition(".")[0] for name in added)
        for entry in self._entries:
            entry.watch(names)
        if self._asked in ("", "-"):
            if not names:
                self._entries.clear()
            elif any(entry.found for entry in self._entries):
                # The script would import some of them from elsewhere.
                self._giveUp(added)
        for name, module in added.items():
            if not self._library.has(module, True):
                self._lookAt(name, module, added)
        # A file that changed during its import can be another one than was imported.
        times = [found[-1] / 1e9 for found in self._files.values() if found]
        self._stale = any(begun - GRANULARITY <= each <= time.time() for each in times)

    def _lookAt(self, name: str, module: Any, added: Iterable[str]) -> None:
        """Watch the file of one module, and the directories of a package."""
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            self._files[path] = stamp(path)
        within = f"{name}."
        parts = [each[len(within) :] for each in added if each.startswith(within)]
        for entry in self._entriesOf(list(getattr(module, "__path__", None) or ())):
            entry.watch(frozenset(parts))
            self._entries.append(entry)

    def _giveUp(self, added: dict[str, Any]) -> None:
        """Remove all preloaded modules."""
        for name in added:
            sys.modules.pop(name, None)
        added.clear()
        self._entries.clear()

    def watch(self, snapshot: Snapshot) -> None:
        """Note the files and directories on which L{stale} depends."""
        snapshot.add(stamp, *self._files, *[entry.path for entry in self._entries])

    def changed(self) -> bool:
        """Return whether the program imports other modules now."""
        return self.wanted() != self._wanted

    def stale(self) -> bool:
        """
        Return whether a cold start could import other modules than these.

        Once stale it stays stale, even if the files are restored.
        """
        self._stale = self._stale or self._isOld()
        return self._stale

    def spoil(self) -> None:
        """Mark the modules stale."""
        self._stale = True

    def _isOld(self) -> bool:
        if any(stamp(path) != before for path, before in self._files.items()):
            return True
        if self._directory not in (None, self._program.directory()) and (
            self.hasDirectory or self._entries
        ):
            return True
        return any(entry.changed() for entry in self._entries)

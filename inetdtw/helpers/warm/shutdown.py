# -*- test-case-name: inetdtw.helpers.warm.test.test_shutdown -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""End a child as the interpreter ends, without finalizing what it shares."""

from __future__ import annotations

import _io
import _thread
import _weakref
import gc
import itertools
import sys
from posix import _exit, closerange

from inetdtw.helpers.warm.exceptions import printUnraisable
from inetdtw.helpers.warm.library import BEFORE, VERSION, StandardLibrary
from inetdtw.helpers.warm.process import interrupt, quietly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

#: The names in C{sys} that the interpreter sets to C{None} before all modules.
_DELETED = (
    *("path", "argv", "ps1", "ps2", "last_exc", "last_type", "last_value"),
    *("last_traceback", "path_hooks", "path_importer_cache", "meta_path"),
    "__interactivehook__",
)

#: The types of objects that are destroyed without any effect that can be seen, apart
#: from what they refer to.
_PLAIN = frozenset(
    (
        *(type(None), bool, int, float, complex, str, bytes, bytearray, range, slice),
        *(list, tuple, dict, set, frozenset, type, type(sys), type(print), type(...)),
        *(type(quietly), type(quietly.__code__), type(BEFORE.add), property),
        *(staticmethod, classmethod, _thread.LockType, _thread.RLock),
        # A cell of a closure.
        *map(type, (lambda given: lambda: given)(0).__closure__ or ()),
    )
)


#: A program that has made more objects is torn down: to look at them takes longer.
_MOST = 5000


def doNothing(*given: object) -> None:
    """Take part in a rehearsal, in place of what would change this process."""


def end(status: int) -> None:
    """
    Exit.

    The client need not wait: the kernel would close its connection only after it has
    released the memory.
    """
    closerange(0, 3)
    _exit(status & 0xFF)


def finishThreads() -> None:
    """Wait for threads that are not daemons, and then call the exit functions."""
    threading: Any = sys.modules.get("threading")
    if threading is not None:
        try:
            threading._shutdown()
        except BaseException as why:
            printUnraisable(why, threading, "on threading shutdown")
    exits: Any = sys.modules.get("atexit")
    if exits is not None:
        quietly(exits, "_run_exitfuncs")


def isPlain() -> bool:
    """
    Return whether a child has made nothing that does something when it is destroyed.

    That is so for L{_PLAIN} types only: objects of any other can have a destructor, in
    Python or in C, or write a buffer.  The answer is false if it takes long to find.
    """
    try:
        found = gc.get_objects()
        if id(sys.modules.get("__main__")) not in map(id, found):
            # The program has hidden its objects by gc.freeze(), or has another main.
            return False
        while found:
            if len(found) > _MOST or not _PLAIN.issuperset(map(type, found)):
                return False
            # Containers without references to others are not tracked.
            found = list(itertools.filterfalse(gc.is_tracked, gc.get_referents(*found)))
    except MemoryError:
        return False
    return True


def flushOutput() -> bool:
    """
    Flush standard output and standard error.

    @return: whether both could be flushed.
    """
    good = True
    for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None)):
        if stream is None or isClosed(stream):
            continue
        try:
            stream.flush()
        except BaseException as why:
            good = False
            if stream is not getattr(sys, "stderr", None):
                printUnraisable(why, stream, "on flushing sys.stdout")
    return good


def isClosed(stream: Any) -> bool:
    """Return whether a stream is closed."""
    try:
        return bool(stream.closed)
    except BaseException:
        return False


def tearDown(names: list[str]) -> None:
    """
    Destroy what the program has made, in the order of the interpreter.

    First goes what only its modules refer to, then what is in cycles, then what is in
    modules that something refers to still.  The standard library stays.

    @param names: the modules to tear down, the last of them first.
    """
    gc.collect()
    for name in _DELETED:
        if hasattr(sys, name):
            setattr(sys, name, None)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, name, getattr(sys, f"__{name}__", None))
    left = []
    for name in reversed(names):
        module: Any = sys.modules.pop(name, None)
        try:
            left.append(_weakref.ref(module))
        except TypeError:
            pass  # it is not a module
        del module
    # Without this module, nothing new is imported and tracebacks show no source.  To
    # remove all others would copy all memory that they are in.
    modules: Any = sys.modules
    modules["io"] = None
    gc.collect()
    alive = False
    for reference in left:
        module = reference()
        if module is not None:
            alive = True
            clear(vars(module))
        del module
    if alive:
        gc.collect()
    for thing in gc.get_objects():
        if isinstance(thing, (_io.TextIOWrapper, _io.BufferedWriter)):
            quietly(thing, "flush")


def clear(names: dict[str, Any]) -> None:
    """Set all names of a module to C{None}, those with one underscore first."""
    for first in (True, False):
        for name in list(names):
            own = name[:1] == "_" and name[1:2] != "_"
            if own is first and name != "__builtins__":
                names[name] = None


class Shutdown:
    """
    The end of a child.

    As much as possible is found out before a client connects: each page of memory that
    a child looks at, and so changes a reference count in, is copied for it.
    """

    def __init__(
        self,
        library: StandardLibrary,
        finish: Callable[[], None] = finishThreads,
        tearDown: Callable[[list[str]], None] = tearDown,
        end: Callable[[int], None] = end,
    ) -> None:
        """
        Note the modules that a child shares.

        @param finish: what is called instead of L{finishThreads} in a rehearsal; it
            changes nothing.
        @param tearDown: the same for L{tearDown}.
        @param end: the same for L{end}.
        """
        self._finish = finish
        self._tearDown = tearDown
        self._end = end
        self._library = library
        self._known = {name: id(module) for name, module in sys.modules.items()}
        own = (name for name in sys.modules if self._isScripts(name, sys.modules[name]))
        self._torn = list(own)
        self._foreign = any(map(self._isForeign, list(sys.modules)))
        self._output = (sys.__stdout__, sys.__stderr__)

    def rehearsed(self, end: Callable[[int], None]) -> Shutdown:
        """
        Return another one, which changes nothing.

        @param end: what is called instead of L{end}.
        """
        return Shutdown(self._library, doNothing, doNothing, end)

    def _isScripts(self, name: str, module: Any) -> bool:
        """Return whether a module is the program's own, or installed."""
        return name not in BEFORE and not self._library.has(module)

    def _isForeign(self, name: str) -> bool:
        """
        Return whether only the interpreter itself can finalize a module.

        Extension modules outside of the standard library can have hooks in C, and so
        can libraries that C{ctypes} loads.
        """
        if name == "_ctypes":
            return True
        module = sys.modules.get(name)
        path = getattr(module, "__file__", None)
        isExtension = isinstance(path, str) and path.endswith(".so")
        return isExtension and not self._library.has(module)

    def _added(self) -> list[str]:
        """Return the names of the modules that the child imported, the last first."""
        modules: Any = sys.modules
        added: list[str] = []
        for name in reversed(modules if VERSION >= (3, 8) else list(modules)):
            if self._known.get(name) == id(modules.get(name)):
                break
            added.append(name)
        return added

    def _isPlain(self) -> bool:
        """
        Return whether to tear down the program would have no effect that can be seen.

        That is so if all that is to be flushed is in the interpreter's own streams, no
        thread runs, the garbage collector reports nothing, and L{isPlain}.
        """
        stdout, stderr = self._output
        if getattr(sys, "stdout", None) is not stdout or _thread._count():
            return False
        if getattr(sys, "stderr", None) is not stderr:
            return False
        return not (gc.callbacks or gc.get_debug()) and isPlain()

    def exit(self, status: int, interrupted: bool) -> None:
        """
        Exit; return or raise SystemExit only if the interpreter has to do the rest.

        @param interrupted: whether SIGINT is to kill the process.
        """
        added = self._added()
        foreign = self._foreign or (added and any(map(self._isForeign, added)))
        if foreign and not interrupted:
            gc.unfreeze()
            if status:
                sys.exit(status)
            return
        self._finish()
        collects = gc.isenabled()
        # No destructor shall write anything after the flush.
        gc.disable()
        plain = not (added or self._torn or interrupted) and self._isPlain()
        flushed = flushOutput()
        if plain and flushed:
            self._end(status)
        if collects:
            gc.enable()
        if not flushed:
            status = 120
        torn = [name for name in added if self._isScripts(name, sys.modules.get(name))]
        self._tearDown([*torn, *reversed(self._torn), "__main__"])
        for stream in (sys.stdout, sys.stderr):
            quietly(stream, "flush")
        if interrupted:
            interrupt()
        self._end(status)

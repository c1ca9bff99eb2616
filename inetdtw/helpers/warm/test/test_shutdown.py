# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.shutdown}."""

from __future__ import annotations

import _thread as thread
import gc
import io
import os
import sys
import zlib
from typing import Any
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm import shutdown
from inetdtw.helpers.warm.library import StandardLibrary
from inetdtw.helpers.warm.shutdown import (
    Shutdown,
    clear,
    end,
    flushOutput,
    isClosed,
    isPlain,
)
from inetdtw.helpers.warm.test.cases import (
    ExitedError,
    Full,
    Noisy,
    StderrTestCase,
    exitWith,
)


class ShutdownTests(StderrTestCase):
    """
    Tests for L{Shutdown}.

    @ivar torn: the modules that were torn down.
    """

    def setUp(self) -> None:
        """Make one for a process without extension modules of its own."""
        super().setUp()
        self.patch(shutdown, "VERSION", (3, 13, 0))
        self.patch(shutdown, "BEFORE", set(sys.modules))
        self.torn: list[list[str]] = []
        self.killed: list[int] = []
        self.patch(shutdown, "interrupt", lambda: self.killed.append(1))
        self.patch(sys.modules["atexit"], "_run_exitfuncs", lambda: None)
        self.patch(sys.modules["threading"], "_shutdown", lambda: None)
        self.unfrozen: list[int] = []
        self.patch(gc, "unfreeze", lambda: self.unfrozen.append(1))
        self.renew()

    def renew(self, foreign: bool = False) -> None:
        """Make a shutdown, after all modules that a child shares."""
        self.shutdown = Shutdown(
            StandardLibrary(), tearDown=self.torn.append, end=exitWith
        )
        if not foreign:
            self.shutdown._foreign = False

    def module(self, name: str, path: str | None = None) -> Any:
        """Add a module."""
        made: Any = type(sys)(name)
        if path is not None:
            made.__file__ = path
        sys.modules[name] = made
        self.addCleanup(sys.modules.pop, name, None)
        return made

    def exit(self, status: int = 0, interrupted: bool = False) -> int:
        """
        Exit.

        @return: the exit status.
        """
        gone = self.assertRaises(ExitedError, self.shutdown.exit, status, interrupted)
        return int(gone.args[0])

    def test_status(self) -> None:
        """The status is that of the program."""
        self.assertEqual([self.exit(0), self.exit(3)], [0, 3])
        self.assertEqual(self.killed, [])

    def test_full(self) -> None:
        """The status is 120 if output cannot be flushed."""
        self.patch(sys, "stderr", Full())
        self.assertEqual(self.exit(3), 120)

    def test_interrupted(self) -> None:
        """A program that was interrupted is killed by SIGINT."""
        self.exit(1, True)
        self.assertEqual(self.killed, [1])

    def test_torn(self) -> None:
        """
        Modules of the child are torn down, the last first.

        Preloaded ones follow, then __main__; the standard library stays.
        """
        self.module("warmfirst", "/x/warmfirst.py")
        self.renew()
        self.module("warmsecond", "/x/warmsecond.py")
        self.module("warmthird", "/x/warmthird.py")
        self.module("warmshared", os.path.join(os.path.dirname(os.__file__), "x.py"))
        self.exit()
        wanted = ["warmthird", "warmsecond", "warmfirst", "__main__"]
        self.assertEqual(self.torn, [wanted])

    def test_destroyed(self) -> None:
        """Output that is written while all is destroyed is flushed."""
        order: list[Any] = []
        self.patch(sys, "stdout", Noisy(order, "stdout"))
        self.patch(sys, "stderr", Noisy(order, "stderr"))
        self.shutdown._tearDown = lambda names: order.append("torn")
        self.exit()
        self.assertEqual(order[order.index("torn") :], ["torn", "stdout", "stderr"])

    def test_replaced(self) -> None:
        """A module that the child replaced counts as its own."""
        before = self.module("warmfirst", "/x/warmfirst.py")
        self.renew()
        after = self.module("warmfirst", "/x/warmfirst.py")
        self.assertIsNot(before, after)
        self.assertEqual(list(self.shutdown._added()), ["warmfirst"])

    def test_foreign(self) -> None:
        """
        The interpreter itself exits if a foreign extension module was imported.

        The status is the same.
        """
        known = self.module("warmknown", "/x/warmknown.so")
        self.renew(foreign=True)
        self.shutdown.exit(0, False)
        # What it has made before there was a client is destroyed, too.
        self.assertEqual(self.unfrozen, [1])
        gone = self.assertRaises(SystemExit, self.shutdown.exit, 3, False)
        self.assertEqual((gone.code, self.torn), (3, []))
        known.__file__ = "/x/warmknown.py"
        self.shutdown._foreign = False
        self.assertEqual(self.exit(), 0)
        self.module("warmadded", "/x/warmadded.so")
        self.shutdown.exit(0, False)
        self.assertEqual(self.exit(2, True), 2)

    def test_isForeign(self) -> None:
        """An extension module is known by its file."""
        library = os.path.dirname(os.__file__)
        self.module("warmone", "/x/one.so")
        self.module("warmtwo", "/x/two.py")
        self.module("warmthree", f"{library}/lib-dynload/three.so")
        self.module("warmfour")
        names = ("warmone", "warmtwo", "warmthree", "warmfour", "_ctypes", "warmnone")
        found = list(map(self.shutdown._isForeign, names))
        self.assertEqual(found, [True, False, False, False, True, False])

    def test_threads(self) -> None:
        """Threads are joined, then exit functions run; an error is printed."""
        order: list[Any] = []

        def broken() -> None:
            order.append("threads")
            raise ValueError("x")

        self.patch(sys.modules["threading"], "_shutdown", broken)
        self.patch(
            sys.modules["atexit"], "_run_exitfuncs", lambda: order.append("exits")
        )
        self.patch(
            shutdown, "printUnraisable", lambda *arguments: order.append(arguments[2])
        )
        self.exit()
        self.assertEqual(order, ["threads", "on threading shutdown", "exits"])

    def test_without(self) -> None:
        """Nothing is joined or called if these modules were not imported."""
        modules = {
            name: module
            for name, module in sys.modules.items()
            if name not in ("threading", "atexit")
        }
        self.patch(sys, "modules", modules)
        self.assertEqual(self.exit(), 0)


class PlainTests(StderrTestCase):
    """
    Tests for programs that have made nothing with a destructor.

    @ivar made: what a program has made.
    @ivar main: its main module.
    @ivar threads: how many threads run besides the main one.
    """

    def setUp(self) -> None:
        """Let the objects of this process be those from before the program."""
        super().setUp()
        self.made: list[Any] = []
        self.threads = 0
        self.main: list[Any] = [sys.modules["__main__"]]
        self.patch(gc, "get_objects", lambda: [*self.main, *self.made])

    def test_plain(self) -> None:
        """Usual objects have no destructors, whatever they refer to in the library."""
        self.made = [{"a": [1, 2.5, "x", b"y", None, (True, ...)]}, [sys, print, len]]
        closure = (lambda: self).__closure__ or ()
        self.made += [*closure, type(self).test_plain, frozenset((1,))]
        self.assertTrue(isPlain())

    def test_destructors(self) -> None:
        """An object of any other type may have one, wherever it is."""
        untracked = zlib.compressobj()
        self.assertFalse(gc.is_tracked(untracked))
        inner = {"b": untracked}
        for things in (
            *([self], [iter(())], [[untracked]], [[{"a": untracked}]]),
            [[inner], inner],
        ):
            # As gc.get_objects() finds them.
            self.made = [each for each in things if gc.is_tracked(each)]
            self.assertFalse(isPlain(), things)

    def test_exit(self) -> None:
        """A program that has none is not torn down."""
        torn: list[list[str]] = []
        self.patch(sys.modules["atexit"], "_run_exitfuncs", lambda: None)
        self.patch(sys.modules["threading"], "_shutdown", lambda: None)
        stdout, stderr = io.StringIO(), io.StringIO()
        for name, stream in (("stdout", stdout), ("stderr", stderr)):
            self.patch(sys, name, stream)
            self.patch(sys, f"__{name}__", stream)
        self.patch(thread, "_count", lambda: self.threads)
        self.patch(gc, "callbacks", [])
        ending = Shutdown(StandardLibrary(), tearDown=torn.append, end=exitWith)
        ending._foreign, ending._torn = False, []
        self.addCleanup(gc.enable)

        def ends(*, plain: bool) -> None:
            torn.clear()
            gone = self.assertRaises(ExitedError, ending.exit, 3, False)
            wanted = [] if plain else [["__main__"]]
            self.assertEqual((gone.args, torn), ((3,), wanted))

        ends(plain=True)
        self.made = [self]
        ends(plain=False)
        self.made = []
        for name in ("stdout", "stderr"):
            with mock.patch.object(sys, name, io.StringIO()):
                ends(plain=False)
        self.threads = 1
        ends(plain=False)
        self.threads = 0
        with mock.patch.object(gc, "callbacks", [print]):
            ends(plain=False)
        ends(plain=True)

    def test_hidden(self) -> None:
        """A program that has frozen its objects is torn down."""
        self.main.clear()
        self.assertFalse(isPlain())

    def test_many(self) -> None:
        """It is not found out for too many objects, however they refer to others."""
        self.made = [[]] * 10000
        self.assertFalse(isPlain())
        shared: Any = (1.5,)
        for _ in range(64):
            shared = (shared, shared)
        # Such tuples are not tracked after a collection.
        self.patch(gc, "is_tracked", lambda each: False)
        self.made = [shared]
        self.assertFalse(isPlain())

    def test_memory(self) -> None:
        """It is not found out if memory is short."""
        self.patch(gc, "get_referents", mock.Mock(side_effect=MemoryError))
        self.assertFalse(isPlain())


class EndTests(SynchronousTestCase):
    """Tests for L{end}, and for a rehearsal."""

    def test_end(self) -> None:
        """
        The status has 8 bits.

        The client gets the end of file before the memory is released.
        """
        done: list[Any] = []
        self.patch(shutdown, "closerange", lambda *given: done.append(given))
        self.patch(shutdown, "_exit", done.append)
        end(3)
        end(257)
        self.assertEqual(done, [(0, 3), 3, (0, 3), 1])

    def test_rehearsed(self) -> None:
        """A rehearsal ends no threads and tears nothing down."""
        called: list[int] = []
        for name, function in (
            ("threading", "_shutdown"),
            ("atexit", "_run_exitfuncs"),
        ):
            self.patch(sys.modules[name], function, lambda: called.append(1))
        names = dict(vars(sys.modules["__main__"]))
        rehearsed = Shutdown(StandardLibrary()).rehearsed(exitWith)
        rehearsed._foreign = False
        self.addCleanup(gc.enable)
        gone = self.assertRaises(ExitedError, rehearsed.exit, 3, False)
        self.assertEqual((gone.args, called), ((3,), []))
        self.assertEqual(vars(sys.modules["__main__"]), names)


class ClearTests(SynchronousTestCase):
    """Tests for L{clear} and L{isClosed}."""

    def test_order(self) -> None:
        """Names with one underscore are cleared first; the builtins stay."""
        gone: list[str] = []

        class Names(dict[str, Any]):
            def __setitem__(self, name: str, value: Any) -> None:
                gone.append(name)
                super().__setitem__(name, value)

        order = ("a", "_b", "__c", "__builtins__", "_d", "e", "_")
        names = Names(dict.fromkeys(order, 1))
        clear(names)
        self.assertEqual(gone, ["_b", "_d", "_", "a", "__c", "e"])
        self.assertEqual({key for key in names if names[key]}, {"__builtins__"})

    def test_closed(self) -> None:
        """A stream is closed if it says so."""
        stream = io.StringIO()
        self.assertFalse(isClosed(stream))
        stream.close()
        self.assertTrue(isClosed(stream))
        self.assertFalse(isClosed(object()))


class FlushTests(SynchronousTestCase):
    """Tests for L{flushOutput}."""

    def test_fails(self) -> None:
        """An error with standard output is printed, one with stderr is not."""
        calls: list[Any] = []
        self.patch(shutdown, "printUnraisable", lambda *given: calls.append(given[1:]))
        full = Full()
        for name, wanted in (
            ("stdout", [(full, "on flushing sys.stdout")]),
            ("stderr", []),
        ):
            before = getattr(sys, name)
            setattr(sys, name, full)
            try:
                self.assertFalse(flushOutput())
            finally:
                setattr(sys, name, before)
            self.assertEqual(calls, wanted)
            calls.clear()
        self.patch(sys, "stdout", None)
        self.patch(sys, "stderr", io.StringIO())
        sys.stderr.close()
        self.assertTrue(flushOutput())

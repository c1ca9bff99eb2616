# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for how a child of L{inetdtw._warmhelper} ends, in this process, which does not.
"""

from __future__ import annotations

import gc
import io
import os
import posix
import signal
import sys
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw import _warmhelper
from inetdtw._warmhelper import Command, Ending, Library, Script

#: A version in which an interpreter ends as all later ones do.
LATE = (3, 13, 0)


class ExitedError(Exception):
    """
    The process would have ended.
    """


def exitWith(status: int) -> None:
    """
    Seem to end.
    """
    raise ExitedError(status)


class Full(io.StringIO):
    """
    A stream that cannot be flushed.
    """

    def flush(self) -> None:
        """
        Fail.
        """
        raise OSError("full")


class FakeEnding:
    """
    Remembers how a process is to end.
    """

    def __init__(self) -> None:
        self.told: list[tuple[int, bool]] = []

    def end(self, status: int, interrupted: bool) -> None:
        """
        Remember it.
        """
        self.told.append((status, interrupted))


class FakeServer:
    """
    What a child knows of its process.
    """

    def __init__(self, program: Any) -> None:
        self._program = program
        self.ending = FakeEnding()


class EndingTestCase(SynchronousTestCase):
    """
    Have standard streams that can be read.

    @ivar stderr: what is written to standard error.
    """

    def setUp(self) -> None:
        """
        Make them.
        """
        super().setUp()
        self.stderr = io.StringIO()
        self.patch(sys, "stderr", self.stderr)
        self.patch(_warmhelper, "_VERSION", LATE)
        self.patch(posix, "_exit", exitWith)

    def said(self) -> str:
        """
        Return what was written to standard error, and forget it.
        """
        found = self.stderr.getvalue()
        self.stderr.seek(0)
        self.stderr.truncate()
        return found


class LeaveTests(EndingTestCase):
    """
    Tests for L{_warmhelper.leave}.
    """

    def setUp(self) -> None:
        """
        Have a script in a child.
        """
        super().setUp()
        self.left: list[str] = []
        self.script = Script(["/none/script.py"])
        self.patch(self.script, "left", lambda: self.left.append("left"))
        self.patch(_warmhelper, "_child", True)
        self.patch(sys, "excepthook", lambda *told: self.left.append("hook"))

    def leave(self, raised: BaseException | None, program: Any = None) -> Any:
        """
        End a program.

        @return: the status, and whether it was interrupted.
        """
        server = FakeServer(program or self.script)
        self.patch(_warmhelper, "_server", server)
        self.patch(_warmhelper, "error", raised)
        _warmhelper.leave()
        self.assertIsNone(_warmhelper.error)
        (told,) = server.ending.told
        return told

    def test_done(self) -> None:
        """
        A program that has run has the status 0, and is told so.
        """
        self.assertEqual(self.leave(None), (0, False))
        self.assertEqual(self.left, ["left"])

    def test_exit(self) -> None:
        """
        One that exits has its own, and has not run to its end.
        """
        self.assertEqual(self.leave(SystemExit(3)), (3, False))
        self.assertEqual(self.left, [])

    def test_raised(self) -> None:
        """
        One that raises has 1, after its hook was told.
        """
        self.assertEqual(self.leave(ValueError("x")), (1, False))
        self.assertEqual(self.left, ["hook", "left"])

    def test_hookExits(self) -> None:
        """
        If its hook exits, it has the status of that.
        """

        def hook(*told: object) -> None:
            sys.exit(7)

        self.patch(sys, "excepthook", hook)
        self.assertEqual(self.leave(ValueError("x")), (7, False))
        self.assertEqual(self.left, [])

    def test_interrupted(self) -> None:
        """
        One that is interrupted dies of that from 3.8 on.
        """
        self.assertEqual(self.leave(KeyboardInterrupt()), (1, True))
        self.patch(_warmhelper, "_VERSION", (3, 8, 1))
        self.assertEqual(self.leave(KeyboardInterrupt()), (1, True))
        self.patch(_warmhelper, "_VERSION", (3, 7, 9))
        self.assertEqual(self.leave(KeyboardInterrupt()), (1, False))

    def test_frames(self) -> None:
        """
        The frame that has called the program is not shown.
        """
        traces: list[Any] = []
        self.patch(sys, "excepthook", lambda *told: traces.append(told[2]))

        def program() -> None:
            raise ValueError("x")

        try:
            program()
        except ValueError as why:
            self.leave(why)
        self.assertEqual(traces[0].tb_frame.f_code.co_name, "program")
        self.leave(ValueError("never raised"))
        self.assertIsNone(traces[1])

    def test_flushed(self) -> None:
        """
        What a script has written is written before all else; code is not a script.
        """
        flushed: list[str] = []
        self.patch(sys, "stdout", Noisy(flushed, "stdout"))
        self.patch(sys, "stderr", Noisy(flushed, "stderr"))
        self.leave(None)
        self.assertEqual(flushed, ["stderr", "stdout"])
        flushed.clear()
        self.leave(None, Command(["-c", ""]))
        self.assertEqual(flushed, [])

    def test_noChild(self) -> None:
        """
        What goes wrong in the process itself is printed, and ends it with 1.
        """
        for child, server in ((False, FakeServer(self.script)), (True, None)):
            self.patch(_warmhelper, "_child", child)
            self.patch(_warmhelper, "_server", server)
            for raised, wanted in ((ValueError("x"), "ValueError: x\n"), (None, "")):
                self.patch(_warmhelper, "error", raised)
                self.patch(_warmhelper, "_server", server)
                gone = self.assertRaises(ExitedError, _warmhelper.leave)
                self.assertEqual((gone.args, self.said()), ((1,), wanted))


class Noisy(io.StringIO):
    """
    A stream that says when it is flushed.
    """

    def __init__(self, told: list[str], name: str) -> None:
        super().__init__()
        self._told = told
        self._name = name

    def flush(self) -> None:
        """
        Say so.
        """
        self._told.append(self._name)


class TellTests(EndingTestCase):
    """
    Tests for L{_warmhelper.tell} and L{_warmhelper.statusOf}.
    """

    def setUp(self) -> None:
        """
        Leave no exception behind.
        """
        super().setUp()
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if not hasattr(sys, name):
                setattr(sys, name, None)
                self.addCleanup(delattr, sys, name)
            else:
                self.patch(sys, name, None)

    def test_last(self) -> None:
        """
        It is the last exception, in the ways of its version.
        """
        self.patch(sys, "excepthook", lambda *told: None)
        for version, wanted in (((3, 12, 0), True), ((3, 11, 9), False)):
            setattr(sys, "last_exc", None)  # noqa: B010 - unknown to earlier versions
            self.patch(_warmhelper, "_VERSION", version)
            why = ValueError("x")
            self.assertIsNone(_warmhelper.tell(why))
            last = (sys.last_type, sys.last_value, sys.last_traceback)
            self.assertEqual(last, (ValueError, why, None))
            found: Any = getattr(sys, "last_exc", None)
            self.assertEqual(found is why, wanted)

    def test_noHook(self) -> None:
        """
        If there is no hook any more, that is said, and the exception is printed.
        """
        self.patch(sys, "excepthook", None)
        del sys.excepthook
        self.assertIsNone(_warmhelper.tell(ValueError("x")))
        self.assertEqual(self.said(), "sys.excepthook is missing\nValueError: x\n")

    def test_badHook(self) -> None:
        """
        If the hook raises, both are printed; that of the hook without our own frame.
        """

        def hook(*told: object) -> None:
            raise KeyError("y")

        self.patch(sys, "excepthook", hook)
        self.assertIsNone(_warmhelper.tell(ValueError("x")))
        first, trace, *middle, last = self.said().splitlines()
        self.assertEqual(first, "Error in sys.excepthook:")
        self.assertEqual(trace, "Traceback (most recent call last):")
        self.assertEqual(sum(" in tell" in each for each in middle), 0)
        self.assertEqual(sum(" in hook" in each for each in middle), 1)
        said = ["KeyError: 'y'", "", "Original exception was:"]
        self.assertEqual(middle[-3:], said)
        self.assertEqual(last, "ValueError: x")

    def test_noHookAtAll(self) -> None:
        """
        So it is if what is there cannot be called: that error has no frame but ours.
        """
        self.patch(sys, "excepthook", None)
        _warmhelper.tell(ValueError("x"))
        self.assertTrue(
            self.said().startswith("Error in sys.excepthook:\nTypeError: "), "a trace"
        )

    def test_status(self) -> None:
        """
        A number that the interpreter can have is the status, modulo 256; others are
        255; what is no number is printed.
        """
        for code, status in (
            (-(1 << 63), 0),
            (-(1 << 63) - 256, 255),
            ((1 << 63) - 256, 0),
            (1 << 63, 255),
            (511, 255),
        ):
            self.assertEqual(_warmhelper.statusOf(SystemExit(code)), status, code)
        self.assertEqual(self.said(), "")
        self.assertEqual(_warmhelper.statusOf(SystemExit("bye")), 1)
        self.assertEqual(self.said(), "bye\n")
        self.patch(sys, "stderr", None)
        self.assertEqual(_warmhelper.statusOf(SystemExit("bye")), 1)


class EndTests(EndingTestCase):
    """
    Tests for L{Ending}.

    @ivar torn: the modules that were taken to pieces.
    """

    def setUp(self) -> None:
        """
        Have one, of a process that has nothing of its own in C.
        """
        super().setUp()
        self.patch(_warmhelper, "_BEFORE", set(sys.modules))
        self.torn: list[list[str]] = []
        self.killed: list[tuple[int, int]] = []
        self.handlers: list[tuple[int, Any]] = []
        self.patch(_warmhelper, "tearDown", self.torn.append)
        self.patch(posix, "kill", lambda *told: self.killed.append(told))
        handle = lambda *told: self.handlers.append(told)  # noqa: E731 - one use
        self.patch(sys.modules["_signal"], "signal", handle)
        self.patch(sys.modules["atexit"], "_run_exitfuncs", lambda: None)
        self.patch(sys.modules["threading"], "_shutdown", lambda: None)
        self.unfrozen: list[int] = []
        self.patch(gc, "unfreeze", lambda: self.unfrozen.append(1))
        self.ending = Ending(Library())
        self.ending._foreign = False

    def module(self, name: str, path: str | None = None) -> Any:
        """
        Have another module.
        """
        made: Any = type(sys)(name)
        if path is not None:
            made.__file__ = path
        sys.modules[name] = made
        self.addCleanup(sys.modules.pop, name, None)
        return made

    def end(self, status: int = 0, interrupted: bool = False) -> int:
        """
        End.

        @return: the exit status.
        """
        gone = self.assertRaises(ExitedError, self.ending.end, status, interrupted)
        return int(gone.args[0])

    def test_status(self) -> None:
        """
        The status is that of the program, in 8 bits.
        """
        self.assertEqual([self.end(0), self.end(3), self.end(257)], [0, 3, 1])
        self.assertEqual((self.killed, self.handlers), ([], []))

    def test_full(self) -> None:
        """
        It is 120 if what was written cannot be.
        """
        self.patch(sys, "stderr", Full())
        self.assertEqual(self.end(3), 120)

    def test_interrupted(self) -> None:
        """
        One that was interrupted dies of that signal.
        """
        self.end(1, True)
        self.assertEqual(self.handlers, [(signal.SIGINT, signal.SIG_DFL)])
        self.assertEqual(self.killed, [(os.getpid(), signal.SIGINT)])

    def test_torn(self) -> None:
        """
        Modules of the script are taken to pieces, the last first, then those that were
        imported in advance, then itself; those of the library stay.
        """
        self.module("warmfirst", "/x/warmfirst.py")
        before = Ending(Library())
        before._foreign = False
        self.ending = before
        self.module("warmsecond", "/x/warmsecond.py")
        self.module("warmthird", "/x/warmthird.py")
        self.module("warmshared", os.path.join(os.path.dirname(os.__file__), "x.py"))
        self.end()
        wanted = ["warmthird", "warmsecond", "warmfirst", "__main__"]
        self.assertEqual(self.torn, [wanted])

    def test_destroyed(self) -> None:
        """
        What is written while all is destroyed is flushed after that.
        """
        order: list[Any] = []
        self.patch(sys, "stdout", Noisy(order, "stdout"))
        self.patch(sys, "stderr", Noisy(order, "stderr"))
        self.patch(_warmhelper, "tearDown", lambda names: order.append("torn"))
        self.end()
        self.assertEqual(order[order.index("torn") :], ["torn", "stdout", "stderr"])

    def test_replaced(self) -> None:
        """
        Only what was added at the end is looked at, and it is told by what it is.
        """
        before = self.module("warmfirst", "/x/warmfirst.py")
        self.ending = Ending(Library())
        self.ending._foreign = False
        after = self.module("warmfirst", "/x/warmfirst.py")
        self.assertIsNot(before, after)
        self.assertEqual(list(self.ending._added()), ["warmfirst"])

    def test_foreign(self) -> None:
        """
        If there is a module in C that is not the library's, or C{ctypes}, the
        interpreter itself ends the process, with the same status.
        """
        known = self.module("warmknown", "/x/warmknown.so")
        self.ending = Ending(Library())
        self.ending.end(0, False)
        # What it has made before there was a client is destroyed, too.
        self.assertEqual(self.unfrozen, [1])
        gone = self.assertRaises(SystemExit, self.ending.end, 3, False)
        self.assertEqual((gone.code, self.torn), (3, []))
        known.__file__ = "/x/warmknown.py"
        self.ending._foreign = False
        self.assertEqual(self.end(), 0)
        self.module("warmadded", "/x/warmadded.so")
        self.ending.end(0, False)
        self.assertEqual(self.end(2, True), 2)

    def test_isForeign(self) -> None:
        """
        Such a module is known by its file.
        """
        library = os.path.dirname(os.__file__)
        self.module("warmone", "/x/one.so")
        self.module("warmtwo", "/x/two.py")
        self.module("warmthree", f"{library}/lib-dynload/three.so")
        self.module("warmfour")
        names = ("warmone", "warmtwo", "warmthree", "warmfour", "_ctypes", "warmnone")
        found = list(map(self.ending._isForeign, names))
        self.assertEqual(found, [True, False, False, False, True, False])

    def test_threads(self) -> None:
        """
        Threads are waited for, then what was registered runs; what goes wrong with
        threads is said.
        """
        order: list[Any] = []

        def shutdown() -> None:
            order.append("threads")
            raise ValueError("x")

        self.patch(sys.modules["threading"], "_shutdown", shutdown)
        self.patch(
            sys.modules["atexit"], "_run_exitfuncs", lambda: order.append("exits")
        )
        self.patch(_warmhelper, "unraisable", lambda *told: order.append(told[2]))
        self.end()
        self.assertEqual(order, ["threads", "on threading shutdown", "exits"])

    def test_without(self) -> None:
        """
        If neither was imported, there is nothing to wait for and nothing to run.
        """
        modules = {
            name: module
            for name, module in sys.modules.items()
            if name not in ("threading", "atexit")
        }
        self.patch(sys, "modules", modules)
        self.assertEqual(self.end(), 0)


class ClearTests(SynchronousTestCase):
    """
    Tests for L{_warmhelper.clear} and what it is told of streams.
    """

    def test_order(self) -> None:
        """
        Names with one underscore go first, then all others; the builtins stay.
        """
        gone: list[str] = []

        class Names(dict[str, Any]):
            def __setitem__(self, name: str, value: Any) -> None:
                gone.append(name)
                super().__setitem__(name, value)

        order = ("a", "_b", "__c", "__builtins__", "_d", "e", "_")
        names = Names(dict.fromkeys(order, 1))
        _warmhelper.clear(names)
        self.assertEqual(gone, ["_b", "_d", "_", "a", "__c", "e"])
        self.assertEqual({key for key in names if names[key]}, {"__builtins__"})

    def test_closed(self) -> None:
        """
        A stream is closed when it says so; one that cannot say it is not.
        """
        stream = io.StringIO()
        self.assertFalse(_warmhelper.isClosed(stream))
        stream.close()
        self.assertTrue(_warmhelper.isClosed(stream))
        self.assertFalse(_warmhelper.isClosed(object()))

    def test_quietly(self) -> None:
        """
        Whatever a method raises is nobody's concern.
        """
        calls: list[int] = []
        for name in ("bad", "none", "good"):
            _warmhelper.quietly(Exits(calls), name)
        self.assertEqual(calls, [1])


class Exits:
    """
    Has methods that return, and that do not.
    """

    def __init__(self, calls: list[int]) -> None:
        self._calls = calls

    def good(self) -> None:
        """
        Return.
        """
        self._calls.append(1)

    def bad(self) -> Sequence[str]:
        """
        Exit.
        """
        raise SystemExit

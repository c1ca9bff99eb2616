# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.template}."""

from __future__ import annotations

import gc
import os
import posix
import sys
from typing import Any
from unittest import mock

from inetdtw.helpers.reports import STALE
from inetdtw.helpers.warm import template
from inetdtw.helpers.warm.protocol import THREADED
from inetdtw.helpers.warm.test.cases import ExitedError, ServerTestCase, report


class ColdTests(ServerTestCase):
    """Tests for L{template.Template.isCold} and requests for a replacement."""

    def setUp(self) -> None:
        """Replace the program and all else by mocks that have not changed."""
        super().setUp()
        self.program: Any = mock.Mock(problem="", needs=(), imports=[])
        self.program.refresh.return_value = False
        self.template.program = self.program
        self.preloaded: Any = mock.Mock()
        self.preloaded.stale.return_value = False
        self.preloaded.changed.return_value = False
        self.patch(self.template, "_preloaded", self.preloaded)
        self.same: Any = mock.Mock(return_value=True)
        self.patch(self.cold, "same", self.same)
        self.near: Any = mock.Mock(return_value=False)
        self.patch(self.limit, "isNear", self.near)
        self.seen: Any = mock.Mock()
        self.seen.same.return_value = False
        self.patch(self.template, "_snapshot", lambda: self.seen)

    def requests(self) -> int:
        """Return how often a replacement was requested."""
        return self.reports().count(report(STALE, 0, os.getpid(), 0))

    def test_same(self) -> None:
        """A child is warm if nothing has changed, or the script alone."""
        self.assertIs(self.template.isCold(), False)
        self.program.refresh.return_value = True
        self.assertIs(self.template.isCold(), False)
        self.assertEqual(self.requests(), 0)

    def test_seen(self) -> None:
        """Nothing is looked at again before a file has changed, or near the limit."""
        self.program.problem = "a"
        for same, near, looks in (
            *((False, False, 1), (True, False, 1), (False, False, 2), (True, False, 2)),
            *((True, True, 3), (True, False, 3)),
        ):
            self.patch(self.template._seen, "same", lambda same=same: same)
            self.near.return_value = near
            self.assertTrue(self.template.isCold())
            self.assertEqual(self.program.refresh.call_count, looks)

    def test_changed(self) -> None:
        """A program that has changed is looked at once more: its links can differ."""
        self.program.refresh.return_value = True
        for certain in (False, True):
            self.seen = mock.Mock(certain=True)
            self.seen.same.return_value = False
            self.template.isCold()
            self.assertIs(self.template._seen.certain, certain)
            self.program.refresh.return_value = False

    def test_otherImports(self) -> None:
        """A replacement is requested once if the script imports other modules."""
        self.preloaded.changed.return_value = True
        self.assertFalse(self.template.isCold())
        self.assertEqual(self.requests(), 0)
        self.program.refresh.return_value = True
        self.program.problem = "x"
        self.assertTrue(self.template.isCold())
        self.assertEqual(self.requests(), 0)
        self.program.problem = ""
        for wanted in (1, 0):
            self.assertFalse(self.template.isCold())
            self.assertEqual(self.requests(), wanted)

    def test_problem(self) -> None:
        """A problem of the script is logged when it changes."""
        for problem, logged in (("a", 1), ("a", 1), ("", 1), ("a", 2), ("b", 3)):
            self.program.problem = problem
            self.assertIs(self.template.isCold(), bool(problem))
            self.assertEqual(len(self.lines), logged)
        self.assertEqual(self.lines, ["cold: a", "cold: a", "cold: b"])

    def test_stale(self) -> None:
        """A child is cold and a replacement is requested if a module is stale."""
        self.preloaded.stale.return_value = True
        self.assertIs(self.template.isCold(), True)
        self.assertEqual(self.requests(), 1)
        self.preloaded.spoil.assert_not_called()

    def test_spoiled(self) -> None:
        """The modules are stale if a cold start would be another."""
        self.same.return_value = False
        self.template.isCold()
        self.preloaded.spoil.assert_called_once_with()

    def test_limit(self) -> None:
        """A replacement is requested near the limit of CPU time; children stay warm."""
        self.near.return_value = True
        self.assertFalse(self.template.isCold())
        self.assertEqual(self.requests(), 1)


class PrepareTests(ServerTestCase):
    """
    Tests for what is prepared, and how a child enters.

    @ivar called: the functions that were called, with their arguments.
    """

    def setUp(self) -> None:
        """Keep this process as it is."""
        super().setUp()
        self.called: list[Any] = []
        for name in ("collect", "freeze", "disable", "enable"):
            self.patch(gc, name, self.record(name))
        preloaded = self.template._preloaded
        for thing, name in ((preloaded, "load"), (sys, "argv")):
            self.patch(thing, name, self.record(name))
        self.patch(sys, "path", ["/x"])
        self.patch(sys, "path_importer_cache", {"/x": None, "/y": None})
        self.streams: Any = mock.Mock()
        self.patch(self.template, "_streams", self.streams)
        program = self.template.program
        self.patch(program, "prepare", lambda: self.called.append("main"))
        thawed = type(self.template).freeze.__get__(self.template)
        self.patch(self.template, "freeze", thawed)
        self.count = 1
        self.patch(template, "countThreads", lambda: self.count)

    def record(self, name: str) -> Any:
        """Return a function that notes how it is called."""
        return lambda *given: self.called.append((name, *given))

    def test_load(self) -> None:
        """The program is compiled, and modules are imported."""
        self.patch(self.template, "_hasDirectory", True)
        self.template.load()
        self.assertEqual(self.called, [("load", True)])
        self.assertIsNotNone(self.template.program._code)

    def test_threads(self) -> None:
        """The process exits with a status of its own if a module started a thread."""
        self.count = 2
        gone = self.assertRaises(ExitedError, self.template.load)
        self.assertEqual(gone.args, (THREADED,))
        self.assertIn("an imported module started a thread", self.lines[0])

    def test_share(self) -> None:
        """
        Buffers are flushed, and garbage is not collected any more.

        The program's main module is not frozen, so that a child can collect it.
        """
        self.template.share()
        frozen = [("disable",), ("collect",), ("freeze",)]
        self.assertEqual(self.called, [*frozen, "main"])
        self.assertEqual(sys.path_importer_cache, {"/x": None})
        self.streams.flush.assert_called_once_with()

    def enter(self, collects: bool = True, renew: bool = True) -> None:
        """Run as a child."""
        self.template._path = list(self.template._preloaded.path)
        self.template.freeze()
        self.template._collects = collects
        self.called.clear()
        self.addCleanup(os.environ.pop, "INETDTW_TEST", None)
        variables = {b"INETDTW_TEST": b"2"}.items()
        self.template.enter(variables, renew)

    def test_enter(self) -> None:
        """A child has its variables, arguments, path and streams."""
        self.template._preloaded.path = ["/a"]
        self.patch(self.template, "_hasDirectory", True)
        self.assertFalse(self.template.entered)
        self.enter()
        self.assertTrue(self.template.entered)
        self.assertEqual(os.environ["INETDTW_TEST"], "2")
        self.assertEqual((sys.argv, sys.path), (["-c"], ["", "/a"]))
        self.streams.renew.assert_called_once_with()
        self.enter(renew=False)
        self.streams.renew.assert_called_once_with()

    def test_warned(self) -> None:
        """The warnings of the compiler are printed for each client."""
        for text in ("", "x is odd\n"):
            self.template.program.warnings = text
            stderr: Any = mock.Mock()
            with mock.patch.object(sys, "stderr", stderr):
                self.enter()
                self.enter()
            written = [each.args[0] for each in stderr.write.mock_calls]
            self.assertEqual(written, [text] * 2 if text else [])

    def test_snapshot(self) -> None:
        """The files on which a start depends are looked at together."""
        seen = self.template._snapshot()
        paths = [os.path.normpath(path) for _, path, _ in seen._states]
        self.assertEqual(paths, [os.getcwd(), sys.executable])
        self.assertTrue(seen.same())
        # A program that is searched for depends on more.
        self.patch(self.cold._program, "single", False)
        self.assertFalse(self.template._snapshot().same())

    def test_garbage(self) -> None:
        """A child collects garbage if the interpreter does."""
        for collects, wanted in ((True, [("enable",)]), (False, [])):
            self.enter(collects)
            self.assertEqual(self.called, wanted)

    def test_path(self) -> None:
        """The path has the script's directory once, if at all."""
        for has, placed, path in (
            (True, False, ["", "/a"]),
            (True, True, ["/a"]),
            (False, False, ["/a"]),
        ):
            self.template._preloaded.path = ["/a"]
            self.template._preloaded.hasDirectory = placed
            self.patch(self.template, "_hasDirectory", has)
            self.enter()
            self.assertEqual(sys.path, path)

    def test_withoutOs(self) -> None:
        """The variables are in C{os.environ} also when C{os} is imported later."""
        modules = dict(sys.modules)
        del modules["os"]
        put: list[tuple[bytes, bytes]] = []
        known: dict[bytes, bytes] = {}
        self.patch(template, "putenv", lambda *given: put.append(given))
        self.patch(posix, "environ", known)
        with mock.patch.object(sys, "modules", modules):
            self.enter()
        self.assertEqual(known, {b"INETDTW_TEST": b"2"})
        self.assertEqual(put, [(b"INETDTW_TEST", b"2")])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.rehearsal}."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any, cast

from inetdtw.helpers.warm import child
from inetdtw.helpers.warm.rehearsal import TIMES, ExitRehearsed, rehearse, rehearseExit
from inetdtw.helpers.warm.test.cases import Noisy, ServerTestCase


class RehearseTests(ServerTestCase):
    """
    Tests for L{rehearse}.

    @ivar shutdown: the shutdown of the template.
    @ivar ended: how often a child has ended.
    """

    def setUp(self) -> None:
        """Prepare a template that is shared, in which nothing is destroyed."""
        super().setUp()
        # This is not the standard output of a warm process.
        for name in ("stdout", "stderr"):
            self.patch(sys, f"__{name}__", getattr(sys, name))
        self.patch(sys, "path", ["/x"])
        self.patch(child, "dup2", self.duplicate)
        self.addCleanup(gc.enable if gc.isenabled() else gc.disable)
        self.template.program.refresh()
        self.template._collects = True
        self.shutdown = cast(Any, FakeShutdown())
        self.template.shutdown = self.shutdown
        self.ended = 0

    def duplicate(self, fd: int, to: int) -> None:
        """Verify that a descriptor is replaced by itself."""
        self.assertTrue(os.path.sameopenfile(fd, to))

    def leave(self) -> None:
        """End a child, by turns as the program ends and as the interpreter does."""
        self.ended += 1
        self.assertTrue(self.template.entered)
        self.assertIsNot(self.template.shutdown, self.shutdown)
        self.assertEqual(self.template.shutdown, (self.shutdown, rehearseExit))
        if self.ended % 2:
            rehearseExit(0)

    def rehearse(self) -> None:
        """Rehearse with a child that was not prepared."""
        rehearse(self.server.child, self.template, self.leave)

    def test_often(self) -> None:
        """A child enters and ends often enough."""
        self.rehearse()
        self.assertEqual(self.ended, TIMES)

    def test_unchanged(self) -> None:
        """This process is as it was before."""
        path, environment = sys.path, dict(os.environb)
        fds = os.listdir("/proc/self/fd")
        self.template.program.warnings = "x is odd\n"
        self.rehearse()
        self.assertIs(sys.path, path)
        self.assertEqual(sys.path, ["/x"])
        self.assertEqual(dict(os.environb), environment)
        self.assertEqual(os.listdir("/proc/self/fd"), fds)
        self.assertFalse(self.template.entered or gc.isenabled())
        self.assertIs(self.template.shutdown, self.shutdown)
        self.assertEqual(self.template.program.warnings, "x is odd\n")

    def test_quiet(self) -> None:
        """The warnings of the compiler are not printed."""
        flushed: list[str] = []
        stderr = Noisy(flushed, "stderr")
        for name in ("stderr", "__stderr__"):
            self.patch(sys, name, stderr)
        self.template.program.warnings = "x is odd\n"
        self.rehearse()
        self.assertEqual((stderr.getvalue(), self.ended), ("", TIMES))

    def test_needs(self) -> None:
        """A program that would import modules does not do that here."""
        entered: list[int] = []
        self.patch(self.template.program, "enter", lambda: entered.append(1))
        for needs, count in (((), TIMES), (("runpy",), 0)):
            self.patch(self.template.program, "needs", needs)
            self.rehearse()
            self.assertEqual(len(entered), count)
            entered.clear()

    def test_frozen(self) -> None:
        """What it leaves behind is frozen, and the next child has a main module."""
        frozen: list[Any] = []
        self.patch(self.template, "freeze", lambda: frozen.append(self.ended))
        self.rehearse()
        self.assertEqual(frozen, [0, TIMES])

    def test_streams(self) -> None:
        """Streams of a preloaded module are left alone."""
        for name in ("stdout", "stderr"):
            flushed: list[str] = []
            with self.subTest(name):
                before = getattr(sys, name)
                self.patch(sys, name, Noisy(flushed, name))
                self.rehearse()
                self.patch(sys, name, before)
                self.assertEqual((self.ended, flushed), (0, []))

    def test_exit(self) -> None:
        """The exit is not caught by what a program could catch."""
        self.assertRaises(ExitRehearsed, rehearseExit, 3)
        self.assertFalse(issubclass(ExitRehearsed, Exception))


class FakeShutdown:
    """A shutdown that is known again when it is rehearsed."""

    def rehearsed(self, end: object) -> Any:
        """Return what this was called with."""
        return self, end

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.exceptions}."""

from __future__ import annotations

import io
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.warm import exceptions
from inetdtw.helpers.warm.exceptions import printException, printUnraisable, statusOf
from inetdtw.helpers.warm.test.cases import StderrTestCase


class PrintExceptionTests(StderrTestCase):
    """Tests for L{printException} and L{statusOf}."""

    def setUp(self) -> None:
        """Restore the last exception afterwards."""
        super().setUp()
        self.patch(exceptions, "VERSION", (3, 13, 0))
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if not hasattr(sys, name):
                setattr(sys, name, None)
                self.addCleanup(delattr, sys, name)
            else:
                self.patch(sys, name, None)

    def test_last(self) -> None:
        """An exception is the last one, by the names of the version."""
        self.patch(sys, "excepthook", lambda *given: None)
        for version, wanted in (((3, 12, 0), True), ((3, 11, 9), False)):
            setattr(sys, "last_exc", None)  # noqa: B010 - unknown to earlier versions
            self.patch(exceptions, "VERSION", version)
            why = ValueError("x")
            self.assertIsNone(printException(why))
            last = (sys.last_type, sys.last_value, sys.last_traceback)
            self.assertEqual(last, (ValueError, why, None))
            found: Any = getattr(sys, "last_exc", None)
            self.assertEqual(found is why, wanted)

    def test_noHook(self) -> None:
        """A missing hook is reported, and the exception is printed."""
        self.patch(sys, "excepthook", None)
        del sys.excepthook
        self.assertIsNone(printException(ValueError("x")))
        self.assertEqual(self.printed(), "sys.excepthook is missing\nValueError: x\n")

    def test_badHook(self) -> None:
        """When the hook raises, both exceptions are printed, without our own frame."""

        def hook(*given: object) -> None:
            raise KeyError("y")

        self.patch(sys, "excepthook", hook)
        self.assertIsNone(printException(ValueError("x")))
        first, trace, *middle, last = self.printed().splitlines()
        self.assertEqual(first, "Error in sys.excepthook:")
        self.assertEqual(trace, "Traceback (most recent call last):")
        self.assertEqual(sum(" in printException" in each for each in middle), 0)
        self.assertEqual(sum(" in hook" in each for each in middle), 1)
        wanted = ["KeyError: 'y'", "", "Original exception was:"]
        self.assertEqual(middle[-3:], wanted)
        self.assertEqual(last, "ValueError: x")

    def test_noHookAtAll(self) -> None:
        """When the hook cannot be called, its error has no frame but ours."""
        self.patch(sys, "excepthook", None)
        printException(ValueError("x"))
        self.assertTrue(
            self.printed().startswith("Error in sys.excepthook:\nTypeError: "),
            "a trace",
        )

    def test_status(self) -> None:
        """
        The status is a number modulo 256; what is not a number is printed.

        A number that does not fit into 64 bits is 255.
        """
        for code, status in (
            (-(1 << 63), 0),
            (-(1 << 63) - 256, 255),
            ((1 << 63) - 256, 0),
            (1 << 63, 255),
            (511, 255),
            (None, 0),
            (0, 0),
            (3, 3),
            (257, 1),
            (-1, 255),
            (True, 1),
        ):
            self.assertEqual(statusOf(SystemExit(code)), status, code)
        self.assertEqual(self.printed(), "")
        self.assertEqual(statusOf(SystemExit("bye")), 1)
        self.assertEqual(self.printed(), "bye\n")
        self.patch(sys, "stderr", None)
        self.assertEqual(statusOf(SystemExit("bye")), 1)


def _inner() -> None:
    """Raise an exception."""
    raise ValueError("because")


def _raised() -> ValueError:
    """Return an exception that has gone through two frames."""
    try:
        _inner()
    except ValueError as why:
        found = why
    return found


class UnraisableTests(SynchronousTestCase):
    """Tests for L{printUnraisable}."""

    def setUp(self) -> None:
        """Replace standard error."""
        self.stderr = io.StringIO()
        self.patch(sys, "stderr", self.stderr)

    def linesOf(self, version: tuple[int, int]) -> list[str]:
        """Return the lines that are printed in a version of Python."""
        self.patch(exceptions, "VERSION", version)
        printUnraisable(_raised(), "thing", "on flushing sys.stdout")
        return self.stderr.getvalue().splitlines()

    def test_before(self) -> None:
        """
        Before 3.13 the object is printed, then the exception.

        The frame that calls it is not shown.
        """
        first, second, *_, last = self.linesOf((3, 12))
        self.assertEqual(first, "Exception ignored in: 'thing'")
        self.assertEqual(second, "Traceback (most recent call last):")
        self.assertEqual(last, "ValueError: because")
        self.assertIn("in _inner", self.stderr.getvalue())
        self.assertNotIn("in _raised", self.stderr.getvalue())

    def test_since(self) -> None:
        """From 3.13 on the occasion is printed instead of the object."""
        first, second, *_ = self.linesOf((3, 13))
        self.assertEqual(first, "Exception ignored on flushing sys.stdout:")
        self.assertEqual(second, "Traceback (most recent call last):")

    def test_noTraceback(self) -> None:
        """An exception that was never raised has no traceback."""
        self.patch(exceptions, "VERSION", (3, 12))
        printUnraisable(ValueError("x"), "thing", "")
        wanted = "Exception ignored in: 'thing'\nValueError: x\n"
        self.assertEqual(self.stderr.getvalue(), wanted)

    def test_noHook(self) -> None:
        """The exception is printed where there is no hook."""
        self.patch(sys, "unraisablehook", None)
        self.assertIn("Exception ignored", self.linesOf((3, 12))[0])

    def test_hook(self) -> None:
        """A hook of the program's own is called, and nothing is printed."""
        calls: list[Any] = []
        self.patch(sys, "unraisablehook", calls.append)
        why = _raised()
        printUnraisable(why, "thing", "on flushing sys.stdout")
        (found,) = calls
        self.assertEqual(
            (found.exc_type, found.exc_value, found.err_msg, found.object),
            (ValueError, why, None, "thing"),
        )
        self.assertIs(found.exc_traceback, why.__traceback__)
        self.assertEqual(found.exc_traceback.tb_frame.f_code.co_name, "_inner")
        self.assertEqual(self.stderr.getvalue(), "")

    def test_badHook(self) -> None:
        """Whatever a hook raises is ignored."""

        def bad(given: Any) -> None:
            raise KeyError

        self.patch(sys, "unraisablehook", bad)
        printUnraisable(_raised(), "thing", "")
        self.assertEqual(self.stderr.getvalue(), "")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.warm.main}."""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

from inetdtw.helpers.warm import exceptions, main
from inetdtw.helpers.warm.program import CommandString, Script
from inetdtw.helpers.warm.test.cases import ExitedError, Noisy, StderrTestCase


class FakeShutdown:
    """
    A shutdown that notes how the process exits.

    @ivar exits: the statuses, and whether the program was interrupted.
    """

    def __init__(self) -> None:
        """Note no exit yet."""
        self.exits: list[tuple[int, bool]] = []

    def exit(self, status: int, interrupted: bool) -> None:
        """Note an exit."""
        self.exits.append((status, interrupted))


class FakeTemplate:
    """A template of which this process is a child."""

    def __init__(self, program: Any, entered: bool = True) -> None:
        """@param entered: whether this process is a child."""
        self.program = program
        self.entered = entered
        self.shutdown = FakeShutdown()


class LeaveTests(StderrTestCase):
    """Tests for L{main.leave}."""

    def setUp(self) -> None:
        """Make a script of which this process is a child."""
        super().setUp()
        self.version((3, 13, 0))
        self.left: list[str] = []
        self.script = Script(["/none/script.py"])
        self.patch(self.script, "left", lambda: self.left.append("left"))
        self.patch(sys, "excepthook", lambda *arguments: self.left.append("hook"))

    def version(self, version: tuple[int, int, int]) -> None:
        """Set the version of the interpreter."""
        for module in (exceptions, main):
            self.patch(module, "VERSION", version)

    def leave(self, raised: BaseException | None, program: Any = None) -> Any:
        """
        End a program.

        @return: the status, and whether it was interrupted.
        """
        template = FakeTemplate(program or self.script)
        self.patch(main, "template", template)
        self.patch(main, "error", raised)
        main.leave()
        self.assertIsNone(main.error)
        (found,) = template.shutdown.exits
        return found

    def test_done(self) -> None:
        """A program that has run to its end has the status 0, and is cleaned up."""
        self.assertEqual(self.leave(None), (0, False))
        self.assertEqual(self.left, ["left"])

    def test_exit(self) -> None:
        """A program that exits has its own status, and is not cleaned up."""
        self.assertEqual(self.leave(SystemExit(3)), (3, False))
        self.assertEqual(self.left, [])

    def test_raised(self) -> None:
        """A program that raises has the status 1, after the hook was called."""
        self.assertEqual(self.leave(ValueError("x")), (1, False))
        self.assertEqual(self.left, ["hook", "left"])

    def test_hookExits(self) -> None:
        """A program whose hook exits has the status of that."""

        def hook(*arguments: object) -> None:
            sys.exit(7)

        self.patch(sys, "excepthook", hook)
        self.assertEqual(self.leave(ValueError("x")), (7, False))
        self.assertEqual(self.left, [])

    def test_interrupted(self) -> None:
        """A program that is interrupted is killed by the signal from 3.8 on."""
        self.assertEqual(self.leave(KeyboardInterrupt()), (1, True))
        self.version((3, 8, 1))
        self.assertEqual(self.leave(KeyboardInterrupt()), (1, True))
        self.version((3, 7, 9))
        self.assertEqual(self.leave(KeyboardInterrupt()), (1, False))

    def test_frames(self) -> None:
        """The frame that has called the program is not shown."""
        traces: list[Any] = []
        self.patch(sys, "excepthook", lambda *arguments: traces.append(arguments[2]))

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
        """Output of a script is flushed first; that of -c is not."""
        flushed: list[str] = []
        self.patch(sys, "stdout", Noisy(flushed, "stdout"))
        self.patch(sys, "stderr", Noisy(flushed, "stderr"))
        self.leave(None)
        self.assertEqual(flushed, ["stderr", "stdout"])
        flushed.clear()
        self.leave(None, CommandString(["-c", ""]))
        self.assertEqual(flushed, [])

    def test_forgotten(self) -> None:
        """
        The sockets of the process are let go of if the interpreter itself exits.

        It would close them once more.
        """
        server: Any = mock.Mock()
        self.patch(main, "server", server)
        self.leave(None)
        server.child.forget.assert_called_once_with()

    def test_noChild(self) -> None:
        """An error in the process itself is printed, and the status is 1."""
        for template in (FakeTemplate(self.script, entered=False), None):
            for raised, wanted in ((ValueError("x"), "ValueError: x\n"), (None, "")):
                self.patch(main, "error", raised)
                self.patch(main, "template", template)
                gone = self.assertRaises(ExitedError, main.leave)
                self.assertEqual((gone.args, self.printed()), ((1,), wanted))

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.screen}."""

from __future__ import annotations

import io
import os
import shutil
import signal
from collections.abc import Sequence
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import screen


class Terminal(io.StringIO):
    """A stream that is a terminal, or not."""

    def __init__(self, isTerminal: bool) -> None:
        """@param isTerminal: whether it is one."""
        super().__init__()
        self._is = isTerminal

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return self._is


class WatchTests(SynchronousTestCase):
    """Tests for L{screen.watch}."""

    def setUp(self) -> None:
        """Set a terminal of 40 columns and 3 lines."""
        self.patch(shutil, "get_terminal_size", lambda: os.terminal_size((40, 3)))
        self.widths: list[int | None] = []
        self.lines = ["one", "two"]
        self.slept: list[float] = []

    def draw(self, width: int | None) -> Sequence[str]:
        """Return some lines."""
        self.widths.append(width)
        return self.lines

    def watch(self, isTerminal: bool, end: Any = KeyboardInterrupt) -> str:
        """Return the output of two rounds."""

        def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            if len(self.slept) == 2:
                end() if callable(end) and not isinstance(end, type) else self.fall(end)

        terminal = Terminal(isTerminal)
        screen.watch(self.draw, 2.5, terminal, sleep)
        return terminal.getvalue()

    def fall(self, kind: Any) -> None:
        """Raise something."""
        raise kind()

    def test_inPlace(self) -> None:
        """On a terminal, the alternate screen is used until Ctrl-C."""
        text = self.watch(True)
        once = "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J"
        enter, leave = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
        self.assertEqual(text, enter + once * 2 + leave)
        self.assertEqual((self.widths, self.slept), ([40, 40], [2.5, 2.5]))

    def test_signals(self) -> None:
        """SIGTERM and SIGHUP end it, and their handlers are restored."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            self.slept.clear()
            text = self.watch(True, lambda number=number: os.kill(os.getpid(), number))
            self.assertTrue(text.endswith("\x1b[?1049l"))
            self.assertIs(signal.getsignal(number), before)

    def test_failure(self) -> None:
        """After an exception, the terminal is restored."""
        terminal = Terminal(True)

        def fail(width: int | None) -> Sequence[str]:
            raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, screen.watch, fail, 1, terminal)
        self.assertTrue(terminal.getvalue().endswith("\x1b[?25h\x1b[?1049l"))

    def test_noTerminal(self) -> None:
        """Without a terminal, lines have full width and no control characters."""
        self.assertEqual(self.watch(False), "one\ntwo\n\none\ntwo\n")
        self.assertEqual(self.widths, [None, None])

    def test_tooLong(self) -> None:
        """Lines are cut at the width of the terminal, with a mark."""
        self.lines = ["n" * 40, "n" * 41]
        once = f"\x1b[H{'n' * 40}\x1b[K\r\n{'n' * 39}+\x1b[K"
        self.assertIn(once, self.watch(True))

    def test_tooMany(self) -> None:
        """Lines that do not fit are counted, so that the terminal does not scroll."""
        self.assertEqual(screen.fitting(list("abc"), 3), ["a", "b", "c"])
        found = screen.fitting(list("abcd"), 3)
        self.assertEqual(found, ["a", "b", "... 2 more lines"])

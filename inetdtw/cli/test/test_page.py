# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.page}."""

from __future__ import annotations

import io
import os
import time

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli import page
from inetdtw.cli.page import RED, Line, clock, drawn, hasColours, wrapped


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return whether it is a terminal."""
        return True


class LineTests(SynchronousTestCase):
    """Tests for the lines of a terminal."""

    def test_wrapped(self) -> None:
        """A text is wrapped at the width, and nothing is lost."""
        text = "7/tcp: '/usr/sbin/in.echod': No such file or directory"
        lines = [line.text for line in wrapped(text, 30)]
        self.assertEqual(
            lines, ["7/tcp: '/usr/sbin/in.echod':", "    No such file or directory"]
        )
        long = "".join(line.text.strip() for line in wrapped("x" * 100, 30))
        self.assertEqual(long, "x" * 100)
        self.assertEqual(list(wrapped(text, None, RED)), [Line(text, RED)])
        self.assertEqual(list(wrapped("", 30)), [Line("")])
        self.assertEqual(list(wrapped("\x1b[2J", 30)), [Line("\\x1b[2J")])

    def test_drawn(self) -> None:
        """A line is cut at the width, and the colour ends with it."""
        line = Line("n" * 41, RED)
        self.assertEqual(drawn(line, True, 40), f"\x1b[31m{'n' * 39}+\x1b[m")
        self.assertEqual(drawn(line, False), "n" * 41)
        self.assertEqual(drawn(Line("n"), True), "n")

    def test_colours(self) -> None:
        """Only a terminal has colours, unless C{NO_COLOR} or C{TERM} rejects them."""
        for env, expected in (
            ({"TERM": "xterm"}, True),
            ({"TERM": "xterm", "NO_COLOR": ""}, True),
            ({"TERM": "xterm", "NO_COLOR": "1"}, False),
            ({"TERM": "dumb"}, False),
            ({}, False),
        ):
            self.patch(os, "environ", env)
            self.assertEqual(hasColours(Terminal()), expected, env)
            self.assertFalse(hasColours(io.StringIO()))

    def test_clock(self) -> None:
        """A time of another day has the date."""
        now = time.mktime((2026, 3, 4, 13, 14, 15, 0, 0, -1))
        self.assertEqual(clock(now - 3600, now), "12:14:15")
        self.assertEqual(clock(now + 3600, now), "14:14:15")
        self.assertEqual(clock(now - 2 * 86400, now), "03-02 13:14")

    def test_lines(self) -> None:
        """A page has its head first."""
        self.assertEqual(
            page.Page((Line("a"),), (Line("b"),)).lines, (("a", ""), ("b", ""))
        )

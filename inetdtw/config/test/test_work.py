# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for how much work a text is for L{inetdtw.config.parser}."""

from __future__ import annotations

import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.parser import parse
from inetdtw.config.test.statements import CAT


class Counted(str):
    """
    A text that counts how many of its characters are looked at.

    @cvar looked: the count, of all such texts.
    """

    looked = 0

    def _look(self, count: int) -> None:
        Counted.looked += count

    def find(self, sub: str, *where: Any) -> int:
        """Count as far as it was found."""
        found = super().find(sub, *where)
        self._look((len(self) if found < 0 else found) - (where or (0,))[0])
        return found

    def rfind(self, sub: str, *where: Any) -> int:
        """Count all the way, since there may be nothing to find."""
        start, end = where
        self._look(end - start)
        return super().rfind(sub, *where)

    def count(self, sub: str, *where: Any) -> int:
        """Count all the way."""
        start, end = where
        self._look(end - start)
        return super().count(sub, *where)

    def __getitem__(self, index: Any) -> str:
        """Count the characters that are copied."""
        found = super().__getitem__(index)
        self._look(len(found))
        return found


def steps(text: str) -> int:
    """Return the work of parsing a text: calls, and characters that are examined."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += 1

    Counted.looked = 0
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for _ in parse(Counted(text)):
            pass
    finally:
        sys.setprofile(before)
    return calls + Counted.looked


class WorkTests(SynchronousTestCase):
    """Tests for the time that parsing takes."""

    def assertLinear(self, unit: str, prefix: str = "") -> None:
        """Twice the text takes at most twice the time."""
        once = steps(prefix + unit * 500)
        twice = steps(prefix + unit * 1000)
        self.assertLess(twice, 2.2 * once + 100, repr(prefix + unit))

    def test_definitions(self) -> None:
        """Definitions take linear time, with and without semicolons."""
        for unit in (
            *("a on k=v\n", "a on k=v;", "a on\n", "a on ", "a on;", "a on k =\n"),
            *("a on k=v\n#\n", "a on k=v\n b on k=v\n", "a on = ;", "a on k=v ; ;"),
            *("a on protocol=tcp, wait=no;", "a on 'b c';", "a on user=u, user=v; "),
        ):
            self.assertLinear(unit)

    def test_quotes(self) -> None:
        """Quotes that are not closed take linear time."""
        for unit in ("a on '\n", "a on 'x\" ", "a b '\n", "'", "\"'", '\\"', "'\n"):
            self.assertLinear(unit)
            self.assertLinear(unit, "a on x = ")
            self.assertLinear(unit, "a b 'c")

    def test_lines(self) -> None:
        """Whitespace, comments, continuation lines and a huge line take linear time."""
        for unit in (
            *(" ", "\n", "\t\n", "\r\n", "#\n", "a\n", "\n a", " # a\n", "a ", "a,"),
            *("a", "a:\n", ":", ";", "=", ".include a\n", f"7 {CAT}\n", "7 on;8 a\n"),
        ):
            self.assertLinear(unit)
            self.assertLinear(unit, "7 stream tcp nowait u p ")
            self.assertLinear(unit, "a on args = ")

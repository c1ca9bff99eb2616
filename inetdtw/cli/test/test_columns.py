# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.columns}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.cli.columns import Column, aligned, keepEnd, keepProtocol, keepStart

COLUMNS = (
    Column("NAME", shorten=keepStart, least=6),
    Column("PLACE", shorten=keepEnd, least=8),
    Column("N", right=True),
    Column("MORE", optional=1),
    Column("MOST", optional=2),
)


class AlignedTests(SynchronousTestCase):
    """Tests for L{aligned}."""

    def lines(self, width: int | None, *rows: tuple[str, ...]) -> list[str]:
        """Return the lines of rows, without the headings."""
        return aligned(COLUMNS, rows, width)[1:]

    def test_aligned(self) -> None:
        """Columns are as wide as their widest cell, and numbers are right."""
        rows = (("a", "b", "12", "-", "-"), ("aaaaa", "b", "3", "-", "-"))
        self.assertEqual(
            aligned(COLUMNS, rows, None),
            [
                "NAME  PLACE  N MORE MOST",
                "a     b     12 -    -",
                "aaaaa b      3 -    -",
            ],
        )

    def test_empty(self) -> None:
        """Without rows there are the headings."""
        self.assertEqual(aligned(COLUMNS, (), 80), ["NAME PLACE N MORE MOST"])

    def test_widestFirst(self) -> None:
        """The widest column is shortened, and not the others."""
        for row, expected in (
            (("n" * 20, "1.2.3.4:5678"), "nnnnnnnnnnn+ 1.2.3.4:5678 1 -    -"),
            (("n" * 8, "1.2.3.4.5.6:5678"), "nnnnnnnn +2.3.4.5.6:5678 1 -    -"),
        ):
            (line,) = self.lines(len(expected) + 3, (*row, "1", "-", "-"))
            self.assertEqual(line, expected)

    def test_leftOut(self) -> None:
        """Columns are left out where names would be too short."""
        row = ("n" * 20, "p" * 20, "1", "more", "most")
        self.assertEqual(self.lines(26, row), ["nnnnnnnn+ +pppppppp 1 more"])
        self.assertEqual(self.lines(17, row), ["nnnnn+ +ppppppp 1"])
        self.assertEqual(self.lines(10, row), ["nnnnn+ +ppppppp 1"])

    def test_printable(self) -> None:
        """Control characters are escaped before the width is measured."""
        self.assertIn("\\x1b", self.lines(None, ("\x1b", "", "", "", ""))[0])


class ShortenedTests(SynchronousTestCase):
    """Tests for shortened cells."""

    def test_ends(self) -> None:
        """A plus sign marks the cut."""
        self.assertEqual(keepStart("abcdef", 4), "abc+")
        self.assertEqual(keepEnd("abcdef", 4), "+def")
        self.assertEqual((keepStart("abc", 3), keepEnd("abc", 3)), ("abc", "abc"))

    def test_protocol(self) -> None:
        """The name of a service keeps its protocol."""
        self.assertEqual(keepProtocol("verylongname/tcp", 10), "veryl+/tcp")
        self.assertEqual(keepProtocol("short/tcp", 10), "short/tcp")
        self.assertEqual(keepProtocol("a/verylongprotocol", 10), "a/verylon+")
        self.assertEqual(keepProtocol("verylongname", 10), "verylongn+")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.stderr.Lines}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.launch.stderr import LONGEST, Lines


class LinesTests(SynchronousTestCase):
    """Tests for L{Lines}."""

    def lines(self, *pieces: bytes) -> list[str]:
        """Return the lines of a text that is received in parts."""
        lines = Lines()
        found = [line for piece in pieces for line in lines.feed(piece)]
        return [*found, *lines.feed(b"\n")]

    def test_lines(self) -> None:
        """
        Lines are found however the text is divided.

        The last line needs no end of line, and empty ones are left out.
        """
        text = b"one\n\r\ntwo\r\nthree"
        wanted = ["one", "two", "three"]
        self.assertEqual(self.lines(text), wanted)
        self.assertEqual(self.lines(*(bytes((each,)) for each in text)), wanted)

    def test_atOnce(self) -> None:
        """A line is returned as soon as it is complete."""
        self.assertEqual(list(Lines().feed(b"one\ntw")), ["one"])

    def test_controls(self) -> None:
        """Control characters and bytes that are not UTF-8 are escaped."""
        data = b"a\tb\x1b[2J\x00\xff\xc2\x9b \xe6\x97\xa5"
        wanted = r"a\tb\x1b[2J\x00\xff\x9b 日"
        self.assertEqual(self.lines(data), [wanted])

    def test_forged(self) -> None:
        """No character makes a line of the log look like two."""
        (line,) = self.lines("a\u2028b\x0bc\x85d\re".encode())
        self.assertEqual(line.splitlines(), [line])

    def test_long(self) -> None:
        """
        A line that is too long is divided, without a loss.

        No more of it is kept than the longest line has.
        """
        text = b"a" * (3 * LONGEST + 5)
        found = self.lines(text + b"\nb")
        self.assertEqual([len(each) for each in found], [*[LONGEST] * 3, 5, 1])
        lines = Lines()
        early = list(lines.feed(text))
        self.assertEqual([len(each) for each in early], [LONGEST] * 3)

    def test_skip(self) -> None:
        """Skipped lines are counted; the first one after them is whole."""
        lines = Lines()
        self.assertEqual(list(lines.feed(b"one\ntw")), ["one"])
        self.assertEqual(lines.skip(b"o\nthree\nfo"), 2)
        self.assertEqual(list(lines.feed(b"ur\n")), ["four"])
        self.assertEqual(lines.skip(b"x" * (3 * LONGEST)), 2)
        self.assertEqual(lines.skip(b""), 0)
        self.assertLessEqual(len("".join(lines.feed(b"\n"))), LONGEST)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.lines}: lines that end in a backslash."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.entry import Entry
from inetdtw.config.keyvalue import WORDS
from inetdtw.config.test.statements import CAT, services, statements
from inetdtw.model.errors import ConfError, ConfWarning, Location


class BackslashTests(SynchronousTestCase):
    """Tests for lines that end in a backslash."""

    def test_backslash(self) -> None:
        """A line that ends in a backslash continues, as in busybox and HP-UX."""
        for end in ("\n", "\r\n"):
            for text, args in (
                ("7 stream tcp nowait - /bin/cat \\\n  cat -u", ("cat", "-u")),
                (f"7 {CAT} \\\n-u -v", ("cat", "-u", "-v")),
                (f"7 {CAT} -\\\nu", ("cat", "-u")),
                (f"7 {CAT} -u\\\n -v", ("cat", "-u", "-v")),
                (f"7 {CAT} \\\n\\\n-u", ("cat", "-u")),
                (f"7 {CAT} \\\n\n-u stays 8 9 10 11", ("cat",)),
                (f"7 {CAT} \\\n# no\n -u", ("cat", "-u")),
                (f"7 {CAT} -u \\", ("cat", "-u")),
                (f"7 {CAT} \\ -u", ("cat", "\\", "-u")),
                (f"7 {CAT} a\\b", ("cat", "a\\b")),
            ):
                found = statements(text.replace("\n", end))[0]
                assert isinstance(found, Entry), (text, found)
                self.assertEqual(found.get("args"), args, text)

    def test_backslashLocation(self) -> None:
        """An error on the second line of a service has that line's location."""
        (problem,) = statements("7 stream tcp nowait - /bin/cat \\\ncat 'u")
        assert isinstance(problem, ConfError)
        self.assertEqual(problem.location, Location("inetd.conf", 2, 5))

    def warningOf(self, text: str) -> tuple[int, int, str]:
        """Return the location and the reason of the one warning about a text."""
        found = statements(text)
        (warning,) = (each for each in found if isinstance(each, ConfWarning))
        self.assertEqual(warning.field, "line")
        return warning.location.line, warning.location.column, warning.reason

    def test_strayBackslash(self) -> None:
        """A backslash never hides a line that can only be a statement."""
        reason = "the backslash does not continue the line, because a statement follows"
        for end in ("\n", "\r\n"):
            for after in (
                *(f"8 {CAT}", "8 on protocol = tcp, args = echo;", "*:"),
                *(f"8 {CAT}".upper(), ".include x"),
            ):
                text = f"7 {CAT} \\\n{after}\n9 {CAT}".replace("\n", end)
                found = [each for each in statements(text) if isinstance(each, Entry)]
                self.assertEqual(found[0].get("args"), ("cat",))
                self.assertEqual(found[-1].service, "9")
                self.assertEqual(self.warningOf(text), (1, 41, reason), text)
        self.assertEqual(services("\\\n"), [])

    def test_spaceBehindBackslash(self) -> None:
        """Whitespace after a backslash draws a warning; a quoted backslash does not."""
        for words in ("\\", "a\\"):
            line, column, reason = self.warningOf(f"7 {CAT} {words} \t\n\n")
            self.assertEqual((line, column), (1, 40 + len(words)))
            self.assertIn("whitespace follows the backslash", reason)
        self.assertEqual(len(statements(f"7 {CAT} '\\'\n8 {CAT} \\ x")), 2)

    def test_indentedStatement(self) -> None:
        """A statement with whitespace in front continues a line, with a warning."""
        line, column, reason = self.warningOf(f"7 {CAT} \\\n  8 {CAT}\n9 {CAT}")
        self.assertEqual((line, column), (2, 3))
        self.assertIn("leading whitespace makes this a continuation", reason)

    def test_backslashComment(self) -> None:
        """A comment continues too, unless a statement follows."""
        text = f"#7 {CAT} \\\n  -u \\\n# -v\\\n\n8 {CAT}"
        self.assertEqual(services(text), ["8"])
        for statement in (f"7 {CAT}", f"7 {CAT}".upper(), f"  7 {CAT}"):
            self.assertEqual(services(f"# C:\\\n{statement}"), ["7"])
            self.assertEqual(services(f"# x\\\n -u \\\n{statement}"), ["7"])

    def test_misspelt(self) -> None:
        """A backslash does not hide a line that has an error."""
        for line in ("8 steam tcp nowait - /bin/cat", "8 tli rpc/tcp wait root /d d"):
            found = statements(f"7 {CAT} \\\n{line}\n9 {CAT}")
            (problem,) = (each for each in found if isinstance(each, ConfError))
            self.assertEqual(problem.location.line, 2)
        found = statements(f"7 {CAT} a\\\n# x \\\nb c\n")
        self.assertIsInstance(found[-1], ConfError)

    def test_lostLine(self) -> None:
        """A line that a comment takes in draws a warning, unless it looks like one."""
        reason = "this line is part of the comment above, which ends in a backslash"
        for lost in ("8 steam tcp nowait", "-v", "[Unit]"):
            text = f"# x \\\n  -u \\\n{lost}\n9 {CAT}"
            self.assertEqual(self.warningOf(text), (3, 1, reason), lost)

    def test_policy(self) -> None:
        """A policy that continues draws its warning once, at its beginning."""
        (warning,) = statements("#@ in ipsec \\\n  esp\\\n#@ x")
        assert isinstance(warning, ConfWarning)
        self.assertEqual((warning.field, warning.location.line), ("ipsec", 1))

    def test_tooMany(self) -> None:
        """Too many continuation lines are one error, and the next line is read."""
        for more in ("\\\n", "x \\\n", "x\\\n", "  \\\n"):
            text = f"7 {CAT} \\\n{more * (WORDS + 2)}\n8 {CAT}"
            problem, other = statements(text)
            assert isinstance(problem, ConfError) and isinstance(other, Entry)
            self.assertIn("too many words", problem.reason)
            self.assertEqual(other.service, "8")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.parser}: lines that end in a backslash."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.entry import Entry
from inetdtw.config.test.statements import CAT, entries, services, statements
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

    def test_strayBackslash(self) -> None:
        """A backslash never hides a line that can only be a statement."""
        for after in (f"8 {CAT}", "8 on protocol = tcp, args = echo;", "*:"):
            found = entries(f"7 {CAT} \\\n{after}\n9 {CAT}")
            self.assertEqual(found[0].get("args"), ("cat",))
            self.assertEqual(found[-1].service, "9")
        self.assertEqual(services("\\\n"), [])
        (_, warning) = statements(f"7 {CAT} \\ \n")
        assert isinstance(warning, ConfWarning)
        self.assertIn("only as its last character", warning.reason)

    def test_backslashComment(self) -> None:
        """A comment continues too, unless a statement follows."""
        text = f"#7 {CAT} \\\n  -u \\\n-v\n8 {CAT}"
        self.assertEqual(services(text), ["8"])
        self.assertEqual(services(f"# C:\\\n7 {CAT}"), ["7"])

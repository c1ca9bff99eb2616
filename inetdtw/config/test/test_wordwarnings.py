# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.wordwarnings}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.test.statements import CAT, statements
from inetdtw.model.errors import ConfWarning


class CommentTests(SynchronousTestCase):
    """Tests for the warning about C{#}."""

    def warnings(self, text: str) -> list[tuple[int, str, str]]:
        """Return the column, the field and the reason of each warning."""
        found = (each for each in statements(text) if isinstance(each, ConfWarning))
        return [(each.location.column, each.field, each.reason) for each in found]

    def test_within(self) -> None:
        """A C{#} within a word draws a warning, once in a line."""
        part = "is part of the word, not a comment"
        for text, column, field, word in (
            (f"7 {CAT} one#two", 41, "args", "one#two"),
            (f"7 {CAT}#echo x#y", 37, "args", "cat#echo"),
            (f"7#echo {CAT}", 1, "service", "7#echo"),
            ("7 stream tcp nowait nobody#x /bin/cat", 21, "user", "nobody#x"),
            ("7 stream tcp nowait nobody /bin/cat#x", 28, "exec", "/bin/cat#x"),
            (f"7 {CAT}\n  a one#two", 5, "args", "one#two"),
        ):
            wanted = (column, field, f"the '#' in '{word}' {part}")
            self.assertEqual(self.warnings(text), [wanted], text)

    def test_begins(self) -> None:
        """An argument that begins with C{#} is one warning, whatever follows."""
        reason = "'#' is an argument of the program, not a comment"
        self.assertEqual(self.warnings(f"7 {CAT} # a#b # c"), [(41, "args", reason)])

    def test_quoted(self) -> None:
        """A C{#} in quotes is meant, and comments draw none."""
        for text in (
            *(f"7 {CAT} 'one#two'", f'7 {CAT} "#"', f"7 {CAT} a'#'b"),
            *(f"# a#b\n7 {CAT}", f"7 {CAT}\n  # a#b\n"),
        ):
            self.assertEqual(self.warnings(text), [], text)

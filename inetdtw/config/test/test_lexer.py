# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.lexer}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.lexer import Source, wordsIn
from inetdtw.model.errors import ConfError, Location

LINE = Location("inetd.conf", 7)


class WordsTests(SynchronousTestCase):
    """Tests for the words of a line."""

    def assertWords(self, text: str, *wanted: str) -> None:
        """Assert that a line has these words."""
        self.assertEqual([word.text for word in wordsIn(LINE, text)], [*wanted])

    def test_whitespace(self) -> None:
        """Whitespace separates words (item 13)."""
        self.assertWords("")
        self.assertWords(" \t ")
        self.assertWords("a b", "a", "b")
        self.assertWords(" \ta\t \tb  ", "a", "b")

    def test_quotes(self) -> None:
        """Quotes of both kinds make one word of several (item 9)."""
        self.assertWords("""sh -c 'echo "a b"'""", "sh", "-c", 'echo "a b"')
        self.assertWords('''sh -c "echo 'a b'"''', "sh", "-c", "echo 'a b'")

    def test_quotesInside(self) -> None:
        """Quotes may begin and end anywhere in a word."""
        self.assertWords("""a" "b'"'c x''y""", 'a b"c', "xy")

    def test_empty(self) -> None:
        """Quotes with nothing between them are an empty word."""
        self.assertWords("""a '' "" b""", "a", "", "", "b")

    def test_escapes(self) -> None:
        """A backslash in double quotes escapes only a quote and itself."""
        self.assertWords(r'"a\"b" "a\\" "a\n"', 'a"b', "a\\", "a\\n")

    def test_backslash(self) -> None:
        """A backslash is literal in single quotes and outside of quotes."""
        self.assertWords(r"""'a\' \a\ a\\b""", "a\\", "\\a\\", "a\\\\b")

    def test_number(self) -> None:
        """A number sign within a line is an ordinary character (item 11)."""
        self.assertWords("cat # x#y '#'", "cat", "#", "x#y", "#")

    def test_places(self) -> None:
        """The location of a word is that of its first character, also a quote."""
        words = list(wordsIn(Location("f", 2, 10), """a  'b'c\t"" d"""))
        self.assertEqual([word.location.column for word in words], [10, 13, 18, 21])
        self.assertEqual(
            {(word.location.file, word.location.line) for word in words}, {("f", 2)}
        )

    def test_open(self) -> None:
        """A quote that is not closed is an error at that quote."""
        for text, column in (
            ("a b'c d", 4),
            ('a "', 3),
            (r'"a\"', 1),
            ("""'"' '""", 5),
        ):
            problem = self.assertRaises(ConfError, list, wordsIn(LINE, text))
            self.assertEqual(problem.location, Location("inetd.conf", 7, column), text)
            self.assertEqual(problem.field, "line")
            self.assertIn("unclosed quote", problem.reason)


class SourceTests(SynchronousTestCase):
    """Tests for L{Source}."""

    def test_lines(self) -> None:
        """Lines may end with LF, CRLF or the end of the text."""
        source = Source("a\nb\r\n\nc", "f")
        found = []
        while not source.ended:
            location, text = source.restOfLine()
            found.append((location.line, location.column, text))
        self.assertEqual(found, [(1, 1, "a"), (2, 1, "b"), (3, 1, ""), (4, 1, "c")])

    def test_partOfLine(self) -> None:
        """The rest of a line begins at the column that was reached."""
        source = Source("ab\ncdef\ng", "f")
        source.goTo(5)
        self.assertEqual(source.location(6), Location("f", 2, 4))
        self.assertEqual(source.restOfLine(), (Location("f", 2, 3), "ef"))
        self.assertEqual(source.restOfLine(), (Location("f", 3, 1), "g"))
        self.assertTrue(source.ended)

    def test_emptyLine(self) -> None:
        """The first line may be empty."""
        source = Source("\na", "f")
        self.assertEqual(source.restOfLine(), (Location("f", 1), ""))
        self.assertEqual(source.restOfLine(), (Location("f", 2), "a"))

    def test_nothing(self) -> None:
        """An empty text has ended."""
        self.assertTrue(Source("", "f").ended)

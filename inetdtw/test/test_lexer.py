# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.lexer}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.lexer import Definition, Sort, Source, wordsIn
from inetdtw.place import ConfError, Place

LINE = Place("inetd.conf", 7)


class WordsTests(SynchronousTestCase):
    """
    Tests for the words of a line.
    """

    def assertWords(self, text: str, *wanted: str) -> None:
        """
        The line has these words.
        """
        self.assertEqual([word.text for word in wordsIn(LINE, text)], [*wanted])

    def test_blanks(self) -> None:
        """
        Any number of blanks and tabs divides words, and those at the ends of a line
        are no words (item 13).
        """
        self.assertWords("")
        self.assertWords(" \t ")
        self.assertWords("a b", "a", "b")
        self.assertWords(" \ta\t \tb  ", "a", "b")

    def test_quotes(self) -> None:
        """
        Quotes of both kinds make one word of several (item 9).
        """
        self.assertWords("""sh -c 'echo "a b"'""", "sh", "-c", 'echo "a b"')
        self.assertWords('''sh -c "echo 'a b'"''', "sh", "-c", "echo 'a b'")

    def test_quotesInside(self) -> None:
        """
        Quotes may begin and end anywhere in a word.
        """
        self.assertWords("""a" "b'"'c x''y""", 'a b"c', "xy")

    def test_empty(self) -> None:
        """
        Quotes with nothing between them are an empty word.
        """
        self.assertWords("""a '' "" b""", "a", "", "", "b")

    def test_escapes(self) -> None:
        """
        In double quotes a backslash makes a quote or itself literal, and is a
        character like any other before other ones.
        """
        self.assertWords(r'"a\"b" "a\\" "a\n"', 'a"b', "a\\", "a\\n")

    def test_backslash(self) -> None:
        """
        A backslash is literal in single quotes and outside of quotes.
        """
        self.assertWords(r"""'a\' \a\ a\\b""", "a\\", "\\a\\", "a\\\\b")

    def test_number(self) -> None:
        """
        A number sign is a character like any other within a line (item 11).
        """
        self.assertWords("cat # x#y '#'", "cat", "#", "x#y", "#")

    def test_places(self) -> None:
        """
        The place of a word is that of its first character, be it a quote.
        """
        words = list(wordsIn(Place("f", 2, 10), """a  'b'c\t"" d"""))
        self.assertEqual([word.place.column for word in words], [10, 13, 18, 21])
        self.assertEqual(
            {(word.place.file, word.place.line) for word in words}, {("f", 2)}
        )

    def test_open(self) -> None:
        """
        A quote that is not closed is an error at that quote.
        """
        for text, column in (
            ("a b'c d", 4),
            ('a "', 3),
            (r'"a\"', 1),
            ("""'"' '""", 5),
        ):
            problem = self.assertRaises(ConfError, list, wordsIn(LINE, text))
            self.assertEqual(problem.place, Place("inetd.conf", 7, column), text)
            self.assertEqual(problem.field, "line")
            self.assertIn("quote is not closed", problem.reason)


class SourceTests(SynchronousTestCase):
    """
    Tests for L{Source}.
    """

    def test_lines(self) -> None:
        """
        It is read line by line, whatever the lines end with.
        """
        source = Source("a\nb\r\n\nc", "f")
        found = []
        while not source.ended:
            place, text = source.restOfLine()
            found.append((place.line, place.column, text))
        self.assertEqual(found, [(1, 1, "a"), (2, 1, "b"), (3, 1, ""), (4, 1, "c")])

    def test_partOfLine(self) -> None:
        """
        What is left of a line begins at the column that was reached.
        """
        source = Source("ab\ncdef\ng", "f")
        source.goTo(5)
        self.assertEqual(source.place(6), Place("f", 2, 4))
        self.assertEqual(source.restOfLine(), (Place("f", 2, 3), "ef"))
        self.assertEqual(source.restOfLine(), (Place("f", 3, 1), "g"))
        self.assertTrue(source.ended)

    def test_emptyLine(self) -> None:
        """
        The first line may be empty.
        """
        source = Source("\na", "f")
        self.assertEqual(source.restOfLine(), (Place("f", 1), ""))
        self.assertEqual(source.restOfLine(), (Place("f", 2), "a"))

    def test_nothing(self) -> None:
        """
        An empty text has ended.
        """
        self.assertTrue(Source("", "f").ended)


class DefinitionTests(SynchronousTestCase):
    """
    Tests for L{Definition}.
    """

    def tokensOf(self, text: str) -> list[str]:
        """
        The tokens of a definition, marks with an apostrophe in front.
        """
        return [
            f"'{word.text}" if sort is Sort.MARK else word.text
            for sort, word in Definition(Source(text, "f"))
        ]

    def valueOf(self, text: str) -> str:
        """
        The only word of a definition.
        """
        (value,) = self.tokensOf(text)
        return value

    def problemOf(self, text: str) -> ConfError:
        """
        What is wrong with a definition.
        """
        with self.assertRaises(ConfError) as caught:
            self.tokensOf(text)
        problem: ConfError = caught.exception
        return problem

    def test_marks(self) -> None:
        """
        The marks stand for themselves, with and without blanks.
        """
        wanted = ["a", "'=", "b", "c", "',", "d", "'=", "e", "';"]
        self.assertEqual(self.tokensOf("a = b c , d = e ;"), wanted)
        self.assertEqual(self.tokensOf("a =b c,d =e;"), wanted)

    def test_equalsSign(self) -> None:
        """
        An equals sign within a word is part of it.
        """
        self.assertEqual(self.tokensOf("a=b --c=d"), ["a=b", "--c=d"])

    def test_lines(self) -> None:
        """
        Lines may end anywhere, with a carriage return too, and need no blank in
        front.
        """
        self.assertEqual(self.tokensOf("a\r\n=\nb\n\n\t;"), ["a", "'=", "b", "';"])

    def test_comments(self) -> None:
        """
        A comment may stand wherever a blank may, and hides what ends a definition.
        """
        text = "a #x; '\n= # y\n#7 on = z;\nb#c 'd'#e\n;#f"
        self.assertEqual(self.tokensOf(text), ["a", "'=", "b#c", "d", "';"])

    def test_stops(self) -> None:
        """
        Nothing is read behind the semicolon.
        """
        source = Source("a;b 'c", "f")
        self.assertEqual(len(list(Definition(source))), 2)
        self.assertEqual(source.position, 2)

    def test_strings(self) -> None:
        """
        Marks, blanks and number signs in strings are literal, and strings join with
        what they touch.
        """
        self.assertEqual(self.valueOf("""'a = b, "c"; #'"""), 'a = b, "c"; #')
        self.assertEqual(self.valueOf("""a"b 'c'"'d'e"""), "ab 'c'de")
        self.assertEqual(self.valueOf("''"), "")

    def test_sorts(self) -> None:
        """
        It is told whether a word ends with a string.
        """
        sorts = [sort for sort, _ in Definition(Source("a=b c='' ''d e", "f"))]
        wanted = [Sort.PLAIN, Sort.QUOTED, Sort.PLAIN, Sort.PLAIN]
        self.assertEqual(sorts, wanted)

    def test_escapes(self) -> None:
        """
        Every escape of NetBSD stands for its character, in both kinds of strings.
        """
        for quote in "'\"":
            text = rf"{quote}\\ \n \t \r \' \" \x41\x7e{quote}"
            self.assertEqual(self.valueOf(text), "\\ \n \t \r ' \" A~")

    def test_bytes(self) -> None:
        """
        A hexadecimal escape is a byte: those of UTF-8 make one character, and others
        are as C{os.fsdecode} has them.
        """
        self.assertEqual(self.valueOf(r"'\xc3\xa9'"), "\u00e9")
        self.assertEqual(self.valueOf(r"'\xfF'"), "\udcff")
        self.assertEqual(self.valueOf(r"'\x41" + "\u00e9'"), "A\u00e9")

    def test_noEscapes(self) -> None:
        """
        A backslash outside of a string is literal.
        """
        self.assertEqual(self.valueOf("a\\nb\\"), "a\\nb\\")

    def test_unknownEscape(self) -> None:
        """
        An unknown escape is an error at its string.
        """
        for string in (r"'\q'", r"'\x4'", r"'\x'", r"'\xg0'", r"'\ '"):
            problem = self.problemOf(f"a =\n b{string}")
            self.assertEqual(problem.place, Place("f", 2, 3))
            self.assertIn("a backslash stands before one of", problem.reason)

    def test_open(self) -> None:
        """
        A string that is not closed on its line is an error at its quote.
        """
        for string in ("'b", '"b', "'b\n'", '"b\\\n"', "'b\\'"):
            problem = self.problemOf(f"a =\n  c{string};")
            self.assertEqual(problem.place, Place("f", 2, 4), string)
            self.assertEqual(problem.field, "definition")
            self.assertIn("string is not closed", problem.reason)

    def test_places(self) -> None:
        """
        The place of a word is that of its first character.
        """
        text = "a = 'b'c #\n\n d;"
        places = [
            (word.place.line, word.place.column)
            for _, word in Definition(Source(text, "f"))
        ]
        self.assertEqual(places, [(1, 1), (1, 3), (1, 5), (3, 2), (3, 3)])

    def test_beginnings(self) -> None:
        """
        It ends in front of a line that can only be the beginning of a statement.
        """
        for line in (
            *("8 on x = y;", "8\toff;", "8 on", "8 stream tcp", "8 dgram udp"),
            *("8 stream,5 tcp", "8 stream:filter tcp", "/s seqpacket unix"),
            *(".include x", ".include", "127.0.0.1:", "*: \t", "[::1]:\r"),
        ):
            for end in ("", "\n", "\nz"):
                source = Source(f"a = b\n{line}{end}", "f")
                self.assertEqual(len(list(Definition(source))), 3, line)
                self.assertEqual(source.place(source.position), Place("f", 2, 1))

    def test_noBeginnings(self) -> None:
        """
        It goes on over lines that can be a part of it.
        """
        for line in (
            *(" 8 on x", "8 online", "on", "stream tcp", "#8 on", "x = on", "x= on"),
            *("8 'on'", "a:b", "x=a:", ".includes x", "a b: c"),
        ):
            tokens = self.tokensOf(f"a =\n{line}\n'z';")
            self.assertEqual(tokens[-2:], ["z", "';"], line)

    def assertSkips(self, text: str, rest: str) -> None:
        """
        If a definition turns out wrong where its text has a tilde, what comes next
        is C{rest}.
        """
        here = text.index("~")
        source = Source(text.replace("~", ""), "f")
        definition = Definition(source)
        tokens = iter(definition)
        while source.position < here:
            next(tokens)
        definition.skip()
        self.assertEqual(source.text[source.position :], rest)

    def test_skip(self) -> None:
        """
        What is left of a wrong definition goes to its semicolon, to the beginning of
        another statement, or to the end.
        """
        self.assertSkips("a ~= 'b;' #;\n c; d", " d")
        self.assertSkips("a ~= b\n8 on x;", "8 on x;")
        self.assertSkips("a ~= b\n", "")

    def test_skipNothing(self) -> None:
        """
        If a definition has ended, nothing is left of it.
        """
        self.assertSkips("a;~ b; c", " b; c")

    def test_skipOpenString(self) -> None:
        """
        A string that is not closed goes to the end of its line, and a semicolon
        there ends the definition.
        """
        self.assertSkips("a ~= 'b; c;\nd;", "\nd;")
        self.assertSkips("a ~= 'b; c; \r\nd;", "\nd;")
        self.assertSkips("a ~= 'b; c\nd; e", " e")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.tokens}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config.lexer import Source
from inetdtw.config.tokens import Tokens, TokenType
from inetdtw.model.errors import ConfError, Location


class TokensTests(SynchronousTestCase):
    """Tests for L{Tokens}."""

    def tokensOf(self, text: str) -> list[str]:
        """Return the tokens of a definition, with an apostrophe before marks."""
        return [
            f"'{word.text}" if type_ is TokenType.MARK else word.text
            for type_, word in Tokens(Source(text, "f"))
        ]

    def valueOf(self, text: str) -> str:
        """Return the only word of a definition."""
        (value,) = self.tokensOf(text)
        return value

    def problemOf(self, text: str) -> ConfError:
        """Return the error of a definition."""
        with self.assertRaises(ConfError) as caught:
            self.tokensOf(text)
        problem: ConfError = caught.exception
        return problem

    def test_marks(self) -> None:
        """The marks are tokens with and without whitespace."""
        wanted = ["a", "'=", "b", "c", "',", "d", "'=", "e", "';"]
        self.assertEqual(self.tokensOf("a = b c , d = e ;"), wanted)
        self.assertEqual(self.tokensOf("a =b c,d =e;"), wanted)

    def test_equalsSign(self) -> None:
        """An equals sign within a word is part of it."""
        self.assertEqual(self.tokensOf("a=b --c=d"), ["a=b", "--c=d"])

    def test_lines(self) -> None:
        """Lines can end anywhere, with a carriage return, too."""
        self.assertEqual(self.tokensOf("a\r\n=\nb\n\n\t;"), ["a", "'=", "b", "';"])

    def test_comments(self) -> None:
        """A comment is whitespace, and hides the end of a definition."""
        text = "a #x; '\n= # y\n#7 on = z;\nb#c 'd'#e\n;#f"
        self.assertEqual(self.tokensOf(text), ["a", "'=", "b#c", "d", "';"])

    def test_stops(self) -> None:
        """No token is returned after the semicolon."""
        source = Source("a;b 'c", "f")
        self.assertEqual(len(list(Tokens(source))), 2)
        self.assertEqual(source.position, 2)

    def test_strings(self) -> None:
        """Marks and whitespace in strings are literal; strings join words."""
        self.assertEqual(self.valueOf("""'a = b, "c"; #'"""), 'a = b, "c"; #')
        self.assertEqual(self.valueOf("""a"b 'c'"'d'e"""), "ab 'c'de")
        self.assertEqual(self.valueOf("''"), "")

    def test_sorts(self) -> None:
        """The type of a word tells whether it ends with a string."""
        types = [type_ for type_, _ in Tokens(Source("a=b c='' ''d e", "f"))]
        wanted = [TokenType.PLAIN, TokenType.QUOTED, TokenType.PLAIN, TokenType.PLAIN]
        self.assertEqual(types, wanted)

    def test_escapes(self) -> None:
        """Every escape of NetBSD stands for its character, in both kinds of strings."""
        for quote in "'\"":
            text = rf"{quote}\\ \n \t \r \' \" \x41\x7e{quote}"
            self.assertEqual(self.valueOf(text), "\\ \n \t \r ' \" A~")

    def test_bytes(self) -> None:
        """A hexadecimal escape is a byte, decoded like C{os.fsdecode}."""
        self.assertEqual(self.valueOf(r"'\xc3\xa9'"), "\u00e9")
        self.assertEqual(self.valueOf(r"'\xfF'"), "\udcff")
        self.assertEqual(self.valueOf(r"'\x41" + "\u00e9'"), "A\u00e9")

    def test_noEscapes(self) -> None:
        """A backslash outside of a string is literal."""
        self.assertEqual(self.valueOf("a\\nb\\"), "a\\nb\\")

    def test_unknownEscape(self) -> None:
        """An unknown escape is an error at its string."""
        for string in (r"'\q'", r"'\x4'", r"'\x'", r"'\xg0'", r"'\ '"):
            problem = self.problemOf(f"a =\n b{string}")
            self.assertEqual(problem.location, Location("f", 2, 3))
            self.assertIn("a backslash must precede one of", problem.reason)

    def test_open(self) -> None:
        """A string that is not closed on its line is an error at its quote."""
        for string in ("'b", '"b', "'b\n'", '"b\\\n"', "'b\\'"):
            problem = self.problemOf(f"a =\n  c{string};")
            self.assertEqual(problem.location, Location("f", 2, 4), string)
            self.assertEqual(problem.field, "definition")
            self.assertIn("unclosed string", problem.reason)

    def test_places(self) -> None:
        """The location of a word is that of its first character."""
        text = "a = 'b'c #\n\n d;"
        locations = [
            (word.location.line, word.location.column)
            for _, word in Tokens(Source(text, "f"))
        ]
        self.assertEqual(locations, [(1, 1), (1, 3), (1, 5), (3, 2), (3, 3)])

    def test_beginnings(self) -> None:
        """A definition ends before a line that can only begin another statement."""
        for line in (
            *("8 on x = y;", "8\toff;", "8 on", "8 stream tcp", "8 dgram udp"),
            *("8 stream,5 tcp", "8 stream:filter tcp", "/s seqpacket unix"),
            *(".include x", ".include", "127.0.0.1:", "*: \t", "[::1]:\r"),
        ):
            for end in ("", "\n", "\nz"):
                source = Source(f"a = b\n{line}{end}", "f")
                self.assertEqual(len(list(Tokens(source))), 3, line)
                self.assertEqual(source.location(source.position), Location("f", 2, 1))

    def test_noBeginnings(self) -> None:
        """A definition continues over lines that can be part of it."""
        for line in (
            *(" 8 on x", "8 online", "on", "stream tcp", "#8 on", "x = on", "x= on"),
            *("8 'on'", "a:b", "x=a:", ".includes x", "a b: c"),
        ):
            tokens = self.tokensOf(f"a =\n{line}\n'z';")
            self.assertEqual(tokens[-2:], ["z", "';"], line)

    def assertSkips(self, text: str, rest: str) -> None:
        """Assert that after an error at the tilde, C{rest} comes next."""
        here = text.index("~")
        source = Source(text.replace("~", ""), "f")
        definition = Tokens(source)
        tokens = iter(definition)
        while source.position < here:
            next(tokens)
        definition.skip()
        self.assertEqual(source.text[source.position :], rest)

    def test_skip(self) -> None:
        """A wrong definition ends at its semicolon or before a statement."""
        self.assertSkips("a ~= 'b;' #;\n c; d", " d")
        self.assertSkips("a ~= b\n8 on x;", "8 on x;")
        self.assertSkips("a ~= b\n", "")

    def test_skipNothing(self) -> None:
        """If a definition has ended, nothing is left of it."""
        self.assertSkips("a;~ b; c", " b; c")

    def test_skipOpenString(self) -> None:
        """An unclosed string ends at the end of its line."""
        self.assertSkips("a ~= 'b; c;\nd;", "\nd;")
        self.assertSkips("a ~= 'b; c; \r\nd;", "\nd;")
        self.assertSkips("a ~= 'b; c\nd; e", " e")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.config.valuetypes}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.config import valuetypes
from inetdtw.config.valuetypes import AnyType


class ValueTypeTests(SynchronousTestCase):
    """Tests for the types of values."""

    def assertReads(self, type: AnyType, wanted: dict[str, Any]) -> None:
        """Assert that each word is read as its value, also when written."""
        for word, value in wanted.items():
            self.assertEqual(type.read((word,)), value, word)
            self.assertEqual(type.read(type.write(value)), value, word)

    def assertRefuses(self, type: AnyType, *refused: str) -> str:
        """
        Each word is refused with a message that quotes it.

        @return: the last message.
        """
        message = ""
        for word in refused:
            message = str(self.assertRaises(ValueError, type.read, (word,)))
            self.assertIn(repr(word), message)
        return message

    def test_oneValue(self) -> None:
        """The error for several values where one is allowed has their number."""
        one: tuple[AnyType, ...] = (
            *(
                valuetypes.WORD,
                valuetypes.TEXT,
                valuetypes.FLAG,
                valuetypes.SIZE,
                valuetypes.LIMIT,
            ),
            *(
                valuetypes.OCTAL,
                valuetypes.PREFIX,
                valuetypes.number(0, 9),
                valuetypes.number(-9, 9),
            ),
            valuetypes.oneOf("a letter", "a", "b"),
        )
        for index, type in enumerate(one):
            for words in ((), ("1", "2")):
                problem = self.assertRaises(ValueError, type.read, words)
                reason = f"takes one value, not {len(words)}"
                self.assertEqual(str(problem), reason, index)

    def test_word(self) -> None:
        """A word is anything printable that is not empty."""
        self.assertReads(valuetypes.WORD, {"a b": "a b", "\u00e9": "\u00e9"})
        problem = self.assertRaises(ValueError, valuetypes.WORD.read, ("",))
        self.assertEqual(str(problem), "must not be empty")

    def test_wordIsPrintable(self) -> None:
        """A word cannot have characters that would break a log line."""
        for word in ("a\nb", "a\0", "\x1b[m", "\udcff"):
            problem = self.assertRaises(ValueError, valuetypes.WORD.read, (word,))
            self.assertTrue(str(problem).isprintable(), word)

    def test_text(self) -> None:
        """A text may be empty."""
        self.assertReads(valuetypes.TEXT, {"": "", "a\nb": "a\nb"})

    def test_words(self) -> None:
        """Words are any number of words."""
        for words in ((), ("",), ("a", "b c")):
            self.assertEqual(valuetypes.WORDS.read(words), words)
            self.assertEqual(valuetypes.WORDS.write(words), words)

    def test_flag(self) -> None:
        """A flag is yes or no in any case, and nothing else."""
        self.assertReads(
            valuetypes.FLAG, {"yes": True, "no": False, "YES": True, "No": False}
        )
        for word in ("on", "true", "1", ""):
            problem = self.assertRaises(ValueError, valuetypes.FLAG.read, (word,))
            self.assertEqual(str(problem), f"'{word}' is not yes or no")

    def test_number(self) -> None:
        """A number is decimal digits within its bounds."""
        type = valuetypes.number(1, 32767)
        self.assertReads(type, {"1": 1, "32767": 32767, "007": 7})
        message = self.assertRefuses(
            type, "0", "32768", "-1", "+1", "1.0", "", "0x1", "\u0661", "9" * 5000
        )
        self.assertIn("is not a number from 1 to 32767", message)

    def test_integer(self) -> None:
        """An integer may have a sign."""
        type = valuetypes.number(-20, 19)
        self.assertReads(type, {"-20": -20, "+5": 5, "19": 19, "0": 0})
        self.assertRefuses(type, "-21", "20", "--1", "", "1e1", "9" * 5000)

    def test_size(self) -> None:
        """A size is a count of bytes, with suffixes for powers of 1024."""
        self.assertReads(
            valuetypes.SIZE,
            {
                "1": 1,
                "8192": 8192,
                "64k": 65536,
                "64K": 65536,
                "1m": 1 << 20,
                "1G": 1 << 30,
            },
        )

    def test_noSize(self) -> None:
        """A wrong size is an error with an example or with the range."""
        message = self.assertRefuses(
            valuetypes.SIZE, "", "k", "64kb", "-1", "1.5m", "6 4"
        )
        self.assertIn("is not a size (such as 8192, 64k, 1m)", message)
        message = self.assertRefuses(
            valuetypes.SIZE, "0", "2g", "2147483648", "9999999999m"
        )
        self.assertIn("is not a size from 1 to less than 2g", message)

    def test_largestSize(self) -> None:
        """The largest size is that of an C{int}, as for setsockopt(2)."""
        self.assertEqual(valuetypes.SIZE.read(("2147483647",)), (1 << 31) - 1)

    def test_limit(self) -> None:
        """A limit is a soft and a hard one; one value is both."""
        self.assertReads(
            valuetypes.LIMIT,
            {
                "64": (64, 64),
                "64:128": (64, 128),
                "0:5": (0, 5),
                "9223372036m": (9223372036 << 20,) * 2,
                "1k:1M": (1 << 10, 1 << 20),
                "UNLIMITED": (valuetypes.UNLIMITED, valuetypes.UNLIMITED),
                "infinity": (valuetypes.UNLIMITED, valuetypes.UNLIMITED),
                "0:unlimited": (0, valuetypes.UNLIMITED),
            },
        )

    def test_noLimit(self) -> None:
        """A wrong limit, or a soft one above the hard one, is an error."""
        for word in (
            "",
            ":",
            "64:",
            ":64",
            "64:32",
            "unlimited:5",
            "-1",
            "1:2:3",
            "9999999999g",
        ):
            self.assertRaises(ValueError, valuetypes.LIMIT.read, (word,))

    def test_octal(self) -> None:
        """Permissions are up to four octal digits."""
        self.assertReads(valuetypes.OCTAL, {"0660": 0o660, "77": 0o77, "1777": 0o1777})
        self.assertRefuses(valuetypes.OCTAL, "", "888", "0o660", "06600", "-1")

    def test_prefix(self) -> None:
        """Prefix lengths are one of IPv4 and one of IPv6, neither of them 0."""
        for word, wanted in (("32/64", (32, 64)), ("1/128", (1, 128))):
            self.assertEqual(valuetypes.PREFIX.read((word,)), wanted)
            self.assertEqual(valuetypes.PREFIX.write(wanted), (word,))
        message = self.assertRefuses(valuetypes.PREFIX, "64", "32/", "a/b", "", "-1/64")
        self.assertIn("is not two prefix lengths (such as 32/64)", message)
        message = self.assertRefuses(
            valuetypes.PREFIX, "0/64", "33/64", "32/0", "32/129"
        )
        self.assertIn("is not in the range from 1/1 to 32/128", message)

    def test_oneOf(self) -> None:
        """The error for a word that is not a choice lists all choices."""
        type = valuetypes.oneOf("a type", "stream", "dgram")
        self.assertReads(type, {"stream": "stream", "dgram": "dgram"})
        self.assertEqual(type.read(("Stream",)), "stream")
        message = self.assertRefuses(type, "", "Streams")
        self.assertEqual(message, "'Streams' is not a type (stream, dgram)")

    def test_checked(self) -> None:
        """A further check can refuse a value that the type accepts."""

        def odd(value: int) -> None:
            if not value % 2:
                raise ValueError(f"'{value}' is even")

        type = valuetypes.checked(valuetypes.number(0, 9), odd)
        self.assertReads(type, {"3": 3})
        self.assertRefuses(type, "4", "10")

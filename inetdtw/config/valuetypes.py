# -*- test-case-name: inetdtw.config.test.test_valuetypes -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The types of the values that a configuration can give: each one reads a value
from words and writes it back as words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Generic, TypeVar

T = TypeVar("T")

_SIZE = re.compile(r"([0-9]{1,19})([kKmMgG]?)")
_NUMBER = re.compile("[0-9]{1,10}")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


@dataclass(frozen=True)
class ValueType(Generic[T]):
    """
    One type of value.

    @ivar name: what a manual calls it.
    @ivar read: a function from the words of a value to the value; it raises
        C{ValueError} with a message that says what would be right.
    @ivar write: its inverse.
    """

    name: str
    read: Callable[[tuple[str, ...]], T]
    write: Callable[[T], tuple[str, ...]]


def _single(words: tuple[str, ...]) -> str:
    """The only word there is."""
    if len(words) != 1:
        raise ValueError(f"takes one value, not {len(words)}")
    return words[0]


def _readWord(words: tuple[str, ...]) -> str:
    """A word that is not empty, and can be part of a line of the log."""
    word = _single(words)
    if not word:
        raise ValueError("is empty; it takes a word")
    if not word.isprintable():
        raise ValueError(f"{word!r} has a character that cannot be printed")
    return word


def _readFlag(words: tuple[str, ...]) -> bool:
    """C{yes} or C{no}."""
    word = _single(words).lower()
    if word not in ("yes", "no"):
        raise ValueError(f"'{word}' is neither yes nor no")
    return word == "yes"


def _readSize(words: tuple[str, ...]) -> int:
    """A count of bytes, with the suffixes k, m and g for powers of 1024."""
    word = _single(words)
    match = _SIZE.fullmatch(word)
    if match is None:
        raise ValueError(f"'{word}' is not a size like 8192, 64k or 1m")
    size = int(match[1]) * _UNITS[match[2].lower()]
    if not 0 < size < 1 << 31:
        raise ValueError(f"'{word}' is not a size from 1 to less than 2g")
    return size


def number(low: int, high: int) -> ValueType[int]:
    """The type of decimal integers from C{low} to C{high}."""

    def read(words: tuple[str, ...]) -> int:
        word = _single(words)
        if not _NUMBER.fullmatch(word) or not low <= int(word) <= high:
            raise ValueError(f"'{word}' is not a number from {low} to {high}")
        return int(word)

    return ValueType("number", read, lambda value: (str(value),))


def oneOf(*choices: str) -> ValueType[str]:
    """The type of words that are one of C{choices}."""

    def read(words: tuple[str, ...]) -> str:
        word = _single(words)
        if word not in choices:
            raise ValueError(f"'{word}' is none of {', '.join(choices)}")
        return word

    return ValueType("|".join(choices), read, lambda value: (value,))


def checked(
    type: ValueType[T], check: Callable[[T], None], name: str = ""
) -> ValueType[T]:
    """C{type}, with a further check that raises C{ValueError}."""

    def read(words: tuple[str, ...]) -> T:
        value = type.read(words)
        check(value)
        return value

    return ValueType(name or type.name, read, type.write)


def _readOctal(words: tuple[str, ...]) -> int:
    """File permissions, in octal."""
    word = _single(words)
    if not re.fullmatch("[0-7]{1,4}", word):
        raise ValueError(f"'{word}' is not an octal number like 0660")
    return int(word, 8)


def _readPrefix(words: tuple[str, ...]) -> tuple[int, int]:
    """The lengths of a prefix of IPv4 and of IPv6, as in C{32/64}."""
    word = _single(words)
    match = re.fullmatch("([0-9]{1,3})/([0-9]{1,3})", word)
    if match is None:
        raise ValueError(f"'{word}' is not two prefix lengths like 32/64")
    four, six = int(match[1]), int(match[2])
    if not (0 < four <= 32 and 0 < six <= 128):
        raise ValueError(f"'{word}' is not in the range from 1/1 to 32/128")
    return four, six


#: No limit, as C{resource.RLIM_INFINITY} has it on every system but the oldest.
UNLIMITED = -1


def _readLimit(words: tuple[str, ...]) -> tuple[int, int]:
    """A soft and a hard limit; one value is both."""
    soft, colon, hard = _single(words).partition(":")
    limits = (_readBound(soft), _readBound(hard if colon else soft))
    if limits[1] != UNLIMITED and not 0 <= limits[0] <= limits[1]:
        raise ValueError(f"'{soft}' is above the hard limit, '{hard}'")
    return limits


def _readBound(text: str) -> int:
    """One limit."""
    if text.lower() in ("unlimited", "infinity"):
        return UNLIMITED
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a limit like 64, 64M or UNLIMITED")
    bound = int(match[1]) * _UNITS[match[2].lower()]
    if bound >= 1 << 63:
        raise ValueError(f"'{text}' is more than a limit can be, UNLIMITED would do")
    return bound


def _writeLimit(limits: tuple[int, int]) -> tuple[str, ...]:
    """The inverse of L{_readLimit}."""
    soft, hard = ("UNLIMITED" if each == UNLIMITED else str(each) for each in limits)
    return (soft if soft == hard else f"{soft}:{hard}",)


def integer(low: int, high: int) -> ValueType[int]:
    """The type of integers with a sign, from C{low} to C{high}."""

    def read(words: tuple[str, ...]) -> int:
        word = _single(words)
        if not re.fullmatch("[+-]?[0-9]{1,9}", word) or not low <= int(word) <= high:
            raise ValueError(f"'{word}' is not a number from {low} to {high}")
        return int(word)

    return ValueType("integer", read, lambda value: (str(value),))


word: ValueType[str] = ValueType("word", _readWord, lambda value: (value,))
text: ValueType[str] = ValueType("text", _single, lambda value: (value,))
words: ValueType[tuple[str, ...]] = ValueType(
    "words", lambda given: given, lambda value: value
)
flag: ValueType[bool] = ValueType(
    "yes|no", _readFlag, lambda on: ("yes" if on else "no",)
)
size: ValueType[int] = ValueType("size", _readSize, lambda value: (str(value),))
limit: ValueType[tuple[int, int]] = ValueType("limit", _readLimit, _writeLimit)
prefix: ValueType[tuple[int, int]] = ValueType(
    "IPv4/IPv6 prefix lengths", _readPrefix, lambda value: ("/".join(map(str, value)),)
)
octal: ValueType[int] = ValueType("octal", _readOctal, lambda value: (f"{value:04o}",))

#: Any type, where its value's type does not matter.
AnyType = ValueType[Any]

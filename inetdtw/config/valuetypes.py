# -*- test-case-name: inetdtw.config.test.test_valuetypes -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The types of values in a configuration.

Each type reads a value from words, and writes it as words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Generic, TypeVar

from inetdtw.config import compat

T = TypeVar("T")

#: The largest count that FreeBSD's C{max-child} takes.
MOST = 32767
#: No limit, as C{resource.RLIM_INFINITY} is on every system but the oldest.
UNLIMITED = -1
#: The maximum length of the message to a rejected client, in bytes: a new connection
#: always has buffer space for it.
_LONGEST = 1000

_SIZE = re.compile(r"([0-9]{1,19})([kKmMgG]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_PROTOCOLS = (
    *("tcp", "tcp4", "tcp6", "tcp46"),
    *("udp", "udp4", "udp6", "udp46", "unix"),
    *("tcp6only", "udp6only"),
)


@dataclass(frozen=True)
class ValueType(Generic[T]):
    """
    A type of values.

    @ivar read: returns the value of words; raises C{ValueError} with a message that
        says which values are accepted.
    @ivar write: the inverse.
    """

    read: Callable[[tuple[str, ...]], T]
    write: Callable[[T], tuple[str, ...]]


def _single(words: tuple[str, ...]) -> str:
    if len(words) != 1:
        raise ValueError(f"takes one value, not {len(words)}")
    return words[0]


def _readWord(words: tuple[str, ...]) -> str:
    """Return a word that is not empty, and can be part of a log line."""
    word = _single(words)
    if not word:
        raise ValueError("must not be empty")
    if not word.isprintable():
        raise ValueError(f"{word!r} has an unprintable character")
    return word


def _readFlag(words: tuple[str, ...]) -> bool:
    word = _single(words).lower()
    if word not in ("yes", "no"):
        raise ValueError(f"'{word}' is not yes or no")
    return word == "yes"


def _readSize(words: tuple[str, ...]) -> int:
    """Return a number of bytes; the suffixes k, m and g are powers of 1024."""
    word = _single(words)
    size = _scaled(word, "a size (such as 8192, 64k, 1m)")
    if not 0 < size < 1 << 31:
        raise ValueError(f"'{word}' is not a size from 1 to less than 2g")
    return size


def _scaled(word: str, what: str) -> int:
    match = _SIZE.fullmatch(word)
    if match is None:
        raise ValueError(f"'{word}' is not {what}")
    return int(match[1]) * _UNITS[match[2].lower()]


def number(low: int, high: int) -> ValueType[int]:
    """
    Return the type of decimal integers from C{low} to C{high}.

    They have a sign only if C{low} is negative.
    """
    pattern = "[+-]?[0-9]{1,10}" if low < 0 else "[0-9]{1,10}"

    def read(words: tuple[str, ...]) -> int:
        word = _single(words)
        if not re.fullmatch(pattern, word) or not low <= int(word) <= high:
            raise ValueError(f"'{word}' is not a number from {low} to {high}")
        return int(word)

    return ValueType(read, lambda value: (str(value),))


def oneOf(what: str, *choices: str) -> ValueType[str]:
    """
    Return the type of words that are one of C{choices}, also in capitals.

    @param what: what these are, with an article, for messages.
    """

    def read(words: tuple[str, ...]) -> str:
        word = _single(words)
        if word.lower() not in choices:
            raise ValueError(f"'{word}' is not {what} ({', '.join(choices)})")
        return word.lower()

    return ValueType(read, lambda value: (value,))


def checked(type: ValueType[T], check: Callable[[T], None]) -> ValueType[T]:
    """Return a type with a further check, which raises C{ValueError}."""

    def read(words: tuple[str, ...]) -> T:
        value = type.read(words)
        check(value)
        return value

    return ValueType(read, type.write)


def _readOctal(words: tuple[str, ...]) -> int:
    word = _single(words)
    if not re.fullmatch("[0-7]{1,4}", word):
        raise ValueError(f"'{word}' is not an octal number (such as 0660)")
    return int(word, 8)


def _readPrefix(words: tuple[str, ...]) -> tuple[int, int]:
    """Return the prefix lengths of IPv4 and of IPv6, as in C{32/64}."""
    word = _single(words)
    match = re.fullmatch("([0-9]{1,3})/([0-9]{1,3})", word)
    if match is None:
        raise ValueError(f"'{word}' is not two prefix lengths (such as 32/64)")
    four, six = int(match[1]), int(match[2])
    if not (0 < four <= 32 and 0 < six <= 128):
        raise ValueError(f"'{word}' is not in the range from 1/1 to 32/128")
    return four, six


def _readLimit(words: tuple[str, ...]) -> tuple[int, int]:
    """Return a soft and a hard limit; one value is both."""
    soft, colon, hard = _single(words).partition(":")
    limits = (_readBound(soft), _readBound(hard if colon else soft))
    if limits[1] != UNLIMITED and not 0 <= limits[0] <= limits[1]:
        raise ValueError(f"the soft limit '{soft}' exceeds the hard limit '{hard}'")
    return limits


def _readBound(text: str) -> int:
    if text.lower() in ("unlimited", "infinity"):
        return UNLIMITED
    bound = _scaled(text, "a limit (such as 64, 64M, UNLIMITED)")
    if bound >= 1 << 63:
        raise ValueError(f"'{text}' is too large; UNLIMITED means no limit")
    return bound


def _writeLimit(limits: tuple[int, int]) -> tuple[str, ...]:
    soft, hard = ("UNLIMITED" if each == UNLIMITED else str(each) for each in limits)
    return (soft if soft == hard else f"{soft}:{hard}",)


def _readProtocol(words: tuple[str, ...]) -> str:
    """Return a protocol, in small letters."""
    protocol = WORD.read(words)
    if protocol.lower() in _PROTOCOLS:
        return protocol.lower()
    if protocol.startswith("rpc/"):
        raise ValueError(f"'{protocol}': {compat.missing('RPC registration')}")
    if "faith" in protocol.split("/"):
        raise ValueError(f"'{protocol}': faith(4) no longer exists; use tcp6")
    raise ValueError(f"'{protocol}' is not a protocol ({', '.join(_PROTOCOLS)})")


def _checkIPsec(words: tuple[str, ...]) -> None:
    """@raise ValueError: for a policy, because the service would run without it."""
    if any(words):
        raise ValueError(
            "IPsec policies are not supported; only an empty one is accepted"
        )


def _filled(hint: str) -> Callable[[tuple[str, ...]], None]:
    """Return a check that a value has words, and no empty word."""

    def check(words: tuple[str, ...]) -> None:
        if not words or not all(words):
            raise ValueError(f"must not be empty or have an empty word; {hint}")

    return check


def _checkName(name: str) -> None:
    if " " in name:
        raise ValueError(f"'{name}' must not have whitespace in it")


def _checkAbsolute(path: str) -> None:
    if not path.startswith("/"):
        raise ValueError(f"'{path}' is not an absolute path")


def _checkDirectory(path: str) -> None:
    if path != "~":
        _checkAbsolute(path)


def _checkVariables(words: tuple[str, ...]) -> None:
    for each in words:
        name, equals, _ = each.partition("=")
        if not name or not equals:
            raise ValueError(f"'{each}' is not of the form NAME=VALUE")
        if "\0" in each:
            raise ValueError(f"'{name}' must not have a NUL character in it")


def _checkModules(words: tuple[str, ...]) -> None:
    if not words:
        raise ValueError("must not be empty; give names of modules, or auto")
    for each in words:
        if not all(part.isidentifier() for part in each.split(".")):
            raise ValueError(f"'{each}' is not the name of a module")
    if "auto" in words and len(words) > 1:
        raise ValueError("'auto' cannot be combined with names of modules")


def _checkMessage(text: str) -> None:
    if len(text.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise ValueError(f"must not be longer than {_LONGEST} bytes")


WORD: ValueType[str] = ValueType(_readWord, lambda value: (value,))
TEXT: ValueType[str] = ValueType(_single, lambda value: (value,))
WORDS: ValueType[tuple[str, ...]] = ValueType(lambda given: given, lambda value: value)
FLAG: ValueType[bool] = ValueType(_readFlag, lambda on: ("yes" if on else "no",))
SIZE: ValueType[int] = ValueType(_readSize, lambda value: (str(value),))
LIMIT: ValueType[tuple[int, int]] = ValueType(_readLimit, _writeLimit)
PREFIX: ValueType[tuple[int, int]] = ValueType(
    _readPrefix, lambda value: ("/".join(map(str, value)),)
)
OCTAL: ValueType[int] = ValueType(_readOctal, lambda value: (f"{value:04o}",))

SOCKTYPE = oneOf("a socket type", "stream", "dgram", "seqpacket")
PROTOCOL = ValueType(_readProtocol, WORD.write)
COUNT = number(0, MOST)
PAUSE = number(1, 86400)
MESSAGE = checked(TEXT, _checkMessage)
HOSTS = checked(WORDS, _filled("* is every address"))
GROUPS = checked(WORDS, _filled("no is only the primary group"))
IPSEC = checked(WORDS, _checkIPsec)
STDERR = oneOf("a destination", "socket", "log", "null")
LAUNCH = oneOf("a launch method", "direct", "forkserver")
NAME = checked(WORD, _checkName)
DIRECTORY = checked(WORD, _checkDirectory)
PATH = checked(WORD, _checkAbsolute)
VARIABLES = checked(WORDS, _checkVariables)
MODULES = checked(WORDS, _checkModules)

#: Any type, where the type of its values does not matter.
AnyType = ValueType[Any]

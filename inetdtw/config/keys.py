# -*- test-case-name: inetdtw.config.test.test_keys -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What is known of every key that a definition can say: its type, unit, default and
help, and the types that are keys' own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable

from inetdtw.config import compat, valuetypes
from inetdtw.config.valuetypes import AnyType

#: The largest count that FreeBSD's C{max-child} takes.
_MOST = 32767

#: The most bytes that a client is told who is turned away.
_LONGEST = 1000

_PROTOCOLS = (
    *("tcp", "tcp4", "tcp6", "tcp46"),
    *("udp", "udp4", "udp6", "udp46", "unix"),
    *("tcp6only", "udp6only"),
)


@dataclass(frozen=True)
class Key:
    """
    One thing that a definition can say.

    @ivar name: the word in front of the equals sign.
    @ivar type: the type of its value.
    @ivar unit: what a number counts, or an empty text.
    @ivar default: what holds where it is not given, in words.
    @ivar help: one sentence.
    @ivar example: a value.
    """

    name: str
    type: AnyType
    unit: str
    default: str
    help: str
    example: str


def key(
    type: AnyType, help: str, *, default: str = "", unit: str = "", example: str = ""
) -> Any:
    """Declare a key of L{inetdtw.config.entry.Entry}; its name is that of the field."""
    about = {"key": (type, unit, default, help, example)}
    return field(default=None, metadata=about)


def _refuseRPC(protocol: str) -> None:
    """@raise ValueError: for the protocols that this superserver does not serve."""
    if protocol in _PROTOCOLS:
        return
    if protocol.startswith("rpc/"):
        raise ValueError(f"'{protocol}' {compat.missing('RPC registration')}")
    if "faith" in protocol.split("/"):
        raise ValueError(
            f"'{protocol}': faith(4) is gone from every system; tcp6 is here"
        )
    raise ValueError(f"'{protocol}' is none of {', '.join(_PROTOCOLS)}")


def _refuseIPsec(words: tuple[str, ...]) -> None:
    """@raise ValueError: for a policy, as the service would run without it."""
    if any(words):
        raise ValueError("IPsec policies cannot be set from here, only an empty one")


def _filled(otherwise: str) -> Callable[[tuple[str, ...]], None]:
    """
    A check that there are words, and that none of them is empty.

    @param otherwise: what says what an empty value may have been meant to.
    """

    def check(words: tuple[str, ...]) -> None:
        if not words or not all(words):
            raise ValueError(f"is empty, or has an empty word; {otherwise}")

    return check


def _noBlank(name: str) -> None:
    """@raise ValueError: unless it is one word of a line of the log."""
    if " " in name:
        raise ValueError(f"'{name}' has a blank in it; it takes one word")


def _absolute(path: str) -> None:
    """@raise ValueError: unless the path is absolute."""
    if not path.startswith("/"):
        raise ValueError(f"'{path}' is not an absolute path; it begins with /")


def _folder(path: str) -> None:
    """@raise ValueError: unless the path is absolute, or stands for a home."""
    if path != "~":
        _absolute(path)


def _assignments(words: tuple[str, ...]) -> None:
    """@raise ValueError: unless every word is of the form NAME=VALUE."""
    for each in words:
        name, equals, _ = each.partition("=")
        if not name or not equals:
            raise ValueError(f"'{each}' is not of the form NAME=VALUE")
        if "\0" in each:
            raise ValueError(f"{name} cannot hold a NUL character")


def _modules(words: tuple[str, ...]) -> None:
    """@raise ValueError: unless these can be modules, or C{auto}."""
    if not words:
        raise ValueError("names at least one module, or auto")
    for each in words:
        if not all(part.isidentifier() for part in each.split(".")):
            raise ValueError(f"'{each}' is not the name of a module")
    if "auto" in words and len(words) > 1:
        raise ValueError("auto goes with no other name")


def _short(text: str) -> None:
    """@raise ValueError: unless the system has room for it with any new connection."""
    if len(text.encode("utf-8", "surrogateescape")) > _LONGEST:
        raise ValueError(f"is longer than {_LONGEST} bytes")


def rlimit(what: str, unit: str) -> Any:
    """Declare a key of L{inetdtw.config.entry.Entry} that is a limit of setrlimit(2)."""
    return key(
        valuetypes.limit,
        f"The limit on the {what}: one value, or a soft and a hard one, SOFT:HARD.",
        default="the daemon's",
        unit=unit,
        example="UNLIMITED",
    )


SOCKTYPE = valuetypes.oneOf("stream", "dgram", "seqpacket")
PROTOCOL = valuetypes.checked(valuetypes.word, _refuseRPC, "|".join(_PROTOCOLS))
COUNT = valuetypes.number(0, _MOST)
PAUSE = valuetypes.number(1, 86400)
SAYING = valuetypes.checked(valuetypes.text, _short)
HOSTS = valuetypes.checked(valuetypes.words, _filled("* is every address"))
GROUPS = valuetypes.checked(valuetypes.words, _filled("no is none but the first group"))
IPSEC = valuetypes.checked(valuetypes.words, _refuseIPsec)
STDERR = valuetypes.oneOf("socket", "log", "null")
LAUNCH = valuetypes.oneOf("direct", "forkserver")
NAME = valuetypes.checked(valuetypes.word, _noBlank)
FOLDER = valuetypes.checked(valuetypes.word, _folder, "path")
ROOT = valuetypes.checked(valuetypes.word, _absolute, "path")
VARIABLES = valuetypes.checked(valuetypes.words, _assignments)
MODULES = valuetypes.checked(valuetypes.words, _modules, "auto or module, ...")

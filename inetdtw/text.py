# -*- test-case-name: inetdtw.test.test_text -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Text in UTF-8, and strings as Python gives them to the system.

A configuration is UTF-8 whatever the locale is; bytes that are not are kept as
surrogates (PEP 383).  Python encodes strings for the system as the locale says, and
cannot do that with every text: under C{LC_ALL=en_US.ISO-8859-1} the euro sign has no
bytes.  So a text is made a I{native} string when the system is given it, which encodes
to the bytes of the text in UTF-8; and what the system gives is made a text.  In a
locale of UTF-8 both are the same.
"""

from __future__ import annotations

import errno
import os
import sys

#: Whether every text is a native string.
_SAME = sys.getfilesystemencoding().lower() == "utf-8"


def toBytes(text: str) -> bytes:
    """Return the bytes of a text."""
    return text.encode("utf-8", "surrogateescape")


def fromBytes(data: bytes) -> str:
    """Return the text of bytes, whatever they are."""
    return data.decode("utf-8", "surrogateescape")


def native(text: str) -> str:
    """Return the string which Python encodes to the bytes of a text."""
    return text if _SAME else os.fsdecode(toBytes(text))


def textOf(string: str) -> str:
    """Return the text of a string that the system has given."""
    return string if _SAME else fromBytes(os.fsencode(string))


def environment() -> dict[str, str]:
    """Return the variables of this process, as texts."""
    return {textOf(name): textOf(value) for name, value in os.environ.items()}


def absolute(path: str) -> str:
    """
    Return the absolute path of a path; both are texts.

    @raise FileNotFoundError: if it is relative, and the working directory is gone.
    """
    try:
        return textOf(os.path.abspath(native(path)))
    except FileNotFoundError:
        reason = f"'{path}' is relative, and the working directory is gone"
        raise FileNotFoundError(errno.ENOENT, reason) from None


def printable(text: str, kept: str = "") -> str:
    """
    Return a text as one line, whatever it quotes: control characters, those that change
    the direction of what follows, and bytes that are not UTF-8 are escaped.

    @param kept: control characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(each if each in kept else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    """Return a character as it can be printed."""
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]

# -*- test-case-name: inetdtw.test.test_text -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Text in UTF-8, in any locale, and how to print it.

A configuration is UTF-8 in any locale; other bytes are kept as surrogates (PEP 383).
Python encodes strings for the system by the locale, which cannot encode every
character.  So a text is converted to a I{native} string for the system, which Python
encodes to the UTF-8 bytes of the text, and back.  In a UTF-8 locale both are the same.
"""

from __future__ import annotations

import errno
import os
import sys

#: Whether every text is a native string.
_SAME = sys.getfilesystemencoding().lower() == "utf-8"


def toBytes(text: str) -> bytes:
    """Return the UTF-8 bytes of a text."""
    return text.encode("utf-8", "surrogateescape")


def fromBytes(data: bytes) -> str:
    """Return the text of bytes, with surrogate escapes."""
    return data.decode("utf-8", "surrogateescape")


def native(text: str) -> str:
    """Return the string that Python encodes to the UTF-8 bytes of a text."""
    return text if _SAME else os.fsdecode(toBytes(text))


def textOf(string: str) -> str:
    """Return the text of a string from the system."""
    return string if _SAME else fromBytes(os.fsencode(string))


def environment() -> dict[str, str]:
    """Return the environment variables of this process, as texts."""
    return {textOf(name): textOf(value) for name, value in os.environ.items()}


def absolute(path: str) -> str:
    """
    Return the absolute path of a path; both are texts.

    @raise FileNotFoundError: if it is relative, and the working directory was removed.
    """
    try:
        return textOf(os.path.abspath(native(path)))
    except FileNotFoundError:
        reason = f"'{path}' is relative, and the working directory is gone"
        raise FileNotFoundError(errno.ENOENT, reason) from None


def printable(text: str, kept: str = "") -> str:
    """
    Return a text as one printable line.

    Control characters, those that change the writing direction, and bytes that are not
    UTF-8 are escaped.

    @param kept: control characters that are not escaped.
    """
    if text.isprintable():
        return text
    return "".join(each if each in kept else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]

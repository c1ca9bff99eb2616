# -*- test-case-name: inetdtw.cli.test.test_output -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Printing lines for a person."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Any, Callable

from inetdtw.text import printable

#: What a line may have in it: it may be several.
_KEPT = "\n"


class NotPrinted(SystemExit):
    """
    A stream takes no more, which ends a command with 1.  Its message says why, unless
    it is that nobody reads any more.
    """


def encodable(text: str, stream: Any) -> str:
    """A text as far as a stream can encode it."""
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _unlocalize(stream: Any) -> None:
    """Have what is printed be in UTF-8, as files and the log are, whatever the locale is."""
    if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def write(text: str, stream: Any) -> None:
    """
    Write a text at once, whatever the stream can encode.

    @param stream: C{None}, as Python has for one that is closed, takes nothing.

    @raise NotPrinted: if it takes no more.
    """
    if stream is None:
        return
    try:
        _unlocalize(stream)
        stream.write(encodable(text, stream))
        stream.flush()
    except OSError as why:
        discard(stream)
        raise NotPrinted(_told(why)) from None


def _told(why: OSError) -> int | str:
    """What to end with when nothing can be printed."""
    if isinstance(why, BrokenPipeError):
        return 1
    return f"inetd: nothing can be printed: {why.strerror}"


def discard(stream: Any) -> None:
    """Have what a stream still holds go nowhere when this process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printTo(stream: Any) -> Callable[[str], None]:
    """A function that writes lines, each as L{write} does."""

    def writeLine(line: str) -> None:
        write(f"{printable(line, _KEPT)}\n", stream)

    return writeLine


def out(line: str) -> None:
    """
    Print a line.

    @raise NotPrinted: if that cannot be.
    """
    printTo(sys.stdout)(line)


def err(line: str, stream: Any = None) -> None:
    """
    Print a line about what is wrong.  If that cannot be, there is nobody to tell.

    @param stream: where to, by default standard error.
    """
    with suppress(NotPrinted):
        printTo(sys.stderr if stream is None else stream)(line)

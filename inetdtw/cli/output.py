# -*- test-case-name: inetdtw.cli.test.test_output -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Print lines to standard output and standard error."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Callable, TextIO

from inetdtw.text import printable

#: Control characters that are printed: text may have several lines.
_KEPT = "\n"


class WriteError(SystemExit):
    """
    A write error, which ends a command with status 1.

    It has a message, unless the reader has closed a pipe.
    """


def encodable(text: str, stream: TextIO) -> str:
    """Return a text with escapes for what a stream cannot encode."""
    encoding = stream.encoding or "ascii"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _unlocalize(stream: TextIO) -> None:
    """Set the encoding to UTF-8, in any locale, as for files and the log."""
    if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
        stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def write(text: str, stream: TextIO | None) -> None:
    """
    Write a text and flush it.

    @param stream: a text stream; or C{None}, as Python has for a closed one, for none.

    @raise WriteError: if it cannot be written.
    """
    if stream is None:
        return
    try:
        _unlocalize(stream)
        stream.write(encodable(text, stream))
        stream.flush()
    except OSError as why:
        discard(stream)
        raise WriteError(_exitArgument(why)) from None


def _exitArgument(why: OSError) -> int | str:
    """Return the argument of SystemExit for a write error."""
    if isinstance(why, BrokenPipeError):
        return 1
    return f"inetd: write error: {why.strerror}"


def discard(stream: TextIO) -> None:
    """Discard what a stream has buffered, by leading it to null(4)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def printTo(stream: TextIO | None) -> Callable[[str], None]:
    """Return a function that writes a line with L{write}."""

    def writeLine(line: str) -> None:
        write(f"{printable(line, _KEPT)}\n", stream)

    return writeLine


def out(line: str) -> None:
    """
    Print a line to standard output.

    @raise WriteError: if it cannot be written.
    """
    printTo(sys.stdout)(line)


def err(line: str, stream: TextIO | None = None) -> None:
    """
    Print an error message; ignore write errors.

    @param stream: the stream, by default standard error.
    """
    with suppress(WriteError):
        printTo(sys.stderr if stream is None else stream)(line)

# -*- test-case-name: inetdtw.cli.test.test_output -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Print lines to standard output and standard error."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TextIO

from inetdtw.text import printable

#: Control characters that are printed: text may have several lines.
_KEPT = "\n"


class WriteError(SystemExit):
    """
    A write error, which ends a command with status 1.

    It has a message, unless the reader has closed a pipe.
    """


def write(text: str, stream: TextIO | None) -> None:
    """
    Write a text in UTF-8, in any locale, as for files and the log, and flush it.

    @param stream: a text stream; or C{None}, as Python has for a closed one, for none.

    @raise WriteError: if it cannot be written.
    """
    if stream is None:
        return
    try:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        stream.write(text)
        stream.flush()
    except OSError as why:
        discard(stream)
        reason = f"inetd: write error: {why.strerror}"
        raise WriteError(1 if isinstance(why, BrokenPipeError) else reason) from None


def discard(stream: TextIO) -> None:
    """Discard what a stream has buffered, by leading it to null(4)."""
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), stream.fileno())


def _printed(line: str) -> str:
    return f"{printable(line, _KEPT)}\n"


def out(line: str) -> None:
    """
    Print a line to standard output.

    @raise WriteError: if it cannot be written.
    """
    write(_printed(line), sys.stdout)


def err(line: str, stream: TextIO | None = None) -> None:
    """
    Print an error message; ignore write errors.

    @param stream: the stream, by default standard error.
    """
    with suppress(WriteError):
        write(_printed(line), sys.stderr if stream is None else stream)

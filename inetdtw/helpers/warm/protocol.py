# -*- test-case-name: inetdtw.helpers.warm.test.test_protocol -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The protocol between the daemon and a warm process; log lines."""

from __future__ import annotations

import posix
import sys

#: The names of the parameters: the form of the program; the arguments that the
#: interpreter would get in a cold start, and where the script, C{-c} or C{-m} is in
#: these; what to preload; the paths that a cold start tries, and its arguments; the
#: working directory, which is empty if it is not known; and variables that a cold start
#: would not have.
PARAMETERS = frozenset(
    ("form", "origArgv", "index", "preload", "paths", "argv", "directory", "own")
)

#: The exit statuses of a process with an interpreter other than CPython 3.7 or newer,
#: of one in which a preloaded module started a thread, and of one with a daemon of
#: another version.
UNFIT, THREADED, MISFIT = 78, 79, 77


def version(text: bytes) -> int:
    """
    Return a checksum of 64 bits.

    @return: the remainder by the largest prime number of 64 bits.
    """
    return int.from_bytes(text, "little") % (2**64 - 59)


def log(text: str) -> None:
    """Write a line to standard error, which the daemon logs."""
    line = text.replace("\n", " ") + "\n"
    posix.write(2, line.encode("utf-8", "backslashreplace"))


def refuse(what: str) -> None:
    """Exit, because the daemon sent something that this version does not support."""
    log(f"the daemon is of another version: {what}")
    posix._exit(MISFIT)


def describe(error: BaseException) -> str:
    """Return the type and the message of an exception."""
    return f"{type(error).__name__}: {error}"


def native(text: bytes) -> str:
    """Return an argument as the interpreter decodes it."""
    return text.decode(sys.getfilesystemencoding(), sys.getfilesystemencodeerrors())

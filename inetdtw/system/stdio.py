# -*- test-case-name: inetdtw.system.test.test_stdio -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Standard input, output and error, which may be closed when a process starts."""

from __future__ import annotations

import os
import sys

#: The streams of the descriptors 0, 1 and 2, and their modes.
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reserveStdio() -> None:
    """
    Open /dev/null for each of the descriptors 0, 1 and 2 that is closed.

    Other files would get these numbers, which daemonizing and launching replace.
    """
    for fd in range(len(_STREAMS)):
        if _isClosed(fd):
            # The kernel gives the lowest free number, which is this one.
            os.open(os.devnull, os.O_RDWR)


def _isClosed(fd: int) -> bool:
    """Tell whether a descriptor is closed."""
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


def openStreams() -> None:
    """
    Make the streams that Python did not find at its start.

    Output is lost then, instead of being written to another file.
    """
    for fd, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            stream = open(fd, mode, errors="backslashreplace", closefd=False)  # noqa: SIM115 - open as long as this process
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

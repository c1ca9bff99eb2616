# -*- test-case-name: inetdtw.system.test.test_stdio -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Standard input, output and error, which whoever starts a process may have closed."""

from __future__ import annotations

import os
import sys

#: The streams of the descriptors 0, 1 and 2, and what they are opened for.
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def reserveStdio() -> None:
    """
    Have something at the descriptors 0, 1 and 2, so that nothing else gets there: who
    goes to the background, and what a program is given, takes these places.
    """
    for fd in range(len(_STREAMS)):
        if _isClosed(fd):
            # The system gives the lowest number that is free, which is this one.
            os.open(os.devnull, os.O_RDWR)


def _isClosed(fd: int) -> bool:
    """Whether there is nothing at a descriptor."""
    try:
        os.fstat(fd)
    except OSError:
        return True
    return False


def openStreams() -> None:
    """
    Have a stream where Python has found none, so that what is printed is lost, and
    does not go to another one.
    """
    for fd, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            stream = open(fd, mode, errors="backslashreplace", closefd=False)  # noqa: SIM115 - open as long as this process
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

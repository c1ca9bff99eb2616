# -*- test-case-name: inetdtw.test.test_warmtext -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The text that an interpreter runs to be a warm process.

It is that of L{inetdtw._warmhelper} as this process has loaded it, whatever is
installed in its place later, and goes to the interpreter on descriptor 0 with all that
the process has to know.  So there is no bound on that but the one of execve(2), which
the program's own arguments have.
"""

from __future__ import annotations

import os
import pkgutil
import sys
import tempfile
from collections.abc import Mapping

from inetdtw import _warmhelper

#: A path by which Linux opens what descriptor 0 is.
STANDARD_INPUT = "/dev/fd/0"

#: A flag of memfd_create(2) that Python has no name for.
_MFD_NOEXEC_SEAL = 8


def _loaded() -> bytes:
    """
    Return the text of the module that this process has.
    """
    text = pkgutil.get_data("inetdtw", "_warmhelper.py")
    assert text is not None
    return text


TEXT = _loaded()
VERSION = _warmhelper.version(TEXT)


def place(chroot: str | None) -> str:
    """
    Return the argument that has an interpreter run what is on descriptor 0.

    As a script of its own it has no folder of anybody on C{sys.path}, but the root:
    what an interpreter imports before its first line is not looked for in the working
    directory, as it is for C{-c} and for C{-}.  The latter needs no C{/dev}.

    @param chroot: the root folder of the process, if it is not the daemon's.
    """
    linux = sys.platform == "linux" and chroot is None
    return STANDARD_INPUT if linux and os.path.isdir("/dev/fd") else "-"


def program(orders: Mapping[str, object]) -> bytes:
    """
    Return what is on descriptor 0.

    @param orders: by their names, L{inetdtw._warmhelper.ORDERS}: texts, numbers, bytes
        and lists of them.
    """
    line = f"text, orders = {TEXT!a}, {dict(orders)!a}\n"
    return (line + _warmhelper.BOOT).encode("ascii")


def given(orders: Mapping[str, object]) -> int:
    """
    Return a descriptor to have it on, which whoever calls this closes.

    @raise OSError: if there is no room for it.
    """
    fd = _file()
    try:
        with open(fd, "wb", closefd=False) as written:
            written.write(program(orders))
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


def _file() -> int:
    """
    Return a descriptor of a file that nobody else has.

    @raise OSError: if there is no room for it.
    """
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryFile() as file:
            return os.dup(file.fileno())
    try:
        return os.memfd_create("inetdtw")
    except PermissionError:
        # vm.memfd_noexec may ask for that; earlier systems know neither.
        return os.memfd_create("inetdtw", os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)

# -*- test-case-name: inetdtw.system.test.test_regularfile -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Regular files at paths that others can influence: the daemon must not wait for a FIFO,
and to open a device can have effects.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from inetdtw.system.directory import DESCRIPTORS
from inetdtw.text import native

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
#: What else there can be, for a person.
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFLNK: "a symbolic link",
}


class NotPlain(OSError):
    """A file is not a regular one; the error text says what it is."""


def checked(about: os.stat_result) -> None:
    """
    See that a file is a regular one.

    @raise NotPlain: if it is not.
    """
    kind = stat.S_IFMT(about.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise NotPlain(errno.EINVAL, f"is {what}, not a regular file")


@contextlib.contextmanager
def opened(
    path: str, folder: int | None = None, *, follow: bool = True
) -> Iterator[int]:
    """
    Open a regular file for reading, without opening anything else.

    @param path: a native string.
    @param folder: the descriptor of a directory that a relative path starts from.
    @param follow: whether a symbolic link is followed that the path itself is.

    @return: a context manager of its descriptor, which is closed then.
    @raise NotPlain: if it is not a regular file.
    @raise OSError: if it cannot be opened.
    """
    more = 0 if follow else os.O_NOFOLLOW
    if not hasattr(os, "O_PATH") or not os.path.isdir(DESCRIPTORS):
        checked(os.stat(path, dir_fd=folder, follow_symlinks=follow))
        fd = os.open(path, _FLAGS | more, dir_fd=folder)
    else:
        held = os.open(path, os.O_PATH | os.O_CLOEXEC | more, dir_fd=folder)
        try:
            checked(os.fstat(held))
            fd = os.open(f"{DESCRIPTORS}/{held}", _FLAGS)
        finally:
            os.close(held)
    try:
        checked(os.fstat(fd))
        yield fd
    finally:
        os.close(fd)


def read(path: str, most: int) -> bytes:
    """
    Return the beginning of a regular file.

    @param most: the most bytes of it.

    @raise NotPlain: if it is not a regular file.
    @raise OSError: if it cannot be read.
    """
    with opened(native(path)) as fd, open(fd, "rb", closefd=False) as file:
        return file.read(most)

# -*- test-case-name: inetdtw.system.test.test_regularfile -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Regular files at paths that other users can influence.

The daemon must not wait for a FIFO, and opening a device can have effects.
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
#: The other types of files, for messages.
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFDIR: "a directory",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFLNK: "a symbolic link",
}


class NotPlain(OSError):
    """A file is not a regular one; the error text has its type."""


def checked(about: os.stat_result) -> None:
    """
    Check that a file is a regular one.

    @raise NotPlain: if it is not.
    """
    kind = stat.S_IFMT(about.st_mode)
    if kind != stat.S_IFREG:
        what = _KINDS.get(kind, "something else")
        raise NotPlain(errno.EINVAL, f"is {what}, not a regular file")


@contextlib.contextmanager
def opened(
    path: str, parent: int | None = None, *, follow: bool = True
) -> Iterator[int]:
    """
    Open a regular file for reading, and never anything else.

    @param path: a native string.
    @param parent: the descriptor of the directory that a relative path starts from.
    @param follow: whether to follow the path if it is a symbolic link.

    @return: a context manager of its descriptor, which it closes.
    @raise NotPlain: if it is not a regular file.
    @raise OSError: if it cannot be opened.
    """
    more = 0 if follow else os.O_NOFOLLOW
    if not hasattr(os, "O_PATH") or not os.path.isdir(DESCRIPTORS):
        checked(os.stat(path, dir_fd=parent, follow_symlinks=follow))
        fd = os.open(path, _FLAGS | more, dir_fd=parent)
    else:
        pinned = os.open(path, os.O_PATH | os.O_CLOEXEC | more, dir_fd=parent)
        try:
            checked(os.fstat(pinned))
            fd = os.open(f"{DESCRIPTORS}/{pinned}", _FLAGS)
        finally:
            os.close(pinned)
    try:
        checked(os.fstat(fd))
        yield fd
    finally:
        os.close(fd)


def read(path: str, most: int) -> bytes:
    """
    Return the start of a regular file.

    @param most: how many bytes at most.

    @raise NotPlain: if it is not a regular file.
    @raise OSError: if it cannot be read.
    """
    with opened(native(path)) as fd, open(fd, "rb", closefd=False) as file:
        return file.read(most)

# -*- test-case-name: inetdtw.system.test.test_unixpath -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The file of a UNIX socket, while its path may change.

The directory may belong to another user, who can replace the file between any two
system calls with its path: by a link to a file of root's, for example, that would be
changed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from inetdtw.model.service import Ownership
from inetdtw.system import directory
from inetdtw.system.directory import OpenDirectory


@dataclass(frozen=True)
class PathFile:
    """
    The file of a UNIX socket, while it is open.

    @ivar where: a path of the file.
    @ivar about: the result of lstat(2).
    @ivar fixed: whether that path cannot lead to another file.
    """

    where: str
    about: os.stat_result
    fixed: bool

    @property
    def untouched(self) -> bool:
        """Whether this process has just made the file, which has no permissions yet."""
        own = self.about.st_uid == os.geteuid() and self.about.st_nlink == 1
        return own and stat.S_IMODE(self.about.st_mode) == 0

    @property
    def identity(self) -> tuple[int, int]:
        """The device and inode, which are unique while the file exists."""
        return directory.identityOf(self.about)

    def chown(self, ownership: Ownership) -> None:
        """
        Set owner and permissions.

        @raise OSError: if this process may not do that.
        """
        if (ownership.uid, ownership.gid) != (-1, -1):
            uid, gid = ownership.uid, ownership.gid
            os.chown(self.where, uid, gid, follow_symlinks=self.fixed)
        follow = self.fixed or os.chmod not in os.supports_follow_symlinks
        os.chmod(self.where, ownership.mode, follow_symlinks=follow)


@contextlib.contextmanager
def openPath(parent: OpenDirectory, name: str) -> Iterator[PathFile]:
    """
    Open the file of a UNIX socket that is in a directory.

    @raise FileExistsError: if another file is there.
    @raise OSError: if there is none.
    """
    if not hasattr(os, "O_PATH") or not os.path.isdir(directory.DESCRIPTORS):
        yield PathFile(parent.entry(name), _checked(parent.about(name)), False)
        return
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent.fd)
    try:
        where = f"{directory.DESCRIPTORS}/{fd}"
        yield PathFile(where, _checked(os.fstat(fd)), True)
    finally:
        os.close(fd)


def _checked(about: os.stat_result) -> os.stat_result:
    """
    Return what lstat(2) has returned, if it is a socket.

    @raise FileExistsError: if it is another file.
    """
    if not stat.S_ISSOCK(about.st_mode):
        raise FileExistsError(errno.EEXIST, "the path exists, and is not a socket")
    return about

# -*- test-case-name: inetdtw.system.test.test_unixpath -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The file of a UNIX socket, whatever becomes of its path.

The folder may be another user's, who can replace the file between any two looks at its
path: by a link to a file of root's, for example, that would then be changed.
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
    The file of a UNIX socket, as long as it is open.

    @ivar where: a path of the file.
    @ivar about: what the system says of it.
    @ivar held: whether that path cannot lead to another file.
    """

    where: str
    about: os.stat_result
    held: bool

    @property
    def untouched(self) -> bool:
        """
        Whether nobody may use the socket yet, so that it is one that was just made by
        this process, and has no other name.
        """
        own = self.about.st_uid == os.geteuid() and self.about.st_nlink == 1
        return own and stat.S_IMODE(self.about.st_mode) == 0

    @property
    def identity(self) -> tuple[int, int]:
        """What no other file has as long as there is this one."""
        return directory.identityOf(self.about)

    def give(self, ownership: Ownership) -> None:
        """
        Give it to its owner, with its permissions.

        @raise OSError: if this process may not do that.
        """
        if (ownership.uid, ownership.gid) != (-1, -1):
            uid, gid = ownership.uid, ownership.gid
            os.chown(self.where, uid, gid, follow_symlinks=self.held)
        follow = self.held or os.chmod not in os.supports_follow_symlinks
        os.chmod(self.where, ownership.mode, follow_symlinks=follow)


@contextlib.contextmanager
def openPath(folder: OpenDirectory, name: str) -> Iterator[PathFile]:
    """
    Hold the file of a UNIX socket that is in a directory now.

    @raise FileExistsError: if something else is there.
    @raise OSError: if there is none.
    """
    if not hasattr(os, "O_PATH") or not os.path.isdir(directory.DESCRIPTORS):
        yield PathFile(folder.entry(name), _checked(folder.about(name)), False)
        return
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder.fd)
    try:
        where = f"{directory.DESCRIPTORS}/{fd}"
        yield PathFile(where, _checked(os.fstat(fd)), True)
    finally:
        os.close(fd)


def _checked(about: os.stat_result) -> os.stat_result:
    """
    What the system says of a file, if it is a socket.

    @raise FileExistsError: if it is something else.
    """
    if not stat.S_ISSOCK(about.st_mode):
        raise FileExistsError(errno.EEXIST, "there is a file that is not a socket")
    return about

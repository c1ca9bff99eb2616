# -*- test-case-name: inetdtw.system.test.test_directory -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A directory that is open, so that its path is resolved only once.

Another user may write to it, and can exchange its entries between any two system calls:
stale sockets for files of root's, for example.  So entries are named relative to the
descriptor (openat(2)), and an entry is moved to a private directory before it is
removed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from inetdtw.text import native, textOf

#: Where Linux has a path of each descriptor, which leads to the open file itself.
DESCRIPTORS = "/proc/self/fd"
#: How a directory is opened: without read permission, where the system can do that.
_FLAGS = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)
#: The most symbolic links in a path, as path_resolution(7) has it.
_LINKS = 40
#: The name of a file while it is in a private directory.
_INNER = "entry"


def trusted(uid: int) -> bool:
    """
    Tell whether a user is root or this process' own.

    A user namespace shows root as the owner of the root directory.
    """
    return uid in (0, os.geteuid()) or uid == os.stat("/").st_uid


def identityOf(about: os.stat_result) -> tuple[int, int]:
    """Return device and inode, which are unique while the file exists."""
    return about.st_dev, about.st_ino


def replaceable(directory: os.stat_result, entry: os.stat_result) -> bool:
    """Tell whether an untrusted user can rename or remove an entry of a directory."""
    if not trusted(directory.st_uid):
        return True
    shared = directory.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    sticky = directory.st_mode & stat.S_ISVTX and trusted(entry.st_uid)
    return bool(shared) and not sticky


@dataclass(frozen=True)
class OpenDirectory:
    """
    A directory, while it is open.

    @ivar path: the path by which it was opened, a native string as all names are here.
    @ivar fd: its descriptor, which L{opened} closes.
    @ivar fixed: whether only trusted users can make the path lead elsewhere.
    """

    path: str
    fd: int
    fixed: bool = True

    def entry(self, name: str) -> str:
        """
        Return a path of an entry for system calls that take no descriptor.

        Where others can make the path lead elsewhere, it is a path of the descriptor,
        if the system has such paths.
        """
        if not self.fixed and os.path.isdir(DESCRIPTORS):
            return f"{DESCRIPTORS}/{self.fd}/{name}"
        return os.path.join(self.path, name)

    def about(self, name: str) -> os.stat_result:
        """
        Return the result of lstat(2) for an entry.

        @raise OSError: if there is none.
        """
        return os.stat(name, dir_fd=self.fd, follow_symlinks=False)

    def remove(self, name: str, identity: tuple[int, int]) -> None:
        """
        Remove an entry if it is a certain file, or empty directory.

        @param identity: its device and inode.

        @raise FileExistsError: if another file is there.
        @raise OSError: if it cannot be removed.
        """
        about = self.about(name)
        if identityOf(about) != identity:
            raise pathReplaced()
        if replaceable(os.fstat(self.fd), about):
            self._removeApart(name, identity)
        else:
            _remove(name, about, self.fd)

    def _removeApart(self, name: str, identity: tuple[int, int]) -> None:
        """
        Remove an entry after it was moved to a private directory.

        If it turns out to be another file, it is moved back.
        """
        with self._private() as (private, where):
            os.rename(name, _INNER, src_dir_fd=self.fd, dst_dir_fd=private)
            about = os.stat(_INNER, dir_fd=private, follow_symlinks=False)
            if identityOf(about) == identity:
                _remove(_INNER, about, private)
                return
            try:
                self._putBack(private, name, about)
            except OSError as why:
                reason = f"the file at its path was moved to '{where}/{_INNER}'"
                raise OSError(why.errno, f"{reason}: {why.strerror}") from None
        raise pathReplaced()

    def _putBack(self, private: int, name: str, about: os.stat_result) -> None:
        """
        Move an entry back, unless another one is there by now.

        @raise OSError: if that fails; the private directory keeps it then.
        """
        if stat.S_ISDIR(about.st_mode):
            # A directory has no second link.  Nothing but an empty one is replaced.
            os.rename(_INNER, name, src_dir_fd=private, dst_dir_fd=self.fd)
            return
        os.link(
            _INNER, name, src_dir_fd=private, dst_dir_fd=self.fd, follow_symlinks=False
        )
        os.unlink(_INNER, dir_fd=private)

    @contextlib.contextmanager
    def _private(self) -> Iterator[tuple[int, str]]:
        """
        Make a subdirectory in which only this user can write.

        It is removed if it is empty in the end.

        @return: a context manager of its descriptor and its name.
        @raise OSError: if it cannot be made, or was exchanged at once.
        """
        name = f".inetd-{secrets.token_hex(8)}"
        os.mkdir(name, 0o700, dir_fd=self.fd)
        try:
            fd = os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=self.fd)
            try:
                about = os.fstat(fd)
                if about.st_uid != os.geteuid() or about.st_mode & 0o077:
                    raise pathReplaced()
                yield fd, name
            finally:
                os.close(fd)
        finally:
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=self.fd)


def _remove(name: str, about: os.stat_result, fd: int) -> None:
    if stat.S_ISDIR(about.st_mode):
        os.rmdir(name, dir_fd=fd)
    else:
        os.unlink(name, dir_fd=fd)


def pathReplaced() -> OSError:
    """Return the error that another file is at a path by now."""
    return FileExistsError(errno.EEXIST, "another file is at its path")


@contextlib.contextmanager
def opened(path: str, *, strict: bool = False) -> Iterator[OpenDirectory]:
    """
    Open a directory, and follow only symbolic links of trusted users to it.

    A link of another user would make root create and remove files where that user may
    not.

    @param path: the current directory if it is empty.
    @param strict: whether to refuse a path through a directory that others can write
        to.

    @raise OSError: if it cannot be opened, or a link of another user leads to it.
    """
    path = native(path)
    walk = _Walk("/" if path.startswith("/") else ".", strict)
    try:
        walk.go(path.lstrip("/"))
        yield OpenDirectory(path, walk.fd, walk.fixed)
    finally:
        os.close(walk.fd)


@contextlib.contextmanager
def around(path: str, *, strict: bool = False) -> Iterator[tuple[OpenDirectory, str]]:
    """
    Open the directory that a file is in.

    @param strict: as for L{opened}.

    @return: a context manager of it, and of the file's name in it.
    @raise OSError: as L{opened} does.
    """
    parent, name = os.path.split(path)
    with opened(parent, strict=strict) as directory:
        yield directory, native(name)


def isTrusted(path: str) -> bool:
    """
    Tell whether only trusted users can change a file and where its path leads.

    It never looks into a file system of another user, which may not answer.
    """
    for _ in range(_LINKS):
        try:
            with around(path, strict=True) as (parent, name):
                if _isShared(os.fstat(parent.fd)):
                    return False
                about = parent.about(name)
                if not stat.S_ISLNK(about.st_mode):
                    return not _isShared(about)
                if not trusted(about.st_uid):
                    return False
                target = os.readlink(name, dir_fd=parent.fd)
                path = textOf(os.path.join(parent.path, target))
        except OSError:
            return False
    return False


def _isShared(about: os.stat_result) -> bool:
    """Tell whether an untrusted user can write to a file or directory."""
    shared = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return bool(shared) or not trusted(about.st_uid)


class _Walk:
    """
    The resolution of a path, part by part.

    @ivar fd: the descriptor of the directory that was reached.
    @ivar fixed: whether only trusted users can change where that is.
    """

    def __init__(self, start: str, strict: bool) -> None:
        self.fd = os.open(start, _FLAGS)
        self._strict = strict
        self.fixed = True
        self._links = 0

    def go(self, path: str) -> None:
        """
        Follow a path from here.

        @raise OSError: if that is impossible.
        """
        if path.startswith("/"):
            self._enter("/")
        for part in path.split("/"):
            if part not in ("", "."):
                self._step(part)

    def _step(self, part: str) -> None:
        parent = os.fstat(self.fd)
        if self._strict and _isShared(parent):
            raise PermissionError(errno.EPERM, "other users can write to its path")
        about = os.stat(part, dir_fd=self.fd, follow_symlinks=False)
        if replaceable(parent, about):
            self.fixed = False
        if not stat.S_ISLNK(about.st_mode):
            self._enter(part)
            return
        if not trusted(about.st_uid):
            link = f"'{textOf(part)}' in its path"
            reason = f"{link} is a symbolic link of user {about.st_uid}"
            raise PermissionError(errno.ELOOP, reason)
        self._links += 1
        if self._links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        self.go(os.readlink(part, dir_fd=self.fd))

    def _enter(self, part: str) -> None:
        """Open a directory that is not a link, and close the one before."""
        fd = os.open(part, _FLAGS | os.O_NOFOLLOW, dir_fd=self.fd)
        os.close(self.fd)
        self.fd = fd

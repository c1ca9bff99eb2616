# -*- test-case-name: inetdtw.helpers.warm.test.test_files -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Notice when files, directories and links change."""

from __future__ import annotations

import posix
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

#: A file that was modified less than so many seconds ago can change again without
#: another mtime.
GRANULARITY = 0.1
#: The most symbolic links that the kernel follows.
_MOST_LINKS = 40
#: The type of a directory, as in C{st_mode}.
DIRECTORY = 0o040000


def stamp(path: Any) -> tuple[int, ...] | None:
    """
    Return the identity and the times of a file, which differ between its states.

    @return: fields of stat(2), the times last; C{None} if the file does not exist.
    """
    try:
        found = posix.stat(path)
    except (OSError, ValueError):
        return None
    times = (found.st_mtime_ns, found.st_ctime_ns)
    return (found.st_dev, found.st_ino, found.st_size, found.st_mode, *times)


def isRecent(stamped: tuple[int, ...] | None) -> bool:
    """Return whether a file can change again and still have this L{stamp}."""
    if stamped is None:
        return False
    return time.time() - max(stamped[-2:]) / 1e9 < GRANULARITY


class WatchedFile:
    """A file or directory that is compared with its state before."""

    def __init__(self, path: str) -> None:
        """@param path: the path of the file."""
        self.path = path
        self.note()

    def note(self) -> None:
        """Remember the state of the file."""
        self._stamp = stamp(self.path)
        self._recent = isRecent(self._stamp)

    def same(self) -> bool:
        """
        Return whether the file is certainly the same.

        A recently modified file is not, as its mtime proves nothing.
        """
        if self._recent:
            self._recent = isRecent(self._stamp)
            return False
        return stamp(self.path) == self._stamp


class Snapshot:
    """
    The state of several files, to find out at once whether one of them has changed.

    @ivar certain: whether the files tell all that matters.
    """

    def __init__(self) -> None:
        """Note the state of no file yet."""
        self._states: list[tuple[Callable[[str], object], str, object]] = []
        self.certain = True

    def add(self, look: Callable[[str], object], *paths: str) -> None:
        """
        Note the state of some files.

        @param look: what tells it: L{stamp}, L{identity} or L{readLink}.
        """
        for path in paths:
            state = look(path)
            self._states.append((look, path, state))
            if look is stamp and isRecent(stamp(path)):
                self.certain = False

    def same(self) -> bool:
        """Return whether certainly no file has changed."""
        for look, path, state in self._states:
            if look(path) != state:
                return False
        return self.certain


class ScriptPath:
    """
    The path of a script, with all symbolic links resolved.

    @ivar directory: the directory of the script, which the interpreter puts first in
        C{sys.path}.
    @ivar links: the symbolic links in it, with their targets.
    """

    def __init__(self, path: str) -> None:
        """@param path: the path of a script."""
        self.links: list[tuple[str, str]] = []
        self.directory = self._resolve(path)
        self._identity = identity(self.directory)

    def _resolve(self, path: str) -> str:
        done, left = "", absolute(path).split("/")[::-1]
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                done = done.rpartition("/")[0]
                continue
            target = readLink(f"{done}/{part}")
            if target is None:
                done = f"{done}/{part}"
                continue
            self.links.append((f"{done}/{part}", target))
            if len(self.links) > _MOST_LINKS:
                break
            if target.startswith("/"):
                done = ""
            left.extend(target.split("/")[::-1])
        return done.rpartition("/")[0] or "/"

    def same(self) -> bool:
        """
        Return whether the path still leads to the same directory.

        The file itself is not enough: another release can have a hard link to it.
        """
        if identity(self.directory) != self._identity:
            return False
        return all(readLink(path) == target for path, target in self.links)


def readLink(path: str) -> str | None:
    """Return the target of a symbolic link, or C{None} if there is none."""
    try:
        return posix.readlink(path)
    except (OSError, ValueError):
        return None


def identity(path: str) -> tuple[int, ...] | None:
    """Return the device and inode of a file, or C{None} if it does not exist."""
    found = stamp(path)
    return None if found is None else found[:2]


def absolute(path: str) -> str:
    """Return an absolute path, as the interpreter makes it."""
    if path.startswith("/"):
        return path
    try:
        return f"{posix.getcwd()}/{path}"
    except OSError:
        return path


def isExecutable(path: Any, kind: int = 0o100000) -> bool:
    """
    Return whether a file exists that this process may execute, or enter.

    @param kind: its type, as in C{st_mode}.
    """
    try:
        isKind = posix.stat(path).st_mode & 0o170000 == kind
    except (OSError, ValueError):
        return False
    return isKind and posix.access(path, posix.X_OK)

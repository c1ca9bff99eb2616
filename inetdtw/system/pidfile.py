# -*- test-case-name: inetdtw.system.test.test_pidfile -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The pid file.

A daemon removes its own; one that was killed, or whose machine stopped, cannot.  What
is left must not keep the next one from its start, nor must anything else be
overwritten::

    nothing, or an empty file      is written
    the pid of this very process   is written: pids come again, and 1 always does
    the pid of no process          is written
    the pid of another process     is refused: it may be a daemon
    anything else                  is refused

The directory may be another user's, who can exchange the file at any time: it is only
ever created anew, and removed if it is the very file that was looked at.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import suppress

from inetdtw.system import regularfile
from inetdtw.system.directory import OpenDirectory, around, identityOf
from inetdtw.text import absolute

#: The largest pid that any system has, and more bytes than it takes.
_MOST, _BYTES = (1 << 31) - 1, 64
#: How it is made: it is no file that is there already, and none that a link leads to.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class PidFileError(Exception):
    """A pid file cannot be written; the message says why."""


class PidFile:
    """The pid file of this process."""

    def __init__(self, path: str) -> None:
        """
        @param path: its path; an empty one stands for no file.

        @raise PidFileError: if it is relative, and the working directory is gone.
        """
        self._path = path
        try:
            self._absolute = path and absolute(path)
        except FileNotFoundError as why:
            raise PidFileError(f"the pid file {why.strerror}") from None
        self._written: tuple[tuple[int, int], int] | None = None

    def claim(self, own: int) -> None:
        """
        See that it can be written, and remove one that nobody needs any more.

        @param own: the pid of this process.

        @raise PidFileError: if it cannot.
        """
        if not self._path:
            return
        with self._folder() as (folder, name):
            found = _read(folder, name)
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder.fd):
                where = os.path.dirname(self._absolute)
                raise PidFileError(f"may not be written in '{where}'")
            if found is None:
                return
            identity, data = found
            pid = _pidIn(data)
            if pid is not None and pid != own and _runs(pid):
                reason = f"process {pid} runs, and may have written it"
                raise PidFileError(f"{reason}: remove it if not")
            try:
                with suppress(FileNotFoundError):
                    folder.remove(name, identity)
            except OSError as why:
                raise PidFileError(f"cannot be removed: {why.strerror}") from None

    def write(self, own: int) -> None:
        """
        Write it.

        @param own: the pid of this process.

        @raise PidFileError: if it cannot be, or there is a file by now.
        """
        if not self._path:
            return
        with self._folder() as (folder, name):
            try:
                fd = os.open(name, _CREATE, 0o644, dir_fd=folder.fd)
                with open(fd, "wb", buffering=0) as file:
                    self._written = identityOf(os.fstat(fd)), own
                    file.write(b"%d" % own)
            except OSError as why:
                raise PidFileError(f"cannot be written: {why.strerror}") from None

    def remove(self) -> None:
        """Remove it, if it is the one that was written here, and still says the same."""
        written, self._written = self._written, None
        if written is None:
            return
        with suppress(PidFileError, OSError), self._folder() as (folder, name):
            if _read(folder, name) == (written[0], b"%d" % written[1]):
                folder.remove(name, written[0])

    @contextlib.contextmanager
    def _folder(self) -> Iterator[tuple[OpenDirectory, str]]:
        """
        Open the directory that it is in, and name the file in what is raised then.

        @raise PidFileError: if that cannot be.
        """
        try:
            with _around(self._absolute) as found:
                yield found
        except PidFileError as why:
            raise PidFileError(f"the pid file '{self._path}': {why}") from None


@contextlib.contextmanager
def _around(path: str) -> Iterator[tuple[OpenDirectory, str]]:
    """
    Open the directory that a file is in.

    @raise PidFileError: if that cannot be.
    """
    where = os.path.dirname(path)
    try:
        with around(path) as found:
            yield found
    except (FileNotFoundError, NotADirectoryError):
        raise PidFileError(f"there is no folder '{where}'") from None
    except OSError as why:
        raise PidFileError(f"'{where}' cannot be opened: {why.strerror}") from None


def _read(folder: OpenDirectory, name: str) -> tuple[tuple[int, int], bytes] | None:
    """
    Which file it is, and what it holds, if there is one.

    @raise PidFileError: if it is something else, or cannot be read.
    """
    try:
        with regularfile.opened(name, folder.fd, follow=False) as fd:
            return identityOf(os.fstat(fd)), os.read(fd, _BYTES)
    except FileNotFoundError:
        return None
    except regularfile.NotPlain as why:
        raise PidFileError(str(why.strerror)) from None
    except OSError as why:
        raise PidFileError(f"cannot be read: {why.strerror}") from None


def _pidIn(data: bytes) -> int | None:
    """
    The pid that a file holds; none if it is empty, as a full disk leaves it.

    @raise PidFileError: if it holds something else.
    """
    if not data.strip():
        return None
    with suppress(ValueError):
        if 0 < int(data) <= _MOST:
            return int(data)
    raise PidFileError("holds no pid")


def _runs(pid: int) -> bool:
    """Whether there is a process, whosever it is."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # It exists, as another user's.
    return True

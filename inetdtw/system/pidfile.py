# -*- test-case-name: inetdtw.system.test.test_pidfile -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The pid file.

A daemon removes its own file, unless it was killed or the machine stopped.  Such a
stale file must not prevent the next start, and no other file may be overwritten::

    no file, or an empty one       is written
    the pid of this very process   is written: pids are reused, and 1 always is
    the pid of no process          is written
    the pid of another process     is refused: it may be a daemon
    anything else                  is refused

The directory may be another user's, who can exchange the file at any time.  So the file
is always created, never overwritten, and removed only if it is the one that was read.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import suppress

from inetdtw.system import regularfile
from inetdtw.system.directory import OpenDirectory, around, identityOf
from inetdtw.system.exitwatch import exists
from inetdtw.text import absolute

#: The largest pid of any system, and more bytes than it takes.
_MOST, _BYTES = (1 << 31) - 1, 64
#: How the file is created: an existing one is never opened, nor a link followed.
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class PidFileError(Exception):
    """A pid file cannot be written; the message has the reason."""


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
        Check that the file can be written, and remove a stale one.

        @param own: the pid of this process.

        @raise PidFileError: if it cannot.
        """
        if not self._path:
            return
        with self._parent() as (parent, name):
            found = _read(parent, name)
            if not os.access(".", os.W_OK | os.X_OK, dir_fd=parent.fd):
                where = os.path.dirname(self._absolute)
                raise PidFileError(f"'{where}' is not writable")
            if found is None:
                return
            identity, data = found
            pid = _pidIn(data)
            if pid is not None and pid != own and exists(pid):
                reason = f"process {pid} is running"
                raise PidFileError(f"{reason}: remove the file if it is not inetd")
            try:
                with suppress(FileNotFoundError):
                    parent.remove(name, identity)
            except OSError as why:
                raise PidFileError(f"cannot be removed: {why.strerror}") from None

    def write(self, own: int) -> None:
        """
        Write the file.

        @param own: the pid of this process.

        @raise PidFileError: if it cannot be written, or exists by now.
        """
        if not self._path:
            return
        with self._parent() as (parent, name):
            try:
                fd = os.open(name, _CREATE, 0o644, dir_fd=parent.fd)
                with open(fd, "wb", buffering=0) as file:
                    self._written = identityOf(os.fstat(fd)), own
                    file.write(b"%d" % own)
            except OSError as why:
                raise PidFileError(f"cannot be written: {why.strerror}") from None

    def remove(self) -> None:
        """Remove the file, if it is the one that this process wrote, unchanged."""
        written, self._written = self._written, None
        if written is None:
            return
        with suppress(PidFileError, OSError), self._parent() as (parent, name):
            if _read(parent, name) == (written[0], b"%d" % written[1]):
                parent.remove(name, written[0])

    @contextlib.contextmanager
    def _parent(self) -> Iterator[tuple[OpenDirectory, str]]:
        """
        Open the directory of the file, and name the file in errors.

        @raise PidFileError: if it cannot be opened, or within the context.
        """
        where, name = os.path.dirname(self._absolute), f"the pid file '{self._path}'"
        try:
            with around(self._absolute) as found:
                yield found
        except PidFileError as why:
            raise PidFileError(f"{name}: {why}") from None
        except (FileNotFoundError, NotADirectoryError):
            raise PidFileError(f"{name}: no such directory: '{where}'") from None
        except OSError as why:
            reason = f"'{where}' cannot be opened: {why.strerror}"
            raise PidFileError(f"{name}: {reason}") from None


def _read(parent: OpenDirectory, name: str) -> tuple[tuple[int, int], bytes] | None:
    """
    Return the identity and the content of the file; C{None} if it does not exist.

    @raise PidFileError: if it is not a regular file, or cannot be read.
    """
    try:
        with regularfile.opened(name, parent.fd, follow=False) as fd:
            return identityOf(os.fstat(fd)), os.read(fd, _BYTES)
    except FileNotFoundError:
        return None
    except regularfile.NotPlain as why:
        raise PidFileError(str(why.strerror)) from None
    except OSError as why:
        raise PidFileError(f"cannot be read: {why.strerror}") from None


def _pidIn(data: bytes) -> int | None:
    """
    Return the pid in a file; C{None} if it is empty, as a full disk leaves it.

    @raise PidFileError: if it has something else.
    """
    if not data.strip():
        return None
    with suppress(ValueError):
        if 0 < int(data) <= _MOST:
            return int(data)
    raise PidFileError("has no pid in it")

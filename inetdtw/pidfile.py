# -*- test-case-name: inetdtw.test.test_pidfile -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The pid file, before it is written.

A daemon removes its own; one that was killed, or whose machine stopped, cannot.  What
is left must not keep the next one from its start, nor must anything else be
overwritten::

    nothing, or an empty file      is written
    the pid of this very process   is written: pids come again, and 1 always does
    the pid of no process          is written
    the pid of another process     is refused: it may be a daemon
    anything else                  is refused
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

#: The largest pid that any system has, and more bytes than it takes.
_MOST, _BYTES = (1 << 31) - 1, 64


class Unusable(Exception):
    """
    A pid file cannot be written; the message says why.
    """


def clear(path: str, own: int) -> None:
    """
    See that a pid file can be written, and remove one that nobody needs any more.

    @param path: an empty text stands for no file.
    @param own: the pid of this process.

    @raise Unusable: if it cannot.
    """
    if not path:
        return
    path = os.path.abspath(path)
    data = _read(path)
    pid = None if data is None else _pidIn(data)
    if pid is not None and pid != own and _runs(pid):
        reason = f"process {pid} runs, and may have written it: remove it if not"
        raise Unusable(reason)
    _checkFolder(os.path.dirname(path))
    if data is not None:
        _remove(path)


def _read(path: str) -> bytes | None:
    """
    What the file holds, if there is one.

    @raise Unusable: if it is something else, or cannot be read.
    """
    try:
        # What waits for somebody to write must not be opened, nor a link be followed.
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise Unusable("is no plain file")
        with open(path, "rb") as file:
            return file.read(_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as why:
        raise Unusable(f"cannot be read: {why.strerror}") from None


def _pidIn(data: bytes) -> int | None:
    """
    The pid that a file holds; none if it is empty, as a full disk leaves it.

    @raise Unusable: if it holds something else.
    """
    if not data.strip():
        return None
    with suppress(ValueError):
        if 0 < int(data) <= _MOST:
            return int(data)
    raise Unusable("holds no pid")


def _runs(pid: int) -> bool:
    """
    Whether there is a process, whosever it is.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        """It is another user's."""
    return True


def _checkFolder(folder: str) -> None:
    """
    See that files can be made in a folder.

    @raise Unusable: if not.
    """
    if not os.path.isdir(folder):
        raise Unusable(f"there is no folder '{folder}'")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Unusable(f"may not be written in '{folder}'")


def _remove(path: str) -> None:
    """
    Remove the file.

    @raise Unusable: if that is forbidden.
    """
    try:
        with suppress(FileNotFoundError):
            os.unlink(path)
    except OSError as why:
        raise Unusable(f"cannot be removed: {why.strerror}") from None

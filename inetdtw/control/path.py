# -*- test-case-name: inetdtw.control.test.test_path -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The path of the control socket, which daemon and client find by themselves."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress

from inetdtw.system.directory import around, identityOf
from inetdtw.text import native

#: The environment variable with the path.
VARIABLE = "INETD_CONTROL"
#: The path that stands for no socket.
NONE = "none"
#: The most daemons of one user that have a default path.
DAEMONS = 9
#: The directories for runtime files, and for temporary files.
RUN, TEMPORARY = "/run", "/tmp"


def pathOf(
    option: str | None, environ: Mapping[str, str], uid: int
) -> tuple[str, bool]:
    """
    Return the path for a daemon's socket.

    @param option: the value of C{--control}.
    @param uid: the daemon's user.

    @return: a path, or L{NONE}, and whether it is the default.
    """
    path = option or environ.get(VARIABLE)
    if path:
        return path, False
    return os.path.join(_directories(environ, uid)[0], "control"), True


def clientPath(
    option: str | None, environ: Mapping[str, str], uid: int
) -> tuple[str, bool]:
    """
    Return the path of a daemon's socket for its client.

    The default is the first path at which a daemon listens: the daemon may have another
    XDG_RUNTIME_DIR than the client, or was started beside one that has exited since.

    @param option: the value of C{--control}.
    @param uid: the client's user.

    @return: as L{pathOf} does.
    """
    path, usual = pathOf(option, environ, uid)
    if usual:
        usuals = (os.path.join(each, "control") for each in _directories(environ, uid))
        paths = [each for one in usuals for each in pathsLike(one)]
        found = [each for each in paths if os.path.lexists(native(each))]
        path = next(filter(_isServed, found), (*found, path)[0])
    return path, usual


def _isServed(path: str) -> bool:
    """Tell whether a process listens at a path, and not one that was killed did."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.setblocking(False)
        try:
            client.connect(native(path))
        except OSError as why:
            return why.errno not in (errno.ECONNREFUSED, errno.ENOENT)
    return True


def pathsLike(usual: str) -> list[str]:
    """Return the default path, and those of further daemons of the same user."""
    return [usual, *(f"{usual}-{number}" for number in range(2, DAEMONS + 1))]


def _directories(environ: Mapping[str, str], uid: int) -> list[str]:
    """Return the default directories of a user: first, that for this environment."""
    if uid == 0:
        return [os.path.join(RUN if os.path.isdir(RUN) else f"/var{RUN}", "inetd")]
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    temporary = os.path.join(TEMPORARY, f"inetd-{uid}")
    if os.path.isabs(runtime):
        return [os.path.join(runtime, "inetd"), temporary]
    return [temporary, f"{RUN}/user/{uid}/inetd"]


class SocketDirectory:
    """The default directory of a socket, which no other user can change."""

    def __init__(self, path: str, uid: int) -> None:
        """@param uid: its owner; it may be root's as well."""
        self._path = path
        self._uid = uid
        self._made: tuple[int, int] | None = None

    def make(self) -> None:
        """
        Make the directory, unless it exists.

        @raise OSError: if it cannot be made, or others can change it.
        """
        with around(self._path) as (parent, name):
            try:
                os.mkdir(name, 0o700, dir_fd=parent.fd)
                self._made = identityOf(parent.about(name))
            except FileExistsError:
                pass  # It is checked like a new one.
        self.check()

    def check(self) -> None:
        """
        Check that no other user can change it.

        @raise OSError: if one can, or if it is not a directory.
        """
        with around(self._path) as (parent, name):
            about = parent.about(name)
        if not stat.S_ISDIR(about.st_mode):
            raise NotADirectoryError(0, f"'{self._path}' is not a directory")
        if about.st_uid not in (0, self._uid):
            raise PermissionError(0, f"'{self._path}' belongs to another user")
        if about.st_mode & 0o022:
            raise PermissionError(0, f"'{self._path}' is writable by others")

    def remove(self) -> None:
        """Remove it, if it was made here and is empty."""
        made, self._made = self._made, None
        if made is not None:
            # It may have other files, or be another directory by now.
            with suppress(OSError), around(self._path) as (parent, name):
                parent.remove(name, made)

# -*- test-case-name: inetdtw.control.test.test_path -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Where the control socket is: the daemon and the command that asks it must agree on that
without a word.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress

from inetdtw.system.directory import around, identityOf
from inetdtw.text import native

#: The variable that says it to both.
VARIABLE = "INETD_CONTROL"
#: What is said for no socket.
NONE = "none"
#: The folder of folders for running daemons, and that of all that is short-lived.
RUN, TEMPORARY = "/run", "/tmp"


def pathOf(said: str | None, environ: Mapping[str, str], uid: int) -> tuple[str, bool]:
    """
    Where the socket of a user's daemon is.

    @param said: what the command line says.
    @param uid: who runs the daemon.

    @return: a path, or L{NONE}, and whether it is the usual one, which nobody has said.
    """
    usual = not (said or environ.get(VARIABLE))
    return said or usualPath(environ, uid), usual


def usualPath(environ: Mapping[str, str], uid: int) -> str:
    """
    Where the socket of a user's daemon is, unless somebody says otherwise.

    @param uid: who runs the daemon.

    @return: a path, or L{NONE}.
    """
    said = environ.get(VARIABLE)
    if said:
        return said
    return os.path.join(_folders(environ, uid)[0], "control")


def askedPath(
    said: str | None, environ: Mapping[str, str], uid: int
) -> tuple[str, bool]:
    """
    Where a command asks a user's daemon: where a socket is, as the daemon may have been
    started in another session than the command, or in none.

    @param said: what the command line says.
    @param uid: who runs the command.

    @return: as L{pathOf} does.
    """
    path, usual = pathOf(said, environ, uid)
    if usual:
        paths = [os.path.join(each, "control") for each in _folders(environ, uid)]
        path = next((each for each in paths if os.path.lexists(native(each))), path)
    return path, usual


def _folders(environ: Mapping[str, str], uid: int) -> list[str]:
    """The folders that a user's daemon may have: the first is that of one started here."""
    if uid == 0:
        return [os.path.join(RUN if os.path.isdir(RUN) else f"/var{RUN}", "inetd")]
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    temporary = os.path.join(TEMPORARY, f"inetd-{uid}")
    if os.path.isabs(runtime):
        return [os.path.join(runtime, "inetd"), temporary]
    return [temporary, f"{RUN}/user/{uid}/inetd"]


class Folder:
    """The folder of a socket in the usual place, which nobody else can change."""

    def __init__(self, path: str, uid: int) -> None:
        """@param uid: the user whose it is to be; it may be root's as well."""
        self._path = path
        self._uid = uid
        self._made: tuple[int, int] | None = None

    def make(self) -> None:
        """
        Make the folder, if it is not there.

        @raise OSError: if it cannot be made, or others could change it.
        """
        with around(self._path) as (parent, name):
            try:
                os.mkdir(name, 0o700, dir_fd=parent.fd)
                self._made = identityOf(parent.about(name))
            except FileExistsError:
                pass  # An existing directory is checked like a new one.
        self.check()

    def check(self) -> None:
        """
        See that nobody else can change it.

        @raise OSError: if somebody can, or it is no folder.
        """
        with around(self._path) as (parent, name):
            about = parent.about(name)
        if not stat.S_ISDIR(about.st_mode):
            raise NotADirectoryError(0, f"'{self._path}' is no folder")
        if about.st_uid not in (0, self._uid):
            raise PermissionError(0, f"'{self._path}' is another user's")
        if about.st_mode & 0o022:
            raise PermissionError(0, f"others may write to '{self._path}'")

    def remove(self) -> None:
        """Remove it, if it was made here and is empty."""
        made, self._made = self._made, None
        if made is not None:
            # Somebody else may have something in it.
            with suppress(OSError), around(self._path) as (parent, name):
                parent.remove(name, made)

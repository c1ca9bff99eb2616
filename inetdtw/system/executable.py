# -*- test-case-name: inetdtw.system.test.test_executable -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Find an executable as execvp(3) would for the user that is to run it.

Only the kernel knows what a user may execute: permission bits, access control lists and
mount options decide.  What starts a program finds out by exec, as that user
(L{inetdtw.helpers.spawn}).  To know without a start, a child takes on the credentials
of that user and asks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from inetdtw.model.process import Credentials
from inetdtw.model.service import Program
from inetdtw.system import regularfile
from inetdtw.system.directory import isTrusted
from inetdtw.system.userfile import mayExecute
from inetdtw.text import native

_ACL = "system.posix_acl_access"


class ExecutableNotFound(Exception):
    """A program cannot be executed; the message has the path and the reason."""


class NotInPath(ExecutableNotFound):
    """
    No directory of PATH has a program.

    @ivar path: the value of PATH.
    @ivar short: the message without it.
    """

    def __init__(self, program: Program, chroot: str | None = None) -> None:
        """@param chroot: the root directory in which it was searched."""
        self.path = os.pathsep.join(program.directories)
        inside = "" if chroot is None else f" in the root '{chroot}'"
        self.short = f"'{program.name}' is not in PATH{inside}"
        super().__init__(f"{self.short} ({self.path})")


def candidates(program: Program) -> tuple[str, ...]:
    """
    Return the paths that a program may have, in order.

    Directories of PATH that are not absolute are left out: they depend on where the
    daemon was started.
    """
    if os.path.isabs(program.name):
        return (program.name,)
    parents = filter(os.path.isabs, program.directories)
    return tuple(os.path.join(parent, program.name) for parent in parents)


def guessExecutable(
    program: Program, credentials: Credentials | None = None, chroot: str | None = None
) -> str:
    """
    Return the path that a program probably has: the first executable file.

    Exec finds out whether the user may execute it.

    @param credentials: of the user that is to execute it; this process does not look at
        files that the user controls.
    @param chroot: the root that the path starts from.  Only a process that has it can
        follow the links there, so the first path is taken.

    @raise ExecutableNotFound: if there is none.
    """
    doubtful = []
    for path in candidates(program):
        if chroot is not None:
            return path
        try:
            if _isForeign(path, credentials):
                doubtful.append(path)
            elif _isProgram(path):
                return path
        except OSError as why:
            if why.errno in (errno.EACCES, errno.EPERM):
                # Without capabilities not even root can look everywhere.
                doubtful.append(path)
    if doubtful:
        return doubtful[0]
    raise _missing(program)


def _isProgram(path: str) -> bool:
    """
    Tell whether any user may execute a file.

    @raise OSError: if the file does not exist.
    """
    mode = os.stat(native(path)).st_mode
    return stat.S_ISREG(mode) and mode & 0o111 != 0


def _missing(program: Program) -> ExecutableNotFound:
    """Return the error that a program is not found."""
    name = program.name
    if os.path.isabs(name):
        try:
            checkExecutable(name, None)
        except ExecutableNotFound as why:
            return why
        return ExecutableNotFound(f"'{name}': Permission denied")
    return NotInPath(program)


def findExecutable(
    program: Program, credentials: Credentials | None, chroot: str | None = None
) -> str:
    """
    Return the path of a program as a user would find it now.

    @param chroot: as L{guessExecutable} takes it.

    @raise ExecutableNotFound: if there is none, or C{credentials} may not execute it.
    """
    if os.path.isabs(program.name):
        checkExecutable(program.name, credentials, chroot)
        return program.name
    for path in candidates(program):
        try:
            checkExecutable(path, credentials, chroot)
        except ExecutableNotFound:
            continue
        return path
    raise NotInPath(program, chroot)


def checkExecutable(
    path: str, credentials: Credentials | None, chroot: str | None = None
) -> None:
    """
    Check that C{path} can be executed.

    @param credentials: of the user that is to execute it; C{None} for this process'
        own.
    @param chroot: the root directory that the path starts from.  A child process that
        has it looks there; only root can make one.

    @raise ExecutableNotFound: if it cannot.
    """
    where = native(path)
    shown = f"'{path}'" if chroot is None else f"'{path}' in the root '{chroot}'"
    try:
        if chroot is not None:
            allowed = _askedInside(where, credentials, chroot)
        elif credentials is not None and _isForeign(path, credentials):
            allowed = _asked(where, credentials)
        else:
            regularfile.checked(os.stat(where))
            allowed = os.access(where, os.X_OK) and _allowed(where, credentials)
    except regularfile.NotPlain as why:
        raise ExecutableNotFound(f"{shown} {why.strerror}") from None
    except OSError as why:
        raise ExecutableNotFound(f"{shown}: {why.strerror}") from None
    if not allowed:
        raise ExecutableNotFound(f"{shown}: Permission denied")


def _askedInside(path: str, credentials: Credentials | None, chroot: str) -> bool:
    """
    Ask the kernel whether C{credentials} may execute C{path} in another root.

    @return: C{True} also if this process may not change its root directory.
    """
    try:
        return mayExecute(path, credentials, chroot)
    except OSError as why:
        if why.errno == errno.EPERM:
            return True
        raise


def _allowed(path: str, credentials: Credentials | None) -> bool:
    """Tell whether C{credentials} may reach and execute C{path}."""
    if credentials is None or credentials.uid == 0:
        return True
    # Only a child with these credentials gets a reliable answer.
    bits = all(_mayExecute(os.stat(part), credentials) for part in _steps(path))
    if bits and not any(map(_hasList, _steps(path))):
        return True
    return _asked(path, credentials)


def _asked(path: str, credentials: Credentials) -> bool:
    """Ask the kernel whether C{credentials} may reach and execute C{path}."""
    with contextlib.suppress(PermissionError):
        return mayExecute(path, credentials)
    return False


def _isForeign(path: str, credentials: Credentials | None) -> bool:
    """
    Tell whether the user that executes a path controls where it leads.

    A file system of that user may not answer.
    """
    if credentials is None or credentials.uid == 0 or os.geteuid() != 0:
        return False
    if not isTrusted(os.path.dirname(path)):
        return True
    return os.path.lexists(native(path)) and not isTrusted(path)


def _hasList(path: str) -> bool:
    """Tell whether a file has an access control list, which overrules its mode."""
    try:
        return bool(os.getxattr(path, _ACL))
    except (OSError, AttributeError):
        return False


def _steps(path: str) -> Iterator[str]:
    """Yield a file and all directories to it, by the names given and the real ones."""
    for start in {path, os.path.realpath(path)}:
        step = start
        while True:
            yield step
            step, last = os.path.split(step)
            if not last:
                break


def _mayExecute(about: os.stat_result, credentials: Credentials) -> bool:
    """Tell whether the permission bits of one file let C{credentials} execute it."""
    if about.st_uid == credentials.uid:
        return bool(about.st_mode & stat.S_IXUSR)
    if about.st_gid == credentials.gid or about.st_gid in credentials.groups:
        return bool(about.st_mode & stat.S_IXGRP)
    return bool(about.st_mode & stat.S_IXOTH)

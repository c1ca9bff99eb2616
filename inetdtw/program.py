# -*- test-case-name: inetdtw.test.test_program -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Finding a program as execvp(3) would find it for the user who is to run it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from inetdtw import plainfile
from inetdtw.context import Identity
from inetdtw.service import Program


class ProgramMissing(Exception):
    """
    There is nothing to execute; the message says why, and names the path.
    """


def locate(
    program: Program, identity: Identity | None, chroot: str | None = None
) -> str:
    """
    The path of a program as it is now.  Folders of PATH that are not absolute are
    left out: what they stand for depends on where the daemon was started.

    @param chroot: the root that the path is to start from.  Only a process that has
        it can follow the links there: whoever executes the program finds out.

    @raise ProgramMissing: if there is none, or C{identity} may not execute it.
    """
    if os.path.isabs(program.name):
        if chroot is None:
            check(program.name, identity)
        return program.name
    for folder in filter(os.path.isabs, program.folders):
        path = os.path.join(folder, program.name)
        try:
            check((chroot or "") + path, identity)
        except ProgramMissing:
            continue
        return path
    where = os.pathsep.join(program.folders)
    raise ProgramMissing(f"'{program.name}' is not in the PATH {where}")


def check(path: str, identity: Identity | None) -> None:
    """
    See that C{path} can be executed.

    @param identity: who is to execute it; C{None} for this process' own user.

    @raise ProgramMissing: if it cannot.
    """
    try:
        about = os.stat(path)
        allowed = os.access(path, os.X_OK) and _allowed(path, identity)
    except OSError as why:
        raise ProgramMissing(f"'{path}': {why.strerror}") from None
    try:
        plainfile.checked(about)
    except plainfile.NotPlain as why:
        raise ProgramMissing(f"'{path}' {why.strerror}") from None
    if not allowed:
        raise ProgramMissing(f"'{path}' may not be executed")


def _allowed(path: str, identity: Identity | None) -> bool:
    """
    Whether the permission bits let C{identity} reach and execute C{path}.
    """
    if identity is None or identity.uid == 0:
        return True
    return all(_mayExecute(os.stat(part), identity) for part in _steps(path))


def _steps(path: str) -> Iterator[str]:
    """
    A file and all the folders that lead to it, by the names given and by the real
    ones.
    """
    for start in {path, os.path.realpath(path)}:
        step = start
        while True:
            yield step
            step, last = os.path.split(step)
            if not last:
                break


def _mayExecute(about: os.stat_result, identity: Identity) -> bool:
    """
    Whether the permission bits of one file let C{identity} execute it.
    """
    if about.st_uid == identity.uid:
        return bool(about.st_mode & stat.S_IXUSR)
    if about.st_gid == identity.gid or about.st_gid in identity.groups:
        return bool(about.st_mode & stat.S_IXGRP)
    return bool(about.st_mode & stat.S_IXOTH)

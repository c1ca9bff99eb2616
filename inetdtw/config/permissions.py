# -*- test-case-name: inetdtw.config.test.test_permissions -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Warnings about the permissions of configuration files.

A user who can change a file decides what the daemon executes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from inetdtw.model.errors import ConfWarning, Location
from inetdtw.text import native


def permissionWarnings(path: str) -> Iterator[ConfWarning]:
    """
    Warn if users other than root and the daemon's can change or replace a file.

    @param path: the path of a regular file; nothing is yielded for another.
    """
    for reason in (*_writable(path), *_replaceable(path)):
        yield ConfWarning(Location(path, 1), "file", reason)


def _writable(path: str) -> Iterator[str]:
    try:
        about = os.stat(native(path))
    except OSError:
        return
    if not stat.S_ISREG(about.st_mode):
        return
    if _isShared(about):
        yield f"writable by users other than its owner: {stat.filemode(about.st_mode)}"
    if _isForeign(about):
        yield f"owned by user {about.st_uid}, which controls what is executed"


def _replaceable(path: str) -> Iterator[str]:
    directory = os.path.dirname(os.path.realpath(native(path)))
    try:
        about = os.stat(directory)
        mounted = os.statvfs(directory)
    except OSError:
        return
    # A ConfigMap of Kubernetes has mode 0777, and is mounted read-only.
    if mounted.f_flag & os.ST_RDONLY:
        return
    # In a sticky directory only the owners of file and directory can replace it.
    if _isShared(about) and not about.st_mode & stat.S_ISVTX:
        mode = stat.filemode(about.st_mode)
        yield f"other users can replace the file: its directory is {mode}"
    if _isForeign(about):
        yield f"user {about.st_uid} owns the directory, and can replace the file"


def _isForeign(about: os.stat_result) -> bool:
    return about.st_uid not in (0, os.geteuid())


def _isShared(about: os.stat_result) -> bool:
    """
    Tell whether users other than the owner can write to a file or a directory.

    A group whose number is 0 or the owner's has no other members, it is assumed.
    """
    private = about.st_gid in (0, about.st_uid)
    others = stat.S_IWOTH if private else stat.S_IWOTH | stat.S_IWGRP
    return bool(about.st_mode & others)

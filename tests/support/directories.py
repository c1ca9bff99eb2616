# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Temporary directories that every user can read."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING

from twisted.python.filepath import FilePath

if TYPE_CHECKING:
    import pwd

    from twisted.trial.unittest import SynchronousTestCase


def publicDirectory(
    test: SynchronousTestCase, owner: pwd.struct_passwd | None = None
) -> str:
    """
    Make a directory that every user can read, removed when the test ends.

    @param owner: the user that may write in it; by default, the one of the tests.
    """
    directory = _newPublicDirectory()
    test.addCleanup(FilePath(directory).remove)
    if owner is not None:
        os.chown(directory, owner.pw_uid, owner.pw_gid)
    return directory


def directoryUntilExit() -> str:
    """Make a directory that every user can read, removed at exit."""
    directory = _newPublicDirectory()
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _newPublicDirectory() -> str:
    """Make a temporary directory that every user can read."""
    directory = os.path.realpath(tempfile.mkdtemp(prefix="inetdtw-"))
    os.chmod(directory, 0o755)
    return directory


def readableMode(path: str) -> int:
    """Return the mode of a path, with read or search permission for every user."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return mode | 0o444 | (0o111 if mode & 0o100 else 0)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
This checkout, as every user can read it.

It can be below a home directory that is closed to others.  L{path} then returns the
path of a copy, which is made once and removed when the tests end.
"""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path

from twisted.python.filepath import FilePath

from tests.support import users
from tests.support.directories import directoryUntilExit, readableMode
from tests.support.interpreters import othersCan, python

#: The path of this checkout itself.
ORIGINAL = str(Path(__file__).resolve().parents[2])

_LEFT_OUT = (
    *(".*", "_trial_temp*", "build", "dist", "results"),
    *("*.egg-info", "*.sqlite", "__pycache__", "*dropin.cache*"),
)


@functools.cache
def path() -> str:
    """Return the path of this checkout, or of a copy that every user can read."""
    if not users.ROOT or othersCan(python(), f"open({__file__!r})"):
        return ORIGINAL
    copy = os.path.join(directoryUntilExit(), "checkout")
    copyTo(copy)
    return copy


def copyTo(target: str) -> None:
    """Copy this checkout; every user can read the copy, and tests may change it."""
    ignored = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(ORIGINAL, target, symlinks=True, ignore=ignored)
    for each in FilePath(target).walk():
        if not each.islink():
            each.chmod(readableMode(each.path))

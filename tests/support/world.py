# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Files that every user can read: an interpreter, the checkout, temporary directories.

When root runs the tests, daemons and their programs run as other users.  These may not
be able to read the interpreter that runs the tests, or this checkout: either can be
below a home directory that is closed to others.  L{python} and L{checkout} then return
the paths of copies, which are made once and removed when the tests end.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.python.filepath import FilePath

from tests.support import users

if TYPE_CHECKING:
    import pwd

    from twisted.trial.unittest import SynchronousTestCase

#: The root of this checkout.
CHECKOUT = str(Path(__file__).resolve().parents[2])

#: The number of a user that owns no files.
_NOBODY = 65534

_NOT_OF_A_LIBRARY = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "*.a")
_NOT_OF_A_CHECKOUT = (
    *(".*", "_trial_temp*", "build", "dist", "results"),
    *("*.egg-info", "*.sqlite", "__pycache__", "*dropin.cache*"),
)


@functools.cache
def python() -> str:
    """
    Return the path of an interpreter like this one that every user can run.

    It needs no environment variable to find its library: a program of another user does
    not inherit all of them.
    """
    if not users.ROOT or _othersCan(sys.executable, "import twisted.internet.reactor"):
        return sys.executable
    copy = _copyOfInterpreter(_publicFolderUntilExit())
    if not _othersCan(copy, "import twisted.internet.reactor"):
        raise RuntimeError(f"{copy}, a copy of {sys.executable}, does not work")
    return copy


@functools.cache
def checkout() -> str:
    """Return the path of this checkout, or of a copy that every user can read."""
    if not users.ROOT or _othersCan(python(), f"open({__file__!r})"):
        return CHECKOUT
    copy = os.path.join(_publicFolderUntilExit(), "checkout")
    copyCheckout(copy)
    return copy


def copyCheckout(target: str) -> None:
    """Copy this checkout; every user can read the copy, and tests may change it."""
    ignored = shutil.ignore_patterns(*_NOT_OF_A_CHECKOUT)
    shutil.copytree(CHECKOUT, target, symlinks=True, ignore=ignored)
    for path in FilePath(target).walk():
        if not path.islink():
            path.chmod(_readable(path.path))


def copyPackages(target: str, *without: str) -> None:
    """
    Copy what is installed for this interpreter; every user can read the copy.

    @param target: a directory for packages, which may have some already.
    @param without: patterns of the names of files and directories that are left out.
    """
    for path in sys.path:
        if os.path.basename(path) in ("site-packages", "dist-packages"):
            _linkTree(path, target, *without)


def publicFolder(
    test: SynchronousTestCase, owner: pwd.struct_passwd | None = None
) -> str:
    """
    Make a directory that every user can read, removed when the test ends.

    @param owner: the user that may write in it; by default, the one of the tests.
    """
    folder = _newPublicFolder()
    test.addCleanup(FilePath(folder).remove)
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def _publicFolderUntilExit() -> str:
    """Make a directory that every user can read, removed at exit."""
    folder = _newPublicFolder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _newPublicFolder() -> str:
    """Make a temporary directory that every user can read."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="inetdtw-"))
    os.chmod(folder, 0o755)
    return folder


def _othersCan(interpreter: str, code: str) -> bool:
    """Whether another user can run this code with this interpreter."""
    try:
        done = subprocess.run(
            [interpreter, "-c", code],
            user=_NOBODY,
            group=_NOBODY,
            extra_groups=[],
            cwd="/",
            env={"PATH": os.defpath},
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copyOfInterpreter(prefix: str) -> str:
    """Copy this interpreter and everything that is installed for it."""
    binary = copyOfInterpreter(prefix, *_NOT_OF_A_LIBRARY)
    library = os.path.dirname(os.__file__)
    here = os.path.join(prefix, os.path.relpath(library, sys.base_prefix))
    copyPackages(os.path.join(here, "site-packages"))
    return binary


def copyOfInterpreter(prefix: str, *without: str) -> str:
    """
    Copy this interpreter and its standard library.

    @param without: directories of the library that are left out.
    @return: the path of the copy.
    """
    library = os.path.dirname(os.__file__)
    here = os.path.join(prefix, os.path.relpath(library, sys.base_prefix))
    _linkTree(library, here, "site-packages", *without)
    return _copyOfBinary(prefix)


def _copyOfBinary(prefix: str) -> str:
    """
    Copy the interpreter's binary, under the names that programs look for.

    One that has its code in a library finds the library's copy: the path at which it
    looks is overwritten in place.
    """
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    binary = FilePath(prefix).child("bin").child(name)
    binary.parent().makedirs()
    code = FilePath(os.path.realpath(sys.executable)).getContent()
    libraries = os.path.join(sys.base_prefix, "lib").encode()
    here = b"$ORIGIN/../lib".ljust(len(libraries), b"\0")
    binary.setContent(code.replace(libraries + b"\0", here + b"\0"))
    binary.chmod(0o755)
    for library in FilePath(libraries.decode()).globChildren("libpython*.so*"):
        _linkOrCopy(library.path, os.path.join(prefix, "lib", library.basename()))
    for alias in ("python", "python3"):
        os.symlink(name, binary.sibling(alias).path)
    return binary.path


def _linkTree(source: str, target: str, *without: str) -> None:
    """Copy a directory so that every user can read it; hard-link if possible."""
    shutil.copytree(
        source,
        target,
        symlinks=True,
        # What is there for a moment only may be gone again.
        ignore=shutil.ignore_patterns(*without, "*.pyc.*", "*dropin.cache.*"),
        copy_function=_linkOrCopy,
        dirs_exist_ok=True,
    )
    for folder, _, _ in os.walk(target):
        os.chmod(folder, 0o755)


def _linkOrCopy(source: str, target: str) -> None:
    """Make a file readable by every user at another path; link if possible."""
    if _readable(source) == stat.S_IMODE(os.stat(source).st_mode):
        with suppress(OSError):
            return os.link(source, target)
    shutil.copy2(source, target)
    os.chmod(target, _readable(source))


def _readable(path: str) -> int:
    """Return the mode of a path, with read or search permission for every user."""
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return mode | 0o444 | (0o111 if mode & 0o100 else 0)

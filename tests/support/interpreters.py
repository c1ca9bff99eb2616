# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The interpreters of Python on this machine, and one that every user can run.

When root runs the tests, daemons and their programs run as other users.  These may not
be able to read the interpreter that runs the tests: it can be below a home directory
that is closed to others.  L{python} then returns the path of a copy, which is made once
and removed when the tests end.
"""

from __future__ import annotations

import functools
import glob
import os
import re
import shutil
import stat
import subprocess
import sys
from contextlib import suppress

from twisted.python.filepath import FilePath

from tests.support import users
from tests.support.directories import directoryUntilExit, readableMode

_NAME = re.compile(r"python3(\.\d+)?")
_VERSION = (
    "import sys; print(sys.implementation.name, *sys.version_info[:2], sys.prefix)"
)

#: The number of a user that owns no files.
_NOBODY = 65534

_NOT_OF_A_LIBRARY = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "*.a")


@functools.cache
def pythons() -> dict[str, str]:
    """Return the paths of CPython from 3.7 on, in PATH and of pyenv, by version."""
    found: dict[tuple[int, int], str] = {}
    for path in _candidates():
        version = _versionOf(path)
        if version is not None and version >= (3, 7):
            found.setdefault(version, path)
    return {"{}.{}".format(*version): found[version] for version in sorted(found)}


def _candidates() -> list[str]:
    """Return paths that may be interpreters."""
    root = os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv")
    places = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/bin"]
    places = [each for each in places if not each.endswith("/shims")]
    paths = [path for each in places for path in glob.glob(f"{each}/python3*")]
    paths = [path for path in paths if _NAME.fullmatch(os.path.basename(path))]
    return [*sorted(glob.glob(f"{root}/versions/*/bin/python3")), *paths]


def _versionOf(path: str) -> tuple[int, int] | None:
    """Return the version of an interpreter, if it is a CPython that works."""
    try:
        words = subprocess.run(
            [path, "-I", "-c", _VERSION], capture_output=True, text=True, timeout=20
        ).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return None
    if words[:1] != ["cpython"]:
        return None
    return int(words[1]), int(words[2])


@functools.cache
def python() -> str:
    """
    Return the path of an interpreter like this one that every user can run.

    It needs no environment variable to find its library: a program of another user does
    not inherit all of them.
    """
    if not users.ROOT or othersCan(sys.executable, "import twisted.internet.reactor"):
        return sys.executable
    copy = _copyOfInterpreter(directoryUntilExit())
    if not othersCan(copy, "import twisted.internet.reactor"):
        raise RuntimeError(f"{copy}, a copy of {sys.executable}, does not work")
    return copy


def othersCan(interpreter: str, code: str) -> bool:
    """Return whether another user can run this code with this interpreter."""
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


def copyPackages(target: str, *without: str) -> None:
    """
    Copy what is installed for this interpreter; every user can read the copy.

    @param target: a directory for packages, which may have some already.
    @param without: patterns of the names of files and directories that are left out.
    """
    for path in sys.path:
        if os.path.basename(path) in ("site-packages", "dist-packages"):
            _linkTree(path, target, *without)


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
    for directory, _, _ in os.walk(target):
        os.chmod(directory, 0o755)


def _linkOrCopy(source: str, target: str) -> None:
    """Make a file readable by every user at another path; link if possible."""
    if readableMode(source) == stat.S_IMODE(os.stat(source).st_mode):
        with suppress(OSError):
            return os.link(source, target)
    shutil.copy2(source, target)
    os.chmod(target, readableMode(source))

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What everybody on this machine can reach: a user, an interpreter, the checkout.

A daemon that root starts runs programs as the user C{alpine}, and some tests run the
daemon itself as her.  She may not be able to reach the interpreter that runs the
tests, or this checkout: either can be below a home folder that is closed to others.
L{python} and L{checkout} then give copies of them that she can reach, made once and
removed when the tests end.

Tests that do not run as root have no other user, and need no copies.
"""

from __future__ import annotations

import atexit
import fcntl
import functools
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.python.filepath import FilePath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twisted.trial.unittest import SynchronousTestCase

#: The root of this checkout.
CHECKOUT = str(Path(__file__).resolve().parents[2])

#: Whether these tests may become another user.
ROOT = os.geteuid() == 0

#: Why a test that needs C{alpine} is skipped.
NOT_ROOT = "only root can become another user"

_MADE_BY_US = "made by the tests of inetdtw"
_NOT_OF_A_LIBRARY = ("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "*.a")
_NOT_OF_A_CHECKOUT = (
    *(".*", "_trial_temp*", "build", "dist", "results"),
    *("*.egg-info", "*.sqlite", "__pycache__", "*dropin.cache*"),
)


@functools.cache
def alpine() -> pwd.struct_passwd:
    """
    Find the user C{alpine}; make her when she is missing.

    One that was made here is removed by the last process of tests that used her.  The
    comment in her passwd entry says that she was made here, and every process that uses
    her holds a shared lock on her home folder.
    """
    with _locked("/etc"):
        user = _findAlpine() or _makeAlpine()
        if user.pw_gecos == _MADE_BY_US:
            held = os.open(user.pw_dir, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_SH)
            atexit.register(_removeAlpine, held, user.pw_dir)
    return user


def _findAlpine() -> pwd.struct_passwd | None:
    """
    Look up the user C{alpine}.
    """
    try:
        return pwd.getpwnam("alpine")
    except KeyError:
        return None


def _makeAlpine() -> pwd.struct_passwd:
    """
    Add the user C{alpine}, where possible with a supplementary group.
    """
    if shutil.which("useradd") is None:
        _quietly("adduser", "-D", "-s", "/bin/sh", "-g", _MADE_BY_US, "alpine")
    else:
        groups = ("--user-group", "--groups", "users")
        shell = ("--create-home", "--shell", "/bin/sh")
        _quietly("useradd", *groups, *shell, "--comment", _MADE_BY_US, "alpine")
    return pwd.getpwnam("alpine")


def _removeAlpine(held: int, home: str) -> None:
    """
    Remove C{alpine}, unless another process of tests still uses her, or she is another
    one by now.
    """
    with _locked("/etc"), suppress(BlockingIOError, FileNotFoundError):
        if not os.path.samestat(os.fstat(held), os.stat(home)):
            return
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if shutil.which("userdel") is None:
            _quietly("deluser", "--remove-home", "alpine")
        else:
            _quietly("userdel", "--remove", "alpine")


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """
    Hold an exclusive lock on a file or folder.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _quietly(*argv: str) -> None:
    """
    Run a command, and show what it printed only if it failed.
    """
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{argv} failed: {done.stdout}{done.stderr}")


@functools.cache
def python() -> str:
    """
    The path of an interpreter like this one that everybody can run.

    It needs no environment variable to find its library: a program that the daemon runs
    as another user does not inherit all of them.
    """
    if not ROOT or _othersCan(sys.executable, "import twisted.internet.reactor"):
        return sys.executable
    copy = _copyOfInterpreter(_publicFolderUntilExit())
    if not _othersCan(copy, "import twisted.internet.reactor"):
        raise RuntimeError(f"{copy}, a copy of {sys.executable}, does not work")
    return copy


@functools.cache
def checkout() -> str:
    """
    The path of this checkout, or of a copy that everybody can read.
    """
    if not ROOT or _othersCan(python(), f"open({__file__!r})"):
        return CHECKOUT
    copy = os.path.join(_publicFolderUntilExit(), "checkout")
    copyCheckout(copy)
    return copy


def copyCheckout(target: str) -> None:
    """
    Copy this checkout; everybody can read the copy, and its files may be changed.
    """
    ignored = shutil.ignore_patterns(*_NOT_OF_A_CHECKOUT)
    shutil.copytree(CHECKOUT, target, symlinks=True, ignore=ignored)
    for path in FilePath(target).walk():
        if not path.islink():
            path.chmod(_readable(path.path))


def copyPackages(target: str, *without: str) -> None:
    """
    Copy what is installed for this interpreter, so that everybody can read the copy.

    @param target: a folder for packages, which may have some already.
    @param without: patterns of the names of files and folders that are left out.
    """
    for path in sys.path:
        if os.path.basename(path) in ("site-packages", "dist-packages"):
            _linkTree(path, target, *without)


def publicFolder(
    test: SynchronousTestCase, owner: pwd.struct_passwd | None = None
) -> str:
    """
    Make a folder that everybody can read, which is removed when the test ends.

    @param owner: who may write in it; by default, whoever runs the tests.
    """
    folder = _newPublicFolder()
    test.addCleanup(FilePath(folder).remove)
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def _publicFolderUntilExit() -> str:
    """
    Make a folder that everybody can read, which is removed when this process ends.
    """
    folder = _newPublicFolder()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _newPublicFolder() -> str:
    """
    Make a temporary folder that everybody can read.
    """
    folder = os.path.realpath(tempfile.mkdtemp(prefix="inetdtw-"))
    os.chmod(folder, 0o755)
    return folder


def _othersCan(interpreter: str, code: str) -> bool:
    """
    Whether C{alpine} can run this code with this interpreter.
    """
    user = alpine()
    try:
        done = subprocess.run(
            [interpreter, "-c", code],
            user=user.pw_uid,
            group=user.pw_gid,
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
    """
    Copy this interpreter and everything that is installed for it.
    """
    binary = copyOfInterpreter(prefix, *_NOT_OF_A_LIBRARY)
    library = os.path.dirname(os.__file__)
    here = os.path.join(prefix, os.path.relpath(library, sys.base_prefix))
    copyPackages(os.path.join(here, "site-packages"))
    return binary


def copyOfInterpreter(prefix: str, *without: str) -> str:
    """
    Copy this interpreter and its standard library.

    @param without: folders of the library that are left out.

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
    """
    Copy a folder so that everybody can read the copy, which shares files if possible.
    """
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
    """
    Make one file readable by everybody under another name; share its bytes if possible.
    """
    if _readable(source) == stat.S_IMODE(os.stat(source).st_mode):
        with suppress(OSError):
            return os.link(source, target)
    shutil.copy2(source, target)
    os.chmod(target, _readable(source))


def _readable(path: str) -> int:
    """
    The mode of a file or folder, with leave for everybody to read or run it.
    """
    mode = stat.S_IMODE(os.stat(path).st_mode)
    return mode | 0o444 | (0o111 if mode & 0o100 else 0)

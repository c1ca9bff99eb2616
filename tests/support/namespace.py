# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A mount namespace for the process that runs the tests, and for all that it starts.

There, C{/etc} and C{/dev} are copies: what the tests write to them, the machine does
not have.  They end with the last process of the namespace.  All of C{/etc} is copied,
because a mount on passwd(5) itself disappears when useradd(8) replaces that file on the
machine.
"""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile

# <sched.h>, <sys/mount.h>
_CLONE_NEWNS = 0x20000
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_MNT_DETACH = 2


def enter() -> str | None:
    """
    Move this process to a mount namespace of its own.

    It must have one thread only, as others would stay behind.

    @return: why it cannot have one, if so.
    """
    try:
        _call("unshare", _CLONE_NEWNS)
        _mount("none", "/", _MS_REC | _MS_PRIVATE)
        with tempfile.TemporaryDirectory() as directory:
            _mount("tmpfs", directory, 0, "tmpfs")
            try:
                _copyFiles(os.path.join(directory, "etc"))
                _copyDevices(os.path.join(directory, "dev"))
            finally:
                # What is bound elsewhere stays.
                _call("umount2", directory.encode(), _MNT_DETACH)
    except (ImportError, OSError) as why:
        return f"a mount namespace is not available: {why}"
    return None


def _copyFiles(directory: str) -> None:
    """Put a copy of C{/etc} in its place."""
    # It fails for a file that is removed meanwhile, which is not needed.
    subprocess.run(["cp", "-a", "/etc", directory], check=False, capture_output=True)
    _mount(directory, "/etc", _MS_BIND)


def _copyDevices(directory: str) -> None:
    """Put a copy of C{/dev} in its place: without C{/dev/log}, but with all devices."""
    os.mkdir(directory, 0o755)
    with os.scandir("/dev") as entries:
        for entry in entries:
            copy = os.path.join(directory, entry.name)
            status = entry.stat(follow_symlinks=False)
            if entry.name == "log":
                continue
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), copy)
            elif entry.is_dir():
                os.mkdir(copy)
                _mount(entry.path, copy, _MS_BIND | _MS_REC)
            elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                os.mknod(copy, status.st_mode, status.st_rdev)
                os.chown(copy, status.st_uid, status.st_gid)
                os.chmod(copy, stat.S_IMODE(status.st_mode))
    _mount(directory, "/dev", _MS_BIND | _MS_REC)


def _mount(source: str, target: str, flags: int, kind: str = "none") -> None:
    """Call mount(2)."""
    names = (os.fsencode(each) for each in (source, target, kind))
    _call("mount", *names, flags, None)


def _call(name: str, *arguments: bytes | int | None) -> None:
    """
    Call a function of the C library that Python lacks.

    @raise OSError: when it fails.
    @raise ImportError: when this Python cannot call any.
    """
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    given = [
        ctypes.c_ulong(each) if isinstance(each, int) else each for each in arguments
    ]
    if getattr(library, name)(*given):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)

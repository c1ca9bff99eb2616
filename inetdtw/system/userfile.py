# -*- test-case-name: inetdtw.system.test.test_userfile -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Files of the users of services, which root's daemon has to read.

A file that only trusted users can change is read at once.  Any other is read by a child
process with the credentials and the root directory of the service.  So the user cannot
make the daemon read what the user may not read, and a file system (FUSE, NFS) that does
not answer blocks only the child, which is killed after L{PATIENCE}.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
import warnings
from contextlib import suppress
from typing import Callable, NoReturn

from inetdtw.model.process import Credentials
from inetdtw.system import regularfile
from inetdtw.system.directory import isTrusted
from inetdtw.text import native

#: The seconds to wait for a file; and for L{_MEMORY} seconds after a timeout, so that
#: the timeouts of many files do not add up.
PATIENCE, LITTLE_PATIENCE, _MEMORY = 2.0, 0.1, 60.0
#: The first bytes of a child's report.
_READ, _NOT_PLAIN, _FAILED = b"0", b"1", b"2"

#: The time of the last timeout, and the killed children that are not reaped.
_late: list[float] = []
_killed: set[int] = set()


def beginning(
    path: str,
    most: int,
    credentials: Credentials | None = None,
    chroot: str | None = None,
) -> bytes:
    """
    Return the start of a regular file.

    @param path: an absolute path.
    @param most: how many bytes at most.
    @param credentials: with which to read it; C{None} for this process' own.
    @param chroot: the root directory that the path starts from.

    @raise regularfile.NotPlain: if it is not a regular file.
    @raise TimeoutError: if it cannot be read in time.
    @raise OSError: if it cannot be read.
    """
    if chroot is None and isTrusted(path):
        return regularfile.read(path, most)
    return _asked(lambda: regularfile.read(path, most), credentials, chroot)


def mayExecute(
    path: str, credentials: Credentials | None, chroot: str | None = None
) -> bool:
    """
    Ask the kernel whether a user may execute a file.

    @param path: an absolute path, a native string.
    @param credentials: those of the user, C{None} for this process' own.
    @param chroot: the root directory that the path starts from.

    @raise regularfile.NotPlain: if it is not a regular file.
    @raise TimeoutError: without an answer in time.
    @raise OSError: if it cannot be reached, or this process cannot take on
        C{credentials}.
    """

    def ask() -> bytes:
        regularfile.checked(os.stat(path))
        return b"y" if os.access(path, os.X_OK) else b"n"

    return _asked(ask, credentials, chroot) == b"y"


def _asked(
    work: Callable[[], bytes], credentials: Credentials | None, chroot: str | None
) -> bytes:
    """
    Return what a function returns in a child process with other credentials.

    @raise TimeoutError: if it does not return in time.
    @raise OSError: what it raises.
    """
    reading, writing = os.pipe()
    try:
        pid = _fork()
        if pid == 0:
            _child(writing, work, credentials, chroot)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    ended = False
    try:
        answer = _answer(reading)
        ended = True
    finally:
        os.close(reading)
        _end(pid, ended)
    return _result(answer)


def _fork() -> int:
    """
    Fork, without the warning about threads.

    @raise OSError: if that fails.
    """
    with warnings.catch_warnings():
        # Other threads may hold locks, of which the child needs none.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _child(
    fd: int,
    work: Callable[[], bytes],
    credentials: Credentials | None,
    chroot: str | None,
) -> NoReturn:
    """
    Call C{work}, write the result, and exit without any handler of the parent.

    @param fd: the end of a pipe to write to.
    """
    try:
        try:
            _become(credentials, chroot)
            answer = _READ + work()
        except regularfile.NotPlain as why:
            answer = _NOT_PLAIN + str(why.strerror).encode()
        except OSError as why:
            answer = _FAILED + str(why.errno or 0).encode()
        with open(fd, "wb", closefd=False) as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _become(credentials: Credentials | None, chroot: str | None) -> None:
    """Change to a root directory, and switch to credentials."""
    if chroot is not None:
        os.chroot(native(chroot))
        os.chdir("/")
    if credentials is not None:
        os.setgroups(credentials.groups)
        os.setgid(credentials.gid)
        os.setuid(credentials.uid)


def _patience() -> float:
    """Return the seconds to wait for a file."""
    recently = _late and time.monotonic() - _late[-1] < _MEMORY
    return LITTLE_PATIENCE if recently else PATIENCE


def _answer(fd: int) -> bytes:
    """
    Read the result of a child until it exits.

    @raise TimeoutError: if that takes too long.
    """
    deadline = time.monotonic() + _patience()
    poll, answer = select.poll(), b""
    poll.register(fd, select.POLLIN)
    while True:
        left = max(0.0, deadline - time.monotonic())
        if not poll.poll(1000 * left):
            _late[:] = [time.monotonic()]
            raise TimeoutError(errno.ETIMEDOUT, "cannot be read in time")
        data = os.read(fd, 1 << 16)
        if not data:
            return answer
        answer += data


def _result(answer: bytes) -> bytes:
    """
    Return what the child has read.

    @raise OSError: if it has read nothing.
    """
    kind, rest = answer[:1], answer[1:]
    if kind == _READ:
        return rest
    if kind == _NOT_PLAIN:
        raise regularfile.NotPlain(errno.EINVAL, rest.decode())
    number = int(rest or b"0") or errno.EIO
    raise OSError(number, os.strerror(number))


def _end(pid: int, ended: bool) -> None:
    """
    Kill a child, and reap all that have exited.

    @param ended: whether it has written its result; if not, it may wait for a file
        system.
    """
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    if ended:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    else:
        _killed.add(pid)
    _reap()


def _reap() -> None:
    """Reap the killed children that have exited."""
    for pid in sorted(_killed):
        try:
            gone = os.waitpid(pid, os.WNOHANG)[0]
        except ChildProcessError:
            # Process 1 reaps all that it finds.
            gone = pid
        if gone:
            _killed.discard(pid)

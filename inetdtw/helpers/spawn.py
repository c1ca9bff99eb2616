# -*- test-case-name: inetdtw.helpers.test.test_spawn -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What a process does to become a service's program, or to start one.

A fork server imports this besides L{inetdtw.helpers.forkserver}: it needs nothing but the
standard library.
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal

# Only a type checker wants these; they would double what a fork server imports.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Callable

_SHELL = "/bin/sh"
# What this process does not care for, but the programs it starts do: signals that
# are meant for the daemon and may be sent to its whole group, and the one that a
# report to a daemon that is gone would bring.
DEAF = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
# glibc's posix_spawn(3) asks for the disposition of every signal that is not here.
_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})

#: What a context says, each of these once; resource limits come in addition.
_WORDS = ("umask", "directory", "nice", "chroot", "groups", "gid", "uid")

#: The number of a resource, and the soft and the hard limit.
Limit = tuple[int, int, int]


def parseContext(words: Iterable[str]) -> dict[str, str]:
    """
    Return the context that words such as C{umask=022} describe.

    A process that does not understand all of it must not take it on: what it left out
    could be the user.

    @raise ValueError: if a word is unknown, missing, or there twice.
    """
    context: dict[str, str] = {}
    for word in words:
        name, divider, value = word.partition("=")
        known = name in _WORDS or (
            name.startswith("RLIMIT_") and hasattr(resource, name)
        )
        if not (known and divider) or name in context:
            raise ValueError(f"the context has '{word}', which is unknown or repeated")
        context[name] = value
    missing = [name for name in _WORDS if name not in context]
    if missing or bool(context["uid"]) != bool(context["gid"]):
        raise ValueError(f"the context lacks {', '.join(missing) or 'uid or gid'}")
    return context


def resourceLimits(context: dict[str, str]) -> list[Limit]:
    """
    The resource limits of a context.

    They are for the programs alone, as one on files or on processor time would
    end this process; who may still raise a hard limit makes room for them here.
    """
    limits = []
    for name, value in context.items():
        if name.startswith("RLIMIT_"):
            soft, _, hard = value.partition(":")
            limits.append((getattr(resource, name), int(soft), int(hard)))
    return limits


def raiseHardLimits(limits: list[Limit]) -> None:
    """Raise the hard limits of this process to what programs are to have."""
    for number, _, hard in limits:
        soft, most = resource.getrlimit(number)
        if most != resource.RLIM_INFINITY and not 0 <= hard <= most:
            # Not every root may; then it is for each program to fail.
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (soft, hard))


def applyContext(context: Mapping[str, str]) -> None:
    """
    Take on a context: who this process runs as, and how.

    @param context: what L{parseContext} returned.
    """
    os.umask(int(context["umask"], 8))
    os.nice(int(context["nice"]))
    if context["chroot"]:
        os.chroot(context["chroot"])
        os.chdir("/")
    if context["uid"]:
        groups = [int(group) for group in context["groups"].split(",") if group]
        # A root without capabilities may not even set those that it has.
        if set(os.getgroups()) != set(groups):
            os.setgroups(groups)
        os.setresgid(*[int(context["gid"])] * 3)
        os.setresuid(*[int(context["uid"])] * 3)


def resetSignals() -> None:
    """Have all signals do what they do by default, but those meant for the daemon."""
    os.setsid()
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    for number in DEAF:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


#: Errors of execve(2) with which execvp(3) goes on to the next directory, and those
#: that mean the same of the way there.
_ELSEWHERE = (
    *(errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT),
)


class DirectoryMissing(OSError):
    """The working directory of a program is not there; C{filename} is its path."""


def reasonOf(why: OSError) -> str:
    """Return why a program could not be started."""
    reason = why.strerror or str(why)
    return f"{why.filename}: {reason}" if isinstance(why, DirectoryMissing) else reason


def _firstOf(paths: Sequence[Any], start: Callable[[Any], int]) -> int:
    """
    Start the first of several programs that can be started, as execvp(3) does.

    @raise OSError: if none can be: that one is there but must not be executed counts
        more than that others are missing.
    """
    reason = errno.ENOENT
    for path in paths:
        try:
            return start(path)
        except OSError as why:
            if why.errno not in _ELSEWHERE:
                raise
            if len(paths) == 1 or why.errno == errno.EACCES:
                reason = why.errno
    raise OSError(reason, os.strerror(reason))


def spawn(
    paths: Sequence[Any],
    argv: list[bytes] | tuple[str, ...],
    environment: Mapping[Any, Any],
    fds: Sequence[int],
) -> int:
    """
    Start a program as the leader of its own session.

    @param paths: the first of these that can be executed is the program; the kernel
        is asked before a process is made, as that costs so much more.
    @param fds: what becomes 0, 1 and 2; the last one stands for all that miss.

    @return: its process id.
    @raise OSError: if it cannot be started.
    """
    if len(paths) == 1:
        return _spawn(paths[0], argv, environment, fds)

    def start(path: Any) -> int:
        if not os.access(path, os.X_OK):
            os.stat(path)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return _spawn(path, argv, environment, fds)

    return _firstOf(paths, start)


def _spawn(
    path: Any,
    argv: list[bytes] | tuple[str, ...],
    environment: Mapping[Any, Any],
    fds: Sequence[int],
) -> int:
    """
    Start one program.

    A file without C{#!} is for the shell, as it is for execvp(3).
    """
    given = [*fds, *[fds[-1]] * (3 - len(fds))]
    how: dict[str, Any] = {
        "file_actions": [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate(given)],
        "setsid": True,
        "setsigdef": _SIGNALS,
        "setsigmask": [],
    }
    try:
        return os.posix_spawn(path, argv, environment, **how)
    except OSError as why:
        if why.errno != errno.ENOEXEC:
            raise
    return os.posix_spawn(_SHELL, ["sh", path, *argv[1:]], environment, **how)


def forkAndExec(
    paths: Sequence[Any],
    argv: Sequence[Any],
    environment: Mapping[Any, Any],
    fds: Sequence[int],
    limits: Sequence[Limit] = (),
    context: Mapping[str, str] | None = None,
) -> int:
    """
    Do what L{spawn} does, and set limits and take on a context on the way.

    @raise DirectoryMissing: if the directory of the context is not there.
    """
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if not pid:
        code = errno.EIO
        there = 1
        try:
            _begin(fds)
            if context is not None:
                applyContext(context)
                there = 0
                os.chdir(context["directory"])
                there = 1
            _become(paths, argv, environment, limits)
        except OSError as why:
            code = why.errno or code
        finally:
            os.write(writing, b"%d %d" % (code, there))
            os._exit(127)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    if not said:
        return pid
    os.waitpid(pid, 0)
    code, there = map(int, said.split())
    if context is not None and not there:
        raise DirectoryMissing(code, os.strerror(code), context["directory"])
    raise OSError(code, os.strerror(code))


def _begin(fds: Sequence[int]) -> None:
    """Be nothing but a child with its descriptors, in a session of its own."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for to in range(3):
        os.dup2(fds[min(to, len(fds) - 1)], to)


def _become(
    paths: Sequence[Any],
    argv: Any,
    environment: Mapping[Any, Any],
    limits: Iterable[Limit],
) -> None:
    """Become the program, in a child."""
    for number, soft, hard in limits:
        try:
            resource.setrlimit(number, (soft, hard))
        except ValueError:
            raise PermissionError(errno.EPERM, "a limit is too high") from None

    def start(path: Any) -> int:
        try:
            os.execve(path, argv, environment)
        except OSError as why:
            if why.errno != errno.ENOEXEC:
                raise
        os.execve(_SHELL, ["sh", path, *argv[1:]], environment)

    _firstOf(paths, start)

# -*- test-case-name: inetdtw.helpers.test.test_spawn -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Start a program by posix_spawn(3), or by fork(2) to apply a context before exec."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, Callable

    from inetdtw.helpers.protocol import Program

_SHELL = "/bin/sh"
#: The signals that a fork server ignores and its programs do not: those for the daemon
#: that may be sent to its whole process group; and SIGPIPE, as the daemon may be gone.
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE)
# glibc's posix_spawn(3) calls sigaction(2) for each signal that is not here.
_SIGNALS = tuple(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})

#: Transient errors: a shortage of processes, memory or descriptors.
TRANSIENT_ERRORS = (errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE)

#: The names in a context, each of which occurs once, besides resource limits.
_WORDS = ("umask", "directory", "nice", "chroot", "groups", "gid", "uid")

#: The number of a resource, and the soft and the hard limit.
Limit = tuple[int, int, int]


def parseContext(words: Iterable[str]) -> dict[str, str]:
    """
    Parse the context of a process.

    Nothing may be left out: it could be the user.

    @param words: words such as C{umask=022}.
    @raise ValueError: if a word is unknown, missing, or repeated.
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
    Return the resource limits of a context.

    They are applied to programs only, because a limit on descriptors or CPU time would
    end a fork server.
    """
    limits = []
    for name, value in context.items():
        if name.startswith("RLIMIT_"):
            soft, _, hard = value.partition(":")
            limits.append((getattr(resource, name), int(soft), int(hard)))
    return limits


def raiseHardLimits(limits: list[Limit]) -> None:
    """Raise the hard limits of this process to those that programs get."""
    for number, _, hard in limits:
        soft, most = resource.getrlimit(number)
        if most != resource.RLIM_INFINITY and not 0 <= hard <= most:
            # A root without CAP_SYS_RESOURCE may not: each program fails then.
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(number, (soft, hard))


def applyContext(context: Mapping[str, str]) -> None:
    """
    Apply a context to this process, without its working directory and limits.

    @param context: the result of L{parseContext}.
    @raise OSError: if a system call fails.
    """
    os.umask(int(context["umask"], 8))
    os.nice(int(context["nice"]))
    if context["chroot"]:
        os.chroot(context["chroot"])
        os.chdir("/")
    if context["uid"]:
        groups = [int(group) for group in context["groups"].split(",") if group]
        # A root without CAP_SETGID may not even set the groups that it has.
        if set(os.getgroups()) != set(groups):
            os.setgroups(groups)
        os.setresgid(*[int(context["gid"])] * 3)
        os.setresuid(*[int(context["uid"])] * 3)


def resetSignals(ignored: Sequence[int] = IGNORED) -> None:
    """Start a session, and reset all signals but those that are ignored."""
    os.setsid()
    for number in _SIGNALS:
        how = signal.SIG_IGN if number in ignored else signal.SIG_DFL
        signal.signal(number, how)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


#: Errors of execve(2) after which execvp(3) tries the next directory.
_ELSEWHERE = (
    *(errno.EACCES, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG),
    *(errno.ESTALE, errno.ENODEV, errno.ETIMEDOUT),
)


class DirectoryMissing(OSError):
    """The working directory C{filename} of a program cannot be entered."""


def reasonOf(why: OSError) -> str:
    """Return why a program could not be started."""
    reason = why.strerror or str(why)
    return f"{why.filename}: {reason}" if isinstance(why, DirectoryMissing) else reason


def _firstOf(paths: list[bytes], start: Callable[[bytes], int]) -> int:
    """
    Start the first of several programs that can be started, as execvp(3) does.

    @param start: starts a program; it returns a pid.
    @raise OSError: if none can be started: with C{EACCES} if one of them exists but
        must not be executed.
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


def spawn(program: Program, fds: Sequence[int]) -> int:
    """
    Start a program as the leader of its own session.

    Like execvp(3), run a file without C{#!} by the shell.

    @param program: if it has several paths, access(2) is called first, which costs less
        than a process.
    @param fds: what becomes 0, 1 and 2; the last one is repeated.

    @return: its process id.
    @raise OSError: if it cannot be started.
    """
    paths, argv, environment = program
    given = [*fds, *[fds[-1]] * (3 - len(fds))]
    how: dict[str, Any] = {
        "file_actions": [(os.POSIX_SPAWN_DUP2, fd, to) for to, fd in enumerate(given)],
        "setsid": True,
        "setsigdef": _SIGNALS,
        "setsigmask": [],
    }

    def start(path: bytes) -> int:
        if len(paths) > 1 and not os.access(path, os.X_OK):
            os.stat(path)
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            return os.posix_spawn(path, argv, environment, **how)
        except OSError as why:
            if why.errno != errno.ENOEXEC:
                raise
        return os.posix_spawn(_SHELL, [b"sh", path, *argv[1:]], environment, **how)

    return _firstOf(paths, start)


def forkAndExec(
    program: Program,
    fds: Sequence[int],
    limits: Iterable[Limit],
    context: Mapping[str, str] | None = None,
) -> int:
    """
    Do the same as L{spawn}, and apply limits and a context before exec.

    @param context: the result of L{parseContext}.
    @raise DirectoryMissing: if the working directory of the context cannot be entered.
    @raise OSError: if the program cannot be started otherwise.
    """
    reading, writing = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if not pid:
        _runChild(writing, program, fds, limits, context)
    os.close(writing)
    with open(reading, "rb") as pipe:
        report = pipe.read()
    if not report:
        return pid
    os.waitpid(pid, 0)
    code, entered = map(int, report.split())
    if context is not None and not entered:
        raise DirectoryMissing(code, os.strerror(code), context["directory"])
    raise OSError(code, os.strerror(code))


def _runChild(
    writing: int,
    program: Program,
    fds: Sequence[int],
    limits: Iterable[Limit],
    context: Mapping[str, str] | None,
) -> None:
    """
    Execute a program in a child, or exit.

    @param writing: a pipe for the errno, and whether the directory was entered.
    """
    code, entered = errno.EIO, True
    try:
        signal.set_wakeup_fd(-1)
        resetSignals(ignored=())
        for to in range(3):
            os.dup2(fds[min(to, len(fds) - 1)], to)
        if context is not None:
            applyContext(context)
            entered = False
            os.chdir(context["directory"])
            entered = True
        _execute(program, limits)
    except OSError as why:
        code = why.errno or code
    finally:
        os.write(writing, b"%d %d" % (code, entered))
        os._exit(127)


def _execute(program: Program, limits: Iterable[Limit]) -> None:
    """
    Apply limits, and execute the first of the programs that can be executed.

    @raise OSError: if that fails.
    """
    for number, soft, hard in limits:
        try:
            resource.setrlimit(number, (soft, hard))
        except ValueError:
            raise PermissionError(errno.EPERM, "a limit is too high") from None
    paths, argv, environment = program

    def start(path: bytes) -> int:
        try:
            os.execve(path, argv, environment)
        except OSError as why:
            if why.errno != errno.ENOEXEC:
                raise
        os.execve(_SHELL, [b"sh", path, *argv[1:]], environment)

    _firstOf(paths, start)

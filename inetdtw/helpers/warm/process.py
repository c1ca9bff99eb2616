# -*- test-case-name: inetdtw.helpers.warm.test.test_process -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Descriptors, signals, threads and limits of this process."""

from __future__ import annotations

import _operator
import _socket
import fcntl
import posix
import resource
import select
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterator
    from typing import Any

    from inetdtw.helpers.warm.program import Call
else:
    import _signal

#: The part of its hard limit of CPU time that a process may use before it is replaced.
_MOST_OF_CPU = 0.8


def quietly(thing: Any, name: str) -> None:
    """Call a method without arguments; ignore whatever it raises."""
    try:
        getattr(thing, name)()
    except BaseException:
        pass  # it cannot be reported


def moveHigh(fd: int) -> int:
    """
    Move a descriptor out of the way of those that a script opens.

    @return: the new descriptor, which is close-on-exec; the old one is closed.
    """
    for least in (400, 100, 30):
        try:
            moved: int = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, least)
        except OSError:
            continue
        posix.close(fd)
        return moved
    posix.set_inheritable(fd, False)
    return fd


def takeChannel() -> int:
    """
    Move the channel to the daemon away from descriptor 1.

    Descriptors 0 and 1 lead to C{/dev/null} then, or to sockets where that is missing.

    @return: the descriptor of the channel.
    """
    channel = moveHigh(posix.dup(1))
    try:
        nothing = posix.open("/dev/null", posix.O_RDWR)
    except OSError:
        useSockets()
    else:
        posix.dup2(nothing, 0)
        posix.dup2(nothing, 1)
        posix.close(nothing)
    return channel


def useSockets() -> None:
    """
    Put a socket with a closed peer on descriptors 0 and 1.

    The standard streams are buffered as for a client then.
    """
    nothing, other = _socket.socketpair()
    posix.dup2(nothing.fileno(), 0)
    posix.dup2(nothing.fileno(), 1)
    nothing.close()
    other.close()


def countThreads() -> int:
    """Return the number of threads of this process."""
    try:
        return len(posix.listdir("/proc/self/task"))
    except OSError:
        threading: Any = sys.modules.get("threading")
        return 1 if threading is None else threading.active_count()


def endWithDaemon(fd: int, on: bool) -> None:
    """
    Make SIGIO kill this process when the daemon closes the channel, or undo that.

    An import can block for ever.  If the daemon has gone already, this exits.

    @param fd: the channel.
    """
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    asynchronous = getattr(fcntl, "FASYNC", 0)
    fcntl.fcntl(fd, fcntl.F_SETOWN, posix.getpid() if on else 0)
    flags = flags | asynchronous if on else flags & ~asynchronous
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    poll = select.poll()
    poll.register(fd, 0)
    if poll.poll(0):
        posix._exit(0)


def unset(name: bytes) -> None:
    """Remove a variable from the environment."""
    os: Any = sys.modules.get("os")
    if os is not None:
        os.environb.pop(name, None)
    if posix.environ.pop(name, None) is not None:
        posix.unsetenv(name)


def interrupt() -> None:
    """Kill this process by SIGINT."""
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    posix.kill(posix.getpid(), _signal.SIGINT)


class CpuLimit:
    """
    The limit of CPU time, which is meant for each child.

    This process would count the time for all of them, so its soft limit is raised.
    """

    def __init__(self) -> None:
        """Raise the soft limit of this process to the hard one."""
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        self._ofChildren: tuple[int, int] | None = None
        if soft != resource.RLIM_INFINITY:
            self._ofChildren = (soft, hard)
            resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))
        self._most = 0.0 if hard == resource.RLIM_INFINITY else hard * _MOST_OF_CPU

    def isNear(self) -> bool:
        """Return whether this process has used most of its hard limit."""
        return bool(self._most) and time.process_time() > self._most

    def restoring(self) -> Iterator[Call]:
        """Return the calls that set the limit that was found, in a child."""
        if self._ofChildren is not None:
            yield resource.setrlimit, (resource.RLIMIT_CPU, self._ofChildren)


class SignalState:
    """
    The signal mask, the ignored signals and the umask of this process at its start.

    A program that is executed inherits these, whatever preloaded modules have set.
    """

    def __init__(self) -> None:
        """Note the state of this process."""
        self._mask = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
        self._umask = posix.umask(0)
        posix.umask(self._umask)
        self._ignored = {
            number
            for number in range(1, _signal.NSIG)
            if _signal.getsignal(number) == _signal.SIG_IGN
        }
        # The interpreter ignores these itself.
        self._ignored -= {_signal.SIGPIPE, _signal.SIGXFSZ}

    def restore(self) -> None:
        """Set all of them again."""
        for number in range(1, _signal.NSIG):
            ignored = _signal.getsignal(number) == _signal.SIG_IGN
            if ignored and number not in self._ignored:
                _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, self._mask)
        posix.umask(self._umask)


class ChildSignal:
    """
    A self-pipe that is readable after a SIGCHLD.

    @ivar fd: its read end.
    @ivar fds: both ends.
    """

    def __init__(self) -> None:
        """Make the pipe."""
        self.fds = tuple(map(moveHigh, posix.pipe()))
        self.fd, self._wake = self.fds
        for fd in self.fds:
            posix.set_blocking(fd, False)
        self._before: tuple[Any, int] = (_signal.SIG_DFL, -1)

    def install(self) -> None:
        """Handle SIGCHLD."""
        # A built-in function that does nothing with a number and a frame.
        handler = _signal.signal(_signal.SIGCHLD, _operator.is_)
        wakeup = _signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._before = (_signal.SIG_DFL if handler is None else handler, wakeup)

    def clear(self) -> None:
        """Empty the pipe."""
        try:
            while len(posix.read(self.fd, 4096)) == 4096:
                pass  # only that something came matters
        except BlockingIOError:
            pass  # nothing did

    def restoring(self) -> Iterator[Call]:
        """Return the calls that restore the signal handler, in a child."""
        handler, wakeup = self._before
        yield _signal.signal, (_signal.SIGCHLD, handler)
        yield _signal.set_wakeup_fd, (wakeup,)

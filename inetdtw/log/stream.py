# -*- test-case-name: inetdtw.log.test.test_stream -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Log streams that never block.

A pipe, a terminal or a socket whose reader is slow would block the daemon in write(2).
Here output is queued, up to a limit.  Beyond that lines are lost; how many is logged
when the reader continues.

O_NONBLOCK belongs to the open file description, which other processes share.  So it is
never set on inherited descriptors.  Where possible the daemon opens a description of
its own (proc(5)); elsewhere it requests each write not to block.
"""

from __future__ import annotations

import atexit
import errno
import os
import select
import socket
import stat
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any, Callable

from twisted.internet.interfaces import IDelayedCall

from inetdtw.log.report import Report

#: The most bytes in the queue.
CAPACITY = 1 << 16
#: The seconds after which the queue is tried again.
RETRY = 0.1
#: The seconds that an exiting process waits for the queue, and between two attempts.
PATIENCE, PAUSE = 1.0, 0.02

#: Writes some bytes without blocking, and returns how many.  It raises C{OSError},
#: which is C{BlockingIOError} if it would block.
Send = Callable[[bytes], int]

#: Errors of pwritev2(2) for files that do not support RWF_NOWAIT.
_UNABLE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ESPIPE)


class LogStream:
    """A stream for a log observer, with a queue."""

    def __init__(
        self,
        make: Callable[[], Send],
        lost: Callable[[int], None],
        callLater: Callable[..., IDelayedCall],
    ) -> None:
        """
        Open nothing yet.

        @param make: called before the first write; the function that it returns writes
            a line, or some lines.
        @param lost: called with the number of lines that were lost, when there is room
            again; it may write a line.
        @param callLater: that of a reactor.
        """
        self._make = make
        self._send: Send | None = None
        self._logLost = lost
        self._callLater = callLater
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._begun = False
        self._retry: IDelayedCall | None = None

    def write(self, text: str) -> None:
        """Write lines, now or later."""
        self.put(text.encode("utf-8", "backslashreplace"))

    def put(self, data: bytes) -> None:
        """Write lines, or one message of syslog, now or later."""
        self._attempt()
        if self._queue and self._size + len(data) > CAPACITY:
            self._lost += _lines(data)
            return
        self._queue.append(data)
        self._size += len(data)
        self._drain()
        self._wait()

    def flush(self) -> None:
        """Do nothing: everything that can be written was written."""

    def finish(self, patience: float = PATIENCE) -> None:
        """
        Write the queue when the process exits.

        @param patience: the timeout in seconds.
        """
        deadline = time.monotonic() + patience
        self._attempt()
        while self._queue and time.monotonic() < deadline:
            time.sleep(PAUSE)
            self._attempt()
        self._queue.clear()
        self._size = 0

    def _wait(self) -> None:
        """Schedule another attempt, if one is needed."""
        if self._queue and self._retry is None:
            self._retry = self._callLater(RETRY, self._again)

    def _again(self) -> None:
        self._retry = None
        self._attempt()
        self._wait()

    def _attempt(self) -> None:
        self._drain()
        self._reportLost()

    def _drain(self) -> None:
        """Write as much of the queue as is possible without blocking."""
        while self._queue:
            data = self._queue[0]
            try:
                if self._send is None:
                    self._send = self._make()
                sent = self._send(data)
            except BlockingIOError:
                return
            except OSError:
                self._fail()
                return
            self._size -= sent
            self._begun = sent < len(data)
            if self._begun:
                self._queue[0] = data[sent:]
            else:
                self._queue.popleft()

    def _fail(self) -> None:
        """
        Lose the queue, because writing fails.

        The rest of a line is kept, so that the next line does not continue it.
        """
        kept = [self._queue.popleft()] if self._begun else []
        self._lost += sum(map(_lines, self._queue))
        self._queue = deque(kept)
        self._size = sum(map(len, kept))

    def _reportLost(self) -> None:
        """Log how much was lost, if the queue is empty."""
        if self._lost and not self._queue:
            lost, self._lost = self._lost, 0
            self._logLost(lost)
            if self._lost:
                self._lost = lost


def _lines(data: bytes) -> int:
    """Return the number of lines, or 1 for a message."""
    return data.count(b"\n") or 1


def senderFor(fd: int) -> Send:
    """
    Return a function that writes to a descriptor without blocking.

    @raise OSError: if the descriptor is not open.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(fd))
        return lambda data: sock.send(data, socket.MSG_DONTWAIT)
    if not (stat.S_ISFIFO(mode) or os.isatty(fd)):
        return partial(os.write, fd)
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with suppress(OSError):
        # It fails for another user's pipe, or one without a reader.
        return partial(os.write, os.open(f"/proc/self/fd/{fd}", flags))
    return partial(_sendShared, fd)


def _sendShared(fd: int, data: bytes) -> int:
    """Write to a shared open file description without blocking."""
    if hasattr(os, "RWF_NOWAIT"):
        try:
            return os.pwritev(fd, [data], -1, os.RWF_NOWAIT)
        except OSError as why:
            if why.errno not in _UNABLE:
                raise
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    if not poll.poll(0):
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    # So much does not block, unless another process writes at this moment.
    return os.write(fd, data[: select.PIPE_BUF])


def unblockStreams(report: Report) -> None:
    """
    Make the standard output and error of this process never block.

    Twisted's log observers have these objects already, or take them later.  Nothing is
    opened before the first write, because the process may daemonize yet.

    @param report: logs lost lines.
    """
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            make = partial(senderFor, stream.fileno())
            unblock(stream, LogStream(make, report.lost, report.callLater))


def unblock(stream: Any, instead: LogStream) -> None:
    """Make a stream write to another one."""
    stream.flush()
    stream.write = instead.write
    stream.flush = instead.flush
    atexit.register(instead.finish)

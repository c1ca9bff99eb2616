# -*- test-case-name: inetdtw.log.test.test_stream -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Streams for the log that never block.

A pipe, a terminal or a socket whose reader does not read would stop the daemon in
write(2).  Here what there is no room for is queued, up to a bound; beyond that it is
lost, and the log says how much was lost as soon as there is room.

O_NONBLOCK belongs to the open file description, which other processes share.  So it
is never set on what the daemon was started with: where the system can, the daemon
opens a description of its own (proc(5)), and elsewhere asks for each write not to wait.
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

from inetdtw.log.report import Report

#: The most bytes that are queued.
CAPACITY = 1 << 16
#: The seconds after which a queue is tried again.
RETRY = 0.1
#: The seconds that a process may wait at its end until all is written, and between two
#: attempts.
PATIENCE, PAUSE = 1.0, 0.02

#: Writes some bytes at once: returns how many, and raises C{OSError}, which is
#: C{BlockingIOError} if there is no room.
Send = Callable[[bytes], int]

#: What pwritev2(2) fails with if it cannot do without waiting for this kind of file.
_UNABLE = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS, errno.ESPIPE)


class LogStream:
    """What a log observer writes to."""

    def __init__(
        self,
        make: Callable[[], Send],
        lost: Callable[[int], None],
        reactor: Any = None,
    ) -> None:
        """
        @param make: called before the first write; what it returns is called with what
            is to be written, a line or some lines at a time.
        @param lost: called with the number of lines that were lost, when there is room
            again; it may write a line.
        @param reactor: by default the global one.
        """
        self._make = make
        self._send: Send | None = None
        self._told = lost
        self._reactor = reactor
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._begun = False
        self._later: Any = None

    def write(self, text: str) -> None:
        """Write lines, now or later."""
        self.put(text.encode("utf-8", "backslashreplace"))

    def put(self, data: bytes) -> None:
        """Write lines, or one message, now or later."""
        self._drain()
        self._tell()
        if self._queue and self._size + len(data) > CAPACITY:
            self._lost += _lines(data)
            return
        self._queue.append(data)
        self._size += len(data)
        self._drain()
        if self._queue and self._later is None:
            self._wait()

    def flush(self) -> None:
        """Do nothing: what can be written was written."""

    def finish(self, patience: float = PATIENCE) -> None:
        """
        Write what is queued, as the process ends, unless that takes too long.

        @param patience: the seconds that it may take.
        """
        deadline = time.monotonic() + patience
        self._drain()
        self._tell()
        while self._queue and time.monotonic() < deadline:
            time.sleep(PAUSE)
            self._drain()
            self._tell()
        self._queue.clear()
        self._size = 0

    def _wait(self) -> None:
        """Try again in a moment."""
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        self._later = self._reactor.callLater(RETRY, self._again)

    def _again(self) -> None:
        """Try again."""
        self._later = None
        self._drain()
        self._tell()
        if self._queue and self._later is None:
            self._wait()

    def _drain(self) -> None:
        """Write what there is room for."""
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
        Nothing can be written: lose what is queued.  The rest of a line is kept, so
        that what comes after it does not go on with it.
        """
        kept = [self._queue.popleft()] if self._begun else []
        self._lost += sum(map(_lines, self._queue))
        self._queue = deque(kept)
        self._size = sum(map(len, kept))

    def _tell(self) -> None:
        """Say how much was lost, if there is room for that."""
        if self._lost and not self._queue:
            lost, self._lost = self._lost, 0
            self._told(lost)
            if self._lost:
                self._lost = lost


def _lines(data: bytes) -> int:
    """Return how many lines something is."""
    return data.count(b"\n") or 1


def senderFor(fd: int) -> Send:
    """
    Return what writes to a descriptor without waiting.

    @raise OSError: if there is no such descriptor.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISSOCK(mode):
        sock = socket.socket(fileno=os.dup(fd))
        return lambda data: sock.send(data, socket.MSG_DONTWAIT)
    if not (stat.S_ISFIFO(mode) or os.isatty(fd)):
        return partial(os.write, fd)
    flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    with suppress(OSError):
        # It fails for another user's pipe, or one that nobody reads.
        return partial(os.write, os.open(f"/proc/self/fd/{fd}", flags))
    return partial(_sendShared, fd)


def _sendShared(fd: int, data: bytes) -> int:
    """Write to a description that others share, without waiting."""
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
    # There is room for so much, unless somebody else writes at this moment.
    return os.write(fd, data[: select.PIPE_BUF])


def takeStreams(report: Report) -> None:
    """
    Have standard output and error of this process never block: Twisted's log observers
    have these objects already, or take them later.

    Nothing is opened before the first write, as a process may yet go to the background.

    @param report: is told how much was lost.
    """
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            unblock(stream, LogStream(partial(senderFor, stream.fileno()), report.lost))


def unblock(stream: Any, instead: LogStream) -> None:
    """Have what is written to a stream go elsewhere."""
    stream.flush()
    stream.write = instead.write
    stream.flush = instead.flush
    atexit.register(instead.finish)

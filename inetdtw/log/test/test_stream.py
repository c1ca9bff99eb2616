# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.log.stream}."""

from __future__ import annotations

import atexit
import errno
import fcntl
import io
import os
import pty
import socket
import sys
import termios
import time
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.log.stream import CAPACITY, RETRY, LogStream, senderFor, unblockStreams

#: More than any pipe, socket or terminal takes here.
MUCH = b"x" * (1 << 22)


class FakeFile:
    """
    A file that takes a limited number of bytes.

    @ivar taken: what was written.
    @ivar room: how many more bytes it takes without blocking.
    @ivar error: the error number of a write, if it does not just block.
    """

    def __init__(self, room: int = 0) -> None:
        """@param room: how many bytes can be written."""
        self.taken = b""
        self.room = room
        self.error = 0

    def send(self, data: bytes) -> int:
        """Write some of the bytes."""
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "full")
        count = min(self.room, len(data))
        self.room -= count
        self.taken += data[:count]
        return count


class LogStreamTests(SynchronousTestCase):
    """Tests for L{LogStream}."""

    def setUp(self) -> None:
        """Make a stream that writes to a file."""
        self.file = FakeFile(1000)
        self.clock = Clock()
        self.stream = LogStream(lambda: self.file.send, self.lost, self.clock.callLater)

    def lost(self, lines: int) -> None:
        """Log how many lines were lost."""
        self.stream.write(f"lost={lines}\n")

    def test_room(self) -> None:
        """Lines are written at once, in UTF-8, if that does not block."""
        self.stream.write("caf\u00e9 \udce9\n")
        self.stream.flush()
        self.assertEqual(self.file.taken, b"caf\xc3\xa9 \\udce9\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_later(self) -> None:
        """Lines that would block are queued, and written later, in order."""
        self.file.room = 2
        self.stream.write("one\n")
        self.stream.write("two\n")
        self.assertEqual(self.file.taken, b"on")
        self.file.room = 3
        self.clock.advance(RETRY)
        self.assertEqual(self.file.taken, b"one\nt")
        self.file.room = 100
        self.clock.advance(RETRY)
        self.assertEqual(self.file.taken, b"one\ntwo\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_before(self) -> None:
        """The queue is written before later lines."""
        self.file.room = 0
        self.stream.write("one\n")
        self.file.room = 100
        self.stream.write("two\n")
        self.assertEqual(self.file.taken, b"one\ntwo\n")

    def test_bound(self) -> None:
        """Lines beyond the limit of the queue are lost, and counted."""
        self.file.room = 0
        line = "x" * 999 + "\n"
        queued = CAPACITY // 1000
        for _ in range(queued + 5):
            self.stream.write(line)
        self.stream.write("a" * 1000 + "\nb\n")
        self.clock.advance(RETRY)
        self.assertEqual(self.file.taken, b"")
        self.file.room = 2 * CAPACITY
        self.clock.advance(RETRY)
        self.assertEqual(self.file.taken, line.encode() * queued + b"lost=7\n")
        self.stream.write("end\n")
        self.assertTrue(self.file.taken.endswith(b"lost=7\nend\n"))

    def test_fails(self) -> None:
        """Lines that cannot be written are lost, and reported later."""
        self.file.error = errno.ENOSPC
        for _ in range(3):
            self.stream.write("gone\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.file.error = 0
        self.stream.write("there\n")
        self.assertEqual(self.file.taken, b"lost=3\nthere\n")

    def test_failsWithin(self) -> None:
        """After an error, the rest of a line is written before the next one."""
        self.file.room = 2
        self.stream.write("one\n")
        self.file.error = errno.ENOSPC
        self.stream.write("gone\n")
        self.file.error, self.file.room = 0, 100
        self.stream.write("there\n")
        self.assertEqual(self.file.taken, b"one\nlost=1\nthere\n")

    def test_noFile(self) -> None:
        """A closed descriptor is not an error."""

        def make() -> Any:
            raise OSError(errno.EBADF, "closed")

        LogStream(make, self.lost, self.clock.callLater).write("gone\n")

    def test_finish(self) -> None:
        """At the exit the queue is written, with a timeout."""
        self.file.room = 0
        self.stream.write("one\n")
        self.stream.finish(0)
        self.assertEqual(self.file.taken, b"")
        self.stream.write("two\n")
        self.patch(time, "sleep", lambda _: setattr(self.file, "room", 99))
        self.stream.finish()
        self.assertEqual(self.file.taken, b"two\n")


class FilesCase(SynchronousTestCase):
    """A test whose code opens files for the whole life of a process."""

    def setUp(self) -> None:
        """Close what is opened after the test."""
        opened = os.open
        self.patch(os, "open", lambda *given: self.closing(opened(*given)))

    def closing(self, fd: int) -> int:
        """Close a descriptor after the test."""
        self.addCleanup(os.close, fd)
        return fd


class SenderTests(FilesCase):
    """Tests for L{senderFor}."""

    def neverWaits(self, fd: int, send: Any) -> None:
        """Check that writing to a full file does not block, and sets no flags."""

        def fill() -> None:
            for _ in range(10000):
                self.assertGreater(send(MUCH), 0)

        self.assertRaises(BlockingIOError, fill)
        self.assertFalse(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK)

    def test_pipe(self) -> None:
        """A pipe does not block."""
        _, writing = map(self.closing, os.pipe())
        self.neverWaits(writing, senderFor(writing))

    def test_shared(self) -> None:
        """A pipe that cannot be opened again does not block."""
        for missing in (False, True):
            reading, writing = map(self.closing, os.pipe())
            self.patch(os, "open", self._refused)
            send = senderFor(writing)
            if missing:
                self.patch(os, "pwritev", self._unable)
            self.neverWaits(writing, send)
            os.close(os.dup(reading))

    def _refused(self, *given: Any) -> int:
        raise PermissionError(errno.EACCES, "not yours")

    def _unable(self, *given: Any) -> int:
        raise OSError(errno.EOPNOTSUPP, "not so")

    def test_gone(self) -> None:
        """A pipe without a reader fails."""
        reading, writing = os.pipe()
        self.closing(writing)
        os.close(reading)
        self.assertRaises(BrokenPipeError, senderFor(writing), b"x")

    def test_terminal(self) -> None:
        """A terminal whose output is stopped does not block."""
        _, theirs = map(self.closing, pty.openpty())
        termios.tcflow(theirs, termios.TCOOFF)
        self.neverWaits(theirs, senderFor(theirs))
        termios.tcflow(theirs, termios.TCOON)

    def test_sockets(self) -> None:
        """A socket does not block."""
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
            self.addCleanup(ours.close)
            self.addCleanup(theirs.close)
            send = senderFor(ours.fileno())
            self.neverWaits(ours.fileno(), lambda data, send=send: send(data[:1000]))

    def test_file(self) -> None:
        """A regular file is written."""
        path = self.mktemp()
        fd = os.open(path, os.O_CREAT | os.O_WRONLY)
        self.assertEqual(senderFor(fd)(b"text"), 4)
        with open(path) as file:
            self.assertEqual(file.read(), "text")


class UnblockStreamsTests(FilesCase):
    """Tests for L{unblockStreams}."""

    def test_taken(self) -> None:
        """Output goes through the queue, and lost lines are logged."""
        atEnd: list[Any] = []
        self.patch(atexit, "register", atEnd.append)
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        os.set_blocking(reading, False)
        stream = io.TextIOWrapper(io.FileIO(writing, "w"))
        self.addCleanup(stream.close)
        self.patch(sys, "__stdout__", None)
        self.patch(sys, "__stderr__", stream)
        lost: Any = self
        unblockStreams(lost)
        print("hello", file=stream)
        self.assertEqual(os.read(reading, 100), b"hello\n")
        stream.flush()
        self.assertEqual(len(atEnd), 1)
        atEnd[0]()

    def callLater(self, seconds: float, *call: object) -> None:
        """Schedule no further attempt."""

    def lost(self, lines: int) -> None:
        """Log how many lines were lost."""

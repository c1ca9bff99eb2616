# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Long connections: one with a large transfer, and many idle ones."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import BinaryIO

from benchmarks.load import GRACE, LINE, TRANSFORMS, Result, Task

#: How much is sent and read at a time: a whole number of lines.
CHUNK = len(LINE) * 4096

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class Transfer:
    """
    One connection that sends and receives at the same time.

    What is sent is handed over by the kernel, and what is read is compared where it
    lies: the program in between has most of the processor.
    """

    def __init__(self, task: Task) -> None:
        self._size = task.size
        pattern = TRANSFORMS[task.reply](LINE) * (CHUNK // len(LINE))
        self._expected = ctypes.create_string_buffer(pattern, len(pattern))
        self._buffer = ctypes.create_string_buffer(CHUNK)
        self._sock = socket.create_connection(task.address, timeout=GRACE)
        self._sock.setblocking(False)
        self._sent = self._received = 0

    def run(self, deadline: float) -> None:
        """
        Send everything, read to EOF, and compare every byte.

        @raise OSError: if the connection breaks, or a byte is not as it should be.
        """
        with self._sock, _lines() as self._lines, select.epoll() as poll:
            poll.register(self._sock, select.EPOLLIN | select.EPOLLOUT)
            while time.perf_counter() < deadline:
                for _, events in poll.poll(1.0):
                    if events & select.EPOLLOUT and self._send():
                        poll.modify(self._sock, select.EPOLLIN)
                    if events & ~select.EPOLLOUT and self._receive():
                        return
        raise TimeoutError("no end of file")

    def _send(self) -> bool:
        """Send more, and return whether that was the end."""
        at = self._sent % CHUNK
        some = min(CHUNK - at, self._size - self._sent)
        with contextlib.suppress(BlockingIOError):
            self._sent += os.sendfile(
                self._sock.fileno(), self._lines.fileno(), at, some
            )
        if self._sent < self._size:
            return False
        self._sock.shutdown(socket.SHUT_WR)
        return True

    def _receive(self) -> bool:
        """Read and compare more, and return whether it was EOF."""
        at = self._received % CHUNK
        try:
            size = self._sock.recv_into(self._buffer, CHUNK - at)
        except BlockingIOError:
            return False
        expected = ctypes.addressof(self._expected) + at
        if _memcmp(ctypes.addressof(self._buffer), expected, size):
            raise OSError(f"wrong byte after {self._received}")
        self._received += size
        if not size and self._received != self._size:
            raise OSError(f"end of file after {self._received} bytes")
        return not size


@contextlib.contextmanager
def _lines() -> Iterator[BinaryIO]:
    """Yield a file with a chunk of lines, for sendfile(2)."""
    with TemporaryFile() as file:
        file.write(LINE * (CHUNK // len(LINE)))
        file.flush()
        yield file


def perform(task: Task) -> Result:
    """Make transfers, one at a time."""
    result = Result()
    begun = time.perf_counter()
    end = begun + task.seconds
    for _ in range(task.count):
        begun = time.perf_counter()
        try:
            Transfer(task).run(begun + GRACE)
        except OSError as error:
            result.fail(error)
            break
        result.latencies.append(time.perf_counter() - begun)
        if time.perf_counter() >= end:
            break
    return result


def hold(task: Task) -> Result:
    """
    Open connections to an echo, wait for the child of each, and keep them.

    C{held} is printed when they are there; they are kept until standard input ends.
    """
    result = Result()
    with contextlib.ExitStack() as stack:
        for sock in _connections(task):
            stack.enter_context(sock)
        print("held", flush=True)
        sys.stdin.read()
    return result


def _connections(task: Task) -> Iterator[socket.socket]:
    """Open connections, and yield each when its child has answered."""
    for _ in range(task.clients):
        sock = socket.create_connection(task.address, timeout=GRACE)
        sock.sendall(b"x")
        if sock.recv(1) != b"x":
            raise OSError("wrong byte")
        yield sock

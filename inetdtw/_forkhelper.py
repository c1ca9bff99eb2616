# -*- test-case-name: inetdtw.test.test_forkhelper -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The program of a fork server: a lean process that starts the programs of services.

L{inetdtw.forkserver} runs it, with the context it has to take on as arguments
C{name=value} and a sequenced-packet socket as its descriptor 3.  It imports
nothing but the standard library, and ends when the other end of the socket is
closed; the programs that it has started live on.

From the daemon comes one packet for each program: a L{HEADER} with the number of
the order and the length of what follows, which are C{path}, the count of
arguments, the arguments and the environment, divided by NUL characters; then the
part of the environment that only this program has.  With it come the one to three
descriptors that become 0, 1 and 2.

To the daemon go packets of one or more L{REPORT} records.
"""

from __future__ import annotations

import array
import contextlib
import errno
import operator
import os
import select
import signal
import socket
import struct
import sys
import time

# Only a type checker wants these; they would double what this process imports.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

if TYPE_CHECKING or __name__ != "__main__":
    from inetdtw._accepting import Acceptor, packAddress
    from inetdtw._spawning import (
        Limit,
        assume,
        forkAndExec,
        limitsOf,
        makeRoom,
        quiet,
        spawn,
    )
else:
    # This process is to import nothing of the package but one module.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from _accepting import Acceptor, packAddress
    from _spawning import Limit, assume, forkAndExec, limitsOf, makeRoom, quiet, spawn

    del sys.path[0]

#: number of the order, length of its shared part
HEADER = struct.Struct("=II")
#: kind, number of the order, pid, wait status or errno, microseconds of cpu time
REPORT = struct.Struct("=BxxxIiiQ")
HELLO, STARTED, FAILED, ENDED, STALLED, ASTRAY, REPEATED = range(1, 8)
ADDRESSED, ACCEPTED, DROPPED, WITHDRAWN = range(8, 12)
#: The length has how often the program may be repeated in its upper bits.
REPEATS_SHIFT = 24
#: In their place: the packet brings a listening socket, to accept from.
ACCEPT = 0xFF
#: What follows a header for that, and for an end of it: what the daemon calls it.
NAME = struct.Struct("=I")

#: The largest packet.
LARGEST = 1 << 18
#: Reports that are not kept back any longer for others to come.
BATCH = 4
#: The descriptor that leads to the daemon.
CHANNEL = 3

# Wakes up one of the processes that wait for the same socket.
_EXCLUSIVE = getattr(select, "EPOLLEXCLUSIVE", 0)
# What says that the machine has no room for one more process at the moment.
_STALLS = (errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE)
_PATIENCE = 10.0


def wakeOnExit() -> int:
    """
    Have the exits of children wake up poll(2).

    @return: a descriptor that is readable when there may have been one.
    """
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    # Something that does nothing of a number and a frame, without a frame of its own.
    signal.signal(signal.SIGCHLD, operator.is_)
    return reading


#: A path, the arguments, and an environment.
Decoded = tuple[bytes, list[bytes], dict[bytes, bytes]]


class Repeat:
    """
    What starts a program once more for the next datagram in a socket's queue.

    @ivar socket: the socket.
    @ivar program: the path, the arguments and the environment.
    """

    program: tuple[bytes, list[bytes], dict[bytes, bytes]]

    def __init__(self, times: int, fd: int) -> None:
        """
        @param times: how often that may be done.
        """
        self.socket = socket.socket(fileno=os.dup(fd))
        self._times = times
        self._first = self._look()

    def wanted(self) -> bool:
        """
        Whether there is a datagram that was not there before.
        """
        before, self._first = self._first, self._look()
        self._times -= 1
        return self._times >= 0 and self._first not in (None, before)

    def _look(self) -> Any:
        """
        The sender of the first datagram, and how it begins.
        """
        try:
            return self.socket.recvfrom(512, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except OSError:
            return None


def repeatOf(times: int, fd: int) -> Repeat | None:
    """
    What starts a program C{times} more, if that is wanted and there is a descriptor
    left for it.
    """
    if times:
        with contextlib.suppress(OSError):
            return Repeat(times, fd)
    return None


class ForkServer:
    """
    Takes orders from a socket.

    @ivar orders: the number of the order of each program that runs, by its pid.
    """

    def __init__(
        self, channel: socket.socket, directory: str, limits: list[Limit]
    ) -> None:
        self._channel = channel
        self._directory = directory
        self._limits = limits
        self._arrived = False
        self._buffer = memoryview(bytearray(LARGEST))
        self._reports: list[bytes] = []
        self._programs: dict[bytes, Decoded] = {}
        self.orders: dict[int, int] = {}
        self._repeats: dict[int, Repeat] = {}
        self._acceptors: dict[int, Acceptor] = {}
        self._poll: Any = select.epoll() if hasattr(select, "epoll") else select.poll()

    def serve(self) -> None:
        """
        Work until the daemon is gone.
        """
        exits = wakeOnExit()
        poll = self._poll
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.register(exits, select.POLLIN)
        self._arrive()
        self._hello()
        while True:
            # What comes at the same time is reported together.
            wait = 0 if self._reports else None
            ready = [fd for fd, _ in poll.poll(wait) or self._idle()]
            # What the daemon says goes first: it may be to accept no more.
            if self._channel.fileno() in ready and not self._listen():
                return
            for fd in ready:
                if fd == exits:
                    _drain(exits)
                    self.reap()
                elif fd in self._acceptors:
                    self._accept(fd)
            if len(self._reports) >= BATCH:
                self.flush()

    def _idle(self) -> Any:
        """
        Wait for something to do, when all is said.
        """
        self.flush()
        return self._poll.poll()

    def _hello(self) -> None:
        """
        Say that this process is ready, and which order is the first it will see.
        """
        head = b""
        with contextlib.suppress(BlockingIOError):
            look = socket.MSG_PEEK | socket.MSG_DONTWAIT
            head = self._channel.recv(HEADER.size, look)
        number = HEADER.unpack(head)[0] if len(head) == HEADER.size else 0
        self.report(HELLO, number, os.getpid(), 0)
        self.flush()

    def report(
        self, kind: int, number: int, pid: int, value: int, cpu: float = 0.0
    ) -> None:
        """
        Tell the daemon something, at the next L{flush}.
        """
        self._reports.append(REPORT.pack(kind, number, pid, value, int(cpu * 1e6)))

    def flush(self) -> None:
        """
        Send the reports that have come together.
        """
        if self._reports:
            # A context manager would be made for every program.
            try:
                self._channel.send(b"".join(self._reports))
            except (BrokenPipeError, ConnectionResetError):
                """What the daemon ordered before it went is started all the same."""
            self._reports.clear()

    def _listen(self) -> bool:
        """
        Take the orders that there are, of which the daemon never sends many at once.

        @return: whether the daemon is still there.
        """
        try:
            while self._receive():
                """There may be another."""
        except BlockingIOError:
            return True
        return False

    def _receive(self) -> bool:
        """
        Take an order.

        @return: whether the daemon is still there.
        @raise BlockingIOError: if there is no order.
        """
        try:
            packet, fds = receive(self._channel, self._buffer)
        except ConnectionResetError:
            # The daemon has gone without reading all reports; its orders still hold.
            return True
        if not packet:
            return False
        try:
            self._obey(packet, fds)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _obey(self, packet: bytes, fds: list[int]) -> None:
        """
        Start one program.
        """
        number, length = HEADER.unpack_from(packet)
        if not length:
            self._settle(packet[HEADER.size :])
            return
        if length >> REPEATS_SHIFT == ACCEPT:
            self._acceptFrom(packet[HEADER.size :], fds)
            return
        if not self._arrive(number):
            return
        repeats, length = divmod(length, 1 << REPEATS_SHIFT)
        split = HEADER.size + length
        path, argv, shared = self._program(packet[HEADER.size : split])
        environment = {**shared, **pairs(packet[split:].split(b"\0"))}
        repeat = repeatOf(repeats, fds[0])
        try:
            pid = self._patiently(number, path, argv, environment, fds)
        except OSError as why:
            self.report(FAILED, number, 0, why.errno or errno.EIO)
            if repeat is not None:
                repeat.socket.close()
            return
        self.orders[pid] = number
        self.report(STARTED, number, pid, 0)
        if repeat is not None:
            repeat.program = (path, argv, environment)
            self._repeats[pid] = repeat

    def _acceptFrom(self, told: bytes, fds: list[int]) -> None:
        """
        Accept from a socket from now on.
        """
        (number,) = NAME.unpack_from(told)
        self._withdraw(number)
        program = self._program(told[NAME.size :])
        acceptor = Acceptor(number, os.dup(fds[0]), program)
        self._acceptors[acceptor.socket.fileno()] = acceptor
        self._poll.register(acceptor.socket.fileno(), select.POLLIN | _EXCLUSIVE)

    def _withdraw(self, number: int) -> None:
        """
        Accept no more from a socket.
        """
        for fd, acceptor in list(self._acceptors.items()):
            if acceptor.number == number:
                del self._acceptors[fd]
                self._poll.unregister(fd)
                acceptor.socket.close()

    def _accept(self, fd: int) -> None:
        """
        Start a program for a connection, if the socket is still to be accepted from.
        """
        acceptor = self._acceptors.get(fd)
        if acceptor is None:
            return
        try:
            connection, peer, environment = acceptor.accept()
        except OSError as why:
            if why.errno in _STALLS[1:]:
                self._drop(acceptor, why)
            return
        with connection:
            record = packAddress(ADDRESSED, peer)
            if record is not None:
                self._reports.append(record)
            self._begin(acceptor, environment, connection.fileno())

    def _begin(
        self, acceptor: Acceptor, environment: dict[bytes, bytes], fd: int
    ) -> None:
        """
        Start a program for a connection that was accepted.
        """
        path, argv, _ = acceptor.program
        number = acceptor.number
        if not self._arrive():
            self._drop(acceptor, FileNotFoundError(errno.ENOENT, ""), True)
            return
        try:
            pid = self._patiently(number, path, argv, environment, [fd])
        except OSError as why:
            self._drop(acceptor, why)
            return
        self.orders[pid] = number
        self.report(ACCEPTED, number, pid, 0)

    def _drop(self, acceptor: Acceptor, why: OSError, astray: bool = False) -> None:
        """
        Leave a socket to the daemon, which has other means, after something went
        wrong.

        @param astray: whether it is wrong with the working directory.
        """
        self._withdraw(acceptor.number)
        self.report(DROPPED, acceptor.number, int(astray), why.errno or errno.EIO)

    def _settle(self, told: bytes) -> None:
        """
        Repeat nothing of what was ordered until now, and accept no more from a
        socket, if one is named.
        """
        if told:
            (number,) = NAME.unpack_from(told)
            self._withdraw(number)
            self.report(WITHDRAWN, number, 0, 0)
            return
        while self._repeats:
            self._repeats.popitem()[1].socket.close()

    def _repeat(self, repeat: Repeat, pid: int, status: int, cpu: float) -> bool:
        """
        Start a program again that has ended, if there is a datagram for it.

        @return: whether it was started; whatever is unusual is for the daemon.
        """
        if not repeat.wanted():
            repeat.socket.close()
            return False
        try:
            following = self._start(*repeat.program, [repeat.socket.fileno()])
        except OSError:
            repeat.socket.close()
            return False
        number = self.orders[following] = self.orders.pop(pid)
        self._repeats[following] = repeat
        self.report(REPEATED, number, pid, status, cpu)
        self.report(STARTED, number, following, 0)
        return True

    def _arrive(self, number: int = 0) -> bool:
        """
        Go to the working directory of the programs, if it is there by now.

        @return: whether it is.
        """
        if not self._arrived:
            try:
                os.chdir(self._directory)
            except OSError as why:
                if number:
                    self.report(ASTRAY, number, 0, why.errno or errno.EIO)
                return False
            self._arrived = True
        return True

    def _program(self, shared: bytes) -> Decoded:
        """
        What the shared part of an order says; it is nearly always the same few.
        """
        program = self._programs.get(shared)
        if program is None:
            if len(self._programs) > 1000:
                self._programs.clear()
            program = self._programs[shared] = decode(shared)
        return program

    def _patiently(
        self,
        number: int,
        path: bytes,
        argv: list[bytes],
        environment: dict[bytes, bytes],
        fds: list[int],
    ) -> int:
        """
        Start a program, and wait while the machine has no room for it.

        The orders behind this one wait in the socket, and the daemon stops
        accepting when there are too many.
        """
        pause, limit = 0.02, time.monotonic() + _PATIENCE
        while True:
            try:
                return self._start(path, argv, environment, fds)
            except OSError as why:
                if why.errno not in _STALLS or time.monotonic() > limit:
                    raise
                self.report(STALLED, number, 0, why.errno)
            self.reap()
            self.flush()
            time.sleep(pause)
            pause = min(pause * 2, 1.0)

    def _start(
        self,
        path: bytes,
        argv: list[bytes],
        environment: dict[bytes, bytes],
        fds: list[int],
    ) -> int:
        """
        Start a program.  posix_spawn(3) cannot set limits.
        """
        if self._limits:
            return forkAndExec(path, argv, environment, fds, self._limits)
        return spawn(path, argv, environment, fds)

    def reap(self) -> None:
        """
        Report the programs that have ended.
        """
        while self.orders:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            cpu = usage.ru_utime + usage.ru_stime
            repeat = self._repeats.pop(pid, None)
            if repeat is None or not self._repeat(repeat, pid, status, cpu):
                self.report(ENDED, self.orders.pop(pid, 0), pid, status, cpu)


def receive(channel: socket.socket, buffer: memoryview) -> tuple[bytes, list[int]]:
    """
    Take one order.

    @param buffer: where to put it, a memoryview.

    @return: the packet and its descriptors; the packet is empty when the daemon is
        gone.
    """
    flags = socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    room = socket.CMSG_LEN(3 * array.array("i").itemsize)
    length, ancillary, _, _ = channel.recvmsg_into([buffer], room, flags)
    fds: array.array[int] = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return bytes(buffer[:length]), list(fds)


def decode(shared: bytes) -> Decoded:
    """
    The path, the arguments and the environment of an order.
    """
    path, count, *rest = shared.split(b"\0")
    return path, rest[: int(count)], pairs(rest[int(count) :])


def pairs(texts: Iterable[bytes]) -> dict[bytes, bytes]:
    """
    An environment.
    """
    divided = (text.partition(b"=") for text in texts if text)
    return {name: value for name, _, value in divided}


def _drain(fd: int) -> None:
    """
    Read all there is.
    """
    while len(os.read(fd, 4096)) == 4096:
        """Only that something came matters."""


def main(arguments: Sequence[str]) -> None:
    """
    Be a fork server.
    """
    context = dict(argument.split("=", 1) for argument in arguments)
    limits = limitsOf(context)
    quiet()
    makeRoom(limits)
    assume(context)
    directory = context.get("directory", "/")
    os.set_inheritable(CHANNEL, False)
    ForkServer(socket.socket(fileno=CHANNEL), directory, limits).serve()


if __name__ == "__main__":
    main(sys.argv[1:])

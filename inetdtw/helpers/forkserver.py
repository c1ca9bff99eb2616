# -*- test-case-name: inetdtw.helpers.test.test_forkserver -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The program of a fork server: a lean process that starts the programs of services.

L{inetdtw.launch.forkserver.process} runs it, with the context it has to take on as arguments
C{name=value} and a sequenced-packet socket as its descriptor 3, over which go the
packets of L{inetdtw.helpers.protocol}.  It gets its code over descriptor 0
(L{inetdtw.launch.forkserver.code}), imports nothing but the standard library, and ends when the
other end of the socket is closed; the programs that it has started live on.

It takes no order before the daemon has seen who it runs as, and lets it begin.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct

from inetdtw.helpers.accept import Acceptor
from inetdtw.helpers.connection import packAddress, pairs
from inetdtw.helpers.programs import (
    TRANSIENT_ERRORS,
    ChildTable,
    codeOf,
    drain,
    wakeOnExit,
)
from inetdtw.helpers.protocol import (
    ACCEPT,
    ASIDE,
    BEGIN,
    CHANNEL,
    HEADER,
    NAME,
    NAME_AND_MOST,
    REPEATS_SHIFT,
    read,
    receive,
    versionNumber,
)
from inetdtw.helpers.reports import (
    ACCEPTED,
    ADDRESSED,
    CROWDED,
    DROPPED,
    FAILED,
    HELLO,
    LARGEST,
    TAKEN,
    TAKEN_ASTRAY,
    UNTAKEN,
    WITHDRAWN,
    Reports,
)
from inetdtw.helpers.spawn import (
    Limit,
    applyContext,
    parseContext,
    raiseHardLimits,
    resetSignals,
    resourceLimits,
)

# Only a type checker wants these; they would double what this process imports.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: Reports that are not kept back any longer for others to come.
BATCH = 4
#: How long the end of a program is kept back whose connection was accepted here, as
#: nobody waits for that: the seconds of epoll(7), or the milliseconds of poll(2).
HOLD = 0.004 if hasattr(select, "epoll") else 4

# A descriptor that leads to /dev/null.
_NULL = 1

# Wakes up one of the processes that wait for the same socket.
_EXCLUSIVE = getattr(select, "EPOLLEXCLUSIVE", 0)


class ForkServer:
    """Takes orders from a socket."""

    def __init__(
        self, channel: socket.socket, directory: str, limits: list[Limit]
    ) -> None:
        self._channel = channel
        self._buffer = memoryview(bytearray(LARGEST))
        self._reports = Reports(channel)
        self._programs = ChildTable(self._reports, directory, limits)
        self._acceptors: dict[int, Acceptor] = {}
        self._most = 0
        self._poll: Any = select.epoll() if hasattr(select, "epoll") else select.poll()

    def greet(self, version: str) -> bool:
        """
        Say that this process is ready, and wait until the daemon lets it begin.

        @param version: of this code, in hexadecimal digits.

        @return: whether the daemon does; otherwise it is gone, or this process is not
            what it should be.
        """
        self._exits = wakeOnExit()
        self._programs.arrive()
        self._hello(versionNumber(version))
        permitted = os.read(BEGIN, 1) != b""
        os.dup2(_NULL, BEGIN)
        return permitted

    def serve(self) -> None:
        """Work until the daemon is gone."""
        exits, poll = self._exits, self._poll
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.register(exits, select.POLLIN)
        while True:
            ready = [fd for fd, _ in poll.poll(self._patience()) or self._idle()]
            # What the daemon says goes first: it may be to accept no more.
            if self._channel.fileno() in ready and not self._listen():
                return
            for fd in ready:
                if fd == exits:
                    drain(exits)
                    self._programs.reap()
                elif fd in self._acceptors:
                    self._accept(fd)
            if len(self._reports) >= BATCH:
                self._reports.flush()

    def _patience(self) -> float | None:
        """
        How long to wait for more to report before that is said: what comes at the
        same time is reported together.
        """
        if self._reports.urgent:
            return 0
        return HOLD if self._reports else None

    def _idle(self) -> Any:
        """Wait for something to do, when all is said."""
        self._reports.flush()
        return self._poll.poll()

    def _hello(self, version: int) -> None:
        """Say which version this is, and which order is the first it will see."""
        head = b""
        with contextlib.suppress(BlockingIOError):
            look = socket.MSG_PEEK | socket.MSG_DONTWAIT
            head = self._channel.recv(HEADER.size, look)
        number = HEADER.unpack(head)[0] if len(head) == HEADER.size else 0
        self._reports.add(HELLO, number, os.getpid(), version)
        self._reports.flush()

    def _listen(self) -> bool:
        """
        Take the orders that there are, of which the daemon never sends many at once.

        @return: whether the daemon is still there.
        """
        try:
            while self._receive():
                pass  # There may be another message.
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
        except (ValueError, IndexError, struct.error):
            self._misunderstood(packet)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _misunderstood(self, packet: bytes) -> None:
        """Start nothing for an order that makes no sense."""
        if len(packet) >= HEADER.size:
            number = HEADER.unpack_from(packet)[0]
            self._reports.add(FAILED, number, 0, errno.EBADMSG)

    def _obey(self, packet: bytes, fds: list[int]) -> None:
        """Start one program."""
        number, length = HEADER.unpack_from(packet)
        told = packet[HEADER.size :]
        if not length:
            self._settle(told)
            return
        mark, length = divmod(length, 1 << REPEATS_SHIFT)
        if mark & ASIDE:
            *fds, file = fds
            # Where it would have been in the packet.
            start = NAME_AND_MOST.size if mark & ~ASIDE == ACCEPT else 0
            told = told[:start] + read(file, length) + told[start:]
            mark &= ~ASIDE
        if mark == ACCEPT:
            self._acceptFrom(told, fds)
        elif self._programs.arrive(number):
            paths, argv, shared = self._programs.decoded(told[:length])
            environment = {**shared, **pairs(told[length:].split(b"\0"))}
            self._programs.begin(number, (paths, argv, environment), fds, mark)

    def _acceptFrom(self, told: bytes, fds: list[int]) -> None:
        """Accept from a socket from now on."""
        number, self._most = NAME_AND_MOST.unpack_from(told)
        self._withdraw(number)
        program = self._programs.decoded(told[NAME_AND_MOST.size :])
        try:
            acceptor = Acceptor(number, os.dup(fds[0]), program)
        except OSError as why:
            self._reports.add(DROPPED, number, UNTAKEN, codeOf(why))
            return
        self._acceptors[acceptor.socket.fileno()] = acceptor
        self._poll.register(acceptor.socket.fileno(), select.POLLIN | _EXCLUSIVE)
        self._leaveIfCrowded()

    def _leaveIfCrowded(self) -> None:
        """Leave all sockets to the daemon, if there are as many programs as may be."""
        if 0 < self._most <= len(self._programs.accepted):
            for acceptor in list(self._acceptors.values()):
                self._withdraw(acceptor.number)
                self._reports.add(CROWDED, acceptor.number, 0, 0)

    def _withdraw(self, number: int) -> None:
        """Accept no more from a socket."""
        for fd, acceptor in list(self._acceptors.items()):
            if acceptor.number == number:
                del self._acceptors[fd]
                self._poll.unregister(fd)
                acceptor.socket.close()

    def _accept(self, fd: int) -> None:
        """Start a program for a connection, if the socket is still to be accepted from."""
        acceptor = self._acceptors.get(fd)
        if acceptor is None:
            return
        try:
            connection, peer, environment = acceptor.accept()
        except OSError as why:
            if why.errno in TRANSIENT_ERRORS[1:]:
                self._drop(acceptor, why, UNTAKEN)
            return
        with connection:
            record = packAddress(ADDRESSED, peer)
            if record is not None:
                self._reports.addRecord(record)
            self._begin(acceptor, environment, connection.fileno())

    def _begin(
        self, acceptor: Acceptor, environment: dict[bytes, bytes], fd: int
    ) -> None:
        """Start a program for a connection that was accepted."""
        paths, argv, _ = acceptor.program
        number = acceptor.number
        if not self._programs.arrive():
            missing = FileNotFoundError(errno.ENOENT, "")
            self._drop(acceptor, missing, TAKEN_ASTRAY)
            return
        try:
            pid = self._programs.patiently(number, (paths, argv, environment), [fd])
        except (OSError, ValueError) as why:
            self._drop(acceptor, why, TAKEN)
            return
        self._programs.accepted.add(pid)
        self._reports.add(ACCEPTED, number, pid, 0)
        self._leaveIfCrowded()

    def _drop(self, acceptor: Acceptor, why: Exception, what: int) -> None:
        """
        Leave a socket to the daemon, which has other means, after something went
        wrong.

        @param what: whether there is a client for whom it did, such as L{TAKEN}.
        """
        self._withdraw(acceptor.number)
        self._reports.add(DROPPED, acceptor.number, what, codeOf(why))

    def _settle(self, told: bytes) -> None:
        """
        Repeat nothing of what was ordered until now, and accept no more from a
        socket, if one is named.
        """
        if told:
            (number,) = NAME.unpack_from(told)
            self._withdraw(number)
            self._reports.add(WITHDRAWN, number, 0, 0)
            return
        self._programs.cancelRestarts()


def main(arguments: Sequence[str], version: str) -> None:
    """
    Be a fork server.

    @param arguments: the context.
    @param version: of this code.
    """
    context = parseContext(arguments)
    limits = resourceLimits(context)
    resetSignals()
    raiseHardLimits(limits)
    applyContext(context)
    os.set_inheritable(CHANNEL, False)
    channel = socket.socket(fileno=CHANNEL)
    server = ForkServer(channel, context["directory"], limits)
    if server.greet(version):
        server.serve()

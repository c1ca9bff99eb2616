# -*- test-case-name: inetdtw.helpers.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The program of a fork server: a lean process that starts the programs of services.

L{inetdtw.launch.forkserver.process} starts it, with its context as arguments
C{name=value} and the socket to the daemon as descriptor 3.  It receives its code over
descriptor 0 (L{inetdtw.launch.forkserver.code}) and imports nothing but the standard
library.  It exits when the daemon is gone; the programs that it has started go on.

It handles no request before the daemon has verified its credentials.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
import time

from inetdtw.helpers.connection import pairs
from inetdtw.helpers.delegated import (
    DelegatedDatagrams,
    DelegatedListener,
    DelegatedSocket,
)
from inetdtw.helpers.programs import ChildTable, drain, errnoOf, wakeOnExit
from inetdtw.helpers.protocol import (
    BEGIN,
    CHANNEL,
    read,
    receive,
    versionNumber,
)
from inetdtw.helpers.reports import (
    ACCEPTED,
    BATCH,
    DROPPED,
    FAILED,
    HELLO,
    LARGEST,
    NOT_ACCEPTED,
    NOT_ENTERED,
    NOT_STARTED,
    RETURNED,
    WITHDRAWN,
    Reports,
)
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH, WAIT, WITHDRAW
from inetdtw.helpers.socketstate import Spoiled
from inetdtw.helpers.spawn import (
    TRANSIENT_ERRORS,
    applyContext,
    parseContext,
    raiseHardLimits,
    resetSignals,
    resourceLimits,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: How long reports that are not urgent wait for others, as nothing depends on them:
#: seconds for epoll(7), or milliseconds for poll(2).
HOLD = 0.004 if hasattr(select, "epoll") else 4

# A descriptor that leads to /dev/null.
_NULL = 1

# Wakes up one of the processes that wait for the same socket.
_EXCLUSIVE = getattr(select, "EPOLLEXCLUSIVE", 0)


class ForkServer:
    """The event loop of a fork server: requests, clients and exits of children."""

    def __init__(
        self, channel: socket.socket, reports: Reports, children: ChildTable
    ) -> None:
        """
        Start with no delegated sockets.

        @param channel: the socket to the daemon.
        @param reports: what is sent to the daemon.
        @param children: the table of children.
        """
        self._channel = channel
        self._buffer = memoryview(bytearray(LARGEST))
        self._reports = reports
        self._children = children
        self._delegated: dict[int, DelegatedSocket] = {}
        self._most = 0
        self._poll: Any = select.epoll() if hasattr(select, "epoll") else select.poll()

    def greet(self, version: str) -> bool:
        """
        Report that this process is ready, and wait until the daemon lets it begin.

        @param version: the version of this code, in hexadecimal digits.

        @return: whether it may begin; if not, the daemon is gone or refuses it.
        """
        self._exits = wakeOnExit()
        self._children.enterDirectory()
        self._reports.add(
            HELLO, self._firstNumber(), os.getpid(), versionNumber(version)
        )
        self._reports.flush()
        permitted = os.read(BEGIN, 1) != b""
        os.dup2(_NULL, BEGIN)
        return permitted

    def serve(self) -> None:
        """Serve until the daemon is gone."""
        exits, poll = self._exits, self._poll
        poll.register(self._channel.fileno(), select.POLLIN)
        poll.register(exits, select.POLLIN)
        while True:
            held = self._reports.timeout(HOLD)
            ready = [fd for fd, _ in poll.poll(held) or self._idle()]
            # Requests first: one may be to accept no more.
            if self._channel.fileno() in ready and not self.receiveAll():
                return
            for fd in ready:
                if fd == exits:
                    drain(exits)
                    self._children.reap()
                elif fd in self._delegated:
                    self._accept(fd)
            self._waitAgain()
            if len(self._reports) >= BATCH:
                self._reports.flush()

    def close(self) -> None:
        """Close all delegated sockets."""
        for delegated in (*self._delegated.values(), *self._children.waited.values()):
            delegated.close()
        self._poll.close()

    def _idle(self) -> Any:
        """Send all reports, and wait for an event."""
        self._reports.flush()
        return self._poll.poll()

    def _firstNumber(self) -> int:
        """Return the number of the first packet in the socket, or 0."""
        head = b""
        with contextlib.suppress(BlockingIOError):
            look = socket.MSG_PEEK | socket.MSG_DONTWAIT
            head = self._channel.recv(HEADER.size, look)
        return HEADER.unpack(head)[2] if len(head) == HEADER.size else 0

    def receiveAll(self) -> bool:
        """
        Handle all requests in the socket, of which the daemon never sends many at once.

        @return: whether the daemon is there.
        """
        try:
            while self._receive():
                pass  # a request more
        except BlockingIOError:
            return True
        return False

    def _receive(self) -> bool:
        """
        Handle a request.

        @return: whether the daemon is there.
        @raise BlockingIOError: if there is no request.
        """
        try:
            packet, fds = receive(self._channel, self._buffer)
        except ConnectionResetError:
            # The daemon has exited without reading all reports; its requests hold.
            return True
        if not packet:
            return False
        try:
            self._handle(packet, fds)
        except (ValueError, IndexError, struct.error):
            if len(packet) >= HEADER.size:
                number = HEADER.unpack_from(packet)[2]
                self._reports.add(FAILED, number, 0, errno.EBADMSG)
        finally:
            for fd in fds:
                os.close(fd)
        return True

    def _handle(self, packet: bytes, fds: list[int]) -> None:
        """
        Handle a request.

        @raise Exception: C{ValueError}, C{IndexError} or C{struct.error} if it cannot
            be decoded.
        """
        kind, inFile, number, socketNumber, most, length = HEADER.unpack_from(packet)
        body = packet[HEADER.size :]
        if inFile:
            *fds, file = fds
            body = read(file, length) + body
        if kind == LAUNCH:
            self._launch(number, body[:length], body[length:], fds)
        elif kind in (ACCEPT, WAIT):
            self._most = most
            make = DelegatedListener if kind == ACCEPT else DelegatedDatagrams
            self._delegate(make, socketNumber, body, fds)
        elif kind == WITHDRAW:
            self._waitAgain()
            self._withdraw(socketNumber)
            self._reports.add(WITHDRAWN, socketNumber, 0, 0)
        else:
            raise ValueError(f"unknown request {kind}")

    def _launch(self, number: int, shared: bytes, extra: bytes, fds: list[int]) -> None:
        """Start a program."""
        if self._children.enterDirectory(number):
            paths, argv, environment = self._children.decoded(shared)
            environment = {**environment, **pairs(extra.split(b"\0"))}
            self._children.launch(number, (paths, argv, environment), fds)

    def _delegate(
        self, make: type[DelegatedSocket], number: int, program: bytes, fds: list[int]
    ) -> None:
        """Start programs for a socket from now on."""
        self._withdraw(number)
        decoded = self._children.decoded(program)
        try:
            delegated = make(number, os.dup(fds[0]), decoded)
            delegated.stderr += map(os.dup, fds[1:2])
        except OSError as why:
            self._reports.addConnection(DROPPED, number, errnoOf(why), NOT_ACCEPTED)
            return
        self._add(delegated)
        self._returnIfCrowded()

    def _add(self, delegated: DelegatedSocket) -> None:
        """Start a program when a socket is readable."""
        self._delegated[delegated.socket.fileno()] = delegated
        self._poll.register(delegated.socket.fileno(), select.POLLIN | _EXCLUSIVE)

    def _remove(self, delegated: DelegatedSocket) -> None:
        """Start no program for a socket."""
        del self._delegated[delegated.socket.fileno()]
        self._poll.unregister(delegated.socket.fileno())

    def _returnIfCrowded(self) -> None:
        """Return all sockets to the daemon if as many programs run as may."""
        if 0 < self._most <= len(self._children.accepted):
            for delegated in list(self._delegated.values()):
                self._return(delegated)

    def _return(self, delegated: DelegatedSocket, left: bool = False) -> None:
        """
        Return a socket to the daemon.

        @param left: whether programs have left the first datagram.
        """
        self._withdraw(delegated.number)
        self._reports.add(RETURNED, delegated.number, 0, left)

    def _withdraw(self, number: int) -> None:
        """Forget a delegated socket, and leave its programs alone."""
        for delegated in list(self._delegated.values()):
            if delegated.number == number:
                self._remove(delegated)
                delegated.close()
        for pid, waited in list(self._children.waited.items()):
            if waited.number == number:
                self._children.waited.pop(pid).close()

    def _waitAgain(self) -> None:
        """Wait for datagrams in the sockets whose program has exited."""
        while self._children.free:
            waited = self._children.free.pop()
            self._add(waited)
            try:
                waited.restore()
            except (OSError, Spoiled):
                self._return(waited)
                continue
            if waited.peek.left():
                self._return(waited, left=True)

    def _accept(self, fd: int) -> None:
        """Start a program for a socket, if it was not withdrawn meanwhile."""
        delegated = self._delegated.get(fd)
        if delegated is None:
            return
        try:
            given, peer, environment = delegated.accept()
        except Spoiled:
            self._return(delegated)
            return
        except OSError as why:
            # EAGAIN: another process has accepted the connection.
            if why.errno in TRANSIENT_ERRORS and why.errno != errno.EAGAIN:
                self._drop(delegated, why, NOT_ACCEPTED)
            return
        with given:
            self._serve(delegated, environment, given.fileno(), peer)

    def _serve(
        self,
        delegated: DelegatedSocket,
        environment: dict[bytes, bytes],
        fd: int,
        peer: Any,
    ) -> None:
        """Start a program for a client."""
        paths, argv, _ = delegated.program
        number = delegated.number
        if not self._children.enterDirectory():
            missing = FileNotFoundError(errno.ENOENT, "")
            self._drop(delegated, missing, NOT_ENTERED, peer)
            return
        try:
            fds = delegated.descriptors(fd)
            pid = self._children.startPatiently(number, (paths, argv, environment), fds)
        except (OSError, ValueError) as why:
            self._drop(delegated, why, NOT_STARTED, peer)
            return
        self._children.accepted[pid] = time.monotonic()
        self._reports.addConnection(ACCEPTED, number, pid, peer=peer)
        if isinstance(delegated, DelegatedDatagrams):
            self._remove(delegated)
            self._children.waited[pid] = delegated
        self._returnIfCrowded()

    def _drop(
        self, delegated: DelegatedSocket, why: Exception, what: int, peer: Any = None
    ) -> None:
        """
        Return a socket to the daemon after an error.

        A datagram is still in its socket, for a program that the daemon starts.

        @param what: whether a connection is lost by it, such as L{NOT_STARTED}.
        @param peer: the client's address.
        """
        if isinstance(delegated, DelegatedDatagrams):
            self._return(delegated)
            return
        self._withdraw(delegated.number)
        self._reports.addConnection(DROPPED, delegated.number, errnoOf(why), what, peer)


def main(arguments: Sequence[str], version: str) -> None:
    """
    Run a fork server.

    @param arguments: the context.
    @param version: the version of this code, in hexadecimal digits.
    """
    context = parseContext(arguments)
    limits = resourceLimits(context)
    resetSignals()
    raiseHardLimits(limits)
    applyContext(context)
    os.set_inheritable(CHANNEL, False)
    channel = socket.socket(fileno=CHANNEL)
    reports = Reports(channel)
    children = ChildTable(reports, context["directory"], limits)
    server = ForkServer(channel, reports, children)
    if server.greet(version):
        server.serve()

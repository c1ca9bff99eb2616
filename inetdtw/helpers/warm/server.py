# -*- test-case-name: inetdtw.helpers.warm.test.test_server -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The event loop of a warm process, which forks a child for each client."""

from __future__ import annotations

import _socket
import _struct
import errno
import posix
import select

from inetdtw.helpers.connection import connectionEnvironment, encoded, pairs
from inetdtw.helpers.reports import (
    ACCEPTED,
    BATCH,
    FAILED,
    HELLO,
    NOT_ACCEPTED,
    NOT_STARTED,
    REPORT,
    Reports,
)
from inetdtw.helpers.requests import ACCEPT, HEADER, LAUNCH, WITHDRAW
from inetdtw.helpers.warm.child import ForkedChild
from inetdtw.helpers.warm.children import Children
from inetdtw.helpers.warm.listeners import DelegatedListeners
from inetdtw.helpers.warm.process import ChildSignal
from inetdtw.helpers.warm.protocol import refuse
from inetdtw.helpers.warm.template import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from inetdtw.helpers.warm.program import Call

#: The most bytes of a request, which has the variables of one connection.  A buffer for
#: more would be memory that each child shares.
_LARGEST = 1 << 14
#: For how many milliseconds reports that are not urgent wait for others.
HOLD = 4


class Server:
    """
    Serves the daemon: starts programs, and accepts connections for them.

    @ivar child: what the next child does.
    """

    def __init__(
        self,
        channel: Any,
        reports: Reports,
        template: Template,
    ) -> None:
        """
        Serve no listening socket yet.

        @param channel: the socket that leads to the daemon.
        """
        self._channel = channel
        self._reports = reports
        self._template = template
        self._signal = ChildSignal()
        self._poll = select.poll()
        self._children = Children(reports)
        self._listeners = DelegatedListeners(self._poll, reports)
        self.child = ForkedChild(channel, self._signal, self._listeners, template)

    def greet(self, version: int) -> None:
        """
        Report that this process is ready.

        @param version: the version of this program.
        """
        self._signal.install()
        self.child.prepare()
        self._poll.register(self._channel.fileno(), select.POLLIN)
        self._channel.send(REPORT.pack(HELLO, 0, posix.getpid(), 0, version))

    def serve(self) -> Call:
        """
        Serve until the daemon is gone, and exit then.

        @return: in a child only, the call that runs the program.
        """
        sockets, reports = self._listeners.sockets, self._reports
        while True:
            for fd, _ in self._poll.poll(reports.timeout(HOLD)) or self._idle():
                call = self._accept(fd) if fd in sockets else self._ready(fd)
                if call is not None:
                    return call
            if len(reports) >= BATCH:
                self._settle()

    def _settle(self) -> None:
        """Reap the children that have exited, and send all reports."""
        self._signal.clear()
        self._children.reap()
        self._reports.flush()

    def _idle(self) -> Any:
        """
        Settle, and wait for an event.

        The exit of a child is none at first, because more may follow.
        """
        self._settle()
        ready = self._poll.poll(HOLD) if self._children.mayWait else []
        if ready:
            return ready
        self._settle()
        self._poll.register(self._signal.fd, select.POLLIN)
        ready = self._poll.poll()
        self._poll.unregister(self._signal.fd)
        return ready

    def _ready(self, fd: int) -> Call | None:
        """
        Handle another readable descriptor than a listening socket.

        @return: in a child, the call that runs the program.
        """
        if fd == self._signal.fd:
            self._signal.clear()
            self._children.reap()
        elif fd == self._channel.fileno():
            return self._receive()
        return None

    def _receive(self) -> Call | None:
        """Receive and handle a packet; exit if the daemon is gone."""
        room = _socket.CMSG_LEN(3 * 4)
        flags = _socket.MSG_DONTWAIT | getattr(_socket, "MSG_CMSG_CLOEXEC", 0)
        try:
            packet, rights, flags, _ = self._channel.recvmsg(_LARGEST, room, flags)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            packet, rights = b"", []
        if not packet:
            self._reports.flush()
            posix._exit(0)
        fds = [
            fd
            for _, _, data in rights
            for fd in _struct.unpack(f"={len(data) // 4}i", data[: len(data) & ~3])
        ]
        if flags & _socket.MSG_TRUNC:
            refuse("a request is too long")
        kind, _, number, listener, most, _ = HEADER.unpack_from(packet)
        if kind == LAUNCH:
            return self._launch(number, packet[HEADER.size :], fds)
        if kind == ACCEPT:
            self._children.most = most
            self._listeners.add(listener, fds[0])
            self._template.freeze()
            self._returnIfCrowded()
        elif kind == WITHDRAW:
            self._listeners.withdraw(listener)
        else:
            refuse(f"unknown request {kind}")
        return None

    def _returnIfCrowded(self) -> None:
        if self._children.crowded:
            self._listeners.returnAll()

    def _accept(self, fd: int) -> Call | None:
        """Accept a connection from a listening socket, and fork for it."""
        cold = self._template.isCold()
        if cold and not self._template.cold.isPossible():
            # The daemon can say why.
            self._listeners.drop(
                self._listeners.numberOf(fd), NOT_ACCEPTED, errno.ENOENT
            )
            return None
        accepted = self._listeners.accept(fd)
        if accepted is None:
            return None
        number, client, local, peer = accepted
        try:
            pid = posix.fork()
        except OSError as why:
            pid = self._children.forkLater(why)
        if not pid:
            variables = encoded(connectionEnvironment(local, peer))
            return self.child.run(0, cold, [client], variables)
        posix.close(client)
        if pid < 0:
            self._listeners.drop(number, NOT_STARTED, -pid, peer)
            return None
        self._children.add(pid, number, accepted=True)
        self._reports.addConnection(ACCEPTED, number, pid, cold, peer)
        self._returnIfCrowded()
        return None

    def _launch(self, number: int, extra: bytes, fds: list[int]) -> Call | None:
        """Fork for a launch request."""
        cold = self._template.isCold()
        try:
            pid = posix.fork()
        except OSError as why:
            self._reports.add(FAILED, number, 0, why.errno or errno.EAGAIN)
            pid = -1
        if not pid:
            variables = pairs(extra.split(b"\0")).items()
            return self.child.run(number, cold, fds, variables)
        for fd in fds:
            posix.close(fd)
        if pid > 0:
            self._children.add(pid, number)
        return None

# -*- test-case-name: inetdtw.launch.test -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The sockets that are delegated to a helper process.

The helper process accepts the connections of a listening socket, or waits for
datagrams, and starts the programs.  Requests that do not fit into the channel are
queued.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from typing import Any, Callable

from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    NOT_ACCEPTED,
    NOT_ENTERED,
    RETURNED,
    WITHDRAWN,
)
from inetdtw.helpers.requests import ACCEPT, WAIT, WITHDRAW
from inetdtw.interfaces import IAcceptDelegate, IChild
from inetdtw.launch.channel import Channel
from inetdtw.launch.children import ProtocolViolation
from inetdtw.launch.packets import HelperReport
from inetdtw.launch.sendqueue import SendQueue
from inetdtw.limits.budget import Lease

#: The errors of a request that can never be sent.
_NEVER = (errno.EMSGSIZE, errno.E2BIG, errno.ENOSPC, errno.EFBIG)


@dataclass
class Delegation:
    """
    A socket that is delegated to a helper process.

    @ivar watcher: an L{inetdtw.interfaces.IAcceptDelegate}.
    @ivar program: the program, as L{inetdtw.launch.packets.encodeProgram} encodes it.
    @ivar fd: the socket, which the watcher owns.
    @ivar kind: L{ACCEPT<inetdtw.helpers.requests.ACCEPT>} or
        L{WAIT<inetdtw.helpers.requests.WAIT>}.
    @ivar free: called when the helper process starts no more programs for it; C{None}
        while it should.
    @ivar stderr: what becomes 2 of the programs, which the watcher owns; -1 for the
        socket.
    """

    watcher: IAcceptDelegate
    program: bytes
    fd: int
    kind: int = ACCEPT
    free: Callable[[], None] | None = None
    stderr: int = -1

    @property
    def fds(self) -> list[int]:
        """The descriptors for the helper process."""
        return [self.fd] if self.stderr < 0 else [self.fd, self.stderr]


class Delegations:
    """The sockets that are delegated to one helper process, and its replacements."""

    def __init__(
        self, reactor: Any, channel: Channel, lease: Lease, directory: str = ""
    ) -> None:
        """
        Start with no sockets.

        @param channel: the socket to the helper process.
        @param lease: the programs that it may start by itself.
        @param directory: the working directory of the programs, for messages.
        """
        self._reactor = reactor
        self._channel = channel
        self._lease = lease
        self._directory = directory
        self._up = False
        self._delegations: dict[int, Delegation] = {}
        self._queue = SendQueue(reactor, self._send)

    def __contains__(self, number: int) -> bool:
        """Return whether a socket is delegated."""
        return number in self._delegations

    def __len__(self) -> int:
        """Return the number of sockets, with those that are being withdrawn."""
        return len(self._delegations)

    def delegate(self, number: int, delegation: Delegation) -> None:
        """
        Have the helper process start programs for a socket, once it is up.

        The socket is returned to the watcher if this could exceed the limit on all
        programs.

        @param number: the number for the socket.
        """
        if not self._lease.fits():
            self._reactor.callLater(0, delegation.watcher.returned)
            return
        self._lease.acquire()
        self._delegations[number] = delegation
        if self._up:
            self._queue.add(number, delegation.kind)

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Have the helper process start no more programs for a socket.

        @param free: called once when it does not, or is gone.
        """
        delegation = self._delegations.get(number)
        if delegation is None or not self._up:
            if delegation is not None and self._channel.unread:
                # The request to delegate may be in the channel still.  A replacement
                # receives all requests before it starts programs.
                with contextlib.suppress(OSError):
                    self._channel.send(WITHDRAW, number)
            self._forget(number)
            free()
            return
        delegation.free = free
        self._queue.add(number, WITHDRAW)

    def _forget(self, number: int) -> None:
        """Remove a socket that is not delegated any more."""
        self._delegations.pop(number, None)
        if not self._delegations:
            self._lease.release()

    def start(self) -> None:
        """Delegate all sockets to a helper process that is up."""
        self._up = True
        delegations, self._delegations = self._delegations, {}
        for number, delegation in delegations.items():
            self.delegate(number, delegation)

    def stop(self) -> None:
        """Send no more requests."""
        self._queue.takeAll()

    def lost(self) -> None:
        """
        Free the sockets that were being withdrawn, as the helper process is gone.

        Listening sockets are delegated to a replacement, if there is one.  A program
        may have a datagram socket still, so that one is returned.
        """
        self._up = False
        self._queue.takeAll()
        self._lease.reset()
        for number, delegation in list(self._delegations.items()):
            if delegation.free is not None:
                del self._delegations[number]
                delegation.free()
            elif delegation.kind == WAIT:
                delegation.watcher.returned()

    def clear(self) -> None:
        """Forget all sockets, because there will be no replacement."""
        self._delegations.clear()

    def received(self, report: HelperReport) -> IChild | None:
        """
        Handle a report about a socket.

        @return: the L{inetdtw.interfaces.IChild} of a program that was started.
        @raise ProtocolViolation: if it is impossible.
        """
        kind, number = report.kind, report.number
        delegation = self._delegations[number]
        if kind == ACCEPTED:
            if self._lease.exhausted:
                raise ProtocolViolation(f"more than {self._lease.size} programs run")
            return delegation.watcher.accepted(report.peer)
        if kind == DROPPED:
            where = f"{self._directory}: " * (report.detail == NOT_ENTERED)
            peer = None if report.detail == NOT_ACCEPTED else report.peer or ""
            delegation.watcher.dropped(peer, where + os.strerror(report.value))
        elif kind == RETURNED:
            delegation.watcher.returned(bool(report.value))
        elif kind == WITHDRAWN and delegation.free is not None:
            self._forget(number)
            delegation.free()
        return None

    def _send(self, number: int, kind: int) -> None:
        """
        Send a request about a socket, unless it is obsolete.

        @raise OSError: if it cannot be sent.
        """
        delegation = self._delegations.get(number)
        if delegation is None or (kind != WITHDRAW and delegation.free is not None):
            return
        if kind == WITHDRAW:
            self._channel.send(WITHDRAW, number)
            return
        try:
            self._channel.send(
                *(kind, number, self._lease.size, delegation.program),
                fds=delegation.fds,
            )
        except OSError as why:
            if why.errno in _NEVER:
                drop = delegation.watcher.dropped
                self._reactor.callLater(0, drop, None, os.strerror(why.errno))
            raise

# -*- test-case-name: inetdtw.launch.forkserver.test.test_delegation -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The listening sockets that a helper accepts from in the daemon's place.

There may be very many of them, more than the way to the helper has room for: what it
is to be told waits for its turn.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from typing import Any, Callable

from inetdtw.helpers.protocol import ACCEPT, NAME, NAME_AND_MOST
from inetdtw.helpers.reports import (
    ACCEPTED,
    CROWDED,
    DROPPED,
    TAKEN_ASTRAY,
    UNTAKEN,
    WITHDRAWN,
)
from inetdtw.launch.forkserver.channel import Channel
from inetdtw.launch.sendqueue import SendQueue
from inetdtw.limits.budget import Lease

#: The kinds of reports that are about such a socket.
KINDS = (ACCEPTED, DROPPED, WITHDRAWN, CROWDED)
# A helper can never be told of such a program.
_NEVER = (errno.EMSGSIZE, errno.E2BIG, errno.ENOSPC, errno.EFBIG)


@dataclass
class Delegation:
    """
    A listening socket that helpers accept from.

    @ivar watcher: an L{inetdtw.interfaces.IAcceptDelegate}.
    @ivar shared: the program, as L{inetdtw.launch.forkserver.channel.encode} makes it.
    @ivar fd: the socket.
    @ivar wanted: whether they still should.
    @ivar free: called when the helper does not any more, as it should not.
    """

    watcher: Any
    shared: bytes
    fd: int
    wanted: bool = True
    free: Callable[[], None] = lambda: None


class Delegations:
    """
    All that one helper accepts from, and those that follow it.

    @ivar peer: the address of the client that the next report is about.
    """

    def __init__(
        self, reactor: Any, channel: Channel, directory: str, lease: Lease
    ) -> None:
        """
        @param directory: where programs are started, for messages.
        @param lease: what the helper may start by itself.
        """
        self._lease = lease
        self._reactor = reactor
        self._channel = channel
        self._directory = directory
        self._there = False
        self._kept: dict[int, Delegation] = {}
        self.peer: Any = None
        self._posts = SendQueue(reactor, self._send)

    def __contains__(self, number: int) -> bool:
        return number in self._kept

    def __len__(self) -> int:
        """How many there are, with those that the helper was only asked to leave."""
        return len(self._kept)

    def delegate(self, number: int, delegation: Delegation) -> None:
        """
        Have the helper accept from a socket, as soon as there is one; unless there may
        be too many programs then.
        """
        if not self._lease.fits():
            self._reactor.callLater(0, delegation.watcher.crowded)
            return
        self._lease.acquire()
        self._kept[number] = delegation
        if self._there:
            self._posts.add(number, ACCEPT)

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Have the helper accept no more from a socket.

        @param free: called once when it does not, or has died.
        """
        delegation = self._kept.get(number)
        if delegation is None or not self._there:
            if delegation is not None and self._channel.untaken:
                # A helper that has died may have left the order to accept in the
                # socket, and its successor takes all there is before it accepts.
                with contextlib.suppress(OSError):
                    self._channel.send(0, NAME.pack(number))
            self._forget(number)
            free()
            return
        delegation.wanted = False
        delegation.free = free
        self._posts.add(number, 0)

    def _forget(self, number: int) -> None:
        """The helper does not accept from a socket any more."""
        self._kept.pop(number, None)
        if not self._kept:
            self._lease.release()

    def renew(self) -> None:
        """There is a helper: tell it all that there is, which is wanted."""
        self._there = True
        kept, self._kept = self._kept, {}
        for number, delegation in kept.items():
            self.delegate(number, delegation)

    def lost(self) -> None:
        """There is no helper any more."""
        self._there = False
        self.silence()

    def silence(self) -> None:
        """Send nothing of what is still to be sent."""
        self._posts.clear()

    def freeUnwanted(self) -> None:
        """No helper is there that could still accept from what was withdrawn."""
        self._lease.reset()
        unwanted = [n for n, each in self._kept.items() if not each.wanted]
        for number in unwanted:
            self._kept.pop(number).free()

    def told(self, kind: int, number: int, pid: int, value: int) -> Any:
        """
        The helper says something of a socket that it accepts from.

        @param kind: one of L{KINDS}.
        @param pid: of a program that was started; of what was dropped, what it was.

        @return: the child, if it says that a program was started.
        """
        peer, self.peer = self.peer, None
        delegation = self._kept[number]
        if kind == ACCEPTED:
            return delegation.watcher.accepted(peer)
        if kind == DROPPED:
            where = f"{self._directory}: " if pid == TAKEN_ASTRAY else ""
            client = None if pid == UNTAKEN else peer or ""
            delegation.watcher.dropped(client, where + os.strerror(value))
        elif kind == CROWDED:
            delegation.watcher.crowded()
        else:
            self._forget(number)
            delegation.free()
        return None

    def _send(self, number: int, mark: int) -> None:
        """
        Send one thing about a delegation, if it still holds.

        @raise OSError: if it cannot be sent.
        """
        delegation = self._kept.get(number)
        if delegation is None or (mark and not delegation.wanted):
            return
        if not mark:
            self._channel.send(0, NAME.pack(number))
            return
        head = NAME_AND_MOST.pack(number, self._lease.size)
        try:
            fds = [delegation.fd]
            self._channel.order(mark, head, delegation.shared, b"", fds)
        except OSError as why:
            if why.errno in _NEVER:
                # Nobody would accept: its watcher does, when it knows of this.
                drop = delegation.watcher.dropped
                self._reactor.callLater(0, drop, None, os.strerror(why.errno))
            raise

# -*- test-case-name: inetdtw.launch.warm.test.test_delegation -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The listening sockets that a warm process accepts from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Callable

from inetdtw.helpers.reports import ACCEPTED, CROWDED, DROPPED, UNTAKEN, WITHDRAWN
from inetdtw.launch.warm.channel import Channel, Said
from inetdtw.launch.warm.children import ProtocolViolation, RunningPrograms
from inetdtw.limits.budget import Lease


@dataclass
class _Listening:
    """
    One of them.

    @ivar watcher: an L{inetdtw.interfaces.IAcceptDelegate}.
    @ivar free: called when the process does not accept from it any more, as it should
        not.
    """

    watcher: Any
    free: Callable[[], None] | None = None


class WarmDelegations:
    """
    The listening sockets that one process accepts from, by their numbers.

    @ivar channel: what leads to the process.
    """

    def __init__(self, lease: Lease) -> None:
        """@param lease: what the process may start by itself."""
        self._lease = lease
        self.channel: Channel | None = None
        self._listening: dict[int, _Listening] = {}

    def __len__(self) -> int:
        """How many there are, with those that it was only asked to leave."""
        return len(self._listening)

    def delegate(self, number: int, watcher: Any, fd: int) -> bool:
        """
        Have the process accept from one more.

        @return: whether it is there for that.
        """
        if self.channel is None or self.channel.closed:
            return False
        self._lease.acquire()
        self._listening[number] = _Listening(watcher)
        self.channel.accept(number, fd, self._lease.size)
        return True

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """
        Have it accept from a socket no more.

        @param free: called when that is so.
        """
        listening = self._listening.get(number)
        if listening is None or self.channel is None:
            free()
        elif self.channel.withdraw(number):
            listening.free = free
        else:
            self._forget(number)
            free()

    def _forget(self, number: int) -> None:
        """It does not accept from a socket any more."""
        del self._listening[number]
        if not self._listening:
            self._lease.release()

    def heard(self, said: Said, running: RunningPrograms) -> None:
        """
        The process says something of a socket.

        @param running: what runs.

        @raise inetdtw.launch.warm.children.ProtocolViolation: if that cannot be.
        """
        listening = self._listening.get(said.number)
        if listening is None:
            return
        if said.kind == ACCEPTED:
            running.check(said.pid)
            if self._lease.exhausted:
                raise ProtocolViolation(
                    f"it may not have more than {self._lease.size} programs"
                )
            child = listening.watcher.accepted(said.peer)
            self._lease.started(said.pid)
            running.begin(said.pid, child, not said.value)
        elif said.kind == DROPPED:
            client = None if said.pid == UNTAKEN else said.peer or ""
            listening.watcher.dropped(client, os.strerror(said.value))
        elif said.kind == CROWDED:
            listening.watcher.crowded()
        elif said.kind == WITHDRAWN and listening.free is not None:
            self._forget(said.number)
            listening.free()

    def lost(self) -> None:
        """Nobody is there that could accept."""
        left, self._listening = self._listening, {}
        for listening in left.values():
            if listening.free is not None:
                listening.free()

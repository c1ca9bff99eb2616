# -*- test-case-name: inetdtw.launch.warm.test.test_orders -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The orders of a warm process: what the daemon keeps of each until it has a child."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.packets import encodeExtra
from inetdtw.launch.retryqueue import HeldRequest
from inetdtw.launch.warm.channel import Channel


class Orders:
    """The orders of one process that have no child yet, by their numbers."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, HeldRequest] = OrderedDict()
        self._number = 0

    def __len__(self) -> int:
        """How many there are."""
        return len(self._kept)

    def __contains__(self, number: int) -> bool:
        """Whether there is one with a number."""
        return number in self._kept

    def send(self, channel: Channel, child: Any, order: LaunchRequest) -> None:
        """
        Order a program.

        @raise OSError: if that cannot be.
        """
        kept = HeldRequest(child, order)
        number = self._next()
        try:
            channel.send(number, 0, *encodeExtra(order))
        except OSError:
            kept.close()
            raise
        self._kept[number] = kept

    def _next(self) -> int:
        """The number of the next order."""
        self._number = (self._number + 1) & 0x7FFFFFFF or 1
        return self._number

    def take(self, number: int) -> HeldRequest:
        """One of them, which is none any more; whoever takes it closes it."""
        return self._kept.pop(number)

    def takeAll(self) -> Iterator[HeldRequest]:
        """All of them, the first one first."""
        while self._kept:
            yield self._kept.popitem(last=False)[1]

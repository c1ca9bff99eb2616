# -*- test-case-name: inetdtw.launch.test.test_sendqueue -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A FIFO of messages to a helper process, retried while its socket is full."""

from __future__ import annotations

import errno
from collections import deque
from typing import Any, Callable

from twisted.internet.interfaces import IReactorTime

from inetdtw.system.timer import Timer

#: The seconds between two attempts.
PAUSE = 0.01
#: The errors, besides EAGAIN, of a socket that is full: a user may have only so many
#: descriptors in flight.
_TRANSIENT = (errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS)


def isTransient(why: OSError) -> bool:
    """Return whether sending failed only because a socket is full."""
    return isinstance(why, BlockingIOError) or why.errno in _TRANSIENT


class SendQueue:
    """A queue of messages."""

    def __init__(self, reactor: IReactorTime, send: Callable[..., None]) -> None:
        """
        Start with an empty queue.

        @param send: sends a message.  It raises an C{OSError} that L{isTransient} if it
            is to be tried again, and another one if the message is to be dropped.
        """
        self._send = send
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._timer = Timer(reactor)

    def __len__(self) -> int:
        """Return the number of messages that were not sent yet."""
        return len(self._waiting)

    def add(self, *message: object) -> None:
        """Send a message, after those that were not sent yet."""
        self._waiting.append(message)
        if not self._timer.active:
            self._sendAll()

    def _sendAll(self) -> None:
        """Send until the socket is full, and the rest later."""
        # C{send} may add messages, and so call this.
        while self._waiting and not self._timer.active:
            message = self._waiting.popleft()
            try:
                self._send(*message)
            except OSError as why:
                # Otherwise the other end is closed, which its reader notices.
                if isTransient(why):
                    self._waiting.appendleft(message)
                    self._timer.start(PAUSE, self._sendAll)

    def takeAll(self) -> list[tuple[Any, ...]]:
        """
        Drop all messages.

        @return: the messages, in order.
        """
        taken = list(self._waiting)
        self._waiting.clear()
        self._timer.cancel()
        return taken

# -*- test-case-name: inetdtw.launch.test.test_sendqueue -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What another process is to be told, as soon as the socket to it has room: there may be
more to say than that has room for.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import Any, Callable

#: The seconds to wait for room.
PAUSE = 0.01
#: What says, besides EAGAIN, that there is no room for now: also for descriptors on
#: their way, of which a user may have only so many.
_SHORT = (errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS)


def isTransient(why: OSError) -> bool:
    """Whether something could not be sent only because there is no room for now."""
    return isinstance(why, BlockingIOError) or why.errno in _SHORT


class SendQueue:
    """A queue of things to send, in order."""

    def __init__(self, reactor: Any, send: Callable[..., None]) -> None:
        """
        @param send: sends one of them; it raises C{BlockingIOError}, or what else says
            that the machine has no room, for what is to be tried again, and another
            C{OSError} if that one can never be sent.
        """
        self._reactor = reactor
        self._send = send
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._later: Any = None

    def __len__(self) -> int:
        """How many there are."""
        return len(self._waiting)

    def add(self, *post: Any) -> None:
        """Send something, after what has had no room before."""
        self._waiting.append(post)
        if self._later is None:
            self._sendAll()

    def _sendAll(self) -> None:
        """Send what there is room for, and the rest in a moment."""
        self._later = None
        # To send one may add others, and be what has found that there is no room.
        while self._waiting and self._later is None:
            post = self._waiting.popleft()
            try:
                self._send(*post)
            except OSError as why:
                # Otherwise nobody is there any more, as whoever reads it finds out.
                if isTransient(why):
                    self._waiting.appendleft(post)
                    self._later = self._reactor.callLater(PAUSE, self._sendAll)

    def takeBack(self, *first: Any) -> bool:
        """
        Do not send what is not sent yet and begins so.

        @return: whether there was any.
        """
        kept = [post for post in self._waiting if post[: len(first)] != first]
        some = len(kept) < len(self._waiting)
        self._waiting = deque(kept)
        return some

    def clear(self) -> None:
        """Send nothing of what is still to be sent."""
        self.takeAll()

    def takeAll(self) -> list[tuple[Any, ...]]:
        """
        Send nothing of what is still to be sent.

        @return: all of that, in order.
        """
        taken = list(self._waiting)
        self._waiting.clear()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        return taken

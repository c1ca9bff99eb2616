# -*- test-case-name: inetdtw.system.test.test_fdlimit -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
RLIMIT_NOFILE, and how many file descriptors this process can still open.

A process that accepts a client without a descriptor to spare has to close a connection
that could have waited in the backlog, so the daemon finds out before.  Some descriptors
are reserved for the daemon itself: to answer an operator, start a helper, or read the
configuration.
"""

from __future__ import annotations

import errno
import os
import resource
import time
from typing import Callable

#: How many descriptors a client may need for a moment.
WANTED = 6
#: This near to the limit, descriptors are opened and closed again to see whether they
#: can be.
NEAR = 64
#: The most descriptors in the reserve, and the most that listeners leave to clients.
RESERVE, LEFT = 32, 64
#: The seconds between two counts of what the process has open.
COUNTED = 1.0
#: The limit that is assumed where there is none.
_UNLIMITED = 1 << 20
#: How many entries /dev/fd has where it only lists standard input, output and error.
_STANDARD = 3


def softLimit() -> int:
    """Return how many descriptors this process may have open now."""
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _UNLIMITED if soft == resource.RLIM_INFINITY else soft


def _countOpen() -> int:
    """
    Return how many entries /dev/fd has, or 0 if the system has no such directory.

    To read it takes a descriptor.  If none is left, as many are open as may be.
    """
    try:
        return len(os.listdir("/dev/fd")) - 1
    except OSError as why:
        return softLimit() if why.errno == errno.EMFILE else 0


class Headroom:
    """
    The distance of this process to its limit of descriptors.

    @ivar total: how many descriptors are accounted for, open or about to be opened.
        All other open ones are foreign: of libraries, or of an embedding application.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """@param clock: the time in seconds, from any start."""
        self.total = 0
        self.limit = softLimit()
        self._clock = clock
        self._foreign: int | None = None
        self._counted = 0.0
        self._highest = 0

    def note(self, fd: int) -> None:
        """
        Note a descriptor that was just opened.

        The kernel gives the lowest free number.  One that is far above the number of
        known descriptors shows that foreign ones were opened.
        """
        self._highest = fd
        if self._foreign is None or fd > self.known + NEAR // 4:
            self._count()

    @property
    def known(self) -> int:
        """The number of open descriptors, as far as that is known."""
        if self._foreign is None:
            self._count()
        return self.total + (self._foreign or 0)

    @property
    def foreign(self) -> int:
        """The number of open foreign descriptors at the last count."""
        return self.known - self.total

    def _count(self) -> bool:
        """
        Count what the process has open, at most every L{COUNTED} seconds.

        @return: whether it was counted.
        """
        now = self._clock()
        if self._foreign is not None and now - self._counted < COUNTED:
            return False
        self._counted = now
        self.limit = softLimit()
        found = _countOpen()
        if found <= _STANDARD:
            found = self._highest + 1
        self._foreign = found - self.total
        return True

    @property
    def reserve(self) -> int:
        """The number of descriptors that are reserved for the daemon itself."""
        return max(0, min(RESERVE, (self.limit - self.foreign) // 4))

    def available(self) -> int:
        """Return how many can be opened above the reserve; negative below it."""
        return self.limit - self.reserve - self.known

    def enough(self, wanted: int = WANTED) -> bool:
        """Tell whether C{wanted} descriptors can be opened for a moment."""
        self.limit = softLimit()
        return self.known < self.limit - NEAR or self._canOpen(wanted)

    def _canOpen(self, wanted: int) -> bool:
        opened: list[int] = []
        try:
            while len(opened) < wanted:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            return False
        finally:
            for fd in opened:
                os.close(fd)
        self._highest = max(opened)
        return True

    def enoughFor(self, count: int) -> bool:
        """Tell whether C{count} descriptors above the reserve can be opened."""
        self.limit = softLimit()
        if self.known < self.limit - NEAR and count <= NEAR - RESERVE:
            return True
        return self.enough(max(count, WANTED)) and not (count and self.short(count))

    def short(self, count: int) -> bool:
        """Tell whether there are fewer than C{count} descriptors above the reserve."""
        if self.available() >= count:
            return False
        # Foreign ones may have been closed.
        return not (self._count() and self.available() >= count)

    def spare(self, count: int = 1) -> bool:
        """
        Tell whether C{count} descriptors can be opened for what no client needs yet.

        A listener or a helper process must leave some to the clients of the others.
        """
        self.limit = softLimit()
        left = max(WANTED, min(LEFT, (self.limit - self.foreign) // 8))
        return not self.short(left + count) and self.enough(left + count)

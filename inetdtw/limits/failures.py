# -*- test-case-name: inetdtw.limits.test.test_failures -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The failures of a service's programs: the last one, and how many were in a row.

A service is failing after some in a row, if its programs fail every client: none of
them could be started, or none has succeeded since the service was started or changed.
If one has, a client may be what makes the others fail, and clients must not bring about
what an operator has to mend.
"""

from __future__ import annotations

import errno
import os
import signal

from inetdtw.interfaces import ExitStatus
from inetdtw.model.state import Failure

#: After how many failures in a row a service can be failing.
ROW = 3

#: How programs end when their client has gone, their own time is over, or an operator
#: stops them.
_NEUTRAL = frozenset(
    (
        *(signal.SIGPIPE, signal.SIGALRM),
        *(signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
    )
)

#: The ends of reasons that many clients can bring about.
_SHORTAGES = tuple(
    map(
        os.strerror,
        (errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS),
    )
)


class Failures:
    """
    The failures of one service's programs.

    @ivar last: the last failure; C{None} if there was none.
    """

    last: Failure | None = None

    def __init__(self) -> None:
        """Start without failures."""
        self._served = False
        self._unstarted = 0
        self._row = 0

    @property
    def fatal(self) -> bool:
        """Whether the service is failing: an operator must mend it."""
        return self._unstarted >= ROW or (self._row >= ROW and not self._served)

    def begin(self) -> None:
        """Count the row anew: an operator may have mended the service."""
        self._set(0, 0)

    def unstarted(self, reason: str, when: float) -> None:
        """
        Note that a program could not be started.

        @param when: in seconds since the epoch.
        """
        if reason.endswith(_SHORTAGES):
            self.last = Failure(reason, when, self._row)
        else:
            self._add(reason, when, self._unstarted + 1)

    def ended(self, how: ExitStatus, when: float) -> None:
        """
        Note how a program has ended.

        @param when: in seconds since the epoch, if that is a failure.
        """
        if not how.isFailure:
            self._served = True
            if self._row:
                self._set(0, 0)
        elif how.signal not in _NEUTRAL:
            self._add(how.inWords(), when, 0)

    def _add(self, reason: str, when: float, unstarted: int) -> None:
        self.last = Failure(reason, when, 0)
        self._set(self._row + 1, unstarted)

    def _set(self, row: int, unstarted: int) -> None:
        self._row, self._unstarted = row, unstarted
        if self.last is not None:
            self.last = Failure(self.last.reason, self.last.time, row)

# -*- test-case-name: inetdtw.test.test_descriptors -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Whether this process can open what it takes to serve one more client.

Who accepts a connection and finds out then that nothing else can be opened has to close
it.  So it is found out before, and the client waits in the backlog.
"""

from __future__ import annotations

import os
import resource

#: How many descriptors a client may take, how many services leave for clients and
#: helper processes, and how near to the limit that is looked at.
WANTED, LEFT, NEAR = 6, 16, 64


class Descriptors:
    """
    The descriptors of this process.
    """

    def __init__(self) -> None:
        self._highest = 0

    def note(self, fd: int) -> None:
        """
        One was opened.  The system gives the lowest number that is free, so that one
        far below the limit says that there are many.
        """
        if fd > self._highest:
            self._highest = fd

    def enough(self, wanted: int = WANTED) -> bool:
        """
        Whether there are enough, by default for one more client.
        """
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return self._highest < limit - NEAR or self._canOpen(wanted)

    def _canOpen(self, wanted: int) -> bool:
        """
        Try it.
        """
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


#: Those of this process.
descriptors = Descriptors()

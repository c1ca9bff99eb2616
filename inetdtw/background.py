# -*- test-case-name: inetdtw.test.test_background -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Going to the background.  Whoever has started the daemon waits until it serves, and
hears what came of it from the process that stays behind: the daemon has no terminal by
then.
"""

from __future__ import annotations

import os
import select
import sys
from traceback import format_exception_only

from twisted.scripts._twistd_unix import UnixApplicationRunner

from inetdtw.printing import complain
from inetdtw.superserver import NothingToServe

#: Where the reasons are that nobody sees.
ELSEWHERE = "in the system log; -f -e shows it here"
#: What the daemon says when it serves, and what is in front of why it does not.
_SERVES, _FAILED = b"0", b"1 "
#: What is said of one that was killed.
_GONE = "the daemon has ended before it served"


class Runner(UnixApplicationRunner):
    """
    Runs the daemon as twistd(1) does, which would show the exception as Python does.
    """

    def _formatChildException(self, exception: Exception) -> bytes:
        """
        What the daemon says when it cannot serve, which has to be one write.
        """
        why = str(exception)
        if not isinstance(exception, NothingToServe):
            why = format_exception_only(type(exception), exception)[-1].strip()
        text = why.encode("utf-8", "surrogateescape")
        return (_FAILED + text)[: select.PIPE_BUF]

    def _waitForStart(self, readPipe: int) -> int:
        """
        Wait until the daemon serves, or cannot.

        @param readPipe: a descriptor where it says so.

        @return: the exit status.
        """
        said = os.read(readPipe, select.PIPE_BUF)
        if said == _SERVES:
            return 0
        why = said[len(_FAILED) :].decode("utf-8", "surrogateescape") or _GONE
        # The other one leads to the log by now.
        complain(f"inetd: {why}; the reasons are {ELSEWHERE}", sys.__stderr__)
        return 1

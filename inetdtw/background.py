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
from typing import Any

from twisted.scripts._twistd_unix import UnixApplicationRunner

from inetdtw.pidfile import PidFile, Unusable
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
    Runs the daemon as twistd(1) does, which would show the exception as Python does,
    and write the pid file into whatever is at its path.
    """

    def __init__(self, config: Any, pidFile: PidFile) -> None:
        """
        @param config: the options of twistd(1), without a pid file.
        @param pidFile: the pid file, which was cleared.
        """
        super().__init__(config)
        self._pidFile = pidFile

    def setupEnvironment(self, *given: Any) -> None:
        """
        Go to the background, if that is wanted, and write the pid file.

        @param given: what twistd(1) needs to know.

        @raise Unusable: if it cannot be written.
        """
        super().setupEnvironment(*given)
        self._pidFile.write(os.getpid())

    def removePID(self, pidfile: str) -> None:
        """
        Remove the pid file, if it is still the one that was written.

        @param pidfile: that of twistd(1), which has none.
        """
        self._pidFile.remove()

    def _formatChildException(self, exception: Exception) -> bytes:
        """
        What the daemon says when it cannot serve, which has to be one write.
        """
        why = str(exception)
        if not isinstance(exception, (NothingToServe, Unusable)):
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

# -*- test-case-name: inetdtw.cli.test.test_entry -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Where the C{inetd} command begins, before anything large is imported.

Process 1 does not end by a signal that it has no handler for (pid_namespaces(7)), and
it takes a moment to import all.  Whoever stops a container in that moment would wait
until the container is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from inetdtw.system.stdio import openStreams, reserveStdio

#: The signals that ask a process to end.
ENDING = (signal.SIGTERM, signal.SIGINT)
#: The first words that are commands to a daemon that runs.
COMMANDS = ("status", "health", "reload", "pause", "resume", "drain")


def _end(number: int, frame: Any) -> None:
    """End: nothing is served yet."""
    raise SystemExit(0)


def main() -> None:
    """
    Be C{inetd}.

    @raise SystemExit: as L{inetdtw.cli.main.main} does.
    """
    if os.getpid() == 1:
        for number in ENDING:
            signal.signal(number, _end)
        # Whoever has started this process may have blocked them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    # The reactor opens descriptors as soon as it is imported.
    reserveStdio()
    openStreams()
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        # A probe runs often, and needs none of the daemon.
        from inetdtw.cli import operate

        raise SystemExit(operate.main(sys.argv[1], sys.argv[2:]))
    from inetdtw.cli import main

    main.main()

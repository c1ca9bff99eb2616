# -*- test-case-name: inetdtw.cli.test.test_entry -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The entry point of C{inetd}, which handles signals before it imports the rest.

Process 1 ignores signals without a handler (pid_namespaces(7)).  Without one, a
container that is stopped during the imports would hang until it is killed.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from inetdtw.cli.names import ADVICE, COMMANDS, aboutWord, withOptions
from inetdtw.system.stdio import openStreams, reserveStdio

#: The signals that end the daemon.
ENDING = (signal.SIGTERM, signal.SIGINT)


def _end(number: int, frame: FrameType | None) -> None:
    """Exit with status 0: no service has started."""
    raise SystemExit(0)


def main() -> None:
    """
    Run C{inetd}.

    @raise SystemExit: as L{inetdtw.cli.main.main} does.
    """
    if os.getpid() == 1:
        for number in ENDING:
            signal.signal(number, _end)
        # The parent may have blocked them.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    # The reactor opens descriptors as soon as it is imported.
    reserveStdio()
    openStreams()
    sys.argv[1:] = withOptions(sys.argv[1:])
    first = sys.argv[1] if sys.argv[1:] else ""
    if first in ADVICE:
        from inetdtw.cli.output import err

        err(f"inetd: {aboutWord(first)}")
        raise SystemExit(2)
    if first in COMMANDS:
        # Commands start often, and need no module of the daemon.
        from inetdtw.cli import operate

        raise SystemExit(operate.main(sys.argv[1], sys.argv[2:]))
    from inetdtw.cli import main

    main.main()

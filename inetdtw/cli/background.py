# -*- test-case-name: inetdtw.cli.test.test_background -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Daemonize, and report to the terminal whether the daemon is ready.

The parent waits for the status of the daemon, which has no terminal by then.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from traceback import format_exception_only
from typing import Any

from twisted.application.service import IServiceCollection
from twisted.python.components import Componentized
from twisted.scripts._twistd_unix import ServerOptions, UnixApplicationRunner

from inetdtw.cli.output import err
from inetdtw.model.state import BIND_FAILED
from inetdtw.superserver import InetdService, NothingToServe
from inetdtw.system.pidfile import PidFile, PidFileError

#: Where the reasons are, if the log does not go to the terminal.
SEE_LOG = "see the system log, or run with -f -e"
#: The status if the daemon is ready, and the prefixes of one with an error and of one
#: with a warning.
_READY, _FAILED, _WARNING = b"0", b"1 ", b"2 "
#: The error if there is no status.
_EXITED = "the daemon exited before it was ready"


class Runner(UnixApplicationRunner):
    """Runs the daemon like twistd(1), but with other messages and pid file."""

    def __init__(self, config: ServerOptions, pidFile: PidFile) -> None:
        """
        Set the pid file.

        @param config: the options of twistd(1), without a pid file.
        @param pidFile: the pid file, which was claimed.
        """
        super().__init__(config)
        self._pidFile = pidFile

    def setupEnvironment(self, *given: Any) -> None:
        """
        Daemonize, unless the foreground is asked for, and write the pid file.

        @param given: the arguments of twistd(1).

        @raise PidFileError: if it cannot be written.
        """
        super().setupEnvironment(*given)
        self._pidFile.write(os.getpid())

    def removePID(self, pidfile: str) -> None:
        """
        Remove the pid file, if it was not replaced.

        @param pidfile: that of twistd(1), which is not used.
        """
        self._pidFile.remove()

    def _formatChildException(self, exception: Exception) -> bytes:
        """Return the status for an exception, which must be one write."""
        why = str(exception)
        if not isinstance(exception, (NothingToServe, PidFileError)):
            why = format_exception_only(type(exception), exception)[-1].strip()
        text = why.encode("utf-8", "surrogateescape")
        return (_FAILED + text)[: select.PIPE_BUF]

    def startApplication(self, application: Componentized) -> None:
        """Start all services, and report how many have no socket yet."""
        super().startApplication(application)
        # It has what makeService() returns.
        (whole,) = IServiceCollection(application)
        text = _unboundText(whole.getServiceNamed("inetd"))
        if text is None:
            return
        pipe = self.config.get("statusPipe", None)
        if pipe is not None:
            # The parent reads once, so this replaces the status of twistd(1).
            os.write(pipe, _WARNING + text.encode())
            os.close(pipe)
            self.config["statusPipe"] = None
            return
        options = self.config.subOptions
        if not (options.get("stderr") or options.get("stdout")):
            err(f"inetd: {text}; {SEE_LOG}", sys.__stderr__)

    def _waitForStart(self, readPipe: int) -> int:
        """
        Wait for the status of the daemon.

        @param readPipe: the file descriptor to read it from.

        @return: the exit status.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            # The daemon has the handlers.
            signal.signal(number, signal.SIG_DFL)
        status = os.read(readPipe, select.PIPE_BUF)
        if status == _READY:
            return 0
        why = status[len(_FAILED) :].decode("utf-8", "surrogateescape") or _EXITED
        # sys.stderr leads to the log by now.
        err(f"inetd: {why}; {SEE_LOG}", sys.__stderr__)
        return 0 if status.startswith(_WARNING) else 1


def _unboundText(inetd: InetdService) -> str | None:
    """Return how many services have no socket yet, or C{None}."""
    states = inetd.state().services
    unbound = sum(each.condition == BIND_FAILED for each in states)
    if not unbound:
        return None
    verb = "is" if unbound == 1 else "are"
    return (
        f"started, but {unbound} of {len(states)} services {verb} not bound yet: "
        "the daemon retries"
    )

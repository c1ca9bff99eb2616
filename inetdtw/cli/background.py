# -*- test-case-name: inetdtw.cli.test.test_background -*-
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
import signal
import sys
from collections.abc import Iterator
from traceback import format_exception_only
from typing import Any

from twisted.application.service import IService, IServiceCollection
from twisted.scripts._twistd_unix import UnixApplicationRunner

from inetdtw.cli.output import err
from inetdtw.model.state import BIND_FAILED
from inetdtw.superserver import InetdService, NothingToServe
from inetdtw.system.pidfile import PidFile, PidFileError

#: Where the reasons are that nobody sees.
ELSEWHERE = "in the system log; -f -e shows it here"
#: What the daemon says when it serves, what is in front of why it does not, and what is
#: in front of what else there is to say when it serves.
_SERVES, _FAILED, _BUT = b"0", b"1 ", b"2 "
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

        @raise PidFileError: if it cannot be written.
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
        """What the daemon says when it cannot serve, which has to be one write."""
        why = str(exception)
        if not isinstance(exception, (NothingToServe, PidFileError)):
            why = format_exception_only(type(exception), exception)[-1].strip()
        text = why.encode("utf-8", "surrogateescape")
        return (_FAILED + text)[: select.PIPE_BUF]

    def startApplication(self, application: Any) -> None:
        """
        Start all services, and tell whoever has started the daemon how many of them
        have no socket yet.
        """
        super().startApplication(application)
        text = _unboundText(_superservers(IService(application)))
        if text is None:
            return
        pipe = self.config.get("statusPipe", None)
        if pipe is not None:
            # In the place of what twistd(1) says: there is one read at the other end.
            os.write(pipe, _BUT + text.encode())
            os.close(pipe)
            self.config["statusPipe"] = None
            return
        options = self.config.subOptions
        if not (options.get("stderr") or options.get("stdout")):
            err(f"inetd: {text}; the reasons are {ELSEWHERE}", sys.__stderr__)

    def _waitForStart(self, readPipe: int) -> int:
        """
        Wait until the daemon serves, or cannot.

        @param readPipe: a descriptor where it says so.

        @return: the exit status.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            # It is the other process that ends in order.
            signal.signal(number, signal.SIG_DFL)
        said = os.read(readPipe, select.PIPE_BUF)
        if said == _SERVES:
            return 0
        why = said[len(_FAILED) :].decode("utf-8", "surrogateescape") or _GONE
        # The other one leads to the log by now.
        err(f"inetd: {why}; the reasons are {ELSEWHERE}", sys.__stderr__)
        return 0 if said.startswith(_BUT) else 1


def _superservers(service: Any) -> Iterator[InetdService]:
    """All superservers of an application."""
    if isinstance(service, InetdService):
        yield service
    elif IServiceCollection.providedBy(service):
        for each in service:
            yield from _superservers(each)


def _unboundText(superservers: Iterator[InetdService]) -> str | None:
    """How many services have no socket yet; C{None} if all have theirs."""
    states = [each for inetd in superservers for each in inetd.state().services]
    unbound = sum(each.condition == BIND_FAILED for each in states)
    if not unbound:
        return None
    verb = "is" if unbound == 1 else "are"
    return (
        f"started, but {unbound} of {len(states)} services {verb} not bound yet: "
        "the daemon retries"
    )

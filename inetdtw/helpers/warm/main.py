# -*- test-case-name: inetdtw.helpers.warm.test.test_main -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The entry points of a warm process, which L{inetdtw.helpers.warm.BOOT} calls."""

from __future__ import annotations

import _socket
import posix
import sys

from inetdtw.helpers.reports import Reports
from inetdtw.helpers.warm.coldstart import ColdStart, WorkingDirectory
from inetdtw.helpers.warm.exceptions import printException, statusOf
from inetdtw.helpers.warm.library import BEFORE, VERSION
from inetdtw.helpers.warm.process import (
    endWithDaemon,
    quietly,
    takeChannel,
    unset,
)
from inetdtw.helpers.warm.program import FORMS, Script
from inetdtw.helpers.warm.protocol import PARAMETERS, native, refuse, version
from inetdtw.helpers.warm.rehearsal import rehearse
from inetdtw.helpers.warm.server import Server
from inetdtw.helpers.warm.template import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The function that a child calls, and its arguments.
call: Any = None
given: tuple[Any, ...] = ()
#: The exception that it raised.
error: BaseException | None = None
#: The server of this process.  A child keeps it, with sockets whose descriptors it has
#: closed: to destroy them would close other ones, and takes time.
server: Server | None = None
#: The template that this process was forked from, if it is a child.
template: Template | None = None


def prepare(parameters: dict[str, Any]) -> None:
    """
    Prepare to serve as a warm process.

    @param parameters: what the process has to know, by the names in L{PARAMETERS}.
    """
    global server, template
    for name in set(sys.modules) - BEFORE:
        del sys.modules[name]
    channel = _socket.socket(fileno=takeChannel())
    for unknown in sorted(PARAMETERS.symmetric_difference(parameters)):
        refuse(f"unknown or missing parameter '{unknown}'")
    for name in parameters["own"]:
        unset(name)
    orig = list(map(native, parameters["origArgv"]))
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = orig
    directory = WorkingDirectory(native(parameters["directory"]))
    program = FORMS[parameters["form"]](orig[parameters["index"] :])
    sys.argv = list(program.argv)
    cold = ColdStart(directory, parameters["paths"], parameters["argv"])
    reports: Reports = Reports(channel)
    template = Template(program, cold, parameters["preload"], reports)
    endWithDaemon(channel.fileno(), True)
    template.load()
    endWithDaemon(channel.fileno(), False)
    ready = Server(channel, reports, template)
    template.share()
    rehearse(ready.child, template, leave)
    server = ready
    server.greet(version(globals()["text"]))


def leave() -> None:
    """
    Exit as the interpreter exits after a script.

    It returns, or raises SystemExit, only if the interpreter itself has to do the rest.
    """
    global error
    raised, error = error, None
    child = template
    if child is None or not child.entered:
        if raised is not None:
            sys.__excepthook__(type(raised), raised, raised.__traceback__)
        posix._exit(1)
    if raised is not None and raised.__traceback__ is not None:
        # The frame of BOOT.
        raised.__traceback__ = raised.__traceback__.tb_next
    if isinstance(child.program, Script):
        for name in ("stderr", "stdout"):
            quietly(getattr(sys, name, None), "flush")
    status, interrupted, finished = 0, False, True
    if isinstance(raised, SystemExit):
        status, finished = statusOf(raised), False
    elif raised is not None:
        interrupted = isinstance(raised, KeyboardInterrupt) and VERSION >= (3, 8)
        exited = printException(raised)
        status, finished = (1, True) if exited is None else (exited, False)
    if finished:
        child.program.left()
    raised = None
    try:
        child.shutdown.exit(status, interrupted)
    finally:
        if server is not None:
            server.child.forget()

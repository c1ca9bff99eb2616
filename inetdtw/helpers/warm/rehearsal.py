# -*- test-case-name: inetdtw.helpers.warm.test.test_rehearsal -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Run in advance what a child runs besides its program.

The interpreter specializes code that runs often, and caches which attributes types
have.  What it knows before fork(2) is shared by all children; each would find it out
again, and copy the memory that it is written to.

@see: PEP 659
"""

from __future__ import annotations

import gc
import posix
import sys

from inetdtw.helpers.connection import connectionEnvironment, encoded
from inetdtw.helpers.warm.child import ForkedChild
from inetdtw.helpers.warm.template import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

#: CPython 3.11 specializes code that has run eight times; others need fewer.
TIMES = 12
_ADDRESS = ("127.0.0.1", 0)


class ExitRehearsed(BaseException):
    """A child would exit here."""


def rehearseExit(status: int) -> None:
    """
    Do not exit.

    @raise ExitRehearsed: always.
    """
    raise ExitRehearsed


def rehearse(child: ForkedChild, template: Template, leave: Callable[[], None]) -> None:
    """
    Behave like a child, several times, and change nothing in this process.

    @param child: a child that is not prepared, so that it has no calls to make.
    @param template: the template, which is shared already.
    @param leave: what ends a child of it.
    """
    if (sys.stdout, sys.stderr) != (sys.__stdout__, sys.__stderr__):
        # The streams of a program, which has been preloaded, can do anything.
        return
    path, shutdown, program = sys.path, template.shutdown, template.program
    warnings, program.warnings = program.warnings, ""
    template.shutdown = shutdown.rehearsed(rehearseExit)
    template.freeze()
    for _ in range(TIMES):
        for _ in encoded(connectionEnvironment(_ADDRESS, _ADDRESS)):
            pass  # it is made when it is looked at
        child.take(list(map(posix.dup, range(3))))
        template.enter((), False)
        if not program.needs:
            # It imports nothing: here, that would be the program's own modules.
            program.enter()
        sys.path = path
        try:
            leave()
        except ExitRehearsed:
            pass  # so it ends each time
    gc.disable()
    template.shutdown, template.entered = shutdown, False
    program.warnings = warnings
    template.freeze()

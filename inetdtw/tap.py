# -*- test-case-name: inetdtw.test.test_tap -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The options and the service of C{twistd inetd}, as Twisted's plugin names them."""

from __future__ import annotations

import sys
from types import TracebackType

from twisted.application.service import IService

from inetdtw.cli import service
from inetdtw.cli.options import ServiceOptions as Options
from inetdtw.cli.output import err
from inetdtw.superserver import NothingToServe

__all__ = ["Options", "makeService"]


def makeService(options: Options) -> IService:
    """
    Return the service that C{twistd inetd} runs.

    @raise SystemExit: if no service is configured.
    """
    # An exception of a service ends twistd(1) with a traceback.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _excepthook
    return service.makeService(options)


def _excepthook(
    kind: type[BaseException], why: BaseException, trace: TracebackType | None
) -> None:
    """Print an error that is not a bug without a traceback."""
    if isinstance(why, NothingToServe):
        # sys.stderr leads to the log by now.
        err(f"inetd: {why}", sys.__stderr__)
    else:
        sys.__excepthook__(kind, why, trace)

# -*- test-case-name: inetdtw.serve.test.test_port -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Internal errors: log an exception and carry on with the other clients."""

from __future__ import annotations

import os
from typing import Callable

from inetdtw.log import events
from inetdtw.log.report import logFailure, write


def survived(service: str, call: Callable[..., object], *arguments: object) -> bool:
    """
    Call C{call}; log any exception, which is a bug here.

    @param service: the service's name.

    @return: whether it raised no exception.
    """
    try:
        call(*arguments)
    except Exception:
        logFailure(service)
        return False
    return True


def logSocketError(name: str, number: int = 0) -> None:
    """
    Log that the reactor does not read a socket any more.

    @param name: the service, or what else the socket is for.
    @param number: the error number, if it is known.
    """
    reason = os.strerror(number) if number else "an error, or EOF"
    write(events.SOCKET_ERROR, name, reason=reason)


def reasonOf(why: Exception) -> str:
    """Return an exception in one line."""
    if isinstance(why, OSError):
        return why.strerror or str(why)
    return f"{type(why).__name__}: {why}"

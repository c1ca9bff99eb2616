# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Log errors in this program, and what the reactor drops; then carry on."""

from __future__ import annotations

import os
from typing import Any, Callable

from inetdtw.log.clientlines import Lines

_log = Lines(namespace="inetdtw")


def survived(service: str, call: Callable[..., object], *arguments: Any) -> bool:
    """
    Do something for one client.  Whatever is wrong with that, which can only be a
    mistake in this program, is logged, and the others are served.

    @param service: the service's name.

    @return: whether it was done.
    """
    try:
        call(*arguments)
    except Exception:
        broken(service)
        return False
    return True


def sayDropped(name: str, number: int = 0) -> None:
    """
    Say in the log that the reactor has ceased to read something that must be read.

    @param name: the service, or what else it is.
    @param number: the error that was the reason, if that is known.
    """
    reason = os.strerror(number) if number else "an error, or the end of it"
    text = "dropped {name} peer=- reason={reason}"
    _log.warn(text, name=name, reason=reason)


def broken(service: str) -> None:
    """
    Log the exception that is being handled, with its traceback.

    @param service: the name of the service that it is about.
    """
    _log.failure("broken {service} peer=-", service=service)


def reasonOf(why: Exception) -> str:
    """Return an exception in one line."""
    if isinstance(why, OSError):
        return why.strerror or str(why)
    return f"{type(why).__name__}: {why}"

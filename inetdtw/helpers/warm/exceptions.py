# -*- test-case-name: inetdtw.helpers.warm.test.test_exceptions -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Print exceptions, and find exit statuses, as the interpreter does at its end."""

from __future__ import annotations

import sys

from inetdtw.helpers.warm.library import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def statusOf(raised: Any) -> int:
    """Return the exit status of a SystemExit; print a code that is not a number."""
    code = raised.code
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 0xFF
    for text in (code, "\n"):
        try:
            sys.stderr.write(str(text))
        except BaseException:
            pass  # it cannot be reported
    return 1


def printException(raised: Any) -> int | None:
    """
    Call C{sys.excepthook}.

    @return: the exit status, if the hook raised SystemExit.
    """
    kind, trace = type(raised), raised.__traceback__
    sys.last_type, sys.last_value, sys.last_traceback = kind, raised, trace
    if VERSION >= (3, 12):
        setattr(sys, "last_exc", raised)  # noqa: B010 - unknown to earlier versions
    hook: Any = getattr(sys, "excepthook", sys)
    if hook is sys:
        sys.stderr.write("sys.excepthook is missing\n")
        sys.__excepthook__(kind, raised, trace)
        return None
    try:
        hook(kind, raised, trace)
    except SystemExit as why:
        return statusOf(why)
    except BaseException as why:
        within = why.__traceback__
        why.__traceback__ = None if within is None else within.tb_next
        try:
            sys.stderr.write("Error in sys.excepthook:\n")
            sys.__excepthook__(type(why), why, why.__traceback__)
            sys.stderr.write("\nOriginal exception was:\n")
            sys.__excepthook__(kind, raised, trace)
        except BaseException:
            pass  # it cannot be reported
    return None


def printUnraisable(why: BaseException, thing: Any, when: str) -> None:
    """
    Call C{sys.unraisablehook} with an exception that cannot propagate.

    @param thing: the object that raised it.
    @param when: what 3.13 and newer print instead of the object.
    """
    trace = why.__traceback__
    why.__traceback__ = trace = None if trace is None else trace.tb_next
    hook: Any = getattr(sys, "unraisablehook", None)
    try:
        if hook is not None and hook is not getattr(sys, "__unraisablehook__", None):
            args = type(sys)("unraisable")
            args.__dict__.update(exc_type=type(why), exc_value=why, exc_traceback=trace)
            args.__dict__.update(err_msg=None, object=thing)
            hook(args)
        else:
            about = when if VERSION >= (3, 13) else f"in: {thing!r}"
            end = ":" if VERSION >= (3, 13) else ""
            sys.stderr.write(f"Exception ignored {about}{end}\n")
            sys.__excepthook__(type(why), why, trace)
    except BaseException:
        pass  # it cannot be reported

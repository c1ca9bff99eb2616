# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The command that starts a warm interpreter."""

from __future__ import annotations

from inetdtw import warmtext
from inetdtw.interfaces import LaunchRequest
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import WarmSpec
from inetdtw.text import toBytes

#: The most bytes of a program's arguments that ps(1) shows of its interpreter.
_SHOWN = 1 << 14


def warmCommand(
    kept: WarmSpec,
    order: LaunchRequest,
    preload: str,
    context: ProcessContext | None = None,
) -> tuple[str, list[str], dict[str, object]]:
    """
    How to start the interpreter that is kept.

    @param order: a cold start of the program.
    @param preload: what to import before there is a client.
    @param context: what that takes on, if it is known.

    @return: what to execute, its arguments, and the orders of the process: see
        L{inetdtw._warmhelper.ORDERS}.
    """
    script = (order.executable,) if kept.starter else ()
    own = kept.prefix[kept.hidden :]
    words = [*script, *kept.words]
    orders = {
        "form": kept.form,
        "at": len(own),
        "asked": preload,
        "paths": list(map(toBytes, order.paths)),
        "cold": list(map(toBytes, order.argv)),
        # What the interpreter would be given by a cold start.
        "plain": list(map(toBytes, [*own, *words])),
        "directory": b"" if context is None else toBytes(context.directory),
    }
    place = warmtext.place(None if context is None else context.chroot)
    # Only people read them.
    shown = words if len(toBytes("".join(words))) < _SHOWN else []
    return kept.starter or order.executable, [*kept.prefix, place, *shown], orders

# -*- test-case-name: inetdtw.cli.test.test_screen -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Showing something that changes: in place on a terminal, which is afterwards as it was,
and one after the other anywhere else.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Callable, Optional

from inetdtw.cli.output import write

#: To another screen, without a cursor, and back.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
#: To the first line; the rest of a line is cleared, and what is below.
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


class _Ended(BaseException):
    """Somebody wants it to end."""


def watch(
    draw: Callable[[int | None], Sequence[str]],
    interval: float,
    stream: Any,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """
    Draw again and again, until Ctrl-C, or a signal to end.

    @param draw: gives the lines, of at most so many characters.
    @param interval: the seconds between.
    @param stream: where to; a terminal, or not.
    """
    shown = _onTerminal if stream.isatty() else _below
    try:
        with _ending(), shown(stream) as show:
            while True:
                show(draw)
                sleep(interval)
    except (KeyboardInterrupt, _Ended):
        pass  # This is how watching ends.


@contextmanager
def _ending() -> Iterator[None]:
    """Have the signals to end do so where the terminal can be restored."""

    def end(number: int, frame: Any) -> None:
        raise _Ended()

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_Draw = Callable[[Optional[int]], Sequence[str]]
_Show = Callable[[_Draw], None]


@contextmanager
def _onTerminal(stream: Any) -> Iterator[_Show]:
    """Draw in place."""

    def show(draw: _Draw) -> None:
        width, height = shutil.get_terminal_size()
        lines = fitting(draw(width), height)
        text = f"{_CLEAR_LINE}\r\n".join(lines)
        write(f"{_HOME}{text}{_CLEAR_LINE}{_CLEAR_BELOW}", stream)

    write(_ENTER, stream)
    try:
        yield show
    finally:
        write(_LEAVE, stream)


def fitting(lines: Sequence[str], height: int) -> list[str]:
    """As many lines as a terminal has; the last one says how many there are more."""
    if len(lines) <= height:
        return list(lines)
    return [*lines[: height - 1], f"... {len(lines) - height + 1} more lines"]


@contextmanager
def _below(stream: Any) -> Iterator[_Show]:
    """Draw one below the other, with a blank line between."""
    first = True

    def show(draw: _Draw) -> None:
        nonlocal first
        before = "" if first else os.linesep
        first = False
        write(before + "".join(line + os.linesep for line in draw(None)), stream)

    yield show

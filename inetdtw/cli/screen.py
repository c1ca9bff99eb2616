# -*- test-case-name: inetdtw.cli.test.test_screen -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Draw repeatedly: in place on a terminal, and one below the other elsewhere."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Callable, Optional, TextIO

from inetdtw.cli.output import write

#: Enter and leave the alternate screen, without a cursor.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
#: Go to the first line; clear the rest of a line; clear the lines below.
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


_Draw = Callable[[Optional[int]], Sequence[str]]


class _Ended(BaseException):
    """SIGTERM or SIGHUP was received."""


def watch(
    draw: _Draw,
    interval: float,
    stream: TextIO,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """
    Draw repeatedly, until SIGINT, SIGTERM or SIGHUP.

    @param draw: returns the lines for a width in characters, or C{None} for any.
    @param interval: in seconds.
    @param stream: a terminal, or not.
    """
    terminal = stream.isatty()
    enter, leave, between = (_ENTER, _LEAVE, "") if terminal else ("", "", os.linesep)
    try:
        with _ending():
            try:
                write(enter, stream)
                while True:
                    write(_screen(draw) if terminal else _page(draw), stream)
                    sleep(interval)
                    write(between, stream)
            finally:
                write(leave, stream)
    except (KeyboardInterrupt, _Ended):
        pass  # This is how watching ends.


@contextmanager
def _ending() -> Iterator[None]:
    """Raise L{_Ended} for signals, so that the terminal is restored."""

    def end(number: int, frame: FrameType | None) -> None:
        raise _Ended()

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _screen(draw: _Draw) -> str:
    """Return what replaces the lines on a terminal."""
    width, height = shutil.get_terminal_size()
    lines = [cut(line, width) for line in fitting(draw(width), height)]
    text = f"{_CLEAR_LINE}\r\n".join(lines)
    return f"{_HOME}{text}{_CLEAR_LINE}{_CLEAR_BELOW}"


def _page(draw: _Draw) -> str:
    return "".join(line + os.linesep for line in draw(None))


def fitting(lines: Sequence[str], height: int) -> list[str]:
    """Return the first lines; the last one says how many do not fit."""
    if len(lines) <= height:
        return list(lines)
    return [*lines[: height - 1], f"... {len(lines) - height + 1} more lines"]


def cut(text: str, width: int) -> str:
    """Return a text of at most C{width} characters; a plus sign marks a cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "+"

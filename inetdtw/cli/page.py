# -*- test-case-name: inetdtw.cli.test.test_page -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Lines for a terminal: their colours, their width, and when they are wrapped."""

from __future__ import annotations

import os
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TextIO

from inetdtw.text import printable

RED, YELLOW = "\x1b[31m", "\x1b[33m"
_PLAIN = "\x1b[m"


class Line(NamedTuple):
    """
    A line.

    @ivar text: the printable text.
    @ivar colour: L{RED}, L{YELLOW} or none.
    """

    text: str
    colour: str = ""


@dataclass(frozen=True)
class Page:
    """
    A text of several lines.

    @ivar head: the lines that stay where they are when the others are scrolled.
    @ivar body: the other lines.
    """

    head: tuple[Line, ...] = ()
    body: tuple[Line, ...] = ()

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines."""
        return self.head + self.body


def wrapped(text: str, width: int | None, colour: str = "") -> Iterator[Line]:
    """
    Yield a text as lines; all but the first are indented.

    @param width: the width of the terminal, or C{None} for one line.
    """
    text = printable(text)
    if width is None or not text:
        yield Line(text, colour)
        return
    for each in textwrap.wrap(
        *(text, max(width, 20)), subsequent_indent="    ", break_on_hyphens=False
    ):
        yield Line(each, colour)


def drawn(line: Line, colours: bool, width: int | None = None) -> str:
    """
    Return a line for a terminal, cut to its width.

    @param colours: whether to use colours.
    """
    text = line.text if width is None else cut(line.text, width)
    return f"{line.colour}{text}{_PLAIN}" if colours and line.colour else text


def cut(text: str, width: int) -> str:
    """Return a text of at most C{width} characters; a plus sign marks a cut."""
    return text if len(text) <= width else text[: max(0, width - 1)] + "+"


def hasColours(stream: TextIO) -> bool:
    """Return whether a stream is a terminal with colours that the user wants."""
    terminal = os.environ.get("TERM", "dumb")
    return stream.isatty() and terminal != "dumb" and not os.environ.get("NO_COLOR")


def clock(when: float, now: float) -> str:
    """Return a local time, with the date if that is not within a day."""
    near = abs(now - when) < 86400
    return time.strftime("%H:%M:%S" if near else "%m-%d %H:%M", time.localtime(when))

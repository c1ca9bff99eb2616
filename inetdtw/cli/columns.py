# -*- test-case-name: inetdtw.cli.test.test_columns -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Align rows in columns, within the width of a terminal.

Where rows would be wider, first cells are shortened, the widest column first, and then
columns are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from inetdtw.text import printable


def keepEnd(text: str, size: int) -> str:
    """Return the end of a text, where the port is; a plus sign marks what is cut."""
    return text if len(text) <= size else f"+{text[1 - size :]}"


def keepStart(text: str, size: int) -> str:
    """Return the start of a text; a plus sign marks what is cut."""
    return text if len(text) <= size else f"{text[: size - 1]}+"


def keepProtocol(text: str, size: int) -> str:
    """Return the start of a service's name and its protocol, if that is short."""
    called, slash, protocol = text.rpartition("/")
    tail = slash + protocol
    if not called or size - len(tail) < 2:
        return keepStart(text, size)
    return keepStart(called, size - len(tail)) + tail


@dataclass(frozen=True)
class Column:
    """
    A column.

    @ivar name: its heading.
    @ivar right: whether its cells are numbers, which are aligned right.
    @ivar shorten: shortens a cell to a size; C{None} if that is not done.
    @ivar least: the smallest size to which cells are shortened.
    @ivar optional: the column with the highest value is left out first; 0 never is.
    """

    name: str
    right: bool = False
    shorten: Callable[[str, int], str] | None = None
    least: int = 0
    optional: int = 0

    def smallest(self, size: int) -> int:
        """
        Return the size to which its cells may be shortened.

        @param size: the size of its widest cell.
        """
        if self.shorten is None:
            return size
        return min(size, max(self.least, len(self.name)))

    def cell(self, text: str, size: int) -> str:
        """Return a cell of a size."""
        if self.right:
            return text.rjust(size)
        return (text if self.shorten is None else self.shorten(text, size)).ljust(size)


def aligned(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None
) -> list[str]:
    """
    Return the headings and the rows as lines.

    @param width: in characters; C{None} for any.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    sizes = [
        max(len(column.name), *(len(row[at]) for row in cells), 0)
        for at, column in enumerate(columns)
    ]
    kept = list(range(len(columns)))
    if width is not None:
        kept = _kept(columns, sizes, width)
        _shrink(columns, sizes, kept, width)
    every = [[column.name for column in columns], *cells]
    return [
        " ".join(columns[at].cell(row[at], sizes[at]) for at in kept).rstrip()
        for row in every
    ]


def _kept(columns: Sequence[Column], sizes: Sequence[int], width: int) -> list[int]:
    """Return the numbers of the columns for which there is room."""
    kept = list(range(len(columns)))
    while _excess([columns[at].smallest(sizes[at]) for at in kept], width) > 0:
        last = max(kept, key=lambda at: columns[at].optional)
        if not columns[last].optional:
            break
        kept.remove(last)
    return kept


def _excess(sizes: Sequence[int], width: int) -> int:
    """Return by how many characters rows are too wide."""
    return sum(sizes) + len(sizes) - 1 - width


def _shrink(
    columns: Sequence[Column], sizes: list[int], kept: Sequence[int], width: int
) -> None:
    """Shorten the widest column by one character, until rows fit."""
    while _excess([sizes[at] for at in kept], width) > 0:
        able = [at for at in kept if sizes[at] > columns[at].smallest(sizes[at])]
        if not able:
            return
        sizes[max(able, key=sizes.__getitem__)] -= 1

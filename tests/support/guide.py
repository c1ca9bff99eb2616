# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Read the blocks of a page of the guide: what readers type, and what they see.

C{docs/README.rst} describes how a page is written so that this module can read it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

#: What a block can be.
LANGUAGES = ("console", "inetd", "text", "python", "sh", "c", "ini", "yaml", "docker")
#: Marks of a block, in a comment before it.
MARKS = ("not-run", "wrong", "fails", "eventually")
#: Marks of a page, in a comment.
PAGE_MARKS = ("as-root", "ports")

_DIRECTIVE = re.compile(r"( *)\.\. (code-block|literalinclude):: *(.*)")
_OPTION = re.compile(r" +:([a-z-]+): *(.*)")
_MARK = re.compile(r" *\.\. ([a-z-]+)(?:: (.+))?$")
#: Ways to have a block that would not be found.
_HIDDEN = re.compile(r"::$|^ *\.\. (parsed-literal|code|sourcecode|highlight)::")
_PORT = re.compile(r"^(?:[\w.*,\[\]:-]+:)?(\d{2,5})\s", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """
    One block of a page.

    @ivar place: the page and the line, for messages.
    @ivar language: one of L{LANGUAGES}.
    @ivar name: the name of the file that it is, or an empty string.
    @ivar text: its contents.
    @ivar marks: the values of its marks, by the names in L{MARKS}.
    """

    place: str
    language: str
    name: str
    text: str
    marks: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """
    A page of the guide.

    @ivar path: its path.
    @ivar blocks: all of its blocks, in order.
    @ivar marks: the values of its marks, by the names in L{PAGE_MARKS}.
    """

    path: str
    blocks: tuple[Block, ...]
    marks: dict[str, str]

    def ports(self) -> list[int]:
        """Return the ports that services listen on and those declared by the page."""
        found = {int(each) for each in self.marks.get("ports", "").split()}
        for block in self.blocks:
            if block.language == "inetd":
                found.update(map(int, _PORT.findall(block.text)))
        return sorted(found)

    def hasCommand(self, name: str) -> bool:
        """Return whether a command is run."""
        return any(
            re.search(rf"^\$ {name}\b", block.text, re.MULTILINE)
            for block in self.blocks
            if block.language == "console" and "not-run" not in block.marks
        )


def read(path: str, whole: bool = True) -> Page:
    """
    Read a page.

    @param whole: whether it may have no block of a kind that is not found.

    @raise ValueError: if it has a block that nothing could be done with.
    """
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    marks = {}
    for line in lines:
        match = _MARK.match(line)
        if match is not None and match[1] in PAGE_MARKS:
            marks[match[1]] = match[2] or ""
    return Page(path, tuple(_blocks(path, lines, whole)), marks)


def _blocks(path: str, lines: list[str], whole: bool) -> Iterator[Block]:
    """Return the blocks among the lines of a page."""
    marks: dict[str, str] = {}
    number = 0
    while number < len(lines):
        line, place = lines[number], f"{path}:{number + 1}"
        match, mark = _DIRECTIVE.match(line), _MARK.match(line)
        number += 1
        if match is not None:
            number, block = _block(path, place, lines, number, match, marks)
            marks = {}
            yield block
        elif mark is not None and mark[1] in MARKS:
            marks[mark[1]] = mark[2] or ""
        elif whole and _HIDDEN.search(line) and not line.startswith(".. "):
            raise ValueError(
                f"{place}: a block that is not tested; see docs/README.rst"
            )
        elif line.strip() and marks:
            raise ValueError(f"{place}: {', '.join(marks)} stands before no block")


def _block(
    path: str,
    place: str,
    lines: list[str],
    number: int,
    match: re.Match[str],
    marks: dict[str, str],
) -> tuple[int, Block]:
    """Return one block, and the number of the first line behind it."""
    options: dict[str, str] = {}
    while number < len(lines) and (option := _OPTION.match(lines[number])):
        options[option[1]] = option[2]
        number += 1
    body = []
    deep = len(match[1]) + 1
    while number < len(lines):
        line = lines[number]
        if line.strip() and not line.startswith(" " * deep):
            break
        body.append(line)
        number += 1
    text, language = _dedented(body), match[3].strip()
    if match[2] == "literalinclude":
        text, language = _included(path, match[3].strip()), options.get("language", "")
    if language not in LANGUAGES:
        raise ValueError(f"{place}: '{language}' is none of {', '.join(LANGUAGES)}")
    return number, Block(place, language, options.get("caption", ""), text, marks)


def _dedented(body: list[str]) -> str:
    """Return the contents of an indented block."""
    deep = min((len(ln) - len(ln.lstrip()) for ln in body if ln.strip()), default=0)
    return "\n".join(line[deep:] for line in body).strip("\n") + "\n"


def _included(path: str, name: str) -> str:
    """Return the contents of a file that a page includes."""
    with open(os.path.join(os.path.dirname(path), name), encoding="utf-8") as file:
        return file.read()

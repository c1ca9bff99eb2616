# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Draw a terminal's picture, with the colours of C{inetd status}."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

#: The size of a character and the border, in pixels.
ACROSS, DOWN, BORDER = 8.4, 19, 18
STYLE = (
    "text{font:14px monospace;fill:#d8dee9;white-space:pre}"
    ".c31{fill:#ff7b72}.c33{fill:#e3b341}"
)


def write(path: str, command: str, screen: str) -> None:
    """
    Write an SVG picture of a screen below its command.

    @param screen: the lines, with escape sequences for colours only.
    """
    lines = [command, *screen.rstrip("\n").split("\n")]
    plain = [re.sub("\x1b\\[[0-9]*m", "", line) for line in lines]
    width = 2 * BORDER + ACROSS * max(map(len, plain))
    height = 2 * BORDER + DOWN * len(lines)
    body = "\n".join(_texts(lines, plain))
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
            f'height="{height}" viewBox="0 0 {width:.0f} {height}">\n'
            f"<style>{STYLE}</style>\n"
            f'<rect width="100%" height="100%" rx="8" fill="#20252d"/>\n'
            f"{body}\n</svg>\n"
        )


def _texts(lines: list[str], plain: list[str]) -> Iterator[str]:
    """Yield the element of each line that is not empty."""
    for number, (line, text) in enumerate(zip(lines, plain), 1):
        found = re.search("\x1b\\[([0-9]+)m", line)
        colour = f' class="c{found[1]}"' if found else ""
        if text:
            yield (
                f'<text x="{BORDER}" y="{BORDER + DOWN * number - 5}" '
                f'xml:space="preserve"{colour} '
                f'textLength="{ACROSS * len(text):.1f}">{escape(text)}</text>'
            )

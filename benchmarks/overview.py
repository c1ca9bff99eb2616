# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The plot of C{README.rst}: rates as ratios to the fastest peer, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from benchmarks.figures import middle
from benchmarks.tables import spread

#: The goals that the plot has, in its order, and what it calls them.
ROWS = {
    "warm-imports": "Python script with many imports, warm",
    "warm-lower": "lower.py, warm",
    "warm-udp": "udpclient2.py (dgram wait), warm",
    "warm-bulk": "64 MiB through a Python script, warm",
    "internal-echo": "internal echo",
    "cat-own-user": "/bin/cat",
    "cat-other-user": "/bin/cat as another user",
    "cat-direct": "/bin/cat, launch = direct",
    "dgram-wait": "C program (dgram wait)",
}

TITLE = "Throughput of inetdtw: multiples of the fastest other superserver"

#: The ratios at the left and the right end of the logarithmic axis.
LEAST, MOST = 0.5, 32.0

WIDTH, LABEL, AXIS, ROW, TOP = 820, 330, 340, 24, 66

BETTER, EQUAL = "#2f6fab", "#9aa5b1"

STYLE = (
    "text{font:13px sans-serif;fill:#222}.title{font-weight:bold;font-size:15px}"
    ".note{font-size:11px;fill:#555}.label{text-anchor:end}.tick{text-anchor:middle;"
    "font-size:11px;fill:#555}"
)


def draw(results: Mapping[str, Any]) -> str:
    """
    Draw the ratios of a run.

    @param results: what L{benchmarks.report.Report} writes to C{results.json}.

    @return: the text of an SVG file.
    @raise ValueError: if none of the plot's goals was measured.
    """
    found = {goal["name"]: goal["values"] for goal in results["goals"]}
    rows = [(label, found[name]) for name, label in ROWS.items() if found.get(name)]
    if not rows:
        raise ValueError(f"no ratio was measured of {', '.join(ROWS)}")
    bottom = TOP + ROW * len(rows)
    parts = [_text(12, 22, TITLE, "title"), *_ticks(bottom)]
    for number, (label, values) in enumerate(rows):
        parts += _row(TOP + ROW * number, label, values)
    for number, line in enumerate(_about(results), 1):
        parts.append(_text(12, bottom + 10 + 16 * number, line, "note"))
    height, body = bottom + 56, "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}">\n<style>{STYLE}</style>\n'
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


def _x(ratio: float) -> float:
    """Return the position of a ratio on the axis, in pixels."""
    part = math.log(min(max(ratio, LEAST), MOST) / LEAST, MOST / LEAST)
    return LABEL + part * AXIS


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{style}">{escape(text)}</text>'


def _line(x: float, y: float, toX: float, toY: float, color: str) -> str:
    return f'<path d="M{x:.1f} {y}L{toX:.1f} {toY}" stroke="{color}"/>'


def _ticks(bottom: int) -> list[str]:
    """Draw the axis: a line for each power of two, a dark one where both are equal."""
    parts = []
    ratio = LEAST
    while ratio <= MOST:
        x = _x(ratio)
        parts.append(_text(x, TOP - 10, f"{ratio:g}", "tick"))
        parts.append(_line(x, TOP - 4, x, bottom, "#222" if ratio == 1 else "#ddd"))
        ratio *= 2
    return parts


def _row(y: int, label: str, values: Sequence[float]) -> list[str]:
    """Draw a bar from 1 to the median, and a line over the range of the rounds."""
    ratio = middle(values) or 1.0
    left, right = sorted((_x(1.0), _x(ratio)))
    middleY = y + ROW // 2
    return [
        _text(LABEL - 10, middleY + 4, label, "label"),
        f'<rect x="{left:.1f}" y="{y + 5}" width="{max(right - left, 2):.1f}" '
        f'height="{ROW - 10}" fill="{BETTER if ratio >= 1 else EQUAL}"/>',
        _line(_x(min(values)), middleY, _x(max(values)), middleY, "#222"),
        _text(LABEL + AXIS + 14, middleY + 4, spread(values)),
    ]


def _about(results: Mapping[str, Any]) -> list[str]:
    """Return the machine and the date of a run."""
    about, peers = results["machine"], _peers(results)
    kernel = about["kernel"].partition("-")[0]
    rounds = max(len(goal["values"]) for goal in results["goals"])
    return [
        f"Median and range of {rounds} rounds.  Peers: {', '.join(peers)}.",
        f"{about['processor']}, {about['cores']} cores, Linux {kernel}, "
        f"Python {about['python']}; {results['time'][:10]}.",
    ]


def _peers(results: Mapping[str, Any]) -> list[str]:
    """Return the names of the peers that were measured."""
    names: dict[str, None] = {}
    for scenario in results["scenarios"]:
        for name, samples in scenario["samples"].items():
            if any(samples) and not name.startswith("inetdtw") and "," not in name:
                names[name] = None
    return list(names)

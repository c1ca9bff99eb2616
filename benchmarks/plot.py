# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Outcomes as a plot, written as SVG without any library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from benchmarks.figures import Goal, middle
from benchmarks.ours import OURS
from benchmarks.rounds import Outcome
from benchmarks.tables import bound, number, spread, verdict

WIDTH, LEFT, LABEL, BAR, ROW = 1000, 12, 260, 460, 20

#: How many times its target a number is at the right end of the axis; at the left end
#: it is the inverse of that, and in the middle the target is just reached.
AXIS = 4.0

PEER, MINE, GOOD, BAD = "#9aa5b1", "#2f6fab", "#3a8f4d", "#c0504d"

STYLE = "text{font:12px sans-serif;fill:#222}.title{font:bold 14px sans-serif}"


class Plot:
    """A plot of rows, each with a label, a bar with dots, and a value."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._y = 0

    def title(self, text: str) -> None:
        """Add a heading."""
        self._y += 2 * ROW
        self._text(LEFT, text, "title")

    def row(
        self,
        label: str,
        value: str,
        bar: tuple[float, float],
        color: str,
        dots: Sequence[float],
    ) -> None:
        """
        Add a row.

        @param bar: where the bar begins and ends, in parts of the axis.
        @param dots: where the dots are.
        """
        self._y += ROW
        self._text(LEFT, label)
        self._text(LABEL + BAR + LEFT, value)
        x, width = LABEL + min(bar) * BAR, max(abs(bar[1] - bar[0]) * BAR, 1)
        self._parts.append(
            f'<rect x="{x:.1f}" y="{self._y - 11}" width="{width:.1f}" '
            f'height="14" fill="{color}"/>'
        )
        self._parts += [
            f'<circle cx="{LABEL + x * BAR:.1f}" cy="{self._y - 4}" r="2.2"/>'
            for x in dots
        ]

    def _text(self, x: int, text: str, style: str = "") -> None:
        """Add a text to the row."""
        self._parts.append(
            f'<text x="{x}" y="{self._y}" class="{style}">{escape(text)}</text>'
        )

    def svg(self) -> str:
        """Return the SVG."""
        height, body = self._y + ROW, "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{height}">\n<style>{STYLE}</style>\n'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
        )


def place(value: float, target: float, atMost: bool = False) -> float:
    """
    Return the position of a number on a logarithmic axis, from 0 to 1.

    Its target is in the middle; to the right of that, the target is reached.
    """
    times = target / value if atMost else value / target
    exponent = math.log(max(times, 1e-9), AXIS)
    return (min(max(exponent, -1.0), 1.0) + 1.0) / 2.0


def draw(outcomes: Sequence[Outcome], goals: Sequence[Goal]) -> str:
    """Draw the goals, and then what every contender does per second."""
    plot = Plot()
    plot.title(
        f"{OURS}: how near to its target each number is "
        f"(middle: reached; ends: {AXIS:g} times less, more; a dot is a round)"
    )
    by = {outcome.scenario.name: outcome for outcome in outcomes}
    for goal in goals:
        if goal.scenario in by:
            _drawGoal(plot, by[goal.scenario], goal)
    for outcome in outcomes:
        _drawRates(plot, outcome)
    return plot.svg()


def _drawGoal(plot: Plot, outcome: Outcome, goal: Goal) -> None:
    """Draw a goal's median as a bar from the middle, and each round as a dot."""
    values = outcome.values(goal)
    value = middle(values)
    if not value:
        return
    word = verdict(outcome, goal)
    dots = [place(v, goal.target, goal.atMost) for v in values if v]
    plot.row(
        goal.name,
        f"{number(value)} {goal.unit}".rstrip() + f", {bound(goal)}: {word}",
        (0.5, place(value, goal.target, goal.atMost)),
        GOOD if word == "PASS" else BAD,
        dots,
    )


def _drawRates(plot: Plot, outcome: Outcome) -> None:
    """Draw every contender's median rate as a bar from the left."""
    columns = {
        name: [value for value in column if value is not None]
        for name, column in outcome.columns("rate").items()
    }
    top = max((max(values) for values in columns.values() if values), default=0.0)
    if not top:
        return
    scenario = outcome.scenario
    plot.title(f"{scenario.name}: {scenario.text}, {scenario.unit} per second")
    peers = outcome.peers()
    for name, values in columns.items():
        if not values:
            continue
        bar = (0.0, (middle(values) or 0.0) / top)
        color = PEER if name in peers else MINE
        plot.row(name, spread(values), bar, color, [value / top for value in values])

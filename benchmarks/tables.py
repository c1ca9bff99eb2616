# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Outcomes as tables of text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from benchmarks.figures import Goal, middle, ratios
from benchmarks.ours import OURS
from benchmarks.rounds import Outcome

#: A load generator that takes more of a core than this may itself be what is measured.
BUSY = 0.6


#: The cell of a missing number.
NOTHING = "-"


def number(value: float | None) -> str:
    """Return a number with about three digits."""
    if value is None:
        return NOTHING
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percent(value: float | None) -> str:
    """Return a percentage."""
    return NOTHING if value is None else f"{value:.0%}"


def spread(values: Iterable[float]) -> str:
    """Return the median and the range of some numbers."""
    ordered = sorted(values)
    if not ordered:
        return NOTHING
    low, high = number(ordered[0]), number(ordered[-1])
    return f"{number(middle(ordered))} ({low}..{high})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """
    Return aligned rows under a head, without empty columns.

    The first column is aligned to the left, the others to the right.
    """
    columns = [c for c in zip(head, *rows) if set(c[1:]) != {NOTHING}]
    head, *rows = zip(*columns)
    widths = [max(map(len, column)) for column in columns]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths)
        aligned = [first[0].ljust(first[1])]
        aligned += [cell.rjust(width) for cell, width in others]
        return "  ".join(aligned).rstrip()

    return [line(head), "  ".join("-" * width for width in widths), *map(line, rows)]


#: The columns: head, metric, how it is written.
COLUMNS: Sequence[tuple[str, str, Callable[[float | None], str]]] = (
    ("per second", "rate", number),
    ("p50 ms", "p50", number),
    ("p99 ms", "p99", number),
    ("CPU us", "cpu", number),
    ("PSS MiB", "memory", number),
    ("RSS MiB", "rss", number),
    ("start s", "start", number),
    ("flood", "beside", number),
    ("load gen", "share", percent),
)


def verdict(outcome: Outcome, goal: Goal) -> str:
    """Return whether a goal was reached: C{"PASS"}, C{"short"} or C{"-"}."""
    value = middle(outcome.values(goal))
    if value is None:
        return NOTHING
    return "PASS" if goal.isReached(value) else "short"


def bound(goal: Goal) -> str:
    """Return the target of a goal."""
    words = "at most" if goal.atMost else "at least"
    return f"{words} {goal.target:g} {goal.unit}".rstrip()


def scenarioLines(outcome: Outcome, goals: Sequence[Goal]) -> list[str]:
    """Return the rows of one scenario: one per contender, and one per goal."""
    scenario = outcome.scenario
    lines = ["", f"{scenario.name}: {scenario.text} ({scenario.unit})", ""]
    rows = [
        _contender(outcome, name) for name, row in outcome.samples.items() if any(row)
    ]
    if rows:
        head = ["", *(head for head, _, _ in COLUMNS), "to fastest peer", "failed"]
        lines += table(head, rows)
    lines += [f"{name}: {reason}" for name, reason in outcome.absent.items()]
    lines += [_goal(outcome, goal) for goal in goals if goal.scenario == scenario.name]
    return lines + _warnings(outcome)


def _contender(outcome: Outcome, name: str) -> list[str]:
    """Return the row of a contender's medians."""
    cells = [write(middle(outcome.columns(m)[name])) for _, m, write in COLUMNS]
    errors = sum(s.errors for s in outcome.samples[name] if s)
    return [name, *cells, _toFastest(outcome, name), str(errors)]


def _toFastest(outcome: Outcome, name: str) -> str:
    """Return the ratio of a contender's rate to the fastest peer's, by round."""
    columns = outcome.columns("rate")
    theirs = [columns[peer] for peer in outcome.peers() if peer in columns]
    return spread(ratios(columns[name], theirs, "rate"))


def _goal(outcome: Outcome, goal: Goal) -> str:
    """Return the row of a goal."""
    values = outcome.values(goal)
    if not values:
        without = outcome.without(goal)
        return f"=> {goal.name}: no number without {without}, {bound(goal)}"
    text = f"{goal.text}: {spread(values)} {goal.unit}".rstrip()
    return f"=> {goal.name}: {text}, {bound(goal)}: {verdict(outcome, goal)}"


def _warnings(outcome: Outcome) -> list[str]:
    """Return warnings about numbers that the load generator may limit."""
    shares = {name: middle(c) for name, c in outcome.columns("share").items()}
    busy = [name for name, share in shares.items() if share and share > BUSY]
    if not busy:
        return []
    return [f"The load generator may limit {', '.join(busy)}: no more than a bound."]


def summaryLines(outcomes: Sequence[Outcome], goals: Sequence[Goal]) -> list[str]:
    """Return the rows of all goals."""
    by = {outcome.scenario.name: outcome for outcome in outcomes}
    rows = [
        [
            goal.name,
            spread(by[goal.scenario].values(goal)),
            bound(goal),
            verdict(by[goal.scenario], goal),
        ]
        for goal in goals
        if goal.scenario in by
    ]
    return ["", *table([f"{OURS}: goal", "median (range)", "target", ""], rows)]

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The arithmetic of measurements: percentiles, medians, ratios, verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Optional

from benchmarks.load import Result

#: One contender's values, one for each round; None where it was not measured.
Column = Sequence[Optional[float]]

#: The metrics of which less is better.
LESS_IS_BETTER = frozenset(["p50", "p99", "cpu", "memory", "start"])


@dataclass(frozen=True)
class Sample:
    """
    The result of one run of one contender.

    @ivar rate: exchanges per second, or MiB per second.
    @ivar p50: the median latency, in milliseconds.
    @ivar p99: the latency of the slowest hundredth.
    @ivar cpu: the daemon's and its helpers' processor time for each exchange, in
        microseconds.
    @ivar memory: their resident memory, in MiB, a shared page counted once (PSS).
    @ivar rss: the same, a shared page counted for each process.
    @ivar beside: exchanges per second of a flood beside it.
    @ivar start: seconds from the start to the first exchange.
    @ivar share: the load generator's processor time, as part of one core.
    @ivar errors: exchanges that failed.
    @ivar reason: why the first of them did.
    """

    rate: float | None = None
    p50: float | None = None
    p99: float | None = None
    cpu: float | None = None
    memory: float | None = None
    rss: float | None = None
    beside: float | None = None
    start: float | None = None
    share: float | None = None
    errors: int = 0
    reason: str = ""

    def metric(self, name: str) -> float | None:
        """Return a metric of a sample by its name."""
        value: float | None = getattr(self, name)
        return value


def percentile(values: Sequence[float], percent: float) -> float | None:
    """
    Return the smallest value that is not less than a percentage of all.

    @return: None if there are no values.
    """
    if not values:
        return None
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def middle(values: Column) -> float | None:
    """Return the median of the measured values."""
    measured = [value for value in values if value is not None]
    return median(measured) if measured else None


def milliseconds(seconds: float | None) -> float | None:
    """Convert seconds to milliseconds; C{None} stays."""
    return None if seconds is None else seconds * 1000


def sampleOf(
    result: Result,
    factor: float = 1.0,
    cpu: float | None = None,
    **more: float | None,
) -> Sample:
    """
    Return a sample of the load generator's result.

    @param factor: what one exchange counts in the rate.
    @param cpu: the seconds that the daemon and its helpers have used meanwhile.
    @param more: further fields.
    """
    done, elapsed = len(result.latencies), result.elapsed
    return Sample(
        rate=done * factor / elapsed if elapsed and done else None,
        p50=milliseconds(percentile(result.latencies, 50)),
        p99=milliseconds(percentile(result.latencies, 99)),
        cpu=cpu / done * 1e6 if cpu is not None and done else None,
        share=result.cpu / elapsed if elapsed else None,
        errors=result.errors,
        reason=result.reason,
        **more,
    )


def best(values: Sequence[float | None], metric: str) -> float | None:
    """Return the best of some values of one metric."""
    measured = [value for value in values if value is not None]
    if not measured:
        return None
    return min(measured) if metric in LESS_IS_BETTER else max(measured)


def fastest(columns: Sequence[Column], metric: str) -> Column:
    """
    Return the column with the best median over all rounds.

    The best of each round would be chosen by chance.
    """
    middles = {index: middle(column) for index, column in enumerate(columns)}
    known = {index: value for index, value in middles.items() if value is not None}
    value = best(list(known.values()), metric)
    return next((columns[i] for i, each in known.items() if each == value), [])


def ratios(
    ours: Column, theirs: Sequence[Column], metric: str, atMost: bool = False
) -> list[float]:
    """
    Return the ratios, within each round, to the best of the others.

    @param atMost: whether the ratio is ours to theirs even if less is better; without
        it more than 1 always means that ours is better.
    @return: a ratio for each round in which there are both.
    """
    found: list[float] = []
    for value, other in zip(ours, fastest(theirs, metric)):
        if not value or not other:
            continue
        inverse = metric in LESS_IS_BETTER and not atMost
        found.append(other / value if inverse else value / other)
    return found


@dataclass(frozen=True)
class Goal:
    """
    A goal: a ratio or a number, and its target.

    @ivar name: what selects it.
    @ivar text: what is compared.
    @ivar scenario: the name of the runs that it is read from.
    @ivar contender: whose number it is.
    @ivar metric: the field of L{Sample}.
    @ivar target: what is to be reached.
    @ivar against: the one that it is a ratio to; C{"*"} for the run's fastest peer,
        empty if the number is not a ratio.
    @ivar atMost: whether the target is an upper bound.
    @ivar unit: the unit of the number, if it is not a ratio.
    """

    name: str
    text: str
    scenario: str
    contender: str
    metric: str
    target: float
    against: str = "*"
    atMost: bool = False
    unit: str = ""

    def values(self, columns: Mapping[str, Column], peers: Sequence[str]) -> Column:
        """
        Return the number of each round.

        @param columns: the values of the metric by contender.
        @param peers: the contenders that C{"*"} stands for.
        """
        ours = columns.get(self.contender, [])
        if not self.against:
            return [value for value in ours if value is not None]
        names = peers if self.against == "*" else [self.against]
        theirs = [columns[name] for name in names if name in columns]
        return ratios(ours, theirs, self.metric, self.atMost)

    def isReached(self, value: float) -> bool:
        """Return whether a number reaches the target."""
        return value <= self.target if self.atMost else value >= self.target

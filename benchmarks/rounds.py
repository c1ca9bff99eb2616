# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Rounds: every contender in turn, in another order each time."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.daemon import Daemon, Failed
from benchmarks.figures import Column, Goal, Sample
from benchmarks.load import LoadFailed
from benchmarks.ours import OURS
from benchmarks.packages import Missing
from benchmarks.scenario import Contender, Kit, Scenario
from benchmarks.server import Server
from benchmarks.service import Ports

#: A contender that has failed so often in a scenario is not tried again.
MOST_FAILURES = 2


@dataclass
class Outcome:
    """
    The outcome of one scenario.

    @ivar scenario: the scenario.
    @ivar samples: for each contender its samples, one for each round so far; None for
        a round in which it failed.
    @ivar absent: the reasons why samples are missing, by contender.
    """

    scenario: Scenario
    samples: dict[str, list[Sample | None]] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def columns(self, metric: str) -> dict[str, Column]:
        """Return the values of one metric, by contender."""
        return {
            name: [sample.metric(metric) if sample else None for sample in samples]
            for name, samples in self.samples.items()
        }

    def peers(self) -> list[str]:
        """Return the names of the peers."""
        return [c.name for c in self.scenario.contenders if c.server != OURS]

    def values(self, goal: Goal) -> list[float]:
        """Return a goal's number for each round."""
        values = goal.values(self.columns(goal.metric), self.peers())
        return [value for value in values if value is not None]

    def without(self, goal: Goal) -> str:
        """Return the contenders without samples, if a goal has no number."""
        for name in (goal.contender, goal.against):
            if name in self.absent:
                return name
        return "any peer"


class Rounds:
    """Runs of scenarios, round by round."""

    def __init__(
        self,
        servers: Sequence[Server],
        missing: Mapping[str, str],
        kit: Kit,
        *,
        rounds: int,
        seconds: float,
        seed: int,
        progress: Callable[[str], None],
    ) -> None:
        """
        Prepare to measure.

        @param servers: the available superservers.
        @param missing: the reasons why others are missing, by name.
        @param rounds: the number of rounds.
        @param seconds: the length of each run.
        @param seed: the seed of the order of contenders.
        @param progress: called with a line for each run.
        """
        self._servers = {server.name: server for server in servers}
        self._missing = missing
        self._kit = kit
        self._rounds = rounds
        self._seconds = seconds
        self._random = random.Random(seed)
        self._progress = progress
        self._ports = Ports()

    def run(self, outcome: Outcome) -> None:
        """Run a scenario, and add each sample to its outcome."""
        contenders = self._able(outcome)
        failures = dict.fromkeys((c.name for c in contenders), 0)
        for number in range(self._rounds):
            for contender in self._random.sample(contenders, len(contenders)):
                if failures[contender.name] < MOST_FAILURES:
                    sample = self._once(outcome, contender, number)
                    failures[contender.name] += sample is None
                    outcome.samples[contender.name].append(sample)
                else:
                    outcome.samples[contender.name].append(None)

    def _able(self, outcome: Outcome) -> list[Contender]:
        """Return the contenders that support the job; record why others do not."""
        able: list[Contender] = []
        for contender in outcome.scenario.contenders:
            try:
                reason = self._unsupported(outcome.scenario, contender)
            except (Missing, OSError) as error:
                reason = str(error)
            if reason:
                outcome.absent[contender.name] = reason
            else:
                able.append(contender)
                outcome.samples[contender.name] = []
        return able

    def _unsupported(self, scenario: Scenario, contender: Contender) -> str:
        """Return why a contender does not support the job, or C{None}."""
        if scenario.otherUser and os.geteuid() != 0:
            return "another user: needs root"
        server = self._servers.get(contender.server)
        if server is None:
            reason = self._missing.get(contender.server, "unknown")
            return f"missing: {reason}"
        return server.unsupported(scenario.services(contender, self._kit, self._ports))

    def _once(
        self, outcome: Outcome, contender: Contender, number: int
    ) -> Sample | None:
        """
        Run one contender once.

        @return: None if it failed; then the reason is in the outcome.
        """
        scenario = outcome.scenario
        server = self._servers[contender.server]
        label = f"{scenario.name} {number + 1}/{self._rounds} {contender.name}"
        try:
            services = scenario.services(contender, self._kit, self._ports)
            with Daemon(server, services) as daemon:
                bench = scenario.bench(daemon, contender, self._seconds)
                sample = scenario.drive(bench)
        except (Failed, LoadFailed, Missing, OSError) as error:
            outcome.absent[contender.name] = f"failed: {error}"
            self._progress(f"{label}: failed: {error}")
            return None
        self._progress(f"{label}: {_short(sample)}")
        return sample


def _short(sample: Sample) -> str:
    """Return a sample as one line."""
    if sample.rate is None:
        return f"{sample.start:.2f} s, {sample.memory:.1f} MiB"
    share = f"{sample.share:.0%}" if sample.share is not None else "?"
    return f"{sample.rate:,.0f} a second, load generator {share} of a core"

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The directory of results: numbers for a machine, a table for reading, a plot."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Goal, middle
from benchmarks.plot import draw
from benchmarks.rounds import Outcome
from benchmarks.tables import scenarioLines, summaryLines, verdict

#: The file that has every sample of every round.
RESULTS = "results.json"


def machine() -> dict[str, Any]:
    """Return a description of the machine."""
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
    }


def _processor() -> str:
    """Return the name of the processor, if it is known."""
    path = Path("/proc/cpuinfo")
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


class Report:
    """
    The results so far.

    @ivar outcomes: what came of each scenario.
    """

    def __init__(
        self,
        goals: Sequence[Goal],
        missing: Mapping[str, str],
        options: Mapping[str, Any],
    ) -> None:
        """
        Start without outcomes.

        @param goals: the goals that were selected.
        @param missing: why superservers are missing, by name.
        @param options: how the benchmark was called.
        """
        self.outcomes: list[Outcome] = []
        self._goals = goals
        self._missing = missing
        self._options = options
        self._machine = machine()

    def lines(self) -> list[str]:
        """Return the results as text."""
        about = self._machine
        lines = [
            f"{about['processor']}, {about['cores']} cores, Linux {about['kernel']}, "
            f"Python {about['python']}, load average {about['load'][0]:.2f}",
            *(f"{name}: missing: {why}" for name, why in self._missing.items()),
        ]
        for outcome in self.outcomes:
            lines += scenarioLines(outcome, self._goals)
        return lines + summaryLines(self.outcomes, self._goals)

    def write(self, directory: Path) -> list[Path]:
        """Write all files, and return their paths."""
        directory.mkdir(parents=True, exist_ok=True)
        texts = {
            RESULTS: json.dumps(self._data(), indent=1) + "\n",
            "results.txt": "\n".join(self.lines()) + "\n",
            "results.svg": draw(self.outcomes, self._goals),
        }
        for name, text in texts.items():
            (directory / name).write_text(text)
        return [directory / name for name in texts]

    def _data(self) -> dict[str, Any]:
        """Return the results as values for JSON."""
        by = {outcome.scenario.name: outcome for outcome in self.outcomes}
        return {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": self._machine,
            "options": dict(self._options),
            "missing": dict(self._missing),
            "scenarios": [_scenario(outcome) for outcome in self.outcomes],
            "goals": [
                _goal(by[goal.scenario], goal)
                for goal in self._goals
                if goal.scenario in by
            ],
        }


def _scenario(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as values for JSON."""
    return {
        "name": outcome.scenario.name,
        "text": outcome.scenario.text,
        "unit": outcome.scenario.unit,
        "absent": outcome.absent,
        "samples": {
            name: [sample and asdict(sample) for sample in samples]
            for name, samples in outcome.samples.items()
        },
    }


def _goal(outcome: Outcome, goal: Goal) -> dict[str, Any]:
    """Return the result of a goal as values for JSON."""
    values = outcome.values(goal)
    return {
        **asdict(goal),
        "values": values,
        "median": middle(values),
        "verdict": verdict(outcome, goal),
    }

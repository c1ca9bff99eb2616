# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The command line, and the run from there to the results."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import launching, overview, processes, warm
from benchmarks.figures import Goal
from benchmarks.ours import Ours
from benchmarks.packages import Missing, Packages, defaultCache
from benchmarks.peers import findPeers
from benchmarks.report import RESULTS, Report
from benchmarks.rounds import Outcome, Rounds
from benchmarks.scenario import Contender, Kit, Scenario
from benchmarks.server import Server
from benchmarks.tables import bound

SCENARIOS = (*launching.SCENARIOS, *warm.SCENARIOS)
GOALS = (*launching.GOALS, *warm.GOALS)

#: The exit status of a command that SIGINT has ended.
INTERRUPTED = 130

HERE = Path(__file__).resolve().parent


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare inetdtw with other superservers, side by side.",
    )
    add = made.add_argument
    add("--only", metavar="NAME,...", default="", help="goals or scenarios to run")
    add("--list", action="store_true", help="list the goals and end")
    add("--rounds", type=int, default=5, help="rounds of each scenario (5)")
    add("--seconds", type=float, default=2.0, help="seconds of each run (2)")
    add("--seed", type=int, default=1, help="what the orders are drawn from (1)")
    add(
        "--output",
        type=Path,
        default=HERE / "results",
        help="directory of the results",
    )
    add("--plot", type=Path, metavar="FILE", help="write README.rst's plot to FILE")
    add(
        "--from",
        dest="results",
        type=Path,
        metavar="FILE",
        help="plot the results.json of an earlier run, and measure nothing",
    )
    add("--cache", type=Path, default=defaultCache(), help="directory of the peers")
    add(
        "--python",
        default=os.path.realpath(sys.executable),
        help="the interpreter of the services written in Python",
    )
    return made


def select(only: str) -> tuple[list[Goal], list[Scenario]]:
    """
    Return the goals with these names, or of these scenarios; all by default.

    A scenario keeps the contenders that its selected goals need, all of them if it is
    named itself.

    @raise ValueError: if a name is unknown.
    """
    names = {name.strip() for name in only.split(",") if name.strip()}
    known = {goal.name for goal in GOALS} | {scenario.name for scenario in SCENARIOS}
    if names - known:
        raise ValueError(f"no such name: {', '.join(sorted(names - known))}")
    goals = [g for g in GOALS if not names or {g.name, g.scenario} & names]
    scenarios = []
    for scenario in SCENARIOS:
        mine = [goal for goal in goals if goal.scenario == scenario.name]
        if names and scenario.name not in names:
            scenario = _reduced(scenario, mine)
        if mine:
            scenarios.append(scenario)
    return goals, scenarios


def _reduced(scenario: Scenario, goals: Sequence[Goal]) -> Scenario:
    """Return a scenario without the contenders that no goal needs."""
    named = {name for goal in goals for name in (goal.contender, goal.against)}
    anyPeer = any(goal.against == "*" for goal in goals)

    def isNeeded(contender: Contender) -> bool:
        return contender.name in named or (anyPeer and contender.server != Ours.name)

    kept = tuple(filter(isNeeded, scenario.contenders))
    return replace(scenario, contenders=kept)


def listing() -> str:
    """Return a line for each goal."""
    return "\n".join(
        f"{goal.name:18}{goal.scenario:16}{bound(goal):17}{goal.text}" for goal in GOALS
    )


def findServers(cache: Path) -> tuple[list[Server], dict[str, str]]:
    """
    Return the superserver and its peers.

    @return: those that there are, and the reasons for the others by name.
    """
    servers, missing = findPeers(Packages(cache))
    try:
        servers.append(Ours())
    except Missing as reason:
        missing[Ours.name] = str(reason)
    return servers, missing


def progress(line: str) -> None:
    """Print the progress."""
    print(line, file=sys.stderr, flush=True)


def _interruptOnce(number: int, frame: object) -> None:
    """Raise C{KeyboardInterrupt} at the first signal, and ignore further ones."""
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, signal.SIG_IGN)
    raise KeyboardInterrupt


def main(argv: Sequence[str]) -> int:
    """
    Run the command.

    @return: the exit status: 0, 2 if an option is wrong, 130 if interrupted; what
        has been measured by then is written all the same.
    """
    options = parser().parse_args(argv)
    if options.list:
        print(listing())
        return 0
    if options.results is not None:
        return _plot(options.results, options.plot)
    try:
        goals, scenarios = select(options.only)
    except ValueError as error:
        progress(str(error))
        return 2
    processes.adoptOrphans()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, _interruptOnce)
    try:
        return _measure(options, goals, scenarios)
    except KeyboardInterrupt:
        return INTERRUPTED


def _measure(
    options: argparse.Namespace, goals: Sequence[Goal], scenarios: Sequence[Scenario]
) -> int:
    """Find the superservers, run the scenarios, and print the results."""
    servers, missing = findServers(options.cache)
    asked = {key: str(value) for key, value in vars(options).items()}
    report = Report(goals, missing, asked)
    rounds = Rounds(
        servers,
        missing,
        Kit(options.cache, options.python),
        rounds=options.rounds,
        seconds=options.seconds,
        seed=options.seed,
        progress=progress,
    )
    status = _runAll(rounds, scenarios, report, options.output)
    files = report.write(options.output)
    print("\n".join([*report.lines(), "", *map(str, files)]))
    if options.plot is not None and not status:
        return _plot(options.output / RESULTS, options.plot)
    return status


def _plot(results: Path, plot: Path | None) -> int:
    """
    Draw the plot of a run.

    @param results: the file C{results.json} of the run.
    @param plot: the file to write; C{None} if the option is missing.

    @return: the exit status.
    """
    if plot is None:
        progress("--from needs --plot FILE")
        return 2
    try:
        plot.write_text(overview.draw(json.loads(results.read_text())))
    except (OSError, ValueError) as error:
        progress(str(error))
        return 2
    print(plot)
    return 0


def _runAll(
    rounds: Rounds, scenarios: Sequence[Scenario], report: Report, directory: Path
) -> int:
    """
    Run the scenarios, and write the results after each.

    @return: the exit status.
    """
    try:
        for scenario in scenarios:
            report.outcomes.append(Outcome(scenario))
            rounds.run(report.outcomes[-1])
            report.write(directory)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0

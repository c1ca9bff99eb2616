# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the arithmetic and the writing of L{benchmarks}: no peers and no clocks."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from twisted.trial.unittest import SynchronousTestCase

from benchmarks import processes
from benchmarks import scenario as scenarios
from benchmarks.command import GOALS, SCENARIOS, main, select
from benchmarks.daemon import Daemon
from benchmarks.drives import warmed
from benchmarks.figures import (
    Goal,
    Sample,
    best,
    middle,
    percentile,
    ratios,
    sampleOf,
)
from benchmarks.launching import DIRECT, FORK_SERVER
from benchmarks.load import LINE, TRANSFORMS, Result, Task
from benchmarks.ours import OURS, definition, warmProcesses
from benchmarks.peers import Busybox
from benchmarks.plot import draw, place
from benchmarks.report import RESULTS, Report
from benchmarks.rounds import Outcome, Rounds
from benchmarks.scenario import Bench, Kit, Scenario
from benchmarks.server import Launch, Server
from benchmarks.service import Ports, Service
from benchmarks.tables import (
    number,
    scenarioLines,
    spread,
    summaryLines,
    table,
    verdict,
)
from benchmarks.warm import DEBIAN, HUNDRED, PYTHON

CAT = next(scenario for scenario in SCENARIOS if scenario.name == "cat")
KIT = Kit(Path("cache"), "/opt/python")
OWN_USER = next(goal for goal in GOALS if goal.name == "cat-own-user")


def measured(scenario: Scenario = CAT) -> Outcome:
    """Return an outcome of three rounds; inetdtw failed in the second."""
    outcome = Outcome(scenario)
    outcome.samples[Busybox.name] = [Sample(rate=r) for r in (100.0, 200.0, 300.0)]
    ours = [Sample(rate=95.0, p50=1.5), None, Sample(rate=297.0, errors=2)]
    outcome.samples[FORK_SERVER.name] = ours
    outcome.absent[DIRECT.name] = "missing: gone"
    return outcome


class FiguresTests(SynchronousTestCase):
    """Tests for L{benchmarks.figures}."""

    def test_percentile(self) -> None:
        """A percentile is one of the values, whatever their order."""
        values = [float(n) for n in range(100, 0, -1)]
        self.assertEqual(percentile(values, 50), 50.0)
        self.assertEqual(percentile(values, 99), 99.0)
        self.assertEqual(percentile(values, 100), 100.0)
        self.assertEqual(percentile([7.0], 1), 7.0)
        self.assertIsNone(percentile([], 50))

    def test_middle(self) -> None:
        """The median leaves out rounds that were not measured."""
        self.assertEqual(middle([3.0, None, 1.0, 2.0]), 2.0)
        self.assertEqual(middle([1.0, 2.0]), 1.5)
        self.assertIsNone(middle([None]))

    def test_best(self) -> None:
        """The best rate is the highest, the best latency the lowest."""
        self.assertEqual(best([1.0, None, 3.0], "rate"), 3.0)
        self.assertEqual(best([1.0, None, 3.0], "p50"), 1.0)
        self.assertIsNone(best([None], "rate"))

    def test_ratiosWithinTheRound(self) -> None:
        """A ratio is to the peer that is fastest over all rounds, within each round."""
        theirs = [[10.0, 40.0, 10.0], [20.0, 20.0, 5.0]]
        self.assertEqual(ratios([10.0, 10.0, 10.0], theirs, "rate"), [0.5, 0.5, 2.0])

    def test_ratiosOfLatencies(self) -> None:
        """More than 1 means that ours is better, unless an upper bound is asked for."""
        self.assertEqual(ratios([1.0], [[8.0]], "p50"), [8.0])
        self.assertEqual(ratios([1.0], [[8.0]], "p99", atMost=True), [0.125])

    def test_ratiosWithGaps(self) -> None:
        """A round in which one side is missing has no ratio."""
        self.assertEqual(ratios([1.0, None, 3.0], [[2.0, 2.0, None]], "rate"), [0.5])
        self.assertEqual(ratios([1.0], [], "rate"), [])

    def test_sampleOf(self) -> None:
        """A sample has the rate, latencies in ms and processor time in us."""
        result = Result([0.001, 0.002, 0.004, 0.003], elapsed=2.0, cpu=0.5, errors=1)
        sample = sampleOf(result, 64.0, 0.0004, start=0.25)
        self.assertEqual(sample.rate, 128.0)
        self.assertEqual((sample.p50, sample.p99), (2.0, 4.0))
        self.assertAlmostEqual(sample.cpu or 0.0, 100.0)
        self.assertEqual((sample.share, sample.errors), (0.25, 1))
        self.assertEqual(sample.start, 0.25)

    def test_sampleOfNothing(self) -> None:
        """A sample without exchanges has no ratios."""
        self.assertEqual(sampleOf(Result()), Sample())

    def test_goal(self) -> None:
        """A goal is a ratio to the peers or to one contender, or an absolute number."""
        columns = {"a": [1.0, 4.0], "b": [2.0, 2.0], "c": [4.0, 1.0]}
        toPeers = Goal("g", "", "s", "a", "rate", 1.0)
        self.assertEqual(toPeers.values(columns, ["b", "c"]), [0.25, 4.0])
        toOne = Goal("g", "", "s", "a", "rate", 1.0, against="b")
        self.assertEqual(toOne.values(columns, ["b", "c"]), [0.5, 2.0])
        alone = Goal("g", "", "s", "a", "memory", 1.0, against="", atMost=True)
        self.assertEqual(alone.values(columns, ["b", "c"]), [1.0, 4.0])

    def test_isReached(self) -> None:
        """A target itself is reached, as a lower and as an upper bound."""
        least = Goal("g", "", "s", "a", "rate", 0.9)
        self.assertEqual([least.isReached(v) for v in (0.89, 0.9)], [False, True])
        most = Goal("g", "", "s", "a", "p99", 1.0, atMost=True)
        self.assertEqual([most.isReached(v) for v in (1.0, 1.01)], [True, False])


class TablesTests(SynchronousTestCase):
    """Tests for L{benchmarks.tables}."""

    def test_number(self) -> None:
        """Numbers have about three digits."""
        self.assertEqual(number(1234.5), "1,234")
        self.assertEqual(number(12.345), "12.3")
        self.assertEqual(number(0.123), "0.12")
        self.assertEqual(number(None), "-")

    def test_spread(self) -> None:
        """A spread is the median with the lowest and the highest."""
        self.assertEqual(spread([3.0, 1.0, 2.0]), "2.00 (1.00..3.00)")
        self.assertEqual(spread([]), "-")

    def test_table(self) -> None:
        """Columns are aligned, and empty ones are left out."""
        lines = table(["", "aa", "b"], [["x", "1", "-"], ["yyy", "22", "-"]])
        self.assertEqual(lines, ["     aa", "---  --", "x     1", "yyy  22"])

    def test_scenario(self) -> None:
        """Every contender has a row or a reason, and the goal has its verdict."""
        lines = scenarioLines(measured(), [OWN_USER])
        row = next(line for line in lines if line.startswith(FORK_SERVER.name))
        self.assertIn("196", row)
        self.assertIn("0.97 (0.95..0.99)", row)
        self.assertTrue(row.endswith("2"))
        self.assertIn(f"{DIRECT.name}: missing: gone", lines)
        self.assertIn("0.97 (0.95..0.99), at least 0.9: PASS", lines[-1])

    def test_scenarioWithoutOurs(self) -> None:
        """A goal without a measurement has what is missing."""
        goal = next(goal for goal in GOALS if goal.name == "cat-direct")
        lines = scenarioLines(measured(), [goal])
        self.assertIn(f"no number without {DIRECT.name}", lines[-1])
        self.assertEqual(verdict(measured(), goal), "-")

    def test_busyLoadGenerator(self) -> None:
        """The table warns of numbers that the load generator may have limited."""
        outcome = Outcome(CAT)
        outcome.samples[Busybox.name] = [Sample(rate=1.0, share=0.9)]
        self.assertIn(Busybox.name, scenarioLines(outcome, [])[-1])

    def test_summary(self) -> None:
        """The summary has a row for each goal whose scenario was run."""
        lines = summaryLines([measured()], GOALS)
        self.assertEqual(len(lines), 5)
        self.assertTrue(lines[3].startswith("cat-own-user"))
        self.assertTrue(lines[3].endswith("PASS"))


class PlotTests(SynchronousTestCase):
    """Tests for L{benchmarks.plot}."""

    def test_place(self) -> None:
        """A number that reaches its target is right of the middle."""
        self.assertEqual(place(0.9, 0.9), 0.5)
        self.assertEqual([place(v, 1.0) for v in (0.001, 1000.0)], [0.0, 1.0])
        self.assertGreater(place(30.0, 45.0, atMost=True), 0.5)

    def test_draw(self) -> None:
        """The plot is well-formed, with a dot for each round."""
        root = ElementTree.fromstring(draw([measured()], GOALS))
        dots = root.findall("{http://www.w3.org/2000/svg}circle")
        self.assertEqual(len(dots), 2 + 3 + 2)


class OverviewTests(SynchronousTestCase):
    """Tests for L{benchmarks.overview}, the plot of C{README.rst}."""

    def plot(self, goals: list[Goal]) -> tuple[int, Path]:
        """
        Draw the plot from the results of some goals.

        @return: the exit status, and the path of the plot.
        """
        directory = Path(self.mktemp())
        report = Report(goals, {}, {})
        report.outcomes.append(measured())
        report.write(directory)
        plot = directory / "plot.svg"
        results = directory / RESULTS
        return main(["--from", str(results), "--plot", str(plot)]), plot

    def test_draw(self) -> None:
        """The plot has median, range, peers and machine when a run is drawn."""
        status, plot = self.plot([OWN_USER])
        self.assertEqual(status, 0)
        root = ElementTree.parse(plot).getroot()
        texts = [each.text or "" for each in root.iter() if each.tag.endswith("}text")]
        self.assertIn("/bin/cat", texts)
        self.assertIn("0.97 (0.95..0.99)", texts)
        self.assertIn(f"Median and range of 2 rounds.  Peers: {Busybox.name}.", texts)
        self.assertRegex(texts[-1], r", \d+ cores, Linux [\d.]+, Python .*; \d{4}-")

    def test_nothing(self) -> None:
        """Nothing is written when no goal of the plot was measured."""
        status, plot = self.plot([])
        self.assertEqual((status, plot.exists()), (2, False))


class TableOfGoalsTests(SynchronousTestCase):
    """Tests for the goals and scenarios, and the choice of them."""

    def test_consistent(self) -> None:
        """Every goal names a scenario, and contenders that are in it."""
        names = {s.name: {c.name for c in s.contenders} for s in SCENARIOS}
        for goal in GOALS:
            self.assertIn(goal.contender, names[goal.scenario])
            if goal.against not in ("", "*"):
                self.assertIn(goal.against, names[goal.scenario])
        self.assertEqual(len({goal.name for goal in GOALS}), len(GOALS))
        self.assertFalse({goal.name for goal in GOALS} & set(names))

    def test_all(self) -> None:
        """All is run if nothing is selected."""
        goals, scenarios = select("")
        self.assertEqual((goals, scenarios), (list(GOALS), list(SCENARIOS)))

    def test_goal(self) -> None:
        """A selected goal selects its scenario, without needless contenders."""
        goals, (scenario,) = select("cat-direct")
        self.assertEqual([goal.name for goal in goals], ["cat-direct"])
        names = [contender.name for contender in scenario.contenders]
        self.assertIn(DIRECT.name, names)
        self.assertIn(Busybox.name, names)
        self.assertNotIn(FORK_SERVER.name, names)

    def test_unknown(self) -> None:
        """An unknown name is an error that quotes it."""
        error = self.assertRaises(ValueError, select, "cat,nonesuch")
        self.assertIn("nonesuch", str(error))


class Stub(Server):
    """A superserver that is not started."""

    name = OURS

    def launch(self, services: Sequence[Service], directory: Path) -> Launch:
        """Return nothing to start."""
        return Launch([])


class WarmDaemon(Daemon):
    """A superserver that seems to run, with this process as its warm one."""

    begun = 0.0

    def serve(self, task: Task) -> None:
        """Do nothing."""

    def output(self) -> str:
        """Return the log: a process that is ready, and one that has exited."""
        return f"warm-ready 7/tcp pid={os.getpid()}\nwarm-ready 7/tcp pid=0\n"

    def helpers(self) -> frozenset[int]:
        """Return this process and its parent."""
        return frozenset([os.getpid(), os.getppid()])


class ServiceTests(SynchronousTestCase):
    """Tests for services, their configurations, and tasks."""

    def test_line(self) -> None:
        """A service is written as a classic line."""
        service = Service(7007, ("/bin/cat", "-u"), "nobody")
        expected = "127.0.0.1:7007 stream tcp nowait.9 nobody /bin/cat /bin/cat -u"
        self.assertEqual(service.line(".9"), expected)
        echo = Service(7, (), "root", internal="echo")
        self.assertEqual(echo.line(), "127.0.0.1:echo stream tcp nowait root internal")

    def test_definition(self) -> None:
        """A service with keys is written as a definition."""
        keys = (("launch", "direct"),)
        service = Service(7007, ("/bin/cat",), "root", "dgram", True, keys=keys)
        self.assertEqual(
            definition(service),
            "127.0.0.1:7007 on protocol = udp, socktype = dgram, wait = yes, "
            "user = root, exec = /bin/cat, args = /bin/cat, launch = direct;\n",
        )

    def test_program(self) -> None:
        """A contender's own program and reply are preferred to the scenario's."""
        lower = next(s for s in SCENARIOS if s.name == "lower-cat")
        daemon = Daemon(Stub(), lower.services(PYTHON, KIT, Ports()))
        bench = lower.bench(daemon, PYTHON, 1.0)
        self.assertEqual(bench.services[0].program[0], KIT.python)
        self.assertEqual(bench.task.reply, "lower")
        daemon = Daemon(Stub(), lower.services(lower.contenders[0], KIT, Ports()))
        bench = lower.bench(daemon, lower.contenders[0], 1.0)
        self.assertEqual(bench.services[0].program, ("/bin/cat",))
        self.assertEqual(bench.task.reply, "same")

    def test_missingPython(self) -> None:
        """A contender is missing without Debian's interpreter."""
        self.patch(scenarios, "PYTHON", "/nonexistent/python3")
        lower = next(s for s in SCENARIOS if s.name == "lower-cat")
        outcome = Outcome(lower)
        rounds = Rounds(
            [Stub()], {}, KIT, rounds=0, seconds=1.0, seed=1, progress=self.fail
        )
        rounds.run(outcome)
        reason = "missing: no /nonexistent/python3"
        self.assertEqual(outcome.absent[DEBIAN.name], reason)
        self.assertEqual(list(outcome.samples), [PYTHON.name])

    def test_alike(self) -> None:
        """Further services that are alike have the same keys and other arguments."""
        self.patch(scenarios, "PYTHON", sys.executable)
        hundred = next(s for s in SCENARIOS if s.name == "hundred")
        services = hundred.services(HUNDRED, KIT, Ports())
        self.assertEqual(len({service.port for service in services}), 100)
        self.assertEqual(len({service.program for service in services}), 100)
        self.assertEqual({s.program[:2] for s in services}, {services[0].program})
        self.assertEqual({s.keys for s in services}, {(("warm", "yes"),)})

    def test_warmProcesses(self) -> None:
        """The processes are those that the log calls ready."""
        log = (
            "2026 listen 7/tcp address=127.0.0.1:7\n"
            "2026 warm-ready 7/tcp pid=41\n2026 warm-ready 8/tcp pid=42\n"
        )
        self.assertEqual(warmProcesses(log), {41, 42})

    def test_warmed(self) -> None:
        """Only the memory of warm processes that run is measured."""
        services = [Service(port, ("/bin/cat",), "root") for port in (7, 8)]
        daemon = WarmDaemon(Stub(), services)
        found: list[frozenset[int]] = []

        def memory(pids: frozenset[int], row: str = "") -> float:
            found.append(pids)
            return 1.5

        self.patch(processes, "memory", memory)
        sample = warmed(Bench(daemon, services, Task("streams", 7), HUNDRED, 1.0))
        self.assertEqual((sample.memory, sample.rss), (1.5, 1.5))
        self.assertEqual(set(found), {frozenset([os.getpid()])})

    def test_load(self) -> None:
        """Sixty bytes are sent each way, with letters in both cases."""
        self.assertEqual(Task("streams", 1).size, 60)
        replies = {transform(LINE) for transform in TRANSFORMS.values()}
        self.assertEqual(len(replies), 3)

    def test_ours(self) -> None:
        """The peers do not include inetdtw."""
        peers = measured().peers()
        self.assertIn(Busybox.name, peers)
        self.assertFalse([name for name in peers if name.startswith(OURS)])

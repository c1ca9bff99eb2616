# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.control.metrics}."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib.util import find_spec

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.control.metrics import exposition
from inetdtw.model.state import Failure, PauseReason, ServiceState
from inetdtw.model.test.test_state import DAEMON, ONE

_SAMPLE = re.compile(
    r"(?P<name>[a-z_]+)(\{(?P<labels>([a-z]+=\"([^\"\\\n]|\\[\\\"n])*\",?)+)\})? "
    r"(?P<value>-?[0-9.]+(e[-+]?[0-9]+)?)"
)


class ExpositionTests(SynchronousTestCase):
    """Tests for L{exposition}."""

    def text(self, *services: ServiceState) -> str:
        """Return the metrics of a daemon with these services."""
        return exposition(replace(DAEMON, services=services))

    def test_format(self) -> None:
        """
        All lines conform to the format, whatever the name of a service.

        Each metric has one help and one type before its samples, which are together.
        """
        strange = replace(ONE, name='a"b\\c\nd', cpu=1e-7, most=3, ready=True)
        text = self.text(ONE, strange)
        self.assertTrue(text.endswith("\n"))
        names: list[str] = []
        for line in text[:-1].split("\n"):
            if line.startswith("# HELP "):
                names.append(line.split()[2])
                continue
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                self.assertEqual(name, names[-1])
                self.assertEqual(kind == "counter", name.endswith("_total"))
                continue
            found = _SAMPLE.fullmatch(line)
            assert found is not None, line
            self.assertEqual(found["name"], names[-1])
        self.assertEqual(len(names), len(set(names)))
        self.assertIn('service="a\\"b\\\\c\\nd"', text)

    def test_figures(self) -> None:
        """The values are those of the state."""
        one = replace(
            *(ONE,), running=2, most=5, started=9, warm=4, refused=3, failed=1, cpu=0.25
        )
        lines = self.text(replace(one, ended=6, exitFailures=2, dropped=8)).split("\n")
        for name, value in {
            "children": "2",
            "children_max": "5",
            "refused_total": "3",
            "start_failures_total": "1",
            "dropped_total": "8",
            "exits_total": "6",
            "exit_failures_total": "2",
            "cpu_seconds_total": "0.25",
        }.items():
            self.assertIn(f'inetd_service_{name}{{service="7/tcp"}} {value}', lines)
        started = 'inetd_service_started_total{service="7/tcp",start='
        self.assertIn(f'{started}"warm"}} 4', lines)
        self.assertIn(f'{started}"cold"}} 5', lines)

    def test_failure(self) -> None:
        """The last failure has its time, its reason and its row."""
        one = replace(ONE, failure=Failure("exit status 3", 1764547200.5, 4))
        lines = self.text(one, replace(ONE, name="9/tcp")).split("\n")
        self.assertIn('inetd_service_failures_in_a_row{service="7/tcp"} 4', lines)
        labels = 'service="7/tcp",reason="exit status 3"'
        name = "inetd_service_last_failure_timestamp_seconds"
        self.assertIn(f"{name}{{{labels}}} 1764547200.5", lines)
        self.assertNotIn(f'{name}{{service="9/tcp"', "\n".join(lines))

    def test_unknown(self) -> None:
        """Unknown and unlimited values are left out."""
        text = self.text(ONE)
        for name in ("children_max", "cpu_seconds", "warm_ready"):
            self.assertNotIn(name, text)

    def test_state(self) -> None:
        """The state of a service is 1, all others are 0."""
        text = self.text(replace(ONE, pauses=(PauseReason.UNBOUND,)))
        states = re.findall(r'inetd_service_state\{.*state="([^"]+)"\} 1', text)
        self.assertEqual(states, ["bind failed"])
        self.assertIn('kind="stream nowait"} 0\n', text)
        self.assertIn("\ninetd_healthy 0\n", text)

    def test_daemon(self) -> None:
        """The daemon has metrics without any service."""
        text = exposition(replace(DAEMON, services=(), problems=("x",)))
        self.assertIn('inetd_info{version="1.0"} 1\n', text)
        self.assertIn("inetd_start_time_seconds 100\n", text)
        self.assertIn("inetd_children 2\n", text)
        self.assertIn("inetd_config_last_reload_successful 0\n", text)
        self.assertNotIn("inetd_service", text)

    def test_parsed(self) -> None:
        """The parser of Prometheus' client library reads the same values."""
        if find_spec("prometheus_client") is None:
            self.skipTest("prometheus-client is not installed")
        from prometheus_client.parser import text_string_to_metric_families

        name = 'a"b\\c\nd'
        strange = replace(ONE, name=name, cpu=1e-7, most=3, ready=True, exitFailures=2)
        families = list(text_string_to_metric_families(self.text(ONE, strange)))
        self.assertTrue(all(each.documentation for each in families))
        samples = {
            (sample.name, sample.labels.get("service")): sample.value
            for family in families
            for sample in family.samples
        }
        self.assertEqual(samples["inetd_children", None], DAEMON.running)
        self.assertEqual(samples["inetd_service_exit_failures_total", name], 2)
        self.assertEqual(samples["inetd_service_cpu_seconds_total", name], 1e-7)
        self.assertEqual(samples["inetd_service_children_max", name], 3)
        kinds = {family.name: family.type for family in families}
        self.assertEqual(kinds["inetd_service_exit_failures"], "counter")
        self.assertEqual(kinds["inetd_service_warm_ready"], "gauge")

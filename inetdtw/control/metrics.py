# -*- test-case-name: inetdtw.control.test.test_metrics -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The metrics, in the text format of Prometheus, version 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Union

from inetdtw.model.state import CONDITIONS, DaemonState, ServiceState
from inetdtw.text import printable

#: The media type.
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Sample = tuple[Mapping[str, str], Union[float, None]]


def exposition(state: DaemonState) -> str:
    """Return all metrics, for a scrape."""
    families = [*_ofDaemon(state), *_ofServices(state.services)]
    return "".join(line + "\n" for family in families for line in family)


def _family(name: str, kind: str, about: str, samples: Iterable[_Sample]) -> list[str]:
    """
    Return the lines of one metric.

    Samples without a value are left out, and so is a metric without samples.
    """
    lines = [
        f"{name}{_labels(labels)} {_number(value)}"
        for labels, value in samples
        if value is not None
    ]
    if not lines:
        return []
    return [f"# HELP {name} {_escaped(about)}", f"# TYPE {name} {kind}", *lines]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    return _escaped(printable(text, "\n")).replace('"', '\\"')


def _number(value: float) -> str:
    """Return a number, without a point if it is whole."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _ofDaemon(state: DaemonState) -> Iterator[list[str]]:
    """Yield the metrics of the daemon itself, which are gauges."""
    uses = [({"purpose": name}, use) for name, use in state.descriptors.items()]
    gauges: Sequence[tuple[str, str, Iterable[_Sample]]] = (
        ("info", "The daemon's version.", [({"version": state.version}, 1)]),
        (
            "start_time_seconds",
            "When the daemon was started, since the epoch.",
            [({}, round(state.since, 3))],
        ),
        ("healthy", "Whether there is nothing to mend.", [({}, state.healthy)]),
        (
            "draining",
            "Whether the daemon exits when no program runs.",
            [({}, state.draining)],
        ),
        (
            "children",
            "Running programs, including those of removed services.",
            [({}, state.running)],
        ),
        (
            "descriptors",
            "Open file descriptors of the daemon, by purpose.",
            [(purpose, use.open) for purpose, use in uses],
        ),
        (
            "descriptors_share",
            "The most file descriptors for a purpose.",
            [(purpose, use.share) for purpose, use in uses],
        ),
        (
            "config_last_reload_successful",
            "Whether all lines were used when the configuration was read last.",
            [({}, not state.problems)],
        ),
    )
    for name, about, samples in gauges:
        yield _family(f"inetd_{name}", "gauge", about, samples)


#: Metrics of each service: name, type, help, and the attribute of L{ServiceState}.
_OF_SERVICE = (
    ("children", "gauge", "Running programs.", "running"),
    ("children_max", "gauge", "The most programs at once.", "most"),
    ("refused_total", "counter", "Clients that were refused.", "refused"),
    (
        "start_failures_total",
        "counter",
        "Programs that could not be started.",
        "failed",
    ),
    ("dropped_total", "counter", "Datagrams that were dropped.", "dropped"),
    ("exits_total", "counter", "Programs that exited.", "ended"),
    (
        "exit_failures_total",
        "counter",
        "Programs that exited with a nonzero status or by a signal.",
        "exitFailures",
    ),
    (
        "cpu_seconds_total",
        "counter",
        "Processor time of the programs that exited.",
        "cpu",
    ),
    ("warm_ready", "gauge", "Whether a warm process is ready.", "ready"),
)


def _ofServices(services: Sequence[ServiceState]) -> Iterator[list[str]]:
    """Yield the metrics of the services."""
    yield _family(
        "inetd_service_healthy",
        "gauge",
        "Whether there is nothing to mend in a service.",
        [
            ({**_of(each), "address": each.address, "kind": each.kind}, each.healthy)
            for each in services
        ],
    )
    yield _family(
        "inetd_service_state",
        "gauge",
        "1 for the state of a service.",
        [
            ({**_of(each), "state": condition}, each.condition == condition)
            for each in services
            for condition in CONDITIONS
        ],
    )
    yield _family(
        "inetd_service_started_total",
        "counter",
        "Programs that were started, or clients of an internal service.",
        [sample for each in services for sample in _starts(each)],
    )
    yield from _failures(services)
    for name, kind, about, attribute in _OF_SERVICE:
        samples = [(_of(each), getattr(each, attribute)) for each in services]
        yield _family(f"inetd_service_{name}", kind, about, samples)


def _failures(services: Sequence[ServiceState]) -> Iterator[list[str]]:
    """Yield the metrics of the last failure of each service that had one."""
    last = [(each, each.failure) for each in services if each.failure is not None]
    yield _family(
        "inetd_service_failures_in_a_row",
        "gauge",
        "Programs that failed since one has succeeded.",
        [(_of(each), failure.inARow) for each, failure in last],
    )
    yield _family(
        "inetd_service_last_failure_timestamp_seconds",
        "gauge",
        "When a program failed last, since the epoch, and why.",
        [
            ({**_of(each), "reason": failure.reason}, round(failure.time, 3))
            for each, failure in last
        ],
    )


def _of(service: ServiceState) -> dict[str, str]:
    return {"service": service.name}


def _starts(service: ServiceState) -> Iterator[_Sample]:
    """Yield how many programs of a service were started warm, and cold."""
    cold = service.started - service.warm
    yield {**_of(service), "start": "warm"}, service.warm
    yield {**_of(service), "start": "cold"}, cold

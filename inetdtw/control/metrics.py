# -*- test-case-name: inetdtw.control.test.test_metrics -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The figures of the daemon and its services in the text format of Prometheus, version
0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Union

from inetdtw.model.state import CONDITIONS, DaemonState, ServiceState
from inetdtw.text import printable

#: The media type.
KIND = "text/plain; version=0.0.4; charset=utf-8"

_Sample = tuple[Mapping[str, str], Union[float, None]]


def exposition(state: DaemonState) -> str:
    """All figures, as a scrape wants them."""
    families = [*_ofDaemon(state), *_ofServices(state.services)]
    return "".join(line + "\n" for family in families for line in family)


def _family(name: str, kind: str, about: str, samples: Iterable[_Sample]) -> list[str]:
    """
    One metric.  Samples without a value are left out, and so is a metric without
    samples.
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
    """Labels in braces."""
    if not labels:
        return ""
    pairs = (f'{name}="{_quoted(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    """A text in a comment."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _quoted(text: str) -> str:
    """The value of a label."""
    return _escaped(printable(text, "\n")).replace('"', '\\"')


def _number(value: float) -> str:
    """A value: whole numbers without a point."""
    return str(int(value)) if value == int(value) else repr(float(value))


def _ofDaemon(state: DaemonState) -> Iterator[list[str]]:
    """The metrics of the daemon itself."""
    one: Mapping[str, str] = {}
    about = {"version": state.version}
    yield _family("inetd_info", "gauge", "The daemon's version.", [(about, 1)])
    yield _family(
        "inetd_start_time_seconds",
        "gauge",
        "When the daemon was started, since the epoch.",
        [(one, round(state.since, 3))],
    )
    yield _family(
        "inetd_healthy",
        "gauge",
        "Whether all services do what the configuration says.",
        [(one, state.healthy)],
    )
    yield _family(
        "inetd_draining",
        "gauge",
        "Whether the daemon ends when no program runs.",
        [(one, state.draining)],
    )
    yield _family(
        "inetd_children",
        "gauge",
        "Programs that run, those of services that are gone included.",
        [(one, state.running)],
    )
    uses = [({"purpose": name}, use) for name, use in state.descriptors.items()]
    yield _family(
        "inetd_descriptors",
        "gauge",
        "File descriptors of the daemon, by what they are for.",
        [(purpose, use.open) for purpose, use in uses],
    )
    yield _family(
        "inetd_descriptors_share",
        "gauge",
        "File descriptors that there may be for a purpose.",
        [(purpose, use.share) for purpose, use in uses],
    )
    yield _family(
        "inetd_config_last_reload_successful",
        "gauge",
        "Whether the configuration had no mistakes when it was read last.",
        [(one, not state.problems)],
    )


#: What there is of each service: the name, the kind, what it is, and the attribute of
#: a L{ServiceState}.
_FIGURES = (
    ("children", "gauge", "Programs that run.", "running"),
    ("children_max", "gauge", "Programs that may run at once.", "most"),
    ("refused_total", "counter", "Clients that were turned away.", "refused"),
    ("failed_total", "counter", "Programs that could not be started.", "failed"),
    ("dropped_total", "counter", "Datagrams that were thrown away.", "dropped"),
    ("exits_total", "counter", "Programs that have ended.", "ended"),
    ("bad_exits_total", "counter", "Programs that ended badly.", "bad"),
    (
        "cpu_seconds_total",
        "counter",
        "Processor time of the programs that have ended.",
        "cpu",
    ),
    (
        "warm_ready",
        "gauge",
        "Whether an interpreter is ready to be forked.",
        "ready",
    ),
)


def _ofServices(services: Iterable[ServiceState]) -> Iterator[list[str]]:
    """The metrics of the services."""
    services = list(services)
    yield _family(
        "inetd_service_healthy",
        "gauge",
        "Whether a service does what the configuration says.",
        [
            ({**_of(each), "address": each.address, "kind": each.kind}, each.healthy)
            for each in services
        ],
    )
    yield _family(
        "inetd_service_state",
        "gauge",
        "1 for the state that a service is in.",
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
    for name, kind, about, attribute in _FIGURES:
        yield _family(
            f"inetd_service_{name}",
            kind,
            about,
            [(_of(each), getattr(each, attribute)) for each in services],
        )


def _of(service: ServiceState) -> dict[str, str]:
    """The label that every sample of a service has."""
    return {"service": service.name}


def _starts(service: ServiceState) -> Iterator[_Sample]:
    """How often the programs of a service were started, warm and cold."""
    cold = service.started - service.warm
    yield {**_of(service), "start": "warm"}, service.warm
    yield {**_of(service), "start": "cold"}, cold

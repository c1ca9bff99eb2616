# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The goals of warm services, which are Python programs."""

from __future__ import annotations

from benchmarks.drives import steady
from benchmarks.figures import Goal
from benchmarks.load import Task
from benchmarks.scenario import Scenario, ours, peers, script

#: How many clients there are at a time.
CLIENTS = 4

#: What a transfer is, in MiB.
TRANSFER = 64

WARM = ours("warm", warm="yes")
PRELOADED = ours("warm, preload", warm="yes", preload="auto")
COLD = ours("cold")

SCENARIOS = (
    Scenario(
        "lower",
        "a script that gives lines back in lower case",
        (*peers(), COLD, WARM),
        steady,
        program=script("lower.py"),
        task=Task("streams", 0, clients=CLIENTS, reply="lower"),
    ),
    Scenario(
        "udp",
        "a script that answers one datagram, started for each",
        (*peers(), WARM),
        steady,
        program=script("udpclient2.py"),
        wait=True,
        task=Task("datagrams", 0, clients=CLIENTS, reply="upper"),
        unit="datagrams",
    ),
    Scenario(
        "imports",
        "a script importing sqlite3, json, asyncio, decimal, http.client",
        (*peers(), PRELOADED),
        steady,
        program=script("imports.py"),
        task=Task("streams", 0, clients=CLIENTS, reply="lower"),
    ),
    Scenario(
        "bulk",
        f"{TRANSFER} MiB through a script that gives every byte back",
        (*peers(), WARM),
        steady,
        program=script("echo.py"),
        task=Task("bulk", 0, clients=1, size=TRANSFER << 20),
        unit="MiB",
        factor=TRANSFER,
    ),
)

GOALS = (
    Goal(
        "warm-lower",
        "lower.py, connections per second, to the fastest peer",
        "lower",
        WARM.name,
        "rate",
        20.0,
    ),
    Goal(
        "warm-lower-p50",
        "lower.py, p50 latency, the fastest peer's to ours",
        "lower",
        WARM.name,
        "p50",
        8.0,
    ),
    Goal(
        "warm-udp",
        "udpclient2.py as dgram wait, datagrams, to the fastest peer",
        "udp",
        WARM.name,
        "rate",
        20.0,
    ),
    Goal(
        "warm-imports",
        "a script with many imports, preload = auto, to the fastest peer",
        "imports",
        PRELOADED.name,
        "rate",
        40.0,
    ),
    Goal(
        "warm-bulk",
        "throughput of a warm echo script, to the fastest peer",
        "bulk",
        WARM.name,
        "rate",
        1.0,
    ),
)

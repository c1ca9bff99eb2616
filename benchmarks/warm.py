# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The goals of warm services, which are Python programs."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.drives import steady, warmed
from benchmarks.figures import Goal
from benchmarks.load import Task
from benchmarks.scenario import Scenario, debian, ours, peers, script

#: How many clients there are at a time, where peers start Python for each.
CLIENTS = 4

#: What a transfer is, in MiB.
TRANSFER = 64

WARM = ours("warm", warm="yes")
PRELOADED = ours("warm, preload", warm="yes", preload="auto")
COLD = ours("cold")

#: The warm contenders where the peers start C{/bin/cat}.
DEBIAN = replace(WARM, program=debian("lower.py"), reply="lower")
PYTHON = replace(
    ours("warm, --python", warm="yes"), program=script("lower.py"), reply="lower"
)

HUNDRED = replace(ours("100 warm services", others=99, warm="yes"), alike=True)

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
    Scenario(
        "lower-cat",
        "lower.py warm, while the peers start /bin/cat",
        (*peers(), DEBIAN, PYTHON),
        steady,
    ),
    Scenario(
        "lower-cat-other",
        "the same as another user",
        (*peers(), DEBIAN),
        steady,
        otherUser=True,
    ),
    Scenario(
        "lower-cat-one",
        "the same as the daemon's own user, with one client at a time",
        (*peers(), DEBIAN),
        steady,
        task=Task("streams", 0, clients=1),
    ),
    Scenario(
        "lower-other",
        "lower.py as another user",
        (*peers(), WARM),
        steady,
        program=debian("lower.py"),
        task=Task("streams", 0, clients=CLIENTS, reply="lower"),
        otherUser=True,
    ),
    Scenario(
        "hundred",
        "100 services that are warm",
        (HUNDRED,),
        warmed,
        program=debian("lower.py"),
        task=Task("streams", 0, reply="lower"),
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
    Goal(
        "warm-cat",
        "lower.py, own user, to the fastest peer's /bin/cat",
        "lower-cat",
        DEBIAN.name,
        "rate",
        0.8,
    ),
    Goal(
        "warm-cat-python",
        "lower.py by the interpreter of --python, to the fastest peer's /bin/cat",
        "lower-cat",
        PYTHON.name,
        "rate",
        0.75,
    ),
    Goal(
        "warm-cpu",
        "CPU time of daemon and helpers for a connection to lower.py",
        "lower-cat",
        DEBIAN.name,
        "cpu",
        250.0,
        against="",
        atMost=True,
        unit="us",
    ),
    Goal(
        "warm-cat-other",
        "lower.py, other user, to the fastest peer's /bin/cat",
        "lower-cat-other",
        DEBIAN.name,
        "rate",
        0.8,
    ),
    Goal(
        "warm-cat-p50",
        "lower.py, one client, p50 latency, the fastest peer's /bin/cat to ours",
        "lower-cat-one",
        DEBIAN.name,
        "p50",
        # At most 1.2 times as long.
        0.83,
    ),
    Goal(
        "warm-lower-other",
        "lower.py, other user, to the fastest peer",
        "lower-other",
        WARM.name,
        "rate",
        7.0,
    ),
    Goal(
        "warm-memory-100",
        "resident memory of the warm processes of 100 services",
        "hundred",
        HUNDRED.name,
        "memory",
        560.0,
        against="",
        atMost=True,
        unit="MiB",
    ),
)

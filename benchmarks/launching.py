# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The goals of launching, measured with minimal programs."""

from __future__ import annotations

from benchmarks.drives import flooded, held, started, steady
from benchmarks.figures import Goal
from benchmarks.load import Task
from benchmarks.ours import OURS
from benchmarks.peers import OpenBSD
from benchmarks.scenario import Scenario, internal, oneDatagram, ours, peers
from benchmarks.service import ECHO_PORT

FORK_SERVER = ours("fork server", launch="forkserver")
DIRECT = ours("direct", launch="direct")

ONE_SERVICE = ours("1 service")
MANY_SERVICES = ours("1,000 services", others=999)

NO_CHILDREN = ours("no children", others=1)
IDLE_CHILDREN = ours("1,000 children", others=1, idle=1000)

WATCHED = ours("flooded", others=1)
OPENBSD_WATCHED = next(p for p in peers(others=1) if p.server == OpenBSD.name)

SMALL = ours("1 service started")
LARGE = ours("1,000 services started", others=999)

SCENARIOS = (
    Scenario(
        "cat",
        "/bin/cat as the daemon's own user",
        (*peers(), FORK_SERVER, DIRECT),
        steady,
    ),
    Scenario(
        "cat-other",
        "/bin/cat as another user",
        (*peers(), FORK_SERVER),
        steady,
        otherUser=True,
    ),
    Scenario(
        "many",
        "/bin/cat while 999 other services listen",
        (ONE_SERVICE, MANY_SERVICES),
        steady,
    ),
    Scenario(
        "idle",
        "/bin/cat while 1,000 idle children of another service live",
        (NO_CHILDREN, IDLE_CHILDREN),
        held,
    ),
    Scenario(
        "echo",
        "the server's own echo",
        (*peers(), ours()),
        steady,
        program=internal,
        internal="echo",
        port=ECHO_PORT,
    ),
    Scenario(
        "flood",
        "the server's own echo, one client, while 8 others flood /bin/cat",
        (OPENBSD_WATCHED, WATCHED),
        flooded,
        program=internal,
        internal="echo",
        port=ECHO_PORT,
        # Without a rest the faster server would have more of the processors taken from
        # the flood, and then have to wait longer for its turn.
        task=Task("streams", 0, clients=1, seconds=4.0, rest=0.002),
    ),
    Scenario(
        "dgram",
        "a program that answers one datagram, started for each",
        (*peers(), ours()),
        steady,
        program=oneDatagram,
        wait=True,
        task=Task("datagrams", 0),
        unit="datagrams",
    ),
    Scenario(
        "start",
        "from the start until all services are served",
        (SMALL, LARGE, *peers(), *peers(others=999, label=", 1,000")),
        started,
    ),
)

GOALS = (
    Goal(
        "cat-own-user",
        "fork server, own user, to the fastest peer",
        "cat",
        FORK_SERVER.name,
        "rate",
        0.9,
    ),
    Goal(
        "cat-direct",
        "direct, own user, to the fastest peer",
        "cat",
        DIRECT.name,
        "rate",
        0.65,
    ),
    Goal(
        "cat-other-user",
        "fork server, other user, to the fastest peer",
        "cat-other",
        FORK_SERVER.name,
        "rate",
        0.9,
    ),
    Goal(
        "many-services",
        "rate with 1,000 services, to the rate with 1",
        "many",
        MANY_SERVICES.name,
        "rate",
        0.95,
        against=ONE_SERVICE.name,
    ),
    Goal(
        "idle-children",
        "rate with 1,000 idle children, to the rate with none",
        "idle",
        IDLE_CHILDREN.name,
        "rate",
        0.9,
        against=NO_CHILDREN.name,
    ),
    Goal(
        "internal-echo",
        "internal echo, to the fastest peer's own",
        "echo",
        OURS,
        "rate",
        1.0,
    ),
    Goal(
        "echo-under-flood",
        "p99 of internal echo under a flood, to openbsd-inetd's",
        "flood",
        WATCHED.name,
        "p99",
        1.0,
        against=OPENBSD_WATCHED.name,
        atMost=True,
    ),
    Goal(
        "dgram-wait",
        "a child for each datagram, to the fastest peer",
        "dgram",
        OURS,
        "rate",
        0.85,
    ),
    Goal(
        "memory-1",
        "resident memory with 1 service",
        "start",
        SMALL.name,
        "memory",
        45.0,
        against="",
        atMost=True,
        unit="MiB",
    ),
    Goal(
        "memory-1000",
        "resident memory with 1,000 services",
        "start",
        LARGE.name,
        "memory",
        60.0,
        against="",
        atMost=True,
        unit="MiB",
    ),
    Goal(
        "start-1000",
        "start to serving with 1,000 services",
        "start",
        LARGE.name,
        "start",
        2.0,
        against="",
        atMost=True,
        unit="s",
    ),
)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The ways to measure a superserver that runs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from benchmarks import processes
from benchmarks.daemon import START_TIME, Daemon, Failed
from benchmarks.figures import Sample, sampleOf
from benchmarks.load import Load, LoadFailed, Result, Task, perform
from benchmarks.ours import warmProcesses
from benchmarks.scenario import Bench

#: For how long, and how often for each client, a service is used before it counts.
WARM_UP_SECONDS, WARM_UP_EXCHANGES = 0.5, 12

#: What is transferred to warm up, at most.
WARM_UP_SIZE = 1 << 20

#: How much longer than the measurement a flood beside it is, half before, half after.
FLOOD_MARGIN = 1.0


def steady(bench: Bench) -> Sample:
    """Measure one service with several clients at a time."""
    start, helpers = _prepare(bench)
    return _measure(bench, helpers, start)


def held(bench: Bench) -> Sample:
    """Measure one service while another has idle children."""
    start, helpers = _prepare(bench)
    count = bench.contender.idle
    if not count:
        return _measure(bench, helpers, start)
    hold = Task("hold", bench.services[1].port, clients=count)
    with Load(hold) as load:
        load.waitHeld()
        processes.settled(bench.daemon.pid)
        return _measure(bench, helpers, start)


def flooded(bench: Bench) -> Sample:
    """Measure one service while another is flooded."""
    start, helpers = _prepare(bench)
    seconds = bench.task.seconds + FLOOD_MARGIN
    flood = Task("streams", bench.services[1].port, seconds=seconds)
    with Load(flood) as flooder:
        time.sleep(FLOOD_MARGIN / 2)
        with Load(bench.task) as load:
            result = load.result()
        memory = processes.memory(helpers)
        flooding = flooder.result()
    _requireMost(flooding)
    _requireMost(result)
    beside = len(flooding.latencies) / flooding.elapsed
    return sampleOf(result, start=start, memory=memory, beside=beside)


def started(bench: Bench) -> Sample:
    """Measure the time until all services are served, and the memory then."""
    bench.daemon.serve(replace(bench.task, port=bench.services[-1].port))
    start, helpers = _prepare(bench)
    listening = _listening()
    deaf = [s.port for s in bench.services if s.port not in listening]
    if deaf:
        raise Failed(f"does not listen on {len(deaf)} ports, such as {deaf[0]}")
    memory, rss = _memory(helpers)
    return Sample(start=start, memory=memory, rss=rss)


def warmed(bench: Bench) -> Sample:
    """Measure the time until all services are warm, and their processes' memory."""
    daemon = bench.daemon
    daemon.serve(bench.task)
    _waitWarm(daemon)
    start = time.perf_counter() - daemon.begun
    memory, rss = _memory(daemon.helpers() & warmProcesses(daemon.output()))
    return Sample(start=start, memory=memory, rss=rss)


def _waitWarm(daemon: Daemon) -> None:
    """
    Wait until each service has a warm process that is ready.

    @raise Failed: if that takes too long.
    """
    count, deadline = 0, time.monotonic() + START_TIME
    while time.monotonic() < deadline:
        count = len(warmProcesses(daemon.output()))
        if count >= len(daemon.services):
            return
        time.sleep(0.05)
    raise Failed(daemon.withOutput(f"{count} of {len(daemon.services)} are warm"))


def _prepare(bench: Bench) -> tuple[float, frozenset[int]]:
    """
    Wait for a service, and load it for a moment.

    @return: the seconds from the start until it served, and the daemon's processes.
    """
    daemon, task = bench.daemon, bench.task
    daemon.serve(task)
    start = time.perf_counter() - daemon.begun
    count, size = WARM_UP_EXCHANGES * task.clients, min(WARM_UP_SIZE, task.size)
    few = replace(task, seconds=WARM_UP_SECONDS, count=min(count, task.count))
    result = perform(replace(few, size=size))
    if not result.latencies:
        raise Failed(daemon.withOutput(result.reason))
    return start, daemon.helpers()


def _measure(bench: Bench, helpers: frozenset[int], start: float) -> Sample:
    """Run the load generator, and measure the daemon's processes."""
    before = processes.cpuSeconds(helpers)
    with Load(bench.task) as load:
        result = load.result()
    processes.settled(bench.daemon.pid, timeout=0.5)
    cpu = processes.cpuSeconds(helpers) - before
    _requireMost(result)
    memory, rss = _memory(helpers)
    return sampleOf(result, bench.factor, cpu, start=start, memory=memory, rss=rss)


def _requireMost(result: Result) -> None:
    """
    Raise L{Failed} for a run with too many failed exchanges.

    @raise LoadFailed: if more than one exchange in twenty failed.
    """
    done = len(result.latencies)
    if not done or result.errors * 20 > done:
        raise LoadFailed(f"{result.errors} failed, {done} did not: {result.reason}")


def _memory(pids: frozenset[int]) -> tuple[float, float]:
    """Return the resident memory of processes, as PSS and as RSS."""
    return processes.memory(pids), processes.memory(pids, "Rss:")


def _listening() -> frozenset[int]:
    """Return the TCP ports on which a process of this machine listens."""
    ports: set[int] = set()
    for name in ("tcp", "tcp6"):
        table = Path("/proc/net") / name
        for line in table.read_text().splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] == "0A":
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return frozenset(ports)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A long run with clients of all services, while reloads and kills go on.

In the end there is as much of everything as in the beginning.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inetdtw.launch.warm.command import STANDARD_INPUT
from tests.soak.mixed import Mixed, Outcomes, outcome
from tests.support.daemon import TOKEN, Daemon, eventually
from tests.support.processes import childrenOf, forkServers, pids, read, stat, status

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A line that is in every second configuration.
_EXTRA = "{directory}/extra stream unix nowait - internal echo\n"

#: What memory may differ by: a part of what it was, and bytes.
MORE, SOME = 0.1, 4 << 20

#: How many fork servers and warm processes run when none is being replaced.
_WHOLE = (min(os.cpu_count() or 1, 4), 1)

#: How many measures are the same when nothing happens any more.
_QUIET = 5


@dataclass(frozen=True)
class Measure:
    """
    Resources that must not grow.

    @ivar memory: the resident memory of the daemon, in bytes.
    @ivar helpers: that of the fork servers.
    @ivar descriptors: how many the daemon has open.
    @ivar threads: how many threads it has.
    @ivar zombies: how many zombies it has.
    @ivar servers: how many fork servers run.
    @ivar warm: how many warm processes run.
    """

    memory: int
    helpers: int
    descriptors: int
    threads: int
    zombies: int
    servers: int
    warm: int

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the figures that must be the same."""
        return self.descriptors, self.threads, self.zombies, self.servers, self.warm

    def grown(self, before: Measure) -> bool:
        """Return whether memory has grown more than allowed."""
        return any(
            now > (1 + MORE) * then + SOME
            for now, then in (
                (self.memory, before.memory),
                (self.helpers, before.helpers),
            )
        )

    def __str__(self) -> str:
        """Return a line for the output."""
        return (
            f"memory={self.memory >> 10}K fork servers' memory={self.helpers >> 10}K "
            f"descriptors={self.descriptors} threads={self.threads} "
            f"zombies={self.zombies} fork servers={self.servers} "
            f"warm processes={self.warm}"
        )


def measure(pid: int) -> Measure:
    """
    Measure a daemon.

    @param pid: its process id.
    """
    servers = forkServers(pid)
    children = [*childrenOf(pid), *(c for each in servers for c in childrenOf(each))]
    return Measure(
        _status(pid, "VmRSS") << 10,
        sum(_status(each, "VmRSS") << 10 for each in servers),
        len(os.listdir(f"/proc/{pid}/fd")),
        _status(pid, "Threads"),
        sum(stat(child)[0] == "Z" for child in children),
        len(servers),
        len(warmProcesses(pid)),
    )


def _status(pid: int, name: str) -> int:
    """Return a number of the status of a process: 0 when it has ended."""
    return int(status(pid).get(name, "0").split()[0])


def warmProcesses(pid: int) -> list[int]:
    """
    Return the process ids of the warm processes of a daemon.

    Their children are not, and those whose fork server was killed are among them: these
    run on.
    """
    mark = _mark(pid)
    warm = {each for each in pids() if _isWarm(each) and _mark(each) == mark}
    return [each for each in warm if stat(each)[1] not in warm]


def _mark(pid: int) -> list[str]:
    """Return the variable that only the processes of a daemon have."""
    variables = read(pid, "environ").split("\0")
    return [each for each in variables if each.startswith(f"{TOKEN}=")]


def _isWarm(pid: int) -> bool:
    """Return whether a process is a warm one."""
    return STANDARD_INPUT in read(pid, "cmdline").split("\0")


class Survival:
    """
    A daemon that has much to bear.

    @ivar outcomes: what became of the clients.
    @ivar reloads: how often the configuration was read again.
    @ivar kills: how many processes were killed.
    """

    def __init__(self, mixed: Mixed, daemon: Daemon, seed: int = 0) -> None:
        """
        Prepare a run.

        @param daemon: serves C{mixed}.
        @param seed: of the random numbers.
        """
        self._mixed = mixed
        self._daemon = daemon
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._number = 0
        with open(mixed.conf, encoding="utf-8") as file:
            self._text = file.read()
        self.outcomes = Outcomes()
        self.reloads = 0
        self.kills = 0

    @property
    def _pid(self) -> int:
        return self._daemon.process.pid

    def run(self, seconds: float, pause: float, clients: int = 4) -> None:
        """
        Have clients, and from time to time a fault.

        @param pause: the average pause between faults, in seconds.
        @param clients: how many clients at a time.
        """
        end = time.monotonic() + seconds
        with self._clients(clients):
            while time.monotonic() < end:
                time.sleep(min(self._random.expovariate(1 / pause), seconds / 4))
                self._random.choice([self._reload, self._reload, self._kill])()

    @contextmanager
    def _clients(self, count: int) -> Iterator[None]:
        """Connect clients to all services, one by one in each of some threads."""
        stopped = threading.Event()
        names = list(self._mixed.clients)

        def come() -> None:
            while not stopped.is_set():
                with self._lock:
                    self._number += 1
                    number = self._number
                name = names[number % len(names)]
                what = outcome(self._mixed.clients[name], number)
                with self._lock:
                    self.outcomes.add(name, number, what)

        threads = [threading.Thread(target=come) for _ in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            for thread in threads:
                thread.join()

    def _reload(self) -> None:
        """Reload with another configuration."""
        self.reloads += 1
        extra = (
            _EXTRA.format(directory=self._mixed.directory) if self.reloads % 2 else ""
        )
        new = f"{self._mixed.conf}.new"
        with open(new, "w", encoding="utf-8") as file:
            file.write(self._text + extra)
        os.replace(new, self._mixed.conf)
        os.kill(self._pid, signal.SIGHUP)

    def _kill(self) -> None:
        """Kill a fork server, a warm process or a program."""
        servers = forkServers(self._pid)
        programs = [child for each in servers for child in childrenOf(each)]
        found = self._random.choice([servers, warmProcesses(self._pid), programs])
        if found:
            with suppress(ProcessLookupError):
                os.kill(self._random.choice(found), signal.SIGKILL)
                self.kills += 1

    def settled(self, before: Measure | None = None) -> Measure:
        """
        Wait until the daemon has recovered; then measure.

        No program runs or is a zombie, what was killed has been replaced, and there is
        as much of everything as before, if that is known.
        """
        if self.reloads % 2:
            self._reload()
        last: list[Measure] = []

        def isSettled() -> bool:
            self._endOrphans()
            last[:] = [*last[1 - _QUIET :], measure(self._pid)]
            wanted = last[0].counts if before is None else before.counts
            whole = last[-1].counts[-3:] == (0, *_WHOLE) and not self._programs()
            return whole and [each.counts for each in last] == [wanted] * _QUIET

        eventually(isSettled, lambda: f"{before} {last}\n{self._daemon.log()}", 120)
        return last[-1]

    def replaceServers(self) -> None:
        """
        Kill all fork servers, and wait until others have taken their places.

        For one that was started with the daemon, that has a descriptor more.
        """
        first = set(forkServers(self._pid))
        for each in first:
            os.kill(each, signal.SIGKILL)
        self.kills += len(first)

        def areReplaced() -> bool:
            now = set(forkServers(self._pid))
            return not first & now and len(now) == len(first)

        eventually(areReplaced, self._daemon.log)

    def _endOrphans(self) -> None:
        """
        Kill the warm processes whose fork server was killed.

        They would go on, and the daemon has a descriptor more to see their end.
        """
        parents = (self._pid, *forkServers(self._pid))
        for each in warmProcesses(self._pid):
            if stat(each)[1] not in parents:
                with suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)

    def _programs(self) -> list[int]:
        """Return the programs that run."""
        warm = warmProcesses(self._pid)
        parents = [self._pid, *forkServers(self._pid), *warm]
        children = {child for each in parents for child in childrenOf(each)}
        return sorted(children.difference(parents))

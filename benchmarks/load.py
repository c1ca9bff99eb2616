# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The load generator: a separate process that gets a task and returns a result."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.service import HOST

#: Seconds that a load may go on beyond what it was asked for.
GRACE = 20.0

#: After so many failures the rest is not tried.
MOST_ERRORS = 100

#: Sixty bytes in one line, with letters of both cases.
LINE = b"The Quick Brown Fox Jumps Over 13 Lazy Dogs -- AbCdEfGhIjKl\n"

TRANSFORMS: dict[str, Callable[[bytes], bytes]] = {
    "same": bytes,
    "lower": bytes.lower,
    "upper": bytes.upper,
}


class LoadFailed(Exception):
    """The load generator has failed."""


@dataclass(frozen=True)
class Task:
    """
    The task of the load generator.

    @ivar kind: C{"streams"}, C{"datagrams"}, C{"bulk"} or C{"hold"}.
    @ivar port: the port on L{HOST}.
    @ivar clients: how many clients there are at a time.
    @ivar seconds: for how long new exchanges are begun.
    @ivar count: how many exchanges there are at most.
    @ivar size: how many bytes go each way in a C{"bulk"} exchange.
    @ivar reply: what the service does to the text, a key of L{TRANSFORMS}.
    @ivar rest: the seconds between two exchanges of C{"streams"}, if there is but one
        client.
    """

    kind: str
    port: int
    clients: int = 8
    seconds: float = 2.0
    count: int = 1_000_000
    size: int = len(LINE)
    reply: str = "same"
    rest: float = 0.0

    @property
    def address(self) -> tuple[str, int]:
        """The address of the service."""
        return HOST, self.port


@dataclass
class Result:
    """
    The result of the load generator.

    @ivar latencies: seconds from connecting to end of file, for each exchange in which
        every byte was right.
    @ivar elapsed: seconds from the first exchange's begin to the last one's end.
    @ivar cpu: processor seconds of the load generator itself.
    @ivar errors: how many exchanges failed.
    @ivar reason: why the first of them did.
    """

    latencies: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    cpu: float = 0.0
    errors: int = 0
    reason: str = ""

    def fail(self, reason: object) -> None:
        """Count an exchange that failed."""
        self.errors += 1
        self.reason = self.reason or str(reason)


class Load:
    """A running load generator, which is stopped at the end of its context."""

    def __init__(self, task: Task) -> None:
        """Start the process."""
        self.task = task
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-m", "benchmarks.load", json.dumps(asdict(task))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            start_new_session=True,
            text=True,
        )

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    def waitHeld(self) -> None:
        """Wait until a C{"hold"} load has all its connections."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line.strip() != "held":
            raise LoadFailed(f"could not hold {self.task.clients} connections: {line}")

    def result(self) -> Result:
        """
        Wait for the result.

        @raise LoadFailed: if that does not come in time, or with an error.
        """
        try:
            output, _ = self._process.communicate(timeout=self.task.seconds + 2 * GRACE)
        except subprocess.TimeoutExpired:
            raise LoadFailed("the load generator hangs") from None
        if self._process.returncode != 0:
            raise LoadFailed(f"the load generator ended {self._process.returncode}")
        return Result(**json.loads(output))


def perform(task: Task) -> Result:
    """Perform a task in this process."""
    from benchmarks import bulk, datagrams, streams

    kinds: dict[str, Callable[[Task], Result]] = {
        "streams": streams.perform,
        "datagrams": datagrams.perform,
        "bulk": bulk.perform,
        "hold": bulk.hold,
    }
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    result = kinds[task.kind](task)
    after = resource.getrusage(resource.RUSAGE_SELF)
    result.elapsed = result.elapsed or time.perf_counter() - begun
    result.cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return result


if __name__ == "__main__":
    print(json.dumps(asdict(perform(Task(**json.loads(sys.argv[1]))))))

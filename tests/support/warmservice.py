# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case with one warm service."""

from __future__ import annotations

import re
from typing import Any

from tests.support import interpreters
from tests.support.daemon import (
    Daemon,
    environment,
    freePort,
)
from tests.support.serving import ServingTestCase

#: Sends its ids, and its input in lower case.
LOWER = """
import os, sys
for line in sys.stdin:
    print(os.getpid(), os.getppid(), os.getuid(), line.lower(), end="", flush=True)
"""

#: Options with which a daemon logs everything.
INFO = ("--log-level", "info")

_EVENT = re.compile(r"warm-(\w+) (\S+) pid=(\S+)(.*)")

_START = re.compile(r"start (\S+) pid=(\d+) peer=\S+ start=(warm|cold)")


def events(daemon: Daemon, kind: str) -> list[tuple[str, str]]:
    """Return the process ids and the rest of the log lines of warm processes."""
    found = _EVENT.findall(daemon.log())
    return [(pid, rest) for event, _, pid, rest in found if event == kind]


def starts(daemon: Daemon, name: str = "") -> list[str]:
    """Return how the programs of a service were started, in order."""
    found = _START.findall(daemon.log())
    return [how for each, _, how in found if name in ("", each)]


class WarmTestCase(ServingTestCase):
    """A test case with a warm service."""

    def setUp(self) -> None:
        """Choose a port."""
        super().setUp()
        self.port = freePort()

    def definition(self, args: str, keys: str = "", **given: Any) -> str:
        """Return a definition of a service."""
        usual: dict[str, Any] = {
            "service": f"127.0.0.1:{self.port}",
            "protocol": "tcp",
            "wait": "no",
            "user": "-",
            "exec": interpreters.python(),
            "warm": "yes",
        }
        values = {**usual, **given}
        service = values.pop("service")
        pairs = ", ".join(f"{key} = {value}" for key, value in values.items())
        return f"{service} on {pairs}, args = {args}{keys};\n"

    def assertStarted(self, daemon: Daemon, *how: str) -> None:
        """Wait until programs were started in these ways and this order."""
        daemon.waitForLog("start=", len(how))
        self.assertEqual(starts(daemon), list(how))

    def warm(self, conf: str, *ports: int, count: int = 1) -> Daemon:
        """
        Return a daemon with warm processes that are ready.

        @param count: how many.
        """
        env = environment()
        env.pop("PYTHONUNBUFFERED", None)
        daemon = self.daemon(conf, *ports, options=INFO, env=env)
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("warm-ready ", count)
        return daemon

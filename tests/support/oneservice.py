# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case with one service, whose starts and exits are in the log."""

from __future__ import annotations

import re

from tests.support.daemon import Daemon, freePort
from tests.support.serving import ServingTestCase


class OneServiceTestCase(ServingTestCase):
    """Serve one service, with every start and end in the log."""

    def serve(self, launch: str, keys: str, *more: str) -> Daemon:
        """
        Serve one service.

        @param launch: how its programs are started.
        @param keys: more of its definition.
        @param more: further lines of the file.
        """
        self.port = freePort()
        line = f"{self.port} on id = it, user = -, launch = {launch}, {keys};\n"
        return self.daemon(line + "".join(more), self.port, options=["-l"])

    def lines(self, daemon: Daemon, word: str) -> list[str]:
        """Return the log lines that begin with a word, of one service."""
        return [line for line in daemon.log().splitlines() if f"] {word} it " in line]

    def started(self, daemon: Daemon, count: int = 0) -> list[int]:
        """
        Return the process ids of all programs until now.

        @param count: the least number: an effect of a program can precede its log line.
        """
        daemon.waitForLog("] start it ", count)
        found = (re.search(r"pid=(\d+)", each) for each in self.lines(daemon, "start"))
        return [int(match[1]) for match in found if match]

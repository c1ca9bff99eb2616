# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case with a file of one service for the C{inetd} command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.daemon import (
    Daemon,
    freePort,
    talk,
)
from tests.support.serving import ServingTestCase, inetd

if TYPE_CHECKING:
    from collections.abc import Sequence


class CommandTestCase(ServingTestCase):
    """A test case with a configuration of one service."""

    def setUp(self) -> None:
        """Write the file."""
        super().setUp()
        self.port = freePort()
        self.line = f"{self.port} stream tcp nowait - /bin/cat\n"
        self.conf = self.write("inetd.conf", self.line)
        self.pidFile = self.path("inetd.pid")

    def start(self, *arguments: str, ports: Sequence[int] = ()) -> Daemon:
        """Run C{inetd} until the test ends, once it serves."""
        daemon = Daemon(inetd(*arguments), ports=[self.port, *ports])
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def pid(self) -> int:
        """Return the process id in the pid file."""
        with open(self.pidFile, encoding="ascii") as file:
            return int(file.read())

    def assertServes(self) -> None:
        """Check that a client is served."""
        self.assertEqual(talk(self.port, b"text"), b"text")

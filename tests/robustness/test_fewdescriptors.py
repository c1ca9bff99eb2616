# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""More services than file descriptors."""

from __future__ import annotations

import os
import signal

from tests.support.daemon import (
    Daemon,
    freePort,
    talk,
)
from tests.support.faults import FaultsTestCase
from tests.support.processes import forkServers
from tests.support.serving import inetd
from tests.support.shares import withLimit


class FewTests(FaultsTestCase):
    """More services than descriptors."""

    def _few(self, line: str, limit: int = 30) -> None:
        """Those of many services that have a socket serve their clients, at once."""
        ports = [freePort() for _ in range(40)]
        path = self.write("inetd.conf", "".join(line.format(port) for port in ports))
        argv = [*withLimit(limit), *inetd("-f", "-e", path)]
        with Daemon(argv, ports=ports[:1]) as daemon:
            daemon.waitForLog("reason=Too many open files")
            daemon.waitForLog("] listen ", 6)
            served = [port for port in ports if f"listen {port}/tcp" in daemon.log()]
            for _ in range(2):
                for port in served:
                    self.assertEqual(talk(port, b"hello"), b"hello")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.waitForLog("] reload - ")
            for pid in forkServers(daemon.process.pid):
                os.kill(pid, signal.SIGKILL)
            for port in served:
                self.assertEqual(talk(port, b"hello"), b"hello")

    def test_internal(self) -> None:
        """Clients of internal services are served with few descriptors."""
        self._few("{} stream tcp nowait - internal echo\n")

    def test_forkServers(self) -> None:
        """Clients of fork servers' programs are served with few descriptors."""
        self._few("{} stream tcp nowait - /bin/cat cat\n")

    def test_accepted(self) -> None:
        """Clients that the daemon accepts are served with few descriptors."""
        self._few("{} stream tcp nowait/3 - /bin/cat cat\n")

    def test_logged(self) -> None:
        """Clients are served with few descriptors when standard error is logged."""
        self._few(
            "{} on protocol = tcp, wait = no, user = -, exec = /bin/cat,"
            " stderr = log;\n"
        )

    def test_warm(self) -> None:
        """
        Warm services are served with few descriptors.

        As many interpreters are started as descriptors allow.
        """
        cat = self.program("cat", "import sys\nprint(sys.stdin.read(), end='')\n")
        line = "{} on protocol = tcp, wait = no, user = -, warm = yes, stderr = log,"
        self._few(f"{line} exec = {cat};\n", 64)

    def test_contexts(self) -> None:
        """Services with a fork server each are served with few descriptors."""
        ports = [freePort() for _ in range(40)]
        conf = "".join(
            f"{port} on protocol = tcp, wait = no, user = -, exec = /bin/cat,"
            f" umask = {number:o};\n"
            for number, port in enumerate(ports)
        )
        path = self.write("inetd.conf", conf)
        argv = [*withLimit(64), *inetd("-f", "-e", path)]
        with Daemon(argv) as daemon:
            daemon.waitForLog("reason=Too many open files")
            daemon.waitForLog("listen ", 5)
            served = [port for port in ports if f"listen {port}/tcp" in daemon.log()]
            for port in served:
                self.assertEqual(talk(port, b"hello"), b"hello")

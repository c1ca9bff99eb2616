# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case with the shares of file descriptors."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
from typing import Any

from tests.support.daemon import (
    DEADLINE,
    Daemon,
    ask,
    environment,
    eventually,
    freePort,
    talk,
)
from tests.support.faults import FaultsTestCase
from tests.support.limits import limit
from tests.support.processes import descriptors, forkServers
from tests.support.serving import inetd

#: How many descriptors the daemon has, and how many clients come.
LIMIT, MANY = 256, 400

#: Reads, and complains.
GRUMBLE = (
    "import sys\n"
    "print('grumble', file=sys.stderr, flush=True)\n"
    "print(sys.stdin.read(), end='')\n"
)


def withLimit(count: int) -> list[str]:
    """Return a command that runs another one with so many descriptors."""
    return ["sh", "-c", f'ulimit -Sn {count}; exec "$@"', "sh"]


class SharesTestCase(FaultsTestCase):
    """A test case with a daemon that has few descriptors and all kinds of services."""

    limit = LIMIT

    def setUp(self) -> None:
        """Choose ports, and write programs."""
        super().setUp()
        limit([os.getpid()], 7, -1)
        self.clients: list[socket.socket] = []
        self.log, self.udp, self.mux, self.prom = (freePort() for _ in range(4))
        self.control = self.path("control")
        grumble = self.program("grumble", GRUMBLE)
        cat = self.program("cat", "import sys\nprint(sys.stdin.read())\n")
        self.lines += (
            f"{self.log} on protocol = tcp, wait = no, user = {self.user},"
            f" exec = {grumble}, stderr = log;\n"
            f"{self.udp} dgram udp nowait {self.user} {cat} cat\n"
            f"{self.mux} stream tcp nowait - internal tcpmux\n"
            "tcpmux/+cat stream tcp nowait - /bin/cat cat\n"
        )

    def start(self, lines: str = "", *ports: int) -> Daemon:
        """Start the daemon."""
        path = self.write("inetd.conf", self.lines + lines)
        metrics = f"tcp:{self.prom}:interface=127.0.0.1"
        argv = [
            *withLimit(self.limit),
            *inetd("-f", "-e", "-l", "--control", self.control, "--metrics", metrics),
            path,
        ]
        every = (*self.others, self.log, self.mux, self.prom, *ports)
        daemon = Daemon(argv, ports=every)
        daemon.start()
        self.addCleanup(daemon.stop)
        self.othersAnswer()
        return daemon

    def flood(
        self, port: int, count: int = MANY, hosts: int = 1, sent: bytes = b""
    ) -> list[socket.socket]:
        """
        Clients that connect, or wait in the backlog, or in front of it.

        @param hosts: how many addresses they have.
        @param sent: what they send.
        """
        clients: list[socket.socket] = []
        for number in range(count):
            client = socket.socket()
            self.addCleanup(client.close)
            client.bind((f"127.0.1.{number % hosts + 1}", 0))
            client.settimeout(0.01)
            with contextlib.suppress(OSError):
                client.connect(("127.0.0.1", port))
                client.sendall(sent)
            client.settimeout(DEADLINE)
            clients.append(client)
        self.clients += clients
        return clients

    def uses(self) -> Any:
        """Return how many descriptors each purpose has, as operators see it."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(self.control)
            connection = http.client.HTTPConnection("inetd")
            connection.sock = client
            connection.request("GET", "/status")
            return json.loads(connection.getresponse().read())["descriptors"]

    def floodPath(self, path: str) -> None:
        """Clients of a UNIX socket that send nothing."""
        for _ in range(100):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.settimeout(DEADLINE)
            with contextlib.suppress(BlockingIOError):
                client.connect(path)

    def command(self, word: str) -> tuple[int, str]:
        """
        Run a command of the operator.

        @return: its exit status, and what it prints.
        """
        done = subprocess.run(
            inetd(word, "--control", self.control),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stdout

    def scrape(self) -> str:
        """Return the metrics."""
        connection = http.client.HTTPConnection("127.0.0.1", self.prom, DEADLINE)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def works(self, daemon: Daemon, *spared: int) -> None:
        """
        Assert that everything works but the services that are flooded.

        @param spared: the ports of these.
        """
        for port in {*self.others, self.log}.difference(spared):
            self.assertEqual(talk(port, b"hello"), b"hello", port)
        self.assertEqual(ask(self.udp, b"datagram"), b"datagram\n")
        self.assertEqual(talk(self.mux, b"cat\r\nhello"), b"+Go\r\nhello")
        self.assertIn("inetd_healthy 1", self.scrape())
        for word in ("status", "health", "reload"):
            status, output = self.command(word)
            self.assertEqual(status, 0, output)
        reloads = daemon.log().count("] reload - ")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("] reload - ", reloads + 1)
        servers = forkServers(daemon.process.pid)
        for pid in servers:
            os.kill(pid, signal.SIGKILL)
        eventually(
            lambda: (
                len(set(forkServers(daemon.process.pid)) - set(servers)) >= len(servers)
            ),
            daemon.log,
        )
        if self.others[1] not in spared:
            self.assertEqual(talk(self.others[1], b"again"), b"again")
        self.assertLess(descriptors([daemon.process.pid]), self.limit)
        self.assertNotIn("Traceback", daemon.log())
        self.assertNotIn("] start-failed ", daemon.log())
        self.assertNotIn("] drop ", daemon.log())

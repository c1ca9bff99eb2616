# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The standard error of programs of C{wait} services, which no client sees."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from tests.support.daemon import Daemon, ask, freePort, talk
from tests.support.serving import ServingTestCase, inetd
from tests.support.systemlog import SystemLog

#: Fails, for a datagram that is not a number.
FAILS = """
import socket
s = socket.socket(fileno=0)
data, client = s.recvfrom(99)
s.sendto(b"%d" % (2 * int(data)), client)
"""
#: Fails after it has accepted a connection.
ACCEPTS = """
import socket
connection, client = socket.socket(fileno=0).accept()
int(connection.recv(99))
"""
#: Leaves a process behind that has standard error, and writes without end to it.
LEAVES = """#!/bin/sh
dd count=1 bs=99 status=none >/dev/null
(echo $$ >>$1; while echo error; do :; done) <&- >&2 &
exit 3
"""


class WaitTests(ServingTestCase):
    """Tests for C{wait} services."""

    def setUp(self) -> None:
        """Choose a port."""
        super().setUp()
        self.port = freePort()
        self.failing = self.program("fails.py", FAILS)

    def line(self, keys: str = "", protocol: str = "udp") -> str:
        """Return the definition of a service."""
        return (
            f"{self.port} on protocol = {protocol}, wait = yes, user = -, "
            f"exec = {self.failing}{keys};\n"
        )

    def send(self, data: bytes) -> None:
        """Send a datagram."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(data, ("127.0.0.1", self.port))

    def assertTraceback(self, daemon: Daemon, kind: str = "udp") -> None:
        """Assert that the log has a traceback, in front of the exit of its program."""
        daemon.waitForLog("status=1")
        lines = daemon.log().splitlines()
        (last,) = (each for each in lines if "text=ValueError: invalid" in each)
        self.assertIn(f"stderr {self.port}/{kind} pid=", last)
        pid = last.split("pid=")[1].split()[0]
        (end,) = (each for each in lines if "status=1" in each)
        self.assertIn(f"exit {self.port}/{kind} pid={pid} peer=- status=1", end)
        self.assertLess(lines.index(last), lines.index(end))

    def test_default(self) -> None:
        """A traceback is logged, however the program is started."""
        for keys in ("", ", launch = direct", ", accept_max = 5", ", warm = yes"):
            with self.daemon(self.line(keys), self.port) as daemon:
                self.send(b"seven")
                self.assertTraceback(daemon)
                self.assertEqual(ask(self.port, b"7"), b"14")

    def test_connections(self) -> None:
        """A traceback of C{stream wait} is logged."""
        self.failing = self.program("accepts.py", ACCEPTS)
        with self.daemon(self.line(protocol="tcp"), self.port) as daemon:
            talk(self.port, b"seven")
            self.assertTraceback(daemon, "tcp")

    def test_option(self) -> None:
        """C{--service-stderr} sets it for all services, unless they have the key."""
        for keys, options, logged in (
            ("", ("--service-stderr=null",), False),
            ("", ("--service-stderr=socket",), False),
            (", stderr = log", ("--service-stderr=null",), True),
            (", stderr = socket", ("--service-stderr=log",), False),
        ):
            conf = self.line(keys)
            with self.daemon(conf, self.port, options=options) as daemon:
                self.send(b"seven")
                daemon.waitForLog("exit ")
                self.assertEqual("ValueError" in daemon.log(), logged, (keys, options))

    def test_leavesBehind(self) -> None:
        """A background child that keeps standard error, and floods it, stops nobody."""
        self.failing = self.write("leaves.sh", LEAVES, 0o755)
        pids = self.path("pids")
        self.addCleanup(self.kill, pids)
        conf = self.line(f", args = leaves.sh {pids}")
        with self.daemon(conf, self.port, options=("--log-rate", "100")) as daemon:
            for count in range(1, 4):
                self.send(b"1")
                daemon.waitForLog("status=3", count)
            self.assertLessEqual(daemon.log().count("text=error"), 200)

    def kill(self, path: str) -> None:
        """Kill the process groups that a file names."""
        with open(path, encoding="ascii") as file:
            for pid in map(int, file.read().split()):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

    def test_syslog(self) -> None:
        """A daemon in the background sends it to the system log, as a notice."""
        log = SystemLog(self)
        conf = self.write("inetd.conf", self.line())
        with Daemon(inetd("-f", conf), ports=()):
            log.waitFor("listen ")
            self.send(b"seven")
            found = log.waitFor("ValueError")
        self.assertTrue(found.startswith(f"<{3 * 8 + 5}>"), found)

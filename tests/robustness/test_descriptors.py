# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Floods that need file descriptors of the daemon; each kind has a share."""

from __future__ import annotations

import socket

from tests.support.daemon import (
    DEADLINE,
    eventually,
    freePort,
    talk,
)
from tests.support.processes import programs
from tests.support.serving import readAll
from tests.support.shares import LIMIT, SharesTestCase

#: Leaves a process behind that has nothing but its standard error.
LEAVE = (
    "import os, sys, time\n"
    "if not os.fork():\n"
    "    os.close(0), os.close(1)\n"
    "    while os.path.exists(__file__): time.sleep(2)\n"
    "    os._exit(0)\n"
    "print('left', flush=True)\n"
)

#: Stays until the test is over.
STAY = "import os, time\nwhile os.path.exists(__file__): time.sleep(1)\n"


class SharesTests(SharesTestCase):
    """One kind of client takes all that it can."""

    def test_internal(self) -> None:
        """
        Silent clients of an internal service leave the shares of others.

        They come from one address and from many; another address is still served. When
        they go, the service is as before.
        """
        echo = self.others[0]
        daemon = self.start()
        clients = self.flood(echo)
        daemon.waitForLog("reason=the client's address has used its share")
        with socket.create_connection(("127.0.0.1", echo), DEADLINE) as other:
            other.sendall(b"other")
            self.assertEqual(other.recv(10), b"other")
        self.works(daemon, echo)
        clients += self.flood(echo, hosts=100)
        self.works(daemon, echo)
        for each in clients:
            each.close()
        self.othersAnswer()

    def test_everyInternal(self) -> None:
        """Silent clients of several internal services leave the shares of others."""
        ports = [freePort() for _ in range(5)]
        names = ("echo", "discard", "chargen", "echo", "discard")
        lines = "".join(
            f"{port} stream tcp nowait - internal {name}\n"
            for port, name in zip(ports, names)
        )
        daemon = self.start(lines, *ports)
        for port in ports:
            self.flood(port, 100, hosts=20)
        self.works(daemon)

    def test_unix(self) -> None:
        """Clients of a UNIX socket are all from one place."""
        path = self.path("echo")
        daemon = self.start(f"{path} stream unix nowait - internal echo\n")
        self.floodPath(path)
        self.works(daemon)

    def test_tcpmux(self) -> None:
        """Silent clients of tcpmux are closed when others connect."""
        daemon = self.start()
        self.flood(self.mux)
        daemon.waitForLog("reason=no service name yet, and others wait")
        self.works(daemon)
        self.flood(self.mux, hosts=100)
        self.works(daemon)

    def test_metrics(self) -> None:
        """Clients of the metrics that send or read nothing do not delay a scrape."""
        daemon = self.start()
        self.flood(self.prom)
        self.works(daemon)
        self.flood(
            self.prom, hosts=60, sent=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        self.works(daemon)

    def test_control(self) -> None:
        """Silent clients of the control socket do not delay the operator."""
        daemon = self.start()
        self.floodPath(self.control)
        self.works(daemon)

    def test_programs(self) -> None:
        """
        Too many clients of a service with C{stderr = log} wait.

        Each is served in the end.
        """
        daemon = self.start()
        clients = self.flood(self.log, 120)
        daemon.waitForLog(f"reason=clients of '{self.log}/tcp' have their share")
        self.works(daemon, self.log)
        for each in clients:
            each.sendall(b"x")
            each.shutdown(socket.SHUT_WR)
        self.assertEqual([readAll(each) for each in clients], [b"x"] * len(clients))

    def test_leftBehind(self) -> None:
        """Orphans of programs with C{stderr = log} take no descriptors of others."""
        port = freePort()
        leave = self.program("leave", LEAVE)
        line = (
            f"{port} on protocol = tcp, wait = no, user = {self.user},"
            f" exec = {leave}, stderr = log;\n"
        )
        daemon = self.start(line, port)
        for _ in range(LIMIT + 20):
            self.assertEqual(talk(port, b""), b"left\n")
        self.works(daemon)
        self.assertEqual(talk(port, b""), b"left\n")

    def test_orphans(self) -> None:
        """
        Programs of a killed fork server do not take a descriptor each.

        The daemon sees their exits all the same.
        """
        cat = self.others[1]
        daemon = self.start()
        clients = self.flood(cat, LIMIT)
        eventually(
            lambda: len(programs(daemon.process.pid)) >= LIMIT,
            lambda: str(len(programs(daemon.process.pid))),
        )
        self.works(daemon)
        self.works(daemon)
        for each in clients:
            each.close()
        daemon.waitForLog(f"] exit {cat}/tcp ", LIMIT)

    def test_direct(self) -> None:
        """Orphans of programs that the daemon started take no descriptors of others."""
        direct = self.others[2]
        daemon = self.start()
        clients = self.flood(direct, LIMIT)
        eventually(
            lambda: len(programs(daemon.process.pid)) >= LIMIT,
            lambda: str(len(programs(daemon.process.pid))),
        )
        self.works(daemon)
        for each in clients:
            each.shutdown(socket.SHUT_WR)
        self.assertEqual([readAll(each) for each in clients], [b""] * LIMIT)
        daemon.waitForLog(f"] exit {direct}/tcp ", LIMIT)

    def test_datagrams(self) -> None:
        """Slow programs of C{dgram nowait} leave the shares of others."""
        port = freePort()
        sleep = self.program("sleep", STAY)
        daemon = self.start(f"{port} dgram udp nowait {self.user} {sleep} sleep\n")
        client = self.datagrams()
        for _ in range(100):
            client.sendto(b"x", ("127.0.0.1", port))
        daemon.waitForLog(f"reason=clients of '{port}/udp' have their share")
        self.works(daemon)

    def test_all(self) -> None:
        """All of them together leave the daemon what it needs itself."""
        echo, _, direct = self.others
        daemon = self.start()
        self.flood(echo, hosts=100)
        self.flood(self.log, 120)
        self.flood(self.mux, hosts=100)
        self.flood(self.prom)
        self.flood(direct, 100)
        self.works(daemon, echo, self.log)
        for each in self.clients:
            each.close()
        ended = ("internal", "tcpmux", "children", "pidfds")
        eventually(
            lambda: [self.uses()[each]["open"] for each in ended] == [0] * 4,
            lambda: str(self.uses()),
        )
        self.assertLessEqual(self.uses()["metrics"]["open"], 1)

    def test_shown(self) -> None:
        """The operator sees what each purpose has, and may have."""
        daemon = self.start()
        self.flood(self.others[0], 10)

        eventually(lambda: self.uses()["internal"]["open"] == 10, daemon.log)
        found = self.uses()
        self.assertGreater(found["internal"]["share"], 10)
        self.assertEqual(found["control"]["open"], 1)
        self.assertGreater(found["listeners"]["open"], 5)
        self.assertIsNone(found["listeners"]["share"])
        self.assertIn('inetd_descriptors{purpose="internal"} 10\n', self.scrape())
        self.assertIn('inetd_descriptors_share{purpose="internal"} ', self.scrape())

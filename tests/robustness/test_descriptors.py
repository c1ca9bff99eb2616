# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Floods that need file descriptors of the daemon; each kind has a share."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
from typing import Any

from tests.robustness.test_resources import limit
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
from tests.support.processes import descriptors, forkServers, programs
from tests.support.serving import inetd, readAll

#: How many descriptors the daemon has, and how many clients come.
LIMIT, MANY = 256, 400
#: Reads, and complains.
GRUMBLE = (
    "import sys\n"
    "print('grumble', file=sys.stderr, flush=True)\n"
    "print(sys.stdin.read(), end='')\n"
)
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
#: Writes more than fits into a pipe, after its parent has ended.
WRITE = (
    "import os, sys, time\n"
    "if not os.fork():\n"
    "    os.close(0), os.close(1)\n"
    "    while os.getppid() == {parent}: time.sleep(0.01)\n"
    "    while not os.path.exists({go!r}): time.sleep(0.01)\n"
    "    try:\n"
    "        for _ in range(100): os.write(2, b'x' * 4096)\n"
    "        result = 'all'\n"
    "    except OSError as why:\n"
    "        result = type(why).__name__\n"
    "    with open({done!r}, 'w') as file: file.write(result)\n"
    "    os._exit(0)\n"
)


def withLimit(count: int) -> list[str]:
    """Return a command that runs another one with so many descriptors."""
    return ["sh", "-c", f'ulimit -Sn {count}; exec "$@"', "sh"]


class SharesTestCase(FaultsTestCase):
    """Have a daemon with few descriptors and every kind of service."""

    limit = LIMIT

    def setUp(self) -> None:
        """Have ports, programs and a control socket."""
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
        @param sent: what they say.
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
        """Clients of a UNIX socket that say nothing."""
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
            status, said = self.command(word)
            self.assertEqual(status, 0, said)
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
        daemon.waitForLog("reason=its address has its share of the file descriptors")
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
        daemon.waitForLog("reason=it named no service, and others wait")
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


class LeftBehindTests(SharesTestCase):
    """Orphans of programs."""

    def test_refused(self) -> None:
        """
        An orphan whose standard error is no longer read runs on.

        It is neither killed nor blocked.
        """
        go, done, port = self.path("go"), self.path("done"), freePort()
        os.chmod(self.directory, 0o777)
        text = WRITE.format(parent="parent", go=go, done=done)
        text = text.replace(
            "import os, sys, time\n", "import os, sys, time\nparent = os.getpid()\n"
        )
        write = self.program("write", text)
        line = (
            f"{port} on protocol = tcp, wait = no, user = {self.user},"
            f" exec = {write}, stderr = log;\n"
        )
        daemon = self.start(line, port)
        self.assertEqual(talk(port, b""), b"")
        daemon.waitForLog(f"] exit {port}/tcp ")
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait()
        with open(go, "w", encoding="ascii"):
            pass  # It may begin.
        eventually(lambda: os.path.exists(done) and os.path.getsize(done), daemon.log)
        with open(done, encoding="ascii") as file:
            self.assertEqual(file.read(), "BlockingIOError")


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

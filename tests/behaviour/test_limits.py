# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Limits, as clients see them."""

from __future__ import annotations

import os
import signal
import socket

from tests.support.daemon import Daemon, ask, eventually, freePort, talk
from tests.support.processes import programs
from tests.support.serving import ServingTestCase, inetd, readAll, run

#: Two addresses that a client on this machine can have.
ONE, TWO = "127.0.0.1", "127.0.0.2"


class LimitsTests(ServingTestCase):
    """Each limit by the line of a service, and all by options."""

    def setUp(self) -> None:
        """Choose two ports."""
        super().setUp()
        self.port, self.other = freePort(), freePort()

    def conf(self, wait: str = "nowait") -> str:
        """Return a service that may have limits, and one without."""
        return (
            f"{self.port} stream tcp {wait} - /bin/cat cat\n"
            f"{self.other} stream tcp nowait/0/0/0 - /bin/cat cat\n"
        )

    def client(self, host: str = ONE) -> socket.socket:
        """
        Return a client of the service that has limits.

        @param host: its address.
        """
        client = socket.create_connection((ONE, self.port), 30, (host, 0))
        self.addCleanup(client.close)
        return client

    def waitForPrograms(self, daemon: Daemon, count: int) -> None:
        """Wait until so many programs run."""
        eventually(lambda: len(programs(daemon.process.pid)) == count, daemon.log)

    def assertServed(self, client: socket.socket) -> None:
        """Check that a client is served."""
        client.sendall(b"x")
        self.assertEqual(client.recv(1), b"x")

    def assertClosed(self, client: socket.socket) -> None:
        """Check that a client is rejected."""
        self.assertEqual(readAll(client), b"")

    def test_children(self) -> None:
        """
        At the limit of programs, the next client waits in the backlog.

        It is served when a program ends; other services are not affected (items 65, 66
        and 70).
        """
        with self.daemon(self.conf("nowait/2"), self.port, self.other) as daemon:
            first, second = self.client(), self.client()
            self.assertServed(first)
            self.assertServed(second)
            third = self.client()
            third.sendall(b"x")
            self.assertEqual(talk(self.other, b"abc"), b"abc")
            self.waitForPrograms(daemon, 2)
            first.close()
            self.assertEqual(third.recv(1), b"x")

    def test_killed(self) -> None:
        """After a program was killed, the next one starts (item 70)."""
        port = freePort()
        conf = f"{port} stream tcp nowait/1 - /bin/cat cat\n"
        with self.daemon(conf, port) as daemon:
            for _ in range(3):
                client = self.connect(port)
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
                (pid,) = programs(daemon.process.pid)
                os.kill(pid, signal.SIGKILL)
                self.assertEqual(readAll(client), b"")

    def test_childrenOfOne(self) -> None:
        """
        At the limit for an address, the next client from it is rejected.

        A client with another address is served (item 67).
        """
        with self.daemon(self.conf("nowait///1"), self.port) as daemon:
            first = self.client()
            self.assertServed(first)
            self.assertClosed(self.client())
            self.assertServed(self.client(TWO))
            first.close()
            self.waitForPrograms(daemon, 1)
            daemon.waitForLog("reason=per-address limit (1 at once) reached")

    def test_prefix(self) -> None:
        """The prefix length of one client's addresses is configurable, and logged."""
        conf = (
            f"{self.port} on protocol = tcp, wait = no, user = -, exec = /bin/cat, "
            f"per_source = 1, per_source_prefix = 8/64;\n"
        )
        with self.daemon(conf, self.port) as daemon:
            self.assertServed(self.client())
            self.assertClosed(self.client(TWO))
            daemon.waitForLog(f"peer={TWO}:")
            daemon.waitForLog("reason=per-/8 limit (1 at once) reached")

    def test_rateOfOne(self) -> None:
        """
        At the rate limit for an address, the next client from it is rejected.

        A client with another address is served (item 68).
        """
        with self.daemon(self.conf("nowait//2"), self.port) as daemon:
            for _ in range(2):
                self.assertServed(self.client())
            self.assertClosed(self.client())
            self.assertServed(self.client(TWO))
            daemon.waitForLog("reason=per-address rate limit (2/min) exceeded")

    def test_rate(self) -> None:
        """
        At the rate limit, the next client is rejected and further ones wait.

        Exactly as many programs start in a minute as the limit allows; other services
        go on (items 63 to 65).
        """
        with self.daemon(self.conf("nowait.3"), self.port, self.other) as daemon:
            for _ in range(3):
                self.assertServed(self.client())
            self.assertClosed(self.client())
            waits = self.client()
            waits.sendall(b"x")
            for _ in range(5):
                self.assertEqual(talk(self.other, b"abc"), b"abc")
            daemon.waitForLog(f"pause {self.port}/tcp seconds=60")
            waits.settimeout(0.1)
            self.assertRaises(socket.timeout, waits.recv, 1)

    def test_pause(self) -> None:
        """
        A service over its rate limit pauses, and resumes by itself.

        The pause is configurable (item 64).
        """
        conf = (
            f"{self.port} on protocol = tcp, wait = no, user = -, exec = /bin/cat, "
            f"service_max = 2, pause = 1;\n"
        )
        with self.daemon(conf, self.port) as daemon:
            for number in (1, 2):
                for _ in range(2):
                    self.assertServed(self.client())
                self.assertClosed(self.client())
                daemon.waitForLog(f"resume {self.port}/tcp", number)

    def test_options(self) -> None:
        """The limits of options hold for services without limits of their own."""
        options = ("-c2", "-R3", "--pause", "1")
        with self.daemon(self.conf(), self.port, options=options) as daemon:
            first, second = self.client(), self.client()
            self.assertServed(first)
            self.assertServed(second)
            third = self.client()
            third.sendall(b"x")
            self.waitForPrograms(daemon, 2)
            first.close()
            self.assertEqual(third.recv(1), b"x")
            second.close()
            third.close()
            self.waitForPrograms(daemon, 0)
            self.assertClosed(self.client())
            daemon.waitForLog(f"pause {self.port}/tcp seconds=1 ")
            daemon.waitForLog(f"resume {self.port}/tcp")
            self.assertServed(self.client())

    def test_addressOptions(self) -> None:
        """So do the limits of options for each address."""
        options = ("-s1", "-C2", "--per-source-prefix", "8/64")
        with self.daemon(self.conf(), self.port, options=options) as daemon:
            for host, other in ((ONE, TWO), (TWO, ONE)):
                client = self.client(host)
                self.assertServed(client)
                self.assertClosed(self.client(other))
                client.close()
                self.waitForPrograms(daemon, 0)
            daemon.waitForLog("reason=per-/8 limit (1 at once) reached")
            self.assertClosed(self.client())
            daemon.waitForLog("reason=per-/8 rate limit (2/min) exceeded")

    def test_datagrams(self) -> None:
        """
        An internal UDP service over its rate limit pauses, and resumes.

        The rate is one of its answers (items 63 and 64).
        """
        conf = (
            f"{self.port} on protocol = udp, args = echo, service_max = 2, pause = 1;\n"
            f"{self.other} stream tcp nowait - internal echo\n"
        )
        with self.daemon(conf, self.other) as daemon:
            for sent in (b"one", b"two"):
                self.assertEqual(ask(self.port, sent), sent)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"three", (ONE, self.port))
                daemon.waitForLog(f"pause {self.port}/udp seconds=1 ")
            daemon.waitForLog(f"resume {self.port}/udp")
            self.assertEqual(ask(self.port, b"four"), b"four")

    def test_refusedDatagrams(self) -> None:
        """
        A datagram over the limit is dropped with a log line, without a loop.

        Another client has its answer (items 58 and 59).
        """
        port = freePort()
        conf = (
            f"{port} on protocol = udp, wait = no, user = -, exec = /bin/cat, "
            "ip_max = 1;\n"
        )
        with self.daemon(conf, port) as daemon:
            one, two = self.datagrams(), self.datagrams(host="127.0.0.2")
            one.sendto(b"first", ("127.0.0.1", port))
            self.assertEqual(one.recv(100), b"first")
            for _ in range(3):
                one.sendto(b"too many", ("127.0.0.1", port))
            daemon.waitForLog(f"refuse {port}/udp peer=127.0.0.1:", 3)
            two.sendto(b"other", ("127.0.0.1", port))
            self.assertEqual(two.recv(100), b"other")
            eventually(lambda: not programs(daemon.process.pid), daemon.log)
            self.assertEqual(daemon.log().count("refuse "), 3)
            self.assertTrue(self.isQuiet(one))

    def isQuiet(self, client: socket.socket) -> bool:
        """Return whether a client has nothing to read."""
        client.setblocking(False)
        try:
            client.recv(100)
        except BlockingIOError:
            return True
        return False

    def test_strangers(self) -> None:
        """
        A limit for each address is an error where no address is known.

        On the command line the same limit does not concern such a service.
        """
        path = self.path("socket")
        rest = "- internal echo\n"
        text = (
            f"{self.port} stream tcp wait{{0}} - /bin/cat cat\n"
            f"{self.port} dgram udp nowait{{0}} {rest}"
            f"{path} stream unix nowait{{0}} {rest}"
        )
        bad = self.write("bad.conf", text.format("//1"))
        result = run(inetd("--check", bad))
        self.assertEqual(result.returncode, 1)
        for line in (1, 2, 3):
            self.assertIn(f"{bad}:{line}:", result.stdout)
        self.assertTrue(result.stdout.endswith("0 services, 3 errors, 0 warnings\n"))
        good = self.write("good.conf", text.format(""))
        result = run(inetd("--check", "-C", "1", "-s", "1", good))
        wanted = (0, "3 services, 0 errors, 0 warnings\n")
        self.assertEqual((result.returncode, result.stdout), wanted)

    def test_refusal(self) -> None:
        """
        Rejected clients get a message if the line has one, and else nothing.

        See item 69.
        """
        conf = (
            f"{self.port} on protocol = tcp, wait = no, user = -, exec = /bin/cat, "
            f'per_source = 1, refusal = "421 busy\\r\\n";\n'
        )
        with self.daemon(conf, self.port):
            self.assertServed(self.client())
            self.assertEqual(readAll(self.client()), b"421 busy\r\n")

    def test_lineGoesBefore(self) -> None:
        """A limit of the line, even 0, precedes that of the command line."""
        conf = self.conf("nowait.0/0/0/0")
        options = ("-c1", "-C1", "-s1", "-R1")
        with self.daemon(conf, self.port, options=options):
            clients = [self.client() for _ in range(3)]
            for client in clients:
                self.assertServed(client)

    def test_address(self) -> None:
        """With C{-a} services without an address of their own listen on that one."""
        conf = self.conf() + f"*:{freePort()} stream tcp nowait - internal echo\n"
        conf = conf.replace(f"\n{self.other} ", f"\n*:{self.other} ")
        with self.daemon(conf, self.port, self.other, options=("-a", TWO)):
            with socket.create_connection((TWO, self.port)) as client:
                self.assertServed(client)
            self.assertRaises(ConnectionRefusedError, self.client)
            self.assertEqual(talk(self.other, b"x"), b"x")

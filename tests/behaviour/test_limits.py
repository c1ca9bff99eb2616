# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Limits, by lines and by the options of FreeBSD's inetd, as clients see them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support import interpreters, users
from tests.support.daemon import Daemon, ask, eventually, freePort, talk
from tests.support.processes import programs
from tests.support.serving import ServingTestCase, inetd, readAll, run

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Two addresses that a client on this machine can have.
ONE, TWO = "127.0.0.1", "127.0.0.2"


class LimitsTests(ServingTestCase):
    """Each limit, both ways to set it."""

    def setUp(self) -> None:
        """Have two ports."""
        super().setUp()
        self.port, self.other = freePort(), freePort()

    def conf(self, wait: str = "nowait") -> str:
        """Return a service with limits, and one without."""
        return (
            f"{self.port} stream tcp {wait} - /bin/cat cat\n"
            f"{self.other} stream tcp nowait/0/0/0 - /bin/cat cat\n"
        )

    def ways(self, wait: str, *options: str) -> list[tuple[str, tuple[str, ...]]]:
        """Return the same limits in the line, and on the command line."""
        return [(self.conf(wait), ()), (self.conf(), options)]

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
        for conf, options in self.ways("nowait/2", "-c", "2"):
            with self.daemon(conf, self.port, self.other, options=options) as daemon:
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
        for conf, options in self.ways("nowait///1", "-s", "1"):
            with self.daemon(conf, self.port, options=options) as daemon:
                first = self.client()
                self.assertServed(first)
                self.assertClosed(self.client())
                self.assertServed(self.client(TWO))
                first.close()
                self.waitForPrograms(daemon, 1)
                daemon.waitForLog("reason=per-address limit (1 at once) reached")

    def test_prefix(self) -> None:
        """The prefix length of one client's addresses is configurable, and logged."""
        definition = (
            f"{self.port} on protocol = tcp, wait = no, user = -, exec = /bin/cat, "
            f"per_source = 1, per_source_prefix = 8/64;\n"
        )
        ways = (
            (definition, ()),
            (self.conf("nowait///1"), ("--per-source-prefix", "8/64")),
        )
        for conf, options in ways:
            with self.daemon(conf, self.port, options=options) as daemon:
                self.assertServed(self.client())
                self.assertClosed(self.client(TWO))
                daemon.waitForLog(f"peer={TWO}:")
                daemon.waitForLog("reason=per-/8 limit (1 at once) reached")

    def test_rateOfOne(self) -> None:
        """
        At the rate limit for an address, the next client from it is rejected.

        A client with another address is served (item 68).
        """
        for conf, options in self.ways("nowait//2", "-C", "2"):
            with self.daemon(conf, self.port, options=options) as daemon:
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
        for conf, options in self.ways("nowait.3", "-R", "3"):
            if options:
                # The other line has no limit for children only.
                conf = conf.replace("nowait/0/0/0", "nowait.0")
            with self.daemon(conf, self.port, self.other, options=options) as daemon:
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
        definition = (
            f"{self.port} on protocol = tcp, wait = no, user = -, exec = /bin/cat, "
            f"service_max = 2, pause = 1;\n"
        )
        other = self.conf().partition("\n")[2]
        ways = (definition, ()), (self.conf("nowait.2"), ("--pause", "1"))
        for text, options in ways:
            conf = text if options else text + other
            with self.daemon(conf, self.port, options=options) as daemon:
                for number in (1, 2):
                    for _ in range(2):
                        self.assertServed(self.client())
                    self.assertClosed(self.client())
                    daemon.waitForLog(f"resume {self.port}/tcp", number)

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


#: A program that says whether it is the only one, in one write, and ends.
_ALONE = """
import fcntl, os, sys
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o666)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.write(1, b"alone")
except BlockingIOError:
    os.write(1, b"not alone")
"""


class AgainTests(ServingTestCase):
    """Clients that connect again as soon as they are closed or answered."""

    #: How many come, one after the other.
    CLIENTS = 60
    #: All ways to start programs.
    WAYS = (("--launch", "forkserver"), ("--launch", "direct"), ("--warm",))

    def served(self, port: int, said: bytes = b"") -> bytes:
        """Return what a program that reads nothing sends to a client."""
        with socket.create_connection((ONE, port), 30) as client:
            client.sendall(said)
            try:
                return readAll(client)
            except ConnectionResetError:
                return b""

    def test_connections(self) -> None:
        """
        One client after the other is served at one connection per address.

        It is so for all launchers.
        """
        program = self.program("hello", "print('hello')")
        for options in self.WAYS:
            one, two = freePort(), freePort()
            conf = (
                f"{one} stream tcp nowait///1 - /bin/echo echo hello\n"
                f"{two} stream tcp nowait///1 - {program} hello\n"
            )
            with self.daemon(conf, one, two, options=options):
                for port in (one, two):
                    found = [self.served(port) for _ in range(self.CLIENTS)]
                    self.assertEqual(found, [b"hello\n"] * self.CLIENTS, options)

    def test_together(self) -> None:
        """Up to the limit, clients of one address at a time are served."""
        for options in self.WAYS:
            port = freePort()
            conf = f"{port} stream tcp nowait///4 - /bin/echo echo hello\n"
            with (
                self.daemon(conf, port, options=options),
                ThreadPoolExecutor(4) as pool,
            ):
                found = list(pool.map(self.served, [port] * self.CLIENTS))
            self.assertEqual(found, [b"hello\n"] * self.CLIENTS, options)

    def test_datagrams(self) -> None:
        """Datagrams, each sent after an answer, are answered at one per address."""
        for options in self.WAYS[:2]:
            port = freePort()
            conf = f"{port} dgram udp nowait///1 - /bin/cat cat\n"
            with self.daemon(conf, port, options=options):
                for number in range(self.CLIENTS):
                    self.assertEqual(ask(port, b"%d" % number), b"%d" % number)

    def test_internal(self) -> None:
        """Internal services and tcpmux serve one client after the other."""
        internal, mux = freePort(), freePort()
        conf = (
            f"{internal} stream tcp nowait///1 - internal daytime\n"
            f"{mux} stream tcp nowait///1 - internal tcpmux\n"
            "tcpmux/hello stream tcp nowait///1 - /bin/echo echo hello\n"
        )
        with self.daemon(conf, internal, mux):
            for _ in range(self.CLIENTS):
                self.assertNotEqual(self.served(internal), b"")
            for _ in range(self.CLIENTS):
                self.assertEqual(self.served(mux, b"hello\r\n"), b"hello\n")

    def test_never(self) -> None:
        """
        Of clients at the same time never more than the limit are served at once.

        More are served in the end.
        """
        program = self.program("alone", _ALONE)
        for options in self.WAYS:
            port, lock = freePort(), self.path(f"lock{options[-1]}")
            conf = f"{port} stream tcp nowait///1 - {program} alone {lock}\n"
            with (
                self.daemon(conf, port, options=options),
                ThreadPoolExecutor(3) as pool,
            ):
                found = list(pool.map(self.served, [port] * self.CLIENTS))
            self.assertEqual({*found} - {b""}, {b"alone"}, options)

    def test_livesOn(self) -> None:
        """A program that closes the connection and runs on counts for the limit."""
        program = self.program(
            "lives", "import os, time\nfor fd in range(3): os.close(fd)\ntime.sleep(60)"
        )
        for options in self.WAYS:
            port = freePort()
            conf = f"{port} stream tcp nowait///1 - {program} lives\n"
            with self.daemon(conf, port, options=options) as daemon:
                self.served(port)
                self.served(port)
                daemon.waitForLog("reason=per-address limit (1 at once) reached")


#: What a client in another network namespace does: it connects from each address of its
#: arguments, and prints whether it was served.
_CLIENT = """
import socket, sys
kept = []
for host in sys.argv[2:]:
    one = socket.create_connection(("2001:db8::1", int(sys.argv[1])), 30, (host, 0))
    one.settimeout(30)
    kept.append(one)
    try:
        one.sendall(b"x")
        print(one.recv(1) == b"x")
    except ConnectionError:
        print(False)
"""


class NetworkTests(ServingTestCase):
    """Clients with many addresses of IPv6, in a network namespace that has them."""

    if not users.ROOT:
        skip = "only root can make a network namespace"
    elif not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        skip = "there is no unshare, nsenter or ip"

    SAME, OTHER = ("2001:db8::1", "2001:db8::2"), "2001:db8:0:1::1"

    def served(self, *hosts: str, options: Sequence[str] = ()) -> list[bool]:
        """
        Connect from each address to a service with one client per source.

        @return: whether each was served.
        """
        port = freePort()
        path = self.write(
            "inetd.conf", f"{port} stream tcp6 nowait///1 - /bin/cat cat\n"
        )
        added = "".join(
            f"ip -6 address add {host}/128 dev lo nodad; "
            for host in (*self.SAME, self.OTHER)
        )
        prepare = f'ip link set lo up; {added} exec "$@"'
        command = [*inetd("-f", "-l", "--stdout", *options), path]
        daemon = Daemon(["unshare", "--net", "sh", "-ec", prepare, "sh", *command])
        with daemon:
            daemon.waitForLog("listen ")
            enter = ["nsenter", f"--net=/proc/{daemon.process.pid}/ns/net"]
            client = [interpreters.python(), "-c", _CLIENT, str(port), *hosts]
            result = run([*enter, *client])
        return [word == "True" for word in result.stdout.split()]

    def test_network(self) -> None:
        """All addresses of a /64 count as one client by default."""
        first, second = self.SAME
        hosts = (first, second, self.OTHER, first)
        self.assertEqual(self.served(*hosts), [True, False, True, False])

    def test_address(self) -> None:
        """With a prefix of 128 bits, each address counts by itself."""
        first, second = self.SAME
        served = self.served(
            first, second, first, options=("--per-source-prefix", "32/128")
        )
        self.assertEqual(served, [True, True, False])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Limits for each address, for clients that connect again, and for networks."""

from __future__ import annotations

import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support import interpreters, users
from tests.support.daemon import Daemon, ask, freePort
from tests.support.serving import ServingTestCase, inetd, readAll, run

if TYPE_CHECKING:
    from collections.abc import Sequence

_HOST = "127.0.0.1"

#: A program that reports whether it is the only one, in one write, and exits.
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

    def served(self, port: int, sent: bytes = b"") -> bytes:
        """Return what a program that reads nothing sends to a client."""
        with socket.create_connection((_HOST, port), 30) as client:
            client.sendall(sent)
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
        skip = "unshare, nsenter or ip is not installed"

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

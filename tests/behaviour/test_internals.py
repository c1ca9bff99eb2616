# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The internal services, over real sockets of both protocols and both families."""

from __future__ import annotations

import os
import socket
import struct
import time

from tests.support import users
from tests.support.daemon import Daemon, ask, freePort, talk
from tests.support.processes import forkServers
from tests.support.serving import ServingTestCase, readAll

_NAMES = ("echo", "discard", "daytime", "chargen", "time")
_HOST = "127.0.0.1"

#: The printable characters, and how many of them are on each line of chargen.
_RING = bytes(range(32, 127))
_WIDTH = 72

#: From 1900 to 1970.
_SINCE_1900 = 2208988800


def _line(number: int) -> bytes:
    """Return a line of chargen."""
    return (_RING * 2)[number % 95 : number % 95 + _WIDTH] + b"\r\n"


class InternalTests(ServingTestCase):
    """All internal services, by IPv4 where the family does not matter."""

    def serve(self, family: str = "") -> Daemon:
        """
        Serve all internal services over TCP and UDP, each pair on one port.

        @param family: what follows the names of the protocols.
        """
        self.ports = {name: freePort() for name in _NAMES}
        conf = "".join(
            f"{port} stream tcp{family} nowait - internal {name}\n"
            f"{port} dgram udp{family} wait - internal {name}\n"
            for name, port in self.ports.items()
        )
        return self.daemon(conf, *self.ports.values())

    def talk(self, name: str, sent: bytes = b"", host: str = _HOST) -> bytes:
        """Connect to a service over TCP."""
        return talk(self.ports[name], sent, host)

    def ask(self, name: str, sent: bytes = b"?", host: str = _HOST) -> bytes:
        """Send a datagram to a service."""
        return ask(self.ports[name], sent, host)

    def test_echo(self) -> None:
        """Echo sends back what it gets, to the last byte after the half close."""
        text = os.urandom(1000)
        with self.serve():
            self.assertEqual(self.talk("echo", text * 1000), text * 1000)
            for datagram in (b"x", text, text * 9):
                self.assertEqual(self.ask("echo", datagram), datagram)

    def test_families(self) -> None:
        """Each service answers IPv6, and both families on one socket."""
        if not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6")
        for family, host in (("6", "::1"), ("46", "::1"), ("46", _HOST)):
            with self.subTest(family=family, host=host), self.serve(family):
                # A server that closes before it has read resets the connection.
                for reach, sent in ((self.talk, b""), (self.ask, b"?")):
                    self.assertEqual(reach("echo", b"text", host), b"text")
                    self.assertEqual(len(reach("time", sent, host)), 4)
                    self.assertIn(b":", reach("daytime", sent, host))
                self.assertEqual(self.talk("discard", b"text", host), b"")
                self.assertEqual(self.ask("chargen", b"?", host), _line(0))
                with self.connect(self.ports["chargen"], host) as client:
                    self.assertEqual(client.recv(4), _line(0)[:4])

    def test_discard(self) -> None:
        """Discard reads everything, and answers nothing."""
        with self.serve():
            self.assertEqual(self.talk("discard", b"x" * 1000000), b"")
            client = self.datagrams(host=_HOST)
            client.sendto(b"discarded", (_HOST, self.ports["discard"]))
            client.sendto(b"echoed", (_HOST, self.ports["echo"]))
            self.assertEqual(client.recv(100), b"echoed")

    def test_chargen(self) -> None:
        """
        Chargen sends lines of 72 characters, each begun one character later.

        It sends as long as the client reads; a datagram gets one line.
        """
        wanted = b"".join(map(_line, range(2000)))
        with self.serve():
            client = self.connect(self.ports["chargen"], _HOST)
            with client.makefile("rb") as file:
                self.assertEqual(file.read(len(wanted)), wanted)
            client.close()
            lines = [self.ask("chargen") for _ in range(3)]
        self.assertEqual(lines, [_line(0), _line(1), _line(2)])

    def test_daytime(self) -> None:
        """Daytime sends the local time on one line, as asctime(3) has it."""
        with self.serve():
            before = int(time.time())
            for answer in self.talk("daytime"), self.ask("daytime"):
                self.assertTrue(answer.endswith(b"\r\n"))
                when = time.mktime(time.strptime(answer.decode().strip()))
                self.assertTrue(before <= when <= time.time() + 3600, answer)
                self.assertEqual(answer.decode(), f"{time.ctime(when)}\r\n")

    def test_time(self) -> None:
        """Time sends the seconds since 1900 in four bytes."""
        with self.serve():
            before = int(time.time())
            for answer in self.talk("time"), self.ask("time"):
                self.assertEqual(len(answer), 4)
                when = struct.unpack("!I", answer)[0] - _SINCE_1900
                self.assertTrue(before <= when <= time.time(), when)

    def test_noProcesses(self) -> None:
        """Internal services need no fork servers."""
        with self.serve() as daemon:
            self.talk("echo", b"x")
            self.assertEqual(forkServers(daemon.process.pid), [])

    def test_slowClients(self) -> None:
        """Clients that do not read do not delay others."""
        with self.serve():
            for _ in range(20):
                self.connect(self.ports["chargen"], _HOST).recv(1)
                slow = self.connect(self.ports["echo"], _HOST)
                slow.setblocking(False)
                try:
                    while slow.send(b"x" * 65536):
                        pass
                except BlockingIOError:
                    pass  # Both directions are full.
            for number in range(50):
                self.assertEqual(self.talk("echo", b"%d" % number), b"%d" % number)
                self.assertEqual(self.ask("echo", b"%d" % number), b"%d" % number)

    def test_vanishedClients(self) -> None:
        """Clients that reset their connections do no harm."""
        with self.serve() as daemon:
            for name in _NAMES:
                for _ in range(10):
                    client = self.connect(self.ports[name], _HOST)
                    linger = struct.pack("ii", 1, 0)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    client.close()
            self.assertEqual(self.talk("echo", b"still there"), b"still there")
            self.assertNotIn("Traceback", daemon.log())


class NameTests(ServingTestCase):
    """Which internal service a line names."""

    def test_keyValue(self) -> None:
        """A key-value definition without C{exec} is one, by its arguments."""
        port = freePort()
        conf = (
            f"{port} on protocol = tcp, args = echo;\n"
            f"{port} on protocol = udp, wait = yes, args = echo;\n"
        )
        with self.daemon(conf, port):
            self.assertEqual(talk(port, b"text"), b"text")
            self.assertEqual(ask(port, b"text"), b"text")

    def test_byPort(self) -> None:
        """A line by the name or the number of a port of RFC 862 is that service."""
        conf = (
            "127.0.0.77:\n"
            "echo stream tcp nowait root internal\n"
            "7 dgram udp wait root internal\n"
            "daytime stream tcp nowait root internal\n"
        )
        with self.daemon(conf, 7, 13):
            self.assertEqual(talk(7, b"text", "127.0.0.77"), b"text")
            self.assertEqual(ask(7, b"text", "127.0.0.77"), b"text")
            self.assertTrue(talk(13, b"", "127.0.0.77").endswith(b"\r\n"))

    if not users.ROOT:
        test_byPort.skip = "only root can have these ports"  # type: ignore[attr-defined]


class ReflectorTests(ServingTestCase):
    """Datagrams that were sent to make two services talk to each other for ever."""

    def setUp(self) -> None:
        """Configure an echo and a chargen service."""
        super().setUp()
        self.echo, self.chargen = freePort(), freePort()
        self.conf = (
            f"{_HOST}:{self.echo} dgram udp wait - internal echo\n"
            f"{_HOST}:{self.chargen} dgram udp wait - internal chargen\n"
        )

    def assertUnanswered(self, daemon: Daemon, suspect: socket.socket) -> None:
        """Check that a client is not answered, and draws one log line."""
        host, port = suspect.getsockname()
        for _ in range(5):
            suspect.sendto(b"suspect", (_HOST, self.echo))
        # Datagrams are taken in the order in which they came.
        self.assertEqual(ask(self.echo, b"other"), b"other")
        suspect.setblocking(False)
        self.assertRaises(BlockingIOError, suspect.recv, 100)
        lines = [line for line in daemon.log().splitlines() if "refuse " in line]
        self.assertEqual(sum(f"{host}:{port}" in line for line in lines), 1)

    def test_wellKnownPorts(self) -> None:
        """A client on a port of a service that answers anything is not answered."""
        with self.daemon(self.conf, self.echo, self.chargen) as daemon:
            for port in (7, 13, 19, 37):
                suspect = self.datagrams(host="127.0.0.78", port=port)
                self.assertUnanswered(daemon, suspect)

    if not users.ROOT:
        test_wellKnownPorts.skip = (  # type: ignore[attr-defined]
            "only root can have these ports"
        )

    def test_ownPorts(self) -> None:
        """
        A client on a port of a service that answers anything is not answered.

        Its address does not matter.
        """
        with self.daemon(self.conf, self.echo, self.chargen) as daemon:
            for port in self.echo, self.chargen:
                suspect = self.datagrams(host="127.0.0.2", port=port)
                self.assertUnanswered(daemon, suspect)

    def test_loopback(self) -> None:
        """Any other client of this machine is answered."""
        with self.daemon(self.conf, self.echo, self.chargen) as daemon:
            for _ in range(20):
                self.assertEqual(ask(self.echo, b"text"), b"text")
            self.assertNotIn("refuse ", daemon.log())

    def test_addressAsked(self) -> None:
        """The answer comes from the address of the request on a wildcard socket."""
        port = freePort()
        conf = f"{port} dgram udp wait - internal echo\n"
        with self.daemon(conf, port):
            for host in (_HOST, "127.0.0.2"):
                client = self.datagrams()
                client.sendto(b"who?", (host, port))
                self.assertEqual(client.recvfrom(100), (b"who?", (host, port)))


class LimitTests(ServingTestCase):
    """Limits hold for internal services as well."""

    def test_acceptMax(self) -> None:
        """Clients above the limit wait until another one has ended."""
        port = freePort()
        with self.daemon(f"{port} stream tcp nowait/2 - internal echo\n", port):
            clients = [self.connect(port) for _ in range(3)]
            for client in clients:
                client.sendall(b"text")
            for client in clients[:2]:
                self.assertEqual(client.recv(100), b"text")
            clients[2].setblocking(False)
            self.assertRaises(BlockingIOError, clients[2].recv, 100)
            clients[0].close()
            clients[2].settimeout(30)
            self.assertEqual(clients[2].recv(100), b"text")
            clients[1].shutdown(socket.SHUT_WR)
            self.assertEqual(readAll(clients[1]), b"")

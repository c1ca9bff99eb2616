# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Configuration files as each other inetd has them; see C{tests/flavours}."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import socket
import stat as modes
import string
from typing import TYPE_CHECKING

from tests.support import checkout
from tests.support.daemon import DEADLINE, Daemon, ask, freePort, talk
from tests.support.serving import ServingTestCase, inetd, readAll, run
from tests.support.users import ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIRECTORY = os.path.join(checkout.ORIGINAL, "tests", "flavours")
_HOST = "127.0.0.1"
_DATAGRAM = """
import socket
server = socket.socket(fileno=0)
data, peer = server.recvfrom(100)
server.sendto(data.upper(), peer)
"""


class FlavourTestCase(ServingTestCase):
    """
    Serve a file of C{tests/flavours}.

    @ivar ports: the port of each letter.
    """

    def setUp(self) -> None:
        """Choose ports and names for the placeholders in the files."""
        super().setUp()
        user = ordinaryUser() or pwd.getpwuid(os.geteuid())
        self.ports = {letter: freePort() for letter in "ABCDEFGHIJKLM"}
        self.stands = {
            **{letter: str(port) for letter, port in self.ports.items()},
            "USER": user.pw_name,
            "GROUP": grp.getgrgid(user.pw_gid).gr_name,
            "DIRECTORY": self.directory,
            "DATAGRAM": self.program("datagram.py", _DATAGRAM),
        }

    def take(self, *names: str) -> list[str]:
        """
        Make files from those of C{tests/flavours}.

        @return: their paths.
        """
        paths = []
        for name in names:
            with open(os.path.join(_DIRECTORY, name), encoding="utf-8") as file:
                template = string.Template(file.read())
            os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
            paths.append(self.write(name, template.substitute(self.stands)))
        return paths

    @contextlib.contextmanager
    def serving(
        self, services: int, warnings: list[str], *paths: str
    ) -> Iterator[Daemon]:
        """
        Check files, and serve them.

        @param services: the number of services.
        @param warnings: for each, the number of its line and the field.
        """
        result = run(inetd("--check", *paths))
        lines = result.stdout.splitlines()
        found = [line.split(": ") for line in lines if ": warning: " in line]
        places = [f"{each[0].split(':')[1]} {each[2]}" for each in found]
        self.assertEqual(places, warnings, result.stdout)
        self.assertEqual(result.returncode, 0, result.stdout)
        self.assertEqual(lines[-1].split(",")[0], f"{services} services")
        with Daemon(inetd("-fe", *paths), ports=[self.ports["A"]]) as daemon:
            yield daemon
            for word in ("#error", "Traceback"):
                self.assertNotIn(word, daemon.log())

    def echoes(self, letter: str, *hosts: str) -> None:
        """Check that a TCP service echoes on these addresses."""
        for host in hosts or (_HOST,):
            sent = f"{letter} {host}".encode()
            self.assertEqual(talk(self.ports[letter], sent, host), sent)

    def answers(self, letter: str, answer: bytes, host: str = _HOST) -> None:
        """Check that a UDP service gives this answer to C{abc}."""
        self.assertEqual(ask(self.ports[letter], b"abc", host), answer)

    def sends(self, letter: str, answer: bytes, sent: bytes = b"") -> None:
        """Check what a TCP service sends, by itself or after some bytes."""
        self.assertEqual(talk(self.ports[letter], sent), answer)

    def refuses(self, letter: str, *hosts: str) -> None:
        """Check that no process listens on these addresses."""
        for host in hosts:
            with self.assertRaises(ConnectionRefusedError):
                talk(self.ports[letter], b"", host)

    def hasPath(self, name: str, mode: int) -> None:
        """Check that a UNIX socket echoes, and has these permissions."""
        path = self.path(name)
        self.assertEqual(modes.S_IMODE(os.stat(path).st_mode), mode)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(path)
            client.sendall(b"abc")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(readAll(client), b"abc")


class FlavourTests(FlavourTestCase):
    """Tests for one file of each flavour."""

    def test_freebsd(self) -> None:
        """
        A file as FreeBSD has it is served.

        It has all families, C{max-child} and its limits for each address, login
        classes, UNIX sockets with an owner, tcpmux, continued lines, and IPsec
        policies, which draw warnings.
        """
        (path,) = self.take("freebsd.conf")
        warnings = ["19 user", "20 user", "32 ipsec"]
        with self.serving(19, warnings, path):
            self.echoes("A", _HOST, "::1")
            self.answers("A", b"abc")
            self.answers("A", b"abc", "::1")
            for host in (_HOST, "::1"):
                self.assertTrue(talk(self.ports["B"], b"", host).endswith(b"\r\n"))
                self.assertTrue(ask(self.ports["B"], b"", host).endswith(b"\r\n"))
            self.sends("C", b"", b"abc")
            self.refuses("C", "::1")
            for letter in "DJ":
                self.echoes(letter)
            with self.connect(self.ports["E"]) as first:
                first.sendall(b"x")
                self.assertEqual(first.recv(1), b"x")
                self.assertEqual(readAll(self.connect(self.ports["E"])), b"")
            self.sends("F", b"single quotes and double\n")
            self.answers("G", b"ABC")
            self.sends("H", b"one two\n")
            self.hasPath("plain", 0o600)
            self.hasPath("owned", 0o660)
            owner = os.stat(self.path("owned")).st_uid
            self.assertEqual(pwd.getpwuid(owner).pw_name, self.stands["USER"])
            self.sends("I", b"+Go\r\ndate\n", b"date\r\n")
            self.sends("I", b"abc", b"PLAIN\r\nabc")
            self.sends("I", b"date\r\nplain\r\n", b"help\r\n")

    def test_netbsd(self) -> None:
        """
        A file as NetBSD has it is served.

        It has addresses, rates with either separator, C{accept_max}, buffer sizes, a
        filter, quotes as in a shell, C{.include}, and definitions of keys and values
        among the lines.
        """
        path, _ = self.take("netbsd.conf", "netbsd.d/more.conf")
        with self.serving(17, [], path):
            self.echoes("A")
            self.echoes("B", _HOST, "::1")
            self.refuses("B", "127.0.0.2")
            self.echoes("C", "127.0.0.2")
            self.refuses("C", _HOST)
            self.echoes("D", _HOST, "127.0.0.2")
            for letter in "EFGM":
                self.echoes(letter)
            self.answers("G", b"ABC")
            self.sends("H", b"a b c  d e\\f\n")
            self.sends("I", b"+Go\r\ndate\n", b"date\r\n")
            self.sends("J", b'tab:\tquote:" byte:A x\n')
            self.answers("K", b"abc")
            self.echoes("K", "127.0.0.3")
            self.refuses("K", _HOST)
            self.refuses("L", _HOST)
            self.hasPath("plain", 0o600)

    def test_openbsd(self) -> None:
        """
        A file as OpenBSD and Debian have it is served.

        It has lists of addresses and host names, C{user.group}, a program without its
        name, disabled lines, C{#} within a line as an argument, which draws a warning,
        and continued lines.
        """
        (path,) = self.take("openbsd.conf")
        with self.serving(self.openbsdServices(), ["23 args"], path):
            self.echoes("A")
            self.answers("A", b"abc")
            self.echoes("B", _HOST, "127.0.0.2")
            self.refuses("B", "127.0.0.3")
            self.echoes("C", _HOST, "::1")
            self.echoes("D", _HOST)
            self.refuses("D", "127.0.0.2")
            self.echoes("E", "127.0.0.2")
            self.refuses("E", _HOST)
            self.echoes("F", _HOST, "::1")
            self.echoes("G")
            self.sends("H", b"\n")
            self.answers("H", b"ABC")
            self.sends("I", b"x # y\n")
            self.sends("J", b"one two\n")
            self.hasPath("plain", 0o600)
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
                client.settimeout(DEADLINE)
                client.bind(self.path("client"))
                client.sendto(b"abc", self.path("datagrams"))
                self.assertEqual(client.recv(10), b"abc")

    def openbsdServices(self) -> int:
        """Return how many sockets it needs: a host name can have many addresses."""
        found = socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM)
        return 15 + len({each[4][0] for each in found})

    def test_busybox(self) -> None:
        """
        A file as busybox has it is served.

        It has lists of addresses, a program in PATH, C{user.group}, and datagrams that
        each have a program.
        """
        (path,) = self.take("busybox.conf")
        with self.serving(13, ["4 protocol", "5 protocol"], path):
            self.echoes("A")
            self.answers("A", b"abc")
            self.echoes("B", "::1")
            self.answers("B", b"abc", "::1")
            self.refuses("B", _HOST)
            self.echoes("C", _HOST, "127.0.0.2")
            self.echoes("D", "127.0.0.2")
            self.refuses("D", _HOST)
            self.echoes("E")
            self.sends("F", b"a b c\n")
            self.sends("G", b"\n")
            self.answers("G", b"abc")
            self.answers("H", b"ABC")
            self.hasPath("plain", 0o600)

    def test_gnu(self) -> None:
        """
        A file and a directory as GNU inetutils has them are served.

        They have nodes, C{tcp6only}, tcpmux, and quotes.
        """
        path, _ = self.take("gnu.conf", "gnu.d/more")
        with self.serving(15, [], path, self.path("gnu.d")):
            self.echoes("A")
            self.answers("A", b"abc")
            self.echoes("B", _HOST, "127.0.0.2")
            self.echoes("C", "::1")
            self.refuses("C", _HOST)
            self.answers("C", b"abc", "::1")
            self.echoes("D", "::1")
            self.echoes("E", "127.0.0.2")
            self.echoes("F")
            self.sends("G", b"a  b c d\\ e\n")
            self.sends("I", b"+Go\r\ndate\n", b"date\r\n")
            self.sends("I", b"abc", b"plain\r\nabc")
            self.hasPath("plain", 0o600)
            self.answers("M", b"ABC")

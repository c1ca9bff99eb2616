# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Items of C{docs/guide/conformance.rst} that no other module tests."""

from __future__ import annotations

import socket

from tests.support.daemon import DEADLINE, freePort, talk
from tests.support.serving import ServingTestCase, readAll


class FileTests(ServingTestCase):
    """The file."""

    def test_blanksAndArguments(self) -> None:
        """
        Blank lines, trailing whitespace and DOS line ends are ignored.

        See item 13; item 12 is any number of arguments.
        """
        many, other = freePort(), freePort()
        words = [f"word{number}" for number in range(70)]
        conf = (
            f"\n  \t \n{many} stream tcp nowait - /bin/echo echo"
            f" {' '.join(words)} \t \n"
            f"\r\n{other} stream tcp nowait - /bin/echo echo dos\r\n\n"
        )
        with self.daemon(conf, many, other):
            self.assertEqual(talk(many, b"").decode().split(), words)
            self.assertEqual(talk(other, b""), b"dos\n")

    def test_stalePath(self) -> None:
        """
        The socket of a killed daemon is replaced (item 21).

        Any other file stays as it is, and the service is retried.
        """
        stale, other = self.path("stale"), self.write("other", "mine")
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(stale)
        port = freePort()
        conf = (
            f"{stale} stream unix nowait - /bin/cat cat\n"
            f"{other} stream unix nowait - /bin/cat cat\n"
            f"{port} stream tcp nowait - /bin/cat cat\n"
        )
        with self.daemon(conf, port) as daemon:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                client.connect(stale)
                client.sendall(b"x")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(readAll(client), b"x")
            daemon.waitForLog(f"bind-failed {other}/unix ")
            with open(other, encoding="ascii") as file:
                self.assertEqual(file.read(), "mine")

    def test_seqpacket(self) -> None:
        """A UNIX socket may keep the boundaries of messages."""
        path, port = self.path("s"), freePort()
        conf = (
            f"{path} seqpacket unix nowait - /bin/cat cat\n"
            f"{port} stream tcp nowait - /bin/cat cat\n"
        )
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(client.close)
        client.settimeout(DEADLINE)
        with self.daemon(conf, port):
            client.connect(path)
            for message in (b"one", b"two"):
                client.send(message)
            self.assertEqual([client.recv(100), client.recv(100)], [b"one", b"two"])

    def test_buffers(self) -> None:
        """The socket has the buffer sizes that follow the protocol (item 31)."""
        program = self.program(
            "sizes.py",
            "import socket\n"
            "own = socket.socket(fileno=0)\n"
            "sizes = [own.getsockopt(socket.SOL_SOCKET, each)\n"
            "         for each in (socket.SO_SNDBUF, socket.SO_RCVBUF)]\n"
            "_, peer = own.recvfrom(1)\n"
            "own.sendto(str(sizes).encode(), peer)\n",
        )
        port = freePort()
        conf = f"{port} dgram udp,sndbuf=64k,rcvbuf=32k wait - {program}\n"
        with self.daemon(conf, port):
            client = self.datagrams()
            client.sendto(b"x", ("127.0.0.1", port))
            # Linux counts what it needs itself, as much again.
            self.assertEqual(client.recv(100), b"[131072, 65536]")

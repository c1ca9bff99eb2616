# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Items of C{docs/guide/conformance.rst} that no other module tests."""

from __future__ import annotations

import os
import re
import signal
import socket

from tests.support.daemon import DEADLINE, Daemon, eventually, freePort, talk
from tests.support.processes import programs
from tests.support.serving import ServingTestCase, inetd, readAll, run


class FileTests(ServingTestCase):
    """The file."""

    def test_blanksAndArguments(self) -> None:
        """
        Blank lines, trailing whitespace and DOS line ends do not matter.

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

    def test_check(self) -> None:
        """
        C{--check} prints file, line and column of each error, and exits with 1.

        See item 100.
        """
        lines = (
            "nosuch stream tcp nowait - /bin/cat cat",  # item 3
            "7001 stream tcp",  # item 14
            "7002 stream tcp nowait/99999 - /bin/cat cat",  # item 16
            "7003 stream tcp nowait nosuchuser /bin/cat cat",  # item 18
            "7004 stream udp nowait - /bin/cat cat",  # item 24
            "7005 stream tcp nowait - internal echo",
            "7005 stream tcp nowait - internal discard",  # item 25
            "7006 on protocol = tcp, colour = red;",  # item 29
        )
        path = self.write("inetd.conf", "\n".join(lines) + "\n")
        done = run(inetd("--check", path))
        self.assertEqual(done.returncode, 1)
        places = re.findall(rf"(?m)^{re.escape(path)}:(\d+):\d+: \w+: ", done.stdout)
        self.assertEqual(places, ["1", "2", "3", "4", "5", "7", "8"])
        for line in (1, 2, 3, 4, 5, 7, 8):
            self.assertIn(f"\n    {lines[line - 1]}\n", done.stdout)

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
            daemon.waitForLog(f"unbound {other}/unix ")
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


class LimitTests(ServingTestCase):
    """Limits."""

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

    def test_datagrams(self) -> None:
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
            self.assertTrue(self.isQuiet(daemon, one))

    def isQuiet(self, daemon: Daemon, client: socket.socket) -> bool:
        """Return whether a client has nothing to read."""
        client.setblocking(False)
        try:
            client.recv(100)
        except BlockingIOError:
            return True
        return False

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The bound on the programs of all services together."""

from __future__ import annotations

import select
import signal
import socket

from tests.support import interpreters
from tests.support.daemon import DEADLINE, Daemon, eventually, freePort, talk
from tests.support.processes import programs
from tests.support.serving import ServingTestCase, readAll
from tests.support.users import nameOf, ordinaryUser

#: Reports that it runs, and runs on as long as its client.
HELLO = "import sys\nprint('hello', flush=True)\nsys.stdin.read()\n"


class OverloadTests(ServingTestCase):
    """More clients come than there may be programs."""

    def setUp(self) -> None:
        """Write a program."""
        super().setUp()
        self.hello = self.program("hello.py", HELLO)

    def serve(self, most: int, lines: str, *ports: int) -> Daemon:
        """Serve some lines with a bound."""
        options = ["--max-children", str(most), "-l"]
        daemon = self.daemon(lines, *ports, options=options)
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def greeted(self, clients: list[socket.socket], count: int) -> list[socket.socket]:
        """Wait until so many of some clients are served, and give these."""
        found: list[socket.socket] = []

        def look() -> bool:
            found[:] = select.select(clients, [], [], 0)[0]
            return len(found) >= count

        eventually(look, lambda: f"{count} clients served, not {len(found)}")
        return found

    def _bounded(self, most: int, many: int, line: str) -> None:
        """
        Check that C{most} clients of two services are served at a time.

        The others wait until some end. An internal service answers all the while.
        """
        one, two, echo = ports = [freePort() for _ in range(3)]
        conf = line.format(one) + line.format(two)
        conf += f"{echo} stream tcp nowait - internal echo\n"
        daemon = self.serve(most, conf, *ports)
        left = [self.connect((one, two)[n % 2]) for n in range(many)]
        counted = 0
        while left:
            served = self.greeted(left, min(most, len(left)))
            self.assertLessEqual(len(programs(daemon.process.pid)), most + 1)
            self.assertEqual(talk(echo, b"echo"), b"echo")
            self.assertLessEqual(len(served), most)
            self.assertLessEqual(len(self.greeted(left, 0)), most)
            counted += len(served)
            for each in served:
                each.shutdown(socket.SHUT_WR)
                self.assertEqual(readAll(each), b"hello\n")
            left = [each for each in left if each not in served]
        self.assertEqual(counted, many)
        full = f"shortage - reason=global limit reached: {most} programs"
        self.assertGreaterEqual(daemon.log().count(full), 1)
        self.assertLessEqual(daemon.log().count(full), 4)

    def test_forkServers(self) -> None:
        """The limit holds for programs of fork servers."""
        user = nameOf(ordinaryUser())
        self._bounded(3, 8, f"{{}} stream tcp nowait {user} {self.hello} hello\n")

    def test_forkServersAccept(self) -> None:
        """The limit holds for fork servers that accept connections."""
        user = nameOf(ordinaryUser())
        self._bounded(70, 150, f"{{}} stream tcp nowait {user} {self.hello} hello\n")

    def test_warm(self) -> None:
        """The limit holds for warm processes that accept connections."""
        user = nameOf(ordinaryUser())
        line = (
            f"{{}} on protocol = tcp, wait = no, user = {user}, exec = {self.hello},"
            " warm = yes;\n"
        )
        self._bounded(70, 150, line)

    def test_direct(self) -> None:
        """The limit holds for programs that the daemon itself starts."""
        line = f"{{}} on protocol = tcp, wait = no, user = -, exec = {self.hello},"
        self._bounded(3, 8, f"{line} launch = direct;\n")

    def test_mixed(self) -> None:
        """
        Services of every kind share the limit.

        While one has all programs, the clients of the others wait, and lose nothing.
        """
        stream, datagram, mux = ports = [freePort() for _ in range(3)]
        cat = self.program("cat.py", "import sys\nprint(sys.stdin.read())\n")
        conf = (
            f"{stream} stream tcp nowait - {self.hello} hello\n"
            f"{datagram} dgram udp nowait - {cat} cat\n"
            f"{mux} stream tcp nowait - internal tcpmux\n"
            f"tcpmux/+cat stream tcp nowait - {cat} cat\n"
        )
        daemon = self.serve(2, conf, *ports)
        busy = [self.connect(stream) for _ in range(2)]
        self.greeted(busy, 2)
        asker, muxed = self.datagrams(), self.connect(mux)
        asker.sendto(b"one", ("127.0.0.1", datagram))
        muxed.sendall(b"cat\r\ntwo")
        muxed.shutdown(socket.SHUT_WR)
        daemon.waitForLog("shortage - reason=global limit reached: 2 programs")
        busy[0].close()
        self.assertEqual(asker.recv(100), b"one\n")
        self.assertEqual(readAll(muxed), b"+Go\r\ntwo\n")
        daemon.process.send_signal(signal.SIGUSR2)
        daemon.waitForLog(" running=1 pauses=-")

    def test_back(self) -> None:
        """
        After an overload, fork servers accept connections again.

        A stopped daemon does not keep clients from being served.
        """
        port = freePort()
        user = nameOf(ordinaryUser())
        line = f"{port} stream tcp nowait {user} {self.hello} hello\n"
        daemon = self.serve(70, line, port)
        clients = [self.connect(port) for _ in range(80)]
        self.greeted(clients, 70)
        for each in clients:
            each.shutdown(socket.SHUT_WR)
            readAll(each)
        # This one ends when few others run.
        self.assertEqual(talk(port, b""), b"hello\n")
        daemon.waitForLog(" status=0 ", 81)
        self.assertEqual(self._whileStopped(daemon, port), b"hello\n")

    def _whileStopped(self, daemon: Daemon, port: int) -> bytes:
        """Return what a client gets while the daemon is stopped."""
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
                client.shutdown(socket.SHUT_WR)
                return readAll(client)
        finally:
            daemon.process.send_signal(signal.SIGCONT)

    def test_default(self) -> None:
        """Without the option the bound is half of what RLIMIT_NPROC allows."""
        port = freePort()
        conf = f"{port} stream tcp nowait - {self.hello} hello\n"
        path = self.write("inetd.conf", conf)
        run = "import resource, sys; resource.setrlimit(resource.RLIMIT_NPROC, (9, 99))"
        start = (
            f"{run}; sys.argv[0] = 'inetd'; from inetdtw.cli.main import main; main()"
        )

        argv = [interpreters.python(), "-c", start, "-f", "-e", path]
        with Daemon(argv, ports=[port]) as daemon:
            clients = [self.connect(port) for _ in range(5)]
            self.greeted(clients, 4)
            daemon.waitForLog("shortage - reason=global limit reached: 4 programs")
            self.assertEqual(len(self.greeted(clients, 4)), 4)

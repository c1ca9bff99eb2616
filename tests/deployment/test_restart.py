# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A supervisor that keeps the sockets while the daemon restarts."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from typing import Any

from tests.support import interpreters
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    eventually,
    talk,
)
from tests.support.passing import PASS
from tests.support.serving import ServingTestCase, inetd, readAll
from tests.support.users import ordinaryUser


class HolderTests(ServingTestCase):
    """A supervisor that keeps the sockets while the daemon restarts."""

    def setUp(self) -> None:
        """Make the sockets."""
        super().setUp()
        self.sockets: list[socket.socket] = []
        self.port = self.hold(socket.AF_INET, ("127.0.0.1", 0))[1]
        self.bounded = self.hold(socket.AF_INET, ("127.0.0.1", 0))[1]
        self.udp = self.hold(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)[1]
        self.unix = self.hold(socket.AF_UNIX, self.path("socket"))
        self.unknown = self.hold(socket.AF_INET, ("127.0.0.1", 0))[1]
        os.chmod(self.unix, 0o666)
        self.conf = (
            f"127.0.0.1:{self.port} stream tcp nowait - /bin/cat cat\n"
            f"127.0.0.1:{self.bounded} stream tcp nowait/50 - /bin/cat cat\n"
            "127.0.0.1:9 on id = words, protocol = udp, wait = no, user = -,"
            " exec = /usr/bin/wc, args = wc -w;\n"
            f"{self.unix} stream unix nowait - /bin/cat cat\n"
        )

    def hold(self, family: int, where: Any, kind: int = socket.SOCK_STREAM) -> Any:
        """Make a socket, and return where it is."""
        sock = socket.socket(family, kind)
        self.addCleanup(sock.close)
        self.sockets.append(sock)
        sock.bind(where)
        if kind == socket.SOCK_STREAM:
            sock.listen(256)
        return sock.getsockname()

    def started(self) -> Daemon:
        """Return a daemon that was passed the sockets, and serves them."""
        path = self.write("inetd.conf", self.conf)
        fds = [sock.fileno() for sock in self.sockets]
        numbers = ",".join(map(str, fds))
        names = "::words::unknown"
        give = [interpreters.python(), "-c", PASS, numbers, names]
        daemon = Daemon([*give, *inetd("-f", "-e", path)], fds=fds, user=ordinaryUser())
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("source=LISTEN_FDS", 4)
        return daemon

    def ended(self, daemon: Daemon) -> None:
        """Stop a daemon, while its programs continue."""
        daemon.process.terminate()
        daemon.process.wait(DEADLINE)

    def asked(self) -> bytes:
        """Return the answer of the service for datagrams."""
        client = self.datagrams()
        client.sendto(b"one two three", ("127.0.0.1", self.udp))
        return client.recv(100).strip()

    def overUnix(self) -> bytes:
        """Return the answer of the service on a UNIX socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(self.unix)
            client.sendall(b"text")
            client.shutdown(socket.SHUT_WR)
            return readAll(client)

    def test_matched(self) -> None:
        """
        Each service serves the passed socket that has its address or its name.

        It does so before and after a reload and a stop; an unused socket draws one log
        line.
        """
        daemon = self.started()
        self.assertEqual(daemon.log().count("unused-socket - "), 1)
        self.assertIn(
            f"unused-socket - fd=7 name=unknown address=127.0.0.1:{self.unknown} "
            "reason=no service has this address or name",
            daemon.log(),
        )
        self.sockets.pop().close()
        with self.assertRaises(ConnectionRefusedError):
            talk(self.unknown, b"")
        for count in range(2):
            self.assertEqual(talk(self.port, b"text"), b"text")
            self.assertEqual(self.asked(), b"3")
            self.assertEqual(self.overUnix(), b"text")
            self.write("inetd.conf", self.conf.replace("/50", "/60"))
            os.kill(daemon.process.pid, signal.SIGHUP)
            daemon.waitForLog("reload - ", count + 1)
        self.without(daemon)
        self.ended(daemon)
        self.assertEqual(os.stat(self.unix).st_mode & 0o777, 0o666)
        self.assertNotIn("Traceback", daemon.log())

    def without(self, daemon: Daemon) -> None:
        """Take a service out of the configuration and put it back."""
        lines = self.conf.splitlines(keepends=True)
        self.write("inetd.conf", "".join(lines[1:]))
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.waitForLog("stopped=1")
        self.write("inetd.conf", self.conf)
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.waitForLog("started=1")
        self.assertEqual(talk(self.port, b"again"), b"again")
        self.assertNotIn("bind-failed", daemon.log())

    def test_restart(self) -> None:
        """While the daemon restarts again and again, each client gets its answer."""
        counted: Counter[str] = Counter()
        over = threading.Event()
        ports = (self.port, self.bounded) * 2
        clients = [
            threading.Thread(target=self.client, args=(port, over, counted))
            for port in ports
        ]
        daemon = self.started()
        self.addCleanup(over.set)
        for each in clients:
            each.start()
        for _ in range(3):
            before = counted["served"]
            eventually(
                lambda before=before: counted["served"] >= before + 40,  # type: ignore[misc] # a default
                lambda: f"clients that are served: {counted}",
            )
            self.ended(daemon)
            daemon = self.started()
        over.set()
        for each in clients:
            each.join(DEADLINE)
        self.assertGreaterEqual(counted.pop("served"), 120)
        self.assertEqual(dict(counted), {})

    def client(self, port: int, over: threading.Event, counted: Counter[str]) -> None:
        """Connect clients one by one until the end, and count the outcomes."""
        for number in range(100_000):
            if over.is_set():
                return
            sent = b"%d of %d" % (number, port)
            try:
                how = "served" if talk(port, sent) == sent else "wrong"
            except OSError as why:
                how = type(why).__name__
            counted[how] += 1

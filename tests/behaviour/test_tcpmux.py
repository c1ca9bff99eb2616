# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""RFC 1078, as clients see it."""

from __future__ import annotations

import signal

from tests.support.daemon import eventually, freePort, talk
from tests.support.serving import ServingTestCase


class TcpmuxTests(ServingTestCase):
    """Tests for tcpmux and what is behind it (item 90)."""

    def setUp(self) -> None:
        """Choose a port."""
        super().setUp()
        self.port = freePort()
        self.conf = (
            f"{self.port} stream tcp nowait - internal tcpmux\n"
            "tcpmux/cat stream tcp nowait - /bin/cat cat\n"
            "tcpmux/+Upper on protocol = tcp, wait = no, user = -,\n"
            "    exec = /usr/bin/tr, args = tr a-z A-Z;\n"
        )

    def test_services(self) -> None:
        """
        Each name, in any case, starts its program, which gets all further bytes.

        Clients of a service with a plus sign get the positive reply.
        """
        more = bytes(range(256)) * 300
        with self.daemon(self.conf, self.port):
            for name in (b"cat", b"CAT"):
                self.assertEqual(talk(self.port, name + b"\r\n" + more), more)
            self.assertEqual(talk(self.port, b"upper\r\nabc"), b"+Go\r\nABC")

    def test_slowly(self) -> None:
        """A name may be received byte by byte."""
        with self.daemon(self.conf, self.port):
            client = self.connect(self.port)
            for byte in b"upper\r\n":
                client.sendall(bytes((byte,)))
            self.assertEqual(client.recv(100), b"+Go\r\n")

    def test_others(self) -> None:
        """C{help} is answered with the names, an unknown service with an error."""
        with self.daemon(self.conf, self.port) as daemon:
            self.assertEqual(talk(self.port, b"help\r\n"), b"cat\r\nupper\r\n")
            answer = talk(self.port, b"nix\r\n")
            self.assertEqual(answer, b"-Service not available\r\n")
            daemon.waitForLog("reason=unknown service tcpmux/nix")
            answer = talk(self.port, b"cat")
            self.assertEqual(answer, b"-Error reading service name\r\n")

    def test_silent(self) -> None:
        """A client that sends nothing is rejected after ten seconds."""
        with self.daemon(self.conf, self.port):
            client = self.connect(self.port)
            self.assertEqual(client.recv(100), b"-Error reading service name\r\n")

    def test_reload(self) -> None:
        """Services come and go behind it with the file; its socket stays."""
        with self.daemon(self.conf, self.port) as daemon:
            conf = self.conf.replace("tcpmux/cat", "tcpmux/dog")
            self.write("inetd.conf", conf.replace("A-Z", "0-9"))
            daemon.process.send_signal(signal.SIGHUP)
            daemon.waitForLog("reload - kept=1 changed=1 started=1 stopped=1")
            self.assertEqual(talk(self.port, b"dog\r\nabc"), b"abc")
            answer = talk(self.port, b"cat\r\n")
            self.assertEqual(answer, b"-Service not available\r\n")
            self.assertEqual(talk(self.port, b"upper\r\nabc"), b"+Go\r\n012")

    def test_wait(self) -> None:
        """At the limit of programs, the next client waits."""
        conf = self.conf.replace("nowait - /bin/cat", "nowait/1 - /bin/cat")
        with self.daemon(conf, self.port) as daemon:
            first = self.connect(self.port)
            first.sendall(b"cat\r\nx")
            self.assertEqual(first.recv(1), b"x")
            second = self.connect(self.port)
            second.sendall(b"cat\r\ny")
            third = self.connect(self.port)
            third.sendall(b"nix\r\n")
            self.assertEqual(third.recv(100), b"-Service not available\r\n")
            eventually(lambda: daemon.log().count("refuse ") == 1, lambda: daemon.log())
            first.close()
            self.assertEqual(second.recv(1), b"y")

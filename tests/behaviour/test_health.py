# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What an operator must mend: the last failures of services, and C{inetd health}."""

from __future__ import annotations

import os
import re
import signal
import socket

from tests.support.control import CAT, ControlTestCase
from tests.support.daemon import freePort, talk
from tests.support.serving import readAll


class FailingTests(ControlTestCase):
    """Services whose programs fail every client."""

    def setUp(self) -> None:
        """Configure a program that is missing, one that fails, and one that may."""
        super().setUp()
        self.missing, self.failing, self.picky = freePort(), freePort(), freePort()
        self.absent = self.path("program")
        for port, line in (
            (self.missing, f"{self.absent} program"),
            (self.failing, "/bin/sh sh -c 'exit 3'"),
            (self.picky, "/bin/grep grep -q word"),
        ):
            self.conf += f"127.0.0.1:{port} stream tcp nowait - {line}\n"

    def ask_(self, port: int, text: bytes = b"", times: int = 3) -> None:
        """Be some clients of a service, one after the other."""
        exited = self.named(f"{port}/tcp")["exited"]
        for _ in range(times):
            client = self.connect(port)
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            readAll(client)
        if port != self.missing:
            self.becomes(port, "exited", exited + times)

    def test_failing(self) -> None:
        """
        The state says so after some in a row, with the last reason and its time.

        So do JSON, the metrics and C{inetd health}, until a client is served.
        """
        self.start("--launch", "direct")
        self.assertEqual(self.run_("health"), (0, ""))
        for port, reason in (
            (self.missing, f"'{self.absent}': No such file or directory"),
            (self.failing, "exit status 3"),
        ):
            self.ask_(port, times=2)
            self.assertEqual(self.named(f"{port}/tcp")["state"], "listening")
            self.ask_(port, times=1)
            self.becomes(port, "state", "failing")
            state = self.named(f"{port}/tcp")
            self.assertEqual(state["reason"], reason)
            self.assertEqual(state["last_failure"]["in_a_row"], 3)
            code, text = self.run_("health")
            self.assertEqual(code, 1)
            self.assertIn(f"{port}/tcp: failing, {reason}\n", text)
            code, text = self.run_("status", f"{port}/tcp")
            self.assertEqual(code, 1)
            self.assertIn(reason, text)
            name = f'service="{port}/tcp"'
            _, metrics = self.ask("GET", "/metrics")
            self.assertIn(f"inetd_service_failures_in_a_row{{{name}}} 3\n", metrics)
            self.assertIn(f'seconds{{{name},reason="{reason}"}} 1', metrics)
        with open(self.absent, "w") as file:
            file.write("#!/bin/sh\ncat\n")
        os.chmod(self.absent, 0o755)
        self.assertEqual(talk(self.missing, b"text"), b"text")
        self.becomes(self.missing, "state", "listening")
        self.assertEqual(self.run_("resume", f"{self.failing}/tcp")[0], 0)
        self.assertEqual(self.run_("health"), (0, ""))
        self.ask_(self.failing)
        self.becomes(self.failing, "state", "failing")
        self.assertEqual(self.run_("reload")[0], 0)
        self.assertEqual(self.run_("health"), (0, ""))

    def test_strangers(self) -> None:
        """Clients cannot make a service fail that works, nor a daemon unhealthy."""
        self.start()
        self.ask_(self.picky, b"word", times=1)
        self.ask_(self.picky, b"nonsense", times=9)
        state = self.named(f"{self.picky}/tcp")
        self.assertEqual((state["state"], state["healthy"]), ("listening", True))
        self.assertEqual(state["last_failure"]["reason"], "exit status 1")
        self.assertEqual(state["last_failure"]["in_a_row"], 9)
        talk(self.bad, b"")
        readAll(self.connect(self.bad))
        self.becomes(self.bad, "state", "paused")
        clients = [self.connect(self.cat) for _ in range(3)]
        self.becomes(self.cat, "state", "at limit")
        self.assertEqual(self.run_("health"), (0, ""))
        self.assertEqual(len(clients), 3)


class HealthTests(ControlTestCase):
    """Tests for C{inetd health}, beside failing services."""

    def test_lines(self) -> None:
        """Lines that are left out, and a rejected reload, are to be mended."""
        good, again = self.conf, f"127.0.0.1:{self.cat} {CAT}\n"
        self.conf += f"{again}7 steam tcp nowait - x\n"
        daemon = self.start()
        code, text = self.run_("health")
        self.assertEqual(code, 1)
        self.assertRegex(text, r"inetd.conf:4:\d+: service: .* is already served by")
        self.assertIn("inetd.conf:5:3: socktype: 'steam'", text)
        path = self.write("inetd.conf", good)
        self.assertEqual(self.run_("reload")[0], 0)
        self.assertEqual(self.run_("health"), (0, ""))
        self.write("inetd.conf", good + "7 steam tcp nowait - x\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("reload-rejected")
        code, text = self.run_("health")
        self.assertEqual(code, 1)
        self.assertTrue(re.match(f"{re.escape(path)}:4:3: socktype: 'steam'", text))

    def test_draining(self) -> None:
        """A daemon that drains has no fault, and lives, but is not ready."""
        daemon = self.start()
        client = self.connect(self.cat)
        client.sendall(b"1")
        self.assertEqual(client.recv(9), b"1")
        for option in ("--ready", "--live"):
            self.assertEqual(self.run_("health", option), (0, ""))
        self.run_("drain")
        said = "the daemon is draining\n"
        self.assertEqual(self.run_("health"), (0, said))
        self.assertEqual(self.run_("health", "--ready"), (1, said))
        self.assertEqual(self.run_("health", "--live"), (0, ""))
        client.close()
        self.assertEqual(daemon.process.wait(30), 0)
        for option in ("--ready", "--live"):
            self.assertEqual(self.run_("health", option)[0], 2)

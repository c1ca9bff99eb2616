# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Programs that end, and programs that outlive the daemon."""

from __future__ import annotations

import os
import signal
import socket

from tests.support import users
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    eventually,
    freePort,
    isServed,
    talk,
)
from tests.support.probe import (
    KINDS,
    LAUNCHES,
    ProbeTestCase,
)
from tests.support.processes import descriptors, forkServers, programs, stat
from tests.support.serving import ServingTestCase, inetd, readAll


class EndedTests(ProbeTestCase):
    """
    What ended programs leave behind.

    @cvar user: the name of the user of the programs.
    """

    user = "-"

    def conf(self, launch: str) -> dict[str, int]:
        """
        Write the services of all kinds into the configuration.

        @return: their ports.
        """
        self.ports = {name: freePort() for name in KINDS}
        self.text = "".join(
            self.service(self.ports[name], kind, launch, self.user)
            for name, kind in KINDS.items()
        )
        return self.ports

    def test_zombies(self) -> None:
        """
        After 50 quick connections to each service nothing is left.

        No zombies, no children, and as many open descriptors as before.
        """
        for launch in LAUNCHES:
            ports = self.conf(launch)
            cat = freePort()
            self.text += (
                f"{cat} on protocol = tcp, wait = no, user = {self.user}, "
                f"launch = {launch}, exec = /bin/cat;\n"
            )
            with self.daemon(self.text, *ports.values(), cat) as daemon:
                self.every(ports, cat, 2)
                before = self.settled(daemon)
                self.every(ports, cat, 50)
                self.assertEqual(self.settled(daemon), before, launch)

    def every(self, ports: dict[str, int], cat: int, count: int) -> None:
        """Connect to each service a number of times."""
        for number in range(count):
            self.assertEqual(talk(cat, b"%d" % number), b"%d" % number)
        for name, port in ports.items():
            for _ in range(max(1, count // 10)):
                self.assertIn(b'"pid"', KINDS[name].ask(port))

    def settled(self, daemon: Daemon) -> tuple[int, int]:
        """
        Wait until only the daemon and its fork servers run.

        @return: how many processes and how many open descriptors exist.
        """
        pid = daemon.process.pid
        eventually(lambda: not programs(pid), lambda: f"no programs: {programs(pid)}")
        family = [pid, *forkServers(pid)]
        return len(family), self.steady(family)

    def steady(self, family: list[int]) -> int:
        """Wait until the number of open descriptors has been the same twenty times."""
        seen: list[int] = []

        def same() -> bool:
            seen.append(descriptors(family))
            return len(seen) > 20 and len(set(seen[-20:])) == 1

        eventually(same, lambda: f"a steady number of descriptors: {seen}")
        return seen[-1]

    def test_manyAtOnce(self) -> None:
        """50 connections at the same time are all served, and leave nothing behind."""
        for launch in LAUNCHES:
            port = freePort()
            conf = (
                f"{port} on protocol = tcp, wait = no, user = {self.user}, "
                f"launch = {launch}, exec = /bin/cat;\n"
            )
            with self.daemon(conf, port) as daemon:
                talk(port, b"warm")
                before = self.settled(daemon)
                clients = [self.connect(port) for _ in range(50)]
                for number, client in enumerate(clients):
                    client.sendall(b"%d" % number)
                    client.shutdown(socket.SHUT_WR)
                answers = [readAll(client) for client in clients]
                self.assertEqual(answers, [b"%d" % n for n in range(50)])
                self.assertEqual(self.settled(daemon), before, launch)

    def lineOf(self, launch: str, command: str) -> str:
        """Return the log line for the end of a program, which is a shell command."""
        port = freePort()
        conf = (
            f"{port} on protocol = tcp, wait = no, user = {self.user}, "
            f"launch = {launch}, exec = /bin/sh, args = sh -c '{command}';\n"
        )
        with self.daemon(conf, port) as daemon:
            pid = talk(port, b"").decode().strip()
            daemon.waitForLog("exit ")
            (line,) = (line for line in daemon.log().splitlines() if "exit " in line)
        self.assertIn(f"exit {port}/tcp pid={pid} ", line)
        return line

    def test_status(self) -> None:
        """A status other than 0 is logged with the process id."""
        for launch in LAUNCHES:
            self.assertIn(" status=3 ", self.lineOf(launch, "echo $$; exit 3"))

    def test_killed(self) -> None:
        """The signal that killed a program is logged with the process id."""
        for launch in LAUNCHES:
            line = self.lineOf(launch, "echo $$; kill -9 $$")
            self.assertIn(f" signal={int(signal.SIGKILL)} ", line)


class EndedForAlpineTests(users.OfAlpine, EndedTests):
    """Programs of the user C{alpine}, when root runs the daemon."""


class OutlivingTests(ServingTestCase):
    """Programs that run when the daemon is asked to end."""

    def check(self, launch: str, user: str, number: int) -> None:
        """Check that a program runs on after a signal has ended the daemon."""
        port = freePort()
        path = self.write(
            "inetd.conf",
            f"{port} on protocol = tcp, wait = no, user = {user}, "
            f"launch = {launch}, exec = /bin/cat;\n",
        )
        with Daemon(inetd("-f", "-e", path), ports=[port]) as daemon:
            client = self.connect(port)
            client.sendall(b"before")
            self.assertEqual(client.recv(100), b"before")
            helpers = forkServers(daemon.process.pid)
            self.assertEqual(bool(helpers), launch == "forkserver")
            os.kill(daemon.process.pid, number)
            self.assertEqual(daemon.process.wait(DEADLINE), 0)
            eventually(lambda: self.gone(helpers), daemon.log)
            self.assertFalse(isServed(port))
            client.sendall(b"after")
            self.assertEqual(client.recv(100), b"after")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(client.recv(100), b"")

    def gone(self, pids: list[int]) -> bool:
        """Return whether all of these processes have ended."""
        return all(stat(pid)[0] in "XZ" for pid in pids)

    def test_terminated(self) -> None:
        """
        Programs serve their clients to the end after C{SIGTERM}.

        The fork servers are gone.
        """
        for launch in LAUNCHES:
            self.check(launch, "-", signal.SIGTERM)

    def test_interrupted(self) -> None:
        """Programs serve their clients to the end after C{SIGINT}."""
        for launch in LAUNCHES:
            self.check(launch, "-", signal.SIGINT)

    def test_killed(self) -> None:
        """Programs continue after the daemon is killed; its fork servers exit."""
        port = freePort()
        conf = f"{port} stream tcp nowait - /bin/cat\n"
        with self.daemon(conf, port) as daemon:
            client = self.connect(port)
            client.sendall(b"before")
            self.assertEqual(client.recv(100), b"before")
            helpers = forkServers(daemon.process.pid)
            daemon.process.kill()
            daemon.process.wait()
            eventually(lambda: self.gone(helpers), daemon.log)
            client.sendall(b"after")
            self.assertEqual(client.recv(100), b"after")

    def test_ofAlpine(self) -> None:
        """Programs of another user serve their clients to the end, too."""
        users.alpine()
        for launch in LAUNCHES:
            self.check(launch, "alpine", signal.SIGTERM)

    if not users.ROOT:
        test_ofAlpine.skip = users.NOT_ROOT  # type: ignore[attr-defined]

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Fork servers that are killed, and daemons that are."""

from __future__ import annotations

import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.support.daemon import (
    DEADLINE,
    Daemon,
    eventually,
    freePort,
    talk,
    talkOrNothing,
)
from tests.support.processes import forkServers, stat
from tests.support.serving import ServingTestCase, readAll
from tests.support.users import nameOf, ordinaryUser

#: Reads its input to the end and then sends its length.
COUNT = "import sys\nprint(len(sys.stdin.buffer.read()))\n"
#: What is logged for a process that accepts connections, and was killed: it can have
#: been one of them whose program had not been started.
ACCEPTING = "; a connection it was accepting may have been dropped"


class KilledTests(ServingTestCase):
    """Tests for fork servers that die."""

    def setUp(self) -> None:
        """Serve a program, with a line of the log for every start and end."""
        super().setUp()
        self.port = freePort()
        user = ordinaryUser()
        self.uid = os.geteuid() if user is None else user.pw_uid
        line = f"{self.port} stream tcp nowait {nameOf(user)} {{}} count\n"
        conf = line.format(self.program("count", COUNT))
        self.served = self.daemon(conf, self.port, options=["-l"])
        self.served.start()
        self.addCleanup(self.served.stop)
        eventually(lambda: self.helpers() != [], lambda: "fork servers")

    def helpers(self) -> list[int]:
        """Return the process ids of the fork servers."""
        return forkServers(self.served.process.pid)

    def killAll(self) -> None:
        """Kill every fork server."""
        for pid in self.helpers():
            os.kill(pid, signal.SIGKILL)

    def test_successor(self) -> None:
        """
        After all fork servers were killed, others serve the next client.

        The log names those that died.
        """
        before = self.helpers()
        self.killAll()
        self.assertEqual(talk(self.port, b"abc"), b"3\n")
        after = self.helpers()
        self.assertEqual(len(after), len(before))
        self.assertFalse(set(before) & set(after))
        for pid in before:
            self.assertIn(
                f"forkserver-exit - uid={self.uid} pid={pid} ", self.served.log()
            )

    def test_running(self) -> None:
        """
        A program whose fork server is killed serves its client to the end.

        The log has a line for its exit. That of the fork server's tells what became of
        a client that it had not reported.
        """
        client = self.connect(self.port)
        client.sendall(b"ab")
        self.served.waitForLog("start ")
        match = re.search(r"start \S+ pid=(\d+)", self.served.log())
        assert match is not None
        self.killAll()
        self.served.waitForLog("forkserver-exit ")
        self.served.waitForLog(ACCEPTING)
        client.sendall(b"cd")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"4\n")
        self.served.waitForLog(f"exit {self.port}/tcp pid={match[1]} ")

    def test_underLoad(self) -> None:
        """
        While fork servers are killed, every client is served or closed at once.

        A client that is closed gets no byte and draws a log line. Afterwards all are
        served.
        """

        def client(number: int) -> bytes:
            if number % 25 == 10:
                self.killAll()
            return talkOrNothing(self.port, b"x" * number)

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(client, range(200)))
        wrong = [a for n, a in enumerate(answers) if a not in (b"", b"%d\n" % n)]
        self.assertEqual(wrong, [])
        closed = answers.count(b"")
        self.assertLess(closed, 60)
        log = self.served.log()
        reported = log.count("its fork server died") + log.count(ACCEPTING)
        self.assertGreaterEqual(reported + self._unreported(), closed)
        for number in range(8):
            self.assertEqual(talk(self.port, b"y" * number), b"%d\n" % number)

    def _unreported(self) -> int:
        """
        Return how many programs ended with unknown status.

        Their fork server was killed; they were not.
        """
        return self.served.log().count("status=-")

    def test_growingPauses(self) -> None:
        """Fork servers that keep dying are restarted with backoff."""
        for _ in range(8):
            count = self.served.log().count("forkserver-exit ")
            self.killAll()
            self.served.waitForLog("forkserver-exit ", count + 1)
            eventually(lambda: self.helpers() != [], lambda: "a successor")
        pauses = [float(p) for p in re.findall(r"retry=([\d.]+)", self.served.log())]
        self.assertEqual(min(pauses), 0.05)
        self.assertGreaterEqual(max(pauses), 0.4)


class AbandonedTests(ServingTestCase):
    """Tests for fork servers whose daemon dies."""

    def _abandon(self, number: int) -> None:
        """Check that a signal ends the daemon and its fork servers, not programs."""
        port = freePort()
        conf = f"{port} stream tcp nowait - {self.program('count', COUNT)} count\n"
        with self.daemon(conf, port, options=["-l"]) as daemon:
            self._check(daemon, port, number)

    def _check(self, daemon: Daemon, port: int, number: int) -> None:
        """Kill the daemon while a program runs."""
        client = self.connect(port)
        client.sendall(b"ab")
        daemon.waitForLog("start ")
        helpers = forkServers(daemon.process.pid)
        os.kill(daemon.process.pid, number)
        eventually(
            lambda: all(stat(pid)[0] in "XZ" for pid in helpers),
            lambda: "no fork servers",
        )
        client.settimeout(DEADLINE)
        client.sendall(b"cde")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"5\n")

    def test_killed(self) -> None:
        """Fork servers end when the daemon is killed; programs run on."""
        self._abandon(signal.SIGKILL)

    def test_terminated(self) -> None:
        """Fork servers end when the daemon gets SIGTERM; programs run on."""
        self._abandon(signal.SIGTERM)

    def test_stopped(self) -> None:
        """
        The daemon does not wait for fork servers that are stopped.

        Any program of their user can stop them.
        """
        port = freePort()
        conf = f"{port} stream tcp nowait - {self.program('count', COUNT)} count\n"
        with self.daemon(conf, port) as daemon:
            helpers = forkServers(daemon.process.pid)
            for pid in helpers:
                os.kill(pid, signal.SIGSTOP)
            daemon.process.terminate()
            eventually(
                lambda: daemon.process.poll() is not None,
                lambda: f"the end of the daemon; its log:\n{daemon.log()}",
            )
            for pid in helpers:
                self.assertIn(stat(pid)[0], "XZ")

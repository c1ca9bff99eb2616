# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Programs and helper processes that do what they should not."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.support.daemon import Daemon, eventually, freePort, talk, talkOrNothing
from tests.support.faults import FaultsTestCase
from tests.support.processes import childrenOf, forkServers, read, stat
from tests.support.serving import readAll

#: Says its process id, and goes on whatever happens.
STUBBORN = """
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
print(os.getpid(), flush=True)
for line in sys.stdin:
    print(line, end="", flush=True)
"""
#: Leaves a process behind that has the connection, and ends.
DAEMONIZES = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
sys.stdout.write(sys.stdin.readline())
"""


#: What is logged for a client that is closed as a process was killed: before a program
#: was started, when that was not known yet, and while it ran.
CLOSED = (
    "; a connection it was accepting may have been dropped",
    "reason=its fork server died",
    " status=- ",
    " signal=9 ",
)


class ProgramsTests(FaultsTestCase):
    """Programs that do not end as they should."""

    def setUp(self) -> None:
        """Serve them."""
        super().setUp()
        self.stubborn, self.leaves, self.waits = ports = [freePort() for _ in range(3)]
        stubborn = self.program("stubborn", STUBBORN)
        leaves = self.program("leaves", DAEMONIZES)
        self.daemon_ = self.served(
            f"{self.stubborn} stream tcp nowait {self.user} {stubborn} stubborn\n"
            f"{self.leaves} stream tcp nowait {self.user} {leaves} leaves\n"
            f"{self.waits} on protocol = tcp, wait = no, user = {self.user},"
            f" exec = {stubborn}, accept_max = 1;\n",
            *ports,
        )

    def _pid(self, client: socket.socket) -> int:
        """Return the process id that a stubborn program sends."""
        return int(client.makefile().readline())

    def test_stopped(self) -> None:
        """
        A stopped program delays its own client only.

        At its limit it delays its own service, whose state shows it. It goes on when it
        is continued.
        """
        one, two = self.connect(self.stubborn), self.connect(self.waits)
        pids = [self._pid(one), self._pid(two)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        held = self.connect(self.waits)
        self.othersAnswer()
        third = self.connect(self.stubborn)
        self.assertGreater(self._pid(third), 0)
        self.assertEqual(select.select([held], [], [], 0)[0], [])
        self.daemon_.waitForLog(f"start {self.stubborn}/tcp ", 2)
        self.daemon_.waitForLog(f"start {self.waits}/tcp ")
        self.daemon_.process.send_signal(signal.SIGUSR2)
        for port, how in (
            (self.waits, "running=1 pauses=limit"),
            (self.stubborn, "running=2 pauses=-"),
        ):
            self.daemon_.waitForLog(f"state {port}/tcp ")
            self.assertRegex(self.daemon_.log(), f"state {port}/tcp .* {how}\n")
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        one.sendall(b"again\n")
        self.assertEqual(one.recv(100), b"again\n")
        two.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(two), b"")
        self.assertGreater(self._pid(held), 0)

    def test_ignoresTerm(self) -> None:
        """
        A program that ignores SIGTERM delays no client and no shutdown.

        It serves its client to the end.
        """
        client = self.connect(self.stubborn)
        pid = self._pid(client)
        os.kill(pid, signal.SIGTERM)
        self.othersAnswer()
        self.daemon_.process.send_signal(signal.SIGTERM)
        eventually(
            lambda: self.daemon_.process.poll() is not None, lambda: "the daemon's end"
        )
        client.sendall(b"still\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(readAll(client), b"still\n")
        eventually(lambda: stat(pid)[0] in "XZ", lambda: "the program's end")

    def test_daemonizes(self) -> None:
        """
        A program that daemonizes with the connection has exited for the daemon.

        The client is served by the new process.
        """
        client = self.connect(self.leaves)
        self.daemon_.waitForLog(f"exit {self.leaves}/tcp ")
        client.sendall(b"late\n")
        self.assertEqual(readAll(client), b"late\n")
        self.othersAnswer()

    def test_storm(self) -> None:
        """
        Three hundred programs that end together are all waited for.

        Others are served meanwhile. C{INETDTW_STORM} sets another number.
        """
        count = int(os.environ.get("INETDTW_STORM", "300"))
        clients = [self.connect(self.others[n % 2 + 1]) for n in range(count)]
        for each in clients:
            each.sendall(b"x")
        for each in clients:
            self.assertEqual(each.recv(1), b"x")
        for each in clients:
            each.close()
        self.othersAnswer()
        # Two of the others are programs, too.
        self.daemon_.waitForLog(" status=0 ", count + 2)
        pid = self.daemon_.process.pid
        eventually(
            lambda: not [p for p in self._everyChild(pid) if stat(p)[0] == "Z"],
            lambda: "no zombies",
        )

    def _everyChild(self, pid: int) -> list[int]:
        """Return the children of the daemon and of its fork servers."""
        return [p for each in (pid, *forkServers(pid)) for p in childrenOf(each)]


class KilledTests(FaultsTestCase):
    """Helper processes that are killed."""

    def test_random(self) -> None:
        """
        While helpers are killed at random, clients are served or closed at once.

        A client that is closed gets no byte and draws a log line; others are not
        affected. The helpers are fork servers and warm processes.
        """
        warm, cold = ports = [freePort() for _ in range(2)]
        count = self.program("count", "import sys\nprint(len(sys.stdin.read()))\n")
        daemon = self.served(
            f"{warm} on protocol = tcp, wait = no, user = {self.user}, exec = {count},"
            " warm = yes;\n"
            f"{cold} stream tcp nowait {self.user} {count} count\n",
            *ports,
        )
        daemon.waitForLog("warm-ready ")
        chance = random.Random(7)

        def client(number: int) -> bytes:
            if number % 15 == 7:
                self._kill(daemon, chance)
            return talkOrNothing(ports[number % 2], b"x" * number)

        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(client, range(120)))
        wrong = [a for n, a in enumerate(answers) if a not in (b"", b"%d\n" % n)]
        self.assertEqual(wrong, [])
        closed = answers.count(b"")
        self.assertLess(closed, 40)
        log = daemon.log()
        self.assertGreater(log.count("-exit "), 0)
        self.assertGreaterEqual(sum(map(log.count, CLOSED)), closed, log)
        for number in range(6):
            self.assertEqual(talk(ports[number % 2], b"y" * number), b"%d\n" % number)
        self.assertEqual(talk(self.others[0], b"hello"), b"hello")
        self.assertEqual(talk(self.others[2], b"hello"), b"hello")

    def _kill(self, daemon: Daemon, chance: random.Random) -> None:
        """Kill one of the helper processes."""
        helpers = forkServers(daemon.process.pid)
        warm = [p for each in helpers for p in childrenOf(each) if _isWarm(p)]
        if helpers or warm:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice([*helpers, *warm]), signal.SIGKILL)


def _isWarm(pid: int) -> bool:
    """Return whether a process is a warm one, and not yet a program."""
    return "inetdtw" in read(pid, "cmdline") and stat(pid)[0] != "Z"

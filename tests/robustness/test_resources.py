# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Machines that are out of something: descriptors, processes, memory."""

from __future__ import annotations

import os
import resource
import signal
import socket
from typing import TYPE_CHECKING

from tests.support.daemon import Daemon, freePort, talk
from tests.support.faults import FaultsTestCase
from tests.support.limits import limit
from tests.support.processes import forkServers
from tests.support.serving import inetd, readAll
from tests.support.users import ordinaryUser

if TYPE_CHECKING:
    pass


class DescriptorsTests(FaultsTestCase):
    """A daemon, or a fork server, that can open nothing any more."""

    def _short(self, daemon: Daemon, pids: list[int]) -> None:
        """
        Check that clients wait while processes have no descriptors.

        All of them are served later; the log has the reason once.
        """
        for pid in pids:
            used = set(map(int, os.listdir(f"/proc/{pid}/fd")))
            free = min(set(range(len(used) + 1)) - used)
            limit([pid], resource.RLIMIT_NOFILE, free + 1)
        clients = [self.connect(port) for port in self.others for _ in range(4)]
        for each in clients:
            each.sendall(b"waited")
            each.shutdown(socket.SHUT_WR)
        daemon.waitForLog("shortage - reason=Too many open files")
        limit(pids, resource.RLIMIT_NOFILE, -1)
        self.assertEqual([readAll(each) for each in clients], [b"waited"] * 12)
        self.othersAnswer()
        logged = daemon.log().count("shortage - reason=Too many open files")
        self.assertLessEqual(logged, 3)

    def test_daemon(self) -> None:
        """Clients wait while the daemon and its fork servers have no descriptors."""
        self.lines = self.lines.replace(f" {self.user} ", " - ")
        daemon = self.served("")
        self.othersAnswer()
        pid = daemon.process.pid
        self._short(daemon, [pid, *forkServers(pid)])

    def test_atStart(self) -> None:
        """
        A daemon with fewer descriptors than services serves some.

        It logs the others, and serves them when it has more.
        """
        ports = [freePort() for _ in range(40)]
        lines = "".join(f"{p} stream tcp nowait - internal echo\n" for p in ports)
        path = self.write("inetd.conf", lines)
        argv = ["sh", "-c", 'ulimit -Sn 30; exec "$@"', "sh", *inetd("-f", "-e", path)]
        with Daemon(argv, ports=ports[:1]) as daemon:
            daemon.waitForLog("reason=Too many open files")
            self.assertEqual(talk(ports[0], b"early"), b"early")
            pid = daemon.process.pid
            limit([pid], resource.RLIMIT_NOFILE, -1)
            daemon.waitForLog("listen ", 40)
            self.assertEqual(talk(ports[-1], b"late"), b"late")


class ProcessesTests(FaultsTestCase):
    """A user that can start no more processes."""

    def test_fork(self) -> None:
        """
        While fork(2) fails, clients wait and internal services answer.

        It fails for fork servers, warm processes and an ordinary user's daemon. The log
        has the reason; every client is served later.
        """
        user = ordinaryUser()
        warm, limited = ports = [freePort() for _ in range(2)]
        shout = self.program("shout", "print(input().upper())\n")
        conf = self.lines.replace(f" {self.user} ", " - ") + (
            f"{warm} on protocol = tcp, wait = no, user = -, exec = {shout},"
            " warm = yes;\n"
            f"{limited} on protocol = tcp, wait = no, user = -, exec = {shout},"
            " rlimit_core = 0;\n"
        )
        daemon = self.daemon(conf, *self.others, *ports, options=["-l"], user=user)
        with daemon:
            daemon.waitForLog("warm-ready ")
            pids = daemon.family()
            limit(pids, resource.RLIMIT_NPROC, 0, user)
            waiting = [self.connect(port) for port in (*self.others[1:], *ports)]
            for each in waiting:
                each.sendall(b"waited\n")
                each.shutdown(socket.SHUT_WR)
            daemon.waitForLog("shortage - reason=Resource temporarily unavailable")
            self.assertEqual(talk(self.others[0], b"hello"), b"hello")
            limit(daemon.family(), resource.RLIMIT_NPROC, -1, user)
            answers = [readAll(each) for each in waiting]
            self.assertEqual(answers, [b"waited\n"] * 2 + [b"WAITED\n"] * 2)
            self.othersAnswer()


class MemoryTests(FaultsTestCase):
    """Programs that are out of memory."""

    def test_program(self) -> None:
        """
        A program without memory exits or is killed, with a log line.

        Others are not affected.
        """
        greedy, killed = ports = [freePort() for _ in range(2)]
        eat = self.program("eat", "x = bytearray(1 << 30)\n")
        die = self.program("die", "import os\nos.kill(os.getpid(), 9)\n")
        daemon = self.served(
            f"{greedy} on protocol = tcp, wait = no, user = {self.user}, exec = {eat},"
            " rlimit_as = 200m, stderr = log;\n"
            f"{killed} stream tcp nowait {self.user} {die} die\n",
            *ports,
        )
        self.assertEqual(talk(greedy, b""), b"")
        daemon.waitForLog("text=MemoryError")
        daemon.waitForLog(f"exit {greedy}/tcp ")
        self.assertEqual(talk(killed, b""), b"")
        daemon.waitForLog(f"signal={signal.SIGKILL.value} ")
        self.othersAnswer()

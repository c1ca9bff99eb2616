# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Clients that do what they should not, or nothing."""

from __future__ import annotations

import os
import signal
import socket
import struct
from unittest import skipUnless

from tests.support import users
from tests.support.daemon import eventually, freePort, talk
from tests.support.faults import FaultsTestCase
from tests.support.processes import (
    childrenOf,
    descriptors,
    forkServers,
    openFiles,
    stat,
)
from tests.support.serving import inodeOf, readAll

_RESET = struct.pack("ii", 1, 0)
#: What is logged for a client of tcpmux that sends nothing.
SILENT = "reason=no service name within 10 seconds"


def reset(client: socket.socket) -> None:
    """End a connection with a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    client.close()


def crash(client: socket.socket) -> None:
    """End a connection, as a machine that loses its power does, without a word."""
    # TCP_REPAIR of tcp(7), which Python has no name for: close(2) then sends nothing.
    client.setsockopt(socket.IPPROTO_TCP, 19, 1)
    client.close()


def connections(port: int) -> int:
    """Return how many connections of a port the kernel has."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table]
    # While others come and go, /proc/net lists some more than once.
    return len(
        {row[2] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"}
    )


def listensOn(pid: int, port: int) -> bool:
    """Return whether a process has the socket that listens on a port."""
    wanted = f"socket:[{inodeOf(port)}]"
    return wanted in openFiles(pid).values()


class ClientsTests(FaultsTestCase):
    """Tests for clients that do not delay others."""

    def test_goneBeforeStart(self) -> None:
        """
        Clients that disconnect before accept or start leave nothing behind.

        The next ones are served. A program that was started all the same has a log line
        for its exit, and nothing else is logged.
        """
        daemon = self.served("")
        self.othersAnswer()
        servers = forkServers(daemon.process.pid)
        pids = [daemon.process.pid, *servers]
        # A fork server that is young has not all of its own yet.
        eventually(
            lambda: all(listensOn(pid, self.others[1]) for pid in servers),
            lambda: "fork servers that accept",
        )
        before = descriptors(pids)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        for number in range(60):
            client = socket.create_connection(("127.0.0.1", self.others[number % 3]))
            if number % 2:
                client.sendall(b"and gone")
            reset(client)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        self.othersAnswer()
        eventually(lambda: descriptors(pids) <= before, lambda: "what was opened")
        eventually(
            lambda: daemon.log().count("] start ") == daemon.log().count("] exit "),
            daemon.log,
        )
        self.assertNotIn("Traceback", daemon.log())
        self.assertNotIn("] start-failed ", daemon.log())

    def test_resets(self) -> None:
        """A client that resets its connection under load ends its own program only."""
        lots = freePort()
        yes = self.program("yes", "while True:\n    print('y' * 1000)\n")
        daemon = self.served(f"{lots} stream tcp nowait {self.user} {yes} yes\n", lots)
        for _ in range(5):
            client = self.connect(lots)
            client.recv(1000)
            reset(client)
        daemon.waitForLog(f"exit {lots}/tcp ", 5)
        self.othersAnswer()

    def test_silent(self) -> None:
        """
        Clients that send nothing, or close one direction, delay no others.

        Behind tcpmux, such a client is rejected after a while, with a log line.
        """
        mux = freePort()
        daemon = self.served(f"{mux} stream tcp nowait - internal tcpmux\n", mux)
        silent = [self.connect(port) for port in (*self.others, mux) for _ in range(20)]
        closed = [self.connect(port) for port in self.others for _ in range(5)]
        for each in closed:
            each.shutdown(socket.SHUT_WR)
        self.othersAnswer()
        self.assertEqual([readAll(each) for each in closed], [b""] * 15)
        self.assertEqual(talk(mux, b"help\r\n"), b"")
        for each in silent[-20:]:
            self.assertEqual(readAll(each), b"-Error reading service name\r\n")
        self.assertEqual(daemon.log().count(SILENT), 20)
        silent[0].sendall(b"still")
        self.assertEqual(silent[0].recv(10), b"still")
        pids = [daemon.process.pid, *forkServers(daemon.process.pid)]
        children = [child for pid in pids for child in childrenOf(pid)]
        self.assertEqual([p for p in children if stat(p)[0] == "Z"], [])

    @skipUnless(users.ROOT, "only root can have a connection forget that it is one")
    def test_halfOpen(self) -> None:
        """
        Clients of crashed machines delay no others, even at a service's limit.

        Tcpmux rejects its own after a while.
        """
        mux, news = freePort(), freePort()
        text = "import time\nwhile True:\n    print('news', flush=True)\n"
        program = self.program("news", f"{text}    time.sleep(0.05)\n")
        daemon = self.served(
            f"{mux} stream tcp nowait - internal tcpmux\n"
            f"{news} stream tcp nowait/3 {self.user} {program} news\n",
            *(mux, news),
        )
        clients = [self.connect(news) for _ in range(3)]
        for each in clients:
            self.assertEqual(each.recv(5), b"news\n")
        for each in (*clients, *(self.connect(mux) for _ in range(20))):
            crash(each)
        for port in self.others:
            crash(self.connect(port))
        self.assertEqual(connections(mux), 20)
        daemon.waitForLog(f"exit {news}/tcp ", 3)
        self.assertEqual(self.connect(news).recv(5), b"news\n")
        self.othersAnswer()
        eventually(lambda: not connections(mux), lambda: "the end of tcpmux")
        daemon.waitForLog(SILENT, 20)

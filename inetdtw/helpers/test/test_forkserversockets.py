# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.forkserver}: the sockets that are delegated to it."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import tempfile
from collections.abc import Sequence

from inetdtw.helpers.reports import (
    ACCEPTED,
    DROPPED,
    ENDED,
    NOT_ACCEPTED,
    NOT_ENTERED,
    NOT_STARTED,
    RETURNED,
    WITHDRAWN,
)
from inetdtw.helpers.test.running import ProgramTestCase, Report, Running
from inetdtw.test.fakes import PATIENCE


class DelegatedSocketsTests(ProgramTestCase):
    """Tests for listening sockets that are delegated, and returned or withdrawn."""

    def unixServer(self) -> socket.socket:
        """Return a listening socket whose clients have no address."""
        server = self.closing(socket.socket(socket.AF_UNIX))
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        server.bind(f"{directory}/socket")
        server.listen()
        server.setblocking(False)
        return server

    def dropped(self, helper: Running, argv: Sequence[str]) -> Report:
        """Return the report when the connection of such a client is to be accepted."""
        server = self.unixServer()
        self.closing(socket.socket(socket.AF_UNIX)).connect(server.getsockname())
        helper.accept(5, argv, server)
        return helper.receive()

    def test_dropped(self) -> None:
        """
        An accepted connection that no program can be started for is reported.

        This is so also for a client without an address.
        """
        report = self.dropped(self.helper(), ("/nowhere",))
        self.assertEqual(report, (DROPPED, 5, NOT_STARTED, errno.ENOENT))
        directory = os.path.abspath(self.mktemp())
        report = self.dropped(self.helper(f"directory={directory}"), ("/bin/true",))
        self.assertEqual(report, (DROPPED, 5, NOT_ENTERED, errno.ENOENT))

    def client(self, server: socket.socket) -> socket.socket:
        """Return a client of a UNIX socket."""
        client = self.closing(socket.socket(socket.AF_UNIX))
        client.settimeout(PATIENCE)
        client.connect(server.getsockname())
        return client

    def assertServes(self, helper: Running, number: int, server: socket.socket) -> None:
        """See that it accepts from a socket."""
        self.assertEqual(self.client(server).recv(100), b"%d\n" % number)
        self.assertEqual(helper.receive()[:2], (ACCEPTED, number))
        self.assertEqual(helper.receive()[:2], (ENDED, number))

    def assertLeft(self, server: socket.socket) -> None:
        """See that clients of a socket are left to the daemon."""
        self.client(server)
        server.settimeout(PATIENCE)
        server.accept()[0].close()

    def test_withdrawn(self) -> None:
        """
        A socket that is withdrawn is closed, and reported as withdrawn.

        The other sockets are accepted from still.
        """
        helper = self.helper()
        before = helper.opened()
        servers = {number: self.unixServer() for number in (5, 6)}
        for number, server in servers.items():
            helper.accept(number, ("/bin/echo", str(number)), server)
            self.assertServes(helper, number, server)
        self.assertEqual(helper.opened(), (before[0] + 2, before[1] + 2))
        helper.withdraw(5)
        self.assertEqual(helper.receive(), (WITHDRAWN, 5, 0, 0))
        self.assertEqual(helper.opened(), (before[0] + 1, before[1] + 1))
        self.assertLeft(servers[5])
        self.assertServes(helper, 6, servers[6])
        helper.withdraw(5)
        self.assertEqual(helper.receive(), (WITHDRAWN, 5, 0, 0))
        self.assertServes(helper, 6, servers[6])
        helper.withdraw(6)
        self.assertEqual(helper.receive(), (WITHDRAWN, 6, 0, 0))
        self.assertLeft(servers[6])
        self.assertEqual(helper.opened(), before)

    def test_givenAgain(self) -> None:
        """A socket that is delegated again replaces the one with its number."""
        helper = self.helper()
        before = helper.opened()
        first, second = self.unixServer(), self.unixServer()
        helper.accept(5, ("/bin/echo", "5"), first)
        self.assertServes(helper, 5, first)
        helper.accept(5, ("/bin/echo", "5"), second)
        self.assertServes(helper, 5, second)
        self.assertEqual(helper.opened(), (before[0] + 1, before[1] + 1))
        self.assertLeft(first)

    def test_returned(self) -> None:
        """
        All sockets are returned, and reported, when as many programs run as may.

        Programs for launch requests do not count.
        """
        helper = self.helper()
        before = helper.opened()
        servers = {number: self.unixServer() for number in (5, 6)}
        for number, server in servers.items():
            helper.accept(number, ("/bin/cat",), server, most=2)
        clients = [self.client(servers[5])]
        self.assertEqual(helper.receive()[:2], (ACCEPTED, 5))
        self.assertEqual(helper.opened(), (before[0] + 2, before[1] + 2))
        clients.append(self.client(servers[6]))
        self.assertEqual(helper.receive()[:2], (ACCEPTED, 6))
        crowded = sorted((helper.receive(), helper.receive()))
        self.assertEqual(crowded, [(RETURNED, 5, 0, 0), (RETURNED, 6, 0, 0)])
        self.assertEqual(helper.opened(), before)
        for server in servers.values():
            self.assertLeft(server)
        for client in clients:
            client.close()
            self.assertEqual(helper.receive()[0], ENDED)
        helper.accept(5, ("/bin/echo", "5"), servers[5], most=2)
        self.assertServes(helper, 5, servers[5])

    def test_notAccepted(self) -> None:
        """A connection that cannot be accepted is reported, and stays queued."""
        helper, server = self.helper(), self.unixServer()
        helper.accept(5, ("/bin/true",), server)
        self.talk(helper, ("/bin/true",))
        resource.prlimit(helper.pid, resource.RLIMIT_NOFILE, (3, 3))
        self.closing(socket.socket(socket.AF_UNIX)).connect(server.getsockname())
        self.assertEqual(helper.receive(), (DROPPED, 5, NOT_ACCEPTED, errno.EMFILE))
        server.accept()[0].close()

    def test_search(self) -> None:
        """
        A program is searched in PATH at every start, as its user.

        This is so also for accepted connections, with and without limits.
        """
        directory = os.path.realpath(self.mktemp())
        os.mkdir(directory)
        first = os.path.join(directory, "cat")
        paths = ("/nowhere/cat", "/etc/passwd", first, "/bin/cat")
        for limit in ((), ("RLIMIT_CORE=0:0",)):
            helper, server = self.helper(*limit), self.unixServer()
            helper.accept(5, ("cat", "/proc/self/comm"), server, paths)
            for wanted in (b"cat\n", b"first", b"cat\n"):
                self.assertEqual(self.client(server).recv(100), wanted)
                self.assertEqual(helper.receive()[:2], (ACCEPTED, 5))
                self.assertEqual(helper.receive()[:2], (ENDED, 5))
                if wanted == b"first":
                    os.unlink(first)
                elif not os.path.exists(first):
                    with open(first, "w") as file:
                        file.write("#!/bin/sh\nprintf first\n")
                    os.chmod(first, 0o755)
            os.unlink(first)

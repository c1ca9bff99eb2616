# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.helpers.delegated}."""

from __future__ import annotations

import os
import socket
import struct
import sys

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.helpers.delegated import DelegatedDatagrams, DelegatedListener
from inetdtw.helpers.forkserver import ForkServer
from inetdtw.helpers.programs import ChildTable
from inetdtw.helpers.reports import ACCEPTED, ENDED, RETURNED, WITHDRAWN, Reports
from inetdtw.helpers.requests import HEADER, WAIT, WITHDRAW
from inetdtw.helpers.test.running import ProgramTestCase, Running
from inetdtw.test.fakes import listening, makeDatagrams

#: Receives one datagram from its 0.
RECEIVE_ONE = ("/bin/dd", "of=/dev/null", "count=1", "bs=1000", "status=none")
#: Locks a filter of its socket that lets every datagram in.
LOCK_FILTER = r"""
import ctypes, socket
s = socket.socket(fileno=0)
s.recv(9)
code = ctypes.create_string_buffer(b"\x06\0\0\0\xff\xff\xff\xff", 8)
program = b"\x01" + bytes(7) + ctypes.addressof(code).to_bytes(8, "little")
s.setsockopt(socket.SOL_SOCKET, 26, program)
s.setsockopt(socket.SOL_SOCKET, 44, 1)
"""


class DelegatedListenerTests(SynchronousTestCase):
    """Tests for L{DelegatedListener}."""

    def setUp(self) -> None:
        """Make a delegated listener."""
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.server.setblocking(False)
        shared = {b"A": b"b", b"REMOTE_PORT": b"stale"}
        self.listener = DelegatedListener(
            3, os.dup(self.server.fileno()), ([b""], [], shared)
        )
        self.addCleanup(self.listener.socket.close)

    def test_accept(self) -> None:
        """A connection blocks, and comes with the environment of its program."""
        with socket.create_connection(self.server.getsockname()) as client:
            here = client.getsockname()
            connection, peer, environment = self.listener.accept()
            with connection:
                self.assertTrue(connection.getblocking())
        self.assertEqual(peer, here)
        self.assertEqual(environment[b"A"], b"b")
        self.assertEqual(environment[b"REMOTE_PORT"], b"%d" % here[1])
        self.assertEqual(
            environment[b"TCPLOCALPORT"], b"%d" % self.server.getsockname()[1]
        )

    def test_none(self) -> None:
        """An error is raised when there is no connection."""
        self.assertRaises(BlockingIOError, self.listener.accept)

    def test_vanished(self) -> None:
        """An error is raised when the client has left."""
        client = socket.create_connection(self.server.getsockname())
        linger = struct.pack("ii", 1, 0)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.close()
        self.assertRaises(OSError, self.listener.accept)


class DelegatedDatagramsTests(ProgramTestCase):
    """Tests for L{DelegatedDatagrams}, in a fork server as it runs."""

    def setUp(self) -> None:
        """Make a socket for datagrams."""
        super().setUp()
        self.server = self.closing(listening(makeDatagrams()))
        self.sender = self.client(self.server)

    def delegate(self, helper: Running, *argv: str, most: int = 0) -> None:
        """Delegate the socket."""
        helper.accept(5, argv, self.server, most=most, kind=WAIT)

    def served(self, helper: Running) -> int:
        """Hear that a program has started and ended, and return its process id."""
        kind, number, pid, _ = helper.receive()
        self.assertEqual((kind, number), (ACCEPTED, 5))
        self.assertEqual(helper.receive()[:3], (ENDED, 5, pid))
        return pid

    def assertLeft(self, *datagrams: bytes) -> None:
        """Assert that these datagrams are in the socket."""
        for each in datagrams:
            self.assertEqual(self.server.recv(9, socket.MSG_DONTWAIT), each)
        self.assertRaises(BlockingIOError, self.server.recv, 9, socket.MSG_DONTWAIT)

    def test_each(self) -> None:
        """Each datagram gets a program when the one before has ended."""
        helper = self.helper()
        self.delegate(helper, *RECEIVE_ONE)
        for datagrams in (2, 1):
            for _ in range(datagrams):
                self.sender.send(b"same")
            for _ in range(datagrams):
                self.served(helper)
        helper.withdraw(5)
        self.assertEqual(helper.receive(), (WITHDRAWN, 5, 0, 0))
        self.assertLeft()

    def test_blocking(self) -> None:
        """A program gets a socket that blocks, whatever the one before has set."""
        helper = self.helper()
        program = (
            "import os, socket; s = socket.socket(fileno=0);"
            "assert os.get_blocking(0); os.set_blocking(0, False); s.recv(9)"
        )
        self.delegate(helper, sys.executable, "-ISc", program)
        for _ in range(2):
            self.sender.send(b"1")
            pid = helper.receive()[2]
            self.assertEqual(helper.receive(), (ENDED, 5, pid, 0))

    def test_stderr(self) -> None:
        """
        Each program has the pipe that came with the socket as 2, and it blocks.

        It is closed when the socket is withdrawn.
        """
        helper = self.helper()
        before = helper.opened()
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        program = (
            "import os, socket; s = socket.socket(fileno=1); data = s.recv(9);"
            "assert os.get_blocking(2); os.set_blocking(2, False); os.write(2, data)"
        )
        argv = (sys.executable, "-ISc", program)
        helper.accept(5, argv, self.server, kind=WAIT, stderr=(writing,))
        os.close(writing)
        for datagram in (b"one", b"two"):
            self.sender.send(datagram)
            self.served(helper)
            self.assertEqual(os.read(reading, 99), datagram)
        helper.withdraw(5)
        self.assertEqual(helper.receive(), (WITHDRAWN, 5, 0, 0))
        self.assertEqual(os.read(reading, 99), b"")
        self.assertEqual(helper.opened(), before)

    def test_left(self) -> None:
        """The socket is returned when two programs have left the same datagram."""
        helper = self.helper()
        before = helper.opened()
        self.sender.send(b"1")
        self.sender.send(b"2")
        self.delegate(helper, "/bin/true")
        self.assertNotEqual(self.served(helper), self.served(helper))
        self.assertEqual(helper.receive(), (RETURNED, 5, 0, 1))
        self.assertEqual(helper.opened(), before)
        self.assertLeft(b"1", b"2")

    def test_notStarted(self) -> None:
        """The socket is returned when a program cannot be started."""
        helper = self.helper()
        self.delegate(helper, "/nowhere")
        self.sender.send(b"1")
        self.assertEqual(helper.receive(), (RETURNED, 5, 0, 0))
        self.assertLeft(b"1")

    def test_spoiled(self) -> None:
        """The socket is returned when it cannot be restored."""
        helper = self.helper()
        self.delegate(helper, sys.executable, "-ISc", LOCK_FILTER)
        self.sender.send(b"1")
        self.served(helper)
        self.assertEqual(helper.receive(), (RETURNED, 5, 0, 0))

    def test_withdrawn(self) -> None:
        """A socket that is withdrawn while its program runs is not waited for again."""
        helper = self.helper()
        before = helper.opened()
        fifo = os.path.abspath(self.mktemp())
        os.mkfifo(fifo)
        self.delegate(helper, "/bin/sh", "-c", f"cat {fifo}")
        self.sender.send(b"1")
        pid = helper.receive()[2]
        helper.withdraw(5)
        self.assertEqual(helper.receive(), (WITHDRAWN, 5, 0, 0))
        self.assertEqual(helper.opened(), before)
        with open(fifo, "w"):
            pass  # The program exits now.
        self.assertEqual(helper.receive(), (ENDED, 5, pid, 0))
        self.assertLeft(b"1")

    def test_exitBeforeWithdrawal(self) -> None:
        """A withdrawal after the exit of a program, in one turn, holds."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.closing(ours)
        reports = Reports(self.closing(theirs))
        table = ChildTable(reports, "/", [])
        server = ForkServer(theirs, reports, table)
        self.addCleanup(server.close)
        delegated = DelegatedDatagrams(5, os.dup(self.server.fileno()), ([], [], {}))
        table.free.append(delegated)
        ours.send(HEADER.pack(WITHDRAW, False, 7, 5, 0, 0))
        self.assertTrue(server.receiveAll())
        self.assertEqual(delegated.socket.fileno(), -1)

    def test_returned(self) -> None:
        """
        A program for a datagram counts as one for a connection does.

        The other sockets are returned while it runs; its own one is not.
        """
        helper = self.helper()
        other = self.closing(socket.create_server(("127.0.0.1", 0)))
        helper.accept(6, ("/bin/cat",), other, most=1)
        self.delegate(helper, *RECEIVE_ONE, most=1)
        self.sender.send(b"1")
        self.assertEqual(helper.receive()[:2], (ACCEPTED, 5))
        self.assertEqual(helper.receive(), (RETURNED, 6, 0, 0))
        self.assertEqual(helper.receive()[:2], (ENDED, 5))
        self.sender.send(b"2")
        self.served(helper)

    def test_nothing(self) -> None:
        """The socket is returned when it is readable without a datagram."""
        helper = self.helper()
        self.delegate(helper, "/bin/true")
        self.server.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
        gone = self.closing(listening(makeDatagrams()))
        address = gone.getsockname()
        gone.close()
        self.server.sendto(b"nobody", address)
        self.assertEqual(helper.receive(), (RETURNED, 5, 0, 0))

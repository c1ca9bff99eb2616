# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.tcpmuxlistener}."""

from __future__ import annotations

import socket
from unittest import mock

from inetdtw.model.address import Address
from inetdtw.model.service import Bounds
from inetdtw.serve import tcpmuxlistener
from inetdtw.serve.portless import PortlessSlot
from inetdtw.serve.tcpmux import LONGEST, NOT_AVAILABLE, NOT_READ, TIMEOUT
from inetdtw.serve.test.test_portless import PortlessCase, makePortless
from inetdtw.serve.undecided import MOMENT
from inetdtw.system.descriptors import Purpose
from inetdtw.test.fakes import PATIENCE, isBlocking


class TcpmuxListenerTests(PortlessCase):
    """Tests for L{TcpmuxListener} (item 90)."""

    def test_service(self) -> None:
        """
        A client gets the service that it names, in any case.

        The program has the very connection, of which only the name was read.
        """
        client = self.ask(b"X\r\nmore")
        program = self.launcher.last
        connection = self.closing(program.socket())
        self.assertEqual(connection.getpeername(), client.getsockname())
        self.assertTrue(isBlocking(connection))
        self.assertEqual(connection.recv(100), b"more")
        extra = program.request.extra
        self.assertEqual(extra["TCPREMOTEPORT"], str(client.getsockname()[1]))
        self.assertEqual(extra["TCPLOCALPORT"], str(self.server.getsockname()[1]))

    def test_unknown(self) -> None:
        """
        A client that names an unknown service gets an error.

        The log escapes what it has sent.
        """
        client = self.ask(b"\x1b[2J\r\nmore")
        self.assertEqual(self.answer(client), NOT_AVAILABLE)
        (refuse,) = self.logged("refuse")
        self.assertEqual(refuse["service"], "mux")
        self.assertEqual(refuse["reason"], r"unknown service tcpmux/\x1b[2j")

    def test_help(self) -> None:
        """A client that asks for C{help} gets all names."""
        other = makePortless(address=Address(socket.AF_UNSPEC, "tcpmux/a"))
        PortlessSlot(other, self.runtime).start()
        self.assertEqual(self.answer(self.ask(b"HELP\r\n")), b"a\r\nx\r\n")

    def test_silent(self) -> None:
        """A client that sends nothing is refused after ten seconds, and logged."""
        client = self.undecided(b"x")
        self.reactor.advance(TIMEOUT)
        self.assertEqual(self.answer(client), NOT_READ)
        self.assertRefused("no service name within 10 seconds")

    def test_long(self) -> None:
        """A client that sends no end of line is refused, and logged."""
        self.assertEqual(self.answer(self.ask(b"x" * LONGEST)), NOT_READ)
        self.assertRefused("no end of line within 256 bytes")

    def test_left(self) -> None:
        """A client that connects and disconnects is not logged."""
        client = self.undecided(b"x")
        client.shutdown(socket.SHUT_WR)
        self.reactor.settle()
        self.assertEqual(self.answer(client), NOT_READ)
        self.assertEqual(self.logged("refuse"), [])

    def assertRefused(self, reason: str) -> None:
        """Assert that one client was refused, counted and logged."""
        (refuse,) = self.logged("refuse")
        self.assertEqual((refuse["service"], refuse["reason"]), ("mux", reason))
        self.assertEqual(self.limits.tally.refused, 1)

    def test_slow(self) -> None:
        """A slow client does not delay others."""
        self.undecided(b"")
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)

    def test_bounds(self) -> None:
        """
        The limits of tcpmux count clients that have not sent a name only.

        The others wait in the backlog meanwhile.
        """
        self.mux.stop()
        self.slot.stop()
        self.serve(Bounds(acceptMax=1))
        silent = self.undecided()
        second = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(second.close)
        second.sendall(b"x\r\n")
        self.reactor.settle()
        self.assertEqual(self.launcher.programs, [])
        silent.close()
        self.reactor.turnUntil(lambda: bool(self.launcher.programs))

    def test_perSource(self) -> None:
        """A client that has too many connections already is closed."""
        self.mux.stop()
        self.slot.stop()
        self.serve(Bounds(perSource=1))
        self.undecided()
        second = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(second.close)
        self.reactor.settle()
        self.reactor.advance(MOMENT)
        self.assertEqual(second.recv(1), b"")

    def share(self, most: int) -> None:
        """Reduce the share of tcpmux."""
        self.patch(self.runtime.descriptors, "share", lambda purpose: most)

    def test_others(self) -> None:
        """
        The oldest silent client of an address that has its share is closed.

        A client that sends a name is served, and counts no more.
        """
        self.share(8)
        silent = [self.undecided() for _ in range(4)]
        self.undecided(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)
        self.assertEqual(silent[0].recv(100), NOT_READ)
        self.assertEqual(len(self.runtime.portless.requests), 2)
        self.assertEqual(self.runtime.descriptors.taken(Purpose.TCPMUX), 2)
        (refuse, *_) = self.logged("refuse")
        self.assertEqual(refuse["reason"], "no service name yet, and others wait")

    def test_counted(self) -> None:
        """When all clients are gone, no descriptor is counted."""
        self.undecided().close()
        self.reactor.settle()
        self.undecided()
        self.reactor.advance(TIMEOUT)
        self.undecided()
        self.runtime.portless.close()
        self.assertEqual(self.runtime.descriptors.taken(Purpose.TCPMUX), 0)

    def test_broken(self) -> None:
        """A client that the reactor cannot poll is closed, and does not count."""
        self.patch(tcpmuxlistener, "TcpmuxRequest", mock.Mock(side_effect=ValueError))
        client = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(client.close)
        self.reactor.turn(PATIENCE)
        self.flushLoggedErrors(ValueError)
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.runtime.descriptors.taken(Purpose.TCPMUX), 0)
        self.assertEqual(self.limits.running, 0)

    def test_noRoom(self) -> None:
        """A client is served when there is no older one to close."""
        self.share(0)
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)

    def test_retire(self) -> None:
        """A client that was accepted before a change may still send its name."""
        client = self.undecided(b"x")
        done: list[bool] = []
        self.mux.retire(lambda: done.append(True))
        self.assertEqual(done, [True])
        client.sendall(b"\r\n")
        self.reactor.turnUntil(lambda: bool(self.launcher.programs))

    def test_close(self) -> None:
        """When the daemon stops, clients that have sent nothing are closed."""
        client = self.undecided()
        self.mux.stop()
        self.runtime.portless.close()
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.portless}."""

from __future__ import annotations

import socket
from typing import Any

from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.address import Address
from inetdtw.model.service import Bounds, Service, SocketOptions
from inetdtw.serve.portless import PortlessSlot
from inetdtw.serve.tcpmux import GO, NOT_AVAILABLE
from inetdtw.serve.tcpmuxlistener import TcpmuxListener
from inetdtw.serve.undecided import MOMENT
from inetdtw.system.descriptors import Purpose
from inetdtw.test.fakes import PATIENCE, ServingTestCase, listening, makeService


def makePortless(**given: Any) -> Service:
    """Make a service behind tcpmux."""
    address = Address(socket.AF_UNSPEC, "tcpmux/x")
    return makeService(**{"name": "tcpmux/x", "address": address, **given})


class PortlessCase(ServingTestCase):
    """A test with tcpmux, and a service behind it."""

    def setUp(self) -> None:
        """Serve tcpmux, and a service behind it."""
        super().setUp()
        self.serve()

    def serve(self, bounds: Bounds = Bounds(), **given: Any) -> None:  # noqa: B008
        """Serve tcpmux, with these bounds, and behind it a service with the others."""
        mux = makeService(name="mux", internal="tcpmux", bounds=bounds)
        self.server = self.closing(listening(mux))
        self.limits = ServiceLimits(bounds, self.reactor.seconds)
        self.mux: TcpmuxListener = TcpmuxListener(
            self.serviceRuntime(mux, self.limits, None, lambda: self.mux.released()),
            self.server,
        )
        self.mux.start()
        self.slot = PortlessSlot(makePortless(**given), self.runtime)
        self.addCleanup(self.slot.stop)
        self.slot.bind()
        self.slot.start()

    def undecided(self, sent: bytes = b"") -> socket.socket:
        """Return a client that has sent something."""
        client = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(client.close)
        client.sendall(sent)
        self.reactor.turnUntil(lambda: bool(self.runtime.portless.requests))
        self.reactor.settle()
        return client

    def ask(self, sent: bytes) -> socket.socket:
        """Return a client that has sent all of a service's name."""
        client = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(client.close)
        client.sendall(sent)
        before = self.limits.running
        self.reactor.turnUntil(lambda: self.limits.running > before)
        self.reactor.turnUntil(lambda: self.limits.running == before)
        return client

    def answer(self, client: socket.socket) -> bytes:
        """Return all that a client receives until the connection is closed."""
        return b"".join(iter(lambda: client.recv(4096), b""))

    def again(self, **given: Any) -> None:
        """Change the service."""
        self.slot.change(makePortless(**given))


class PortlessSlotTests(PortlessCase):
    """Tests for L{PortlessSlot}."""

    def test_noSocket(self) -> None:
        """A service without a socket is never bound and listens nowhere."""
        self.assertFalse(self.slot.bound)
        found: Any = PortlessSlot.getHost
        self.assertIsNone(found(self.slot))

    def test_silent(self) -> None:
        """A client gets only what the program writes."""
        client = self.ask(b"x\r\n")
        self.closing(self.launcher.last.socket()).sendall(b"hello")
        self.assertEqual(client.recv(100), b"hello")

    def test_greets(self) -> None:
        """A client of a service with a plus sign gets C{+Go} when it is served."""
        self.again(greets=True)
        client = self.ask(b"x\r\n")
        self.closing(self.launcher.last.socket()).sendall(b"hello")
        self.launcher.last.close()
        wanted = GO + b"hello"
        self.assertEqual(client.recv(len(wanted), socket.MSG_WAITALL), wanted)

    def test_options(self) -> None:
        """The connection has the flags that the service's line asks for."""
        self.again(options=SocketOptions(noDelay=True))
        self.ask(b"x\r\n")
        connection = self.closing(self.launcher.last.socket())
        flag = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        self.assertTrue(flag)

    def test_full(self) -> None:
        """Clients wait while as many programs run as may, and are served in order."""
        self.again(bounds=Bounds(acceptMax=1))
        for _ in range(3):
            self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)
        self.launcher.last.start().end()
        self.assertEqual(len(self.launcher.programs), 2)
        self.launcher.last.start().end()
        self.assertEqual(len(self.launcher.programs), 3)

    def test_capacity(self) -> None:
        """While the launcher has no capacity, clients wait."""
        self.launcher.hasCapacity = False
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        self.assertEqual(self.launcher.programs, [])
        self.launcher.regainCapacity()
        self.assertEqual(len(self.launcher.programs), 2)

    def test_shortage(self) -> None:
        """
        Clients wait while there is a resource shortage.

        When it is over, it is over for those that came meanwhile too.
        """
        left, right = socket.socketpair()
        self.closing(left), self.closing(right)
        self.noDescriptors(lambda: self.slot.take(left, None, False))
        self.ask(b"x\r\n")
        self.assertEqual(self.launcher.programs, [])
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertEqual(len(self.launcher.programs), 2)
        self.assertEqual(self.logged("refuse"), [])

    def test_share(self) -> None:
        """Queued clients count for a share of the descriptors."""
        self.again(bounds=Bounds(acceptMax=1))
        self.patch(self.runtime.descriptors, "share", lambda purpose: 3)
        for _ in range(3):
            self.ask(b"x\r\n")
        self.assertEqual(self.runtime.descriptors.taken(Purpose.TCPMUX), 2)
        last = self.ask(b"x\r\n")
        self.assertEqual(last.recv(100), NOT_AVAILABLE)
        (refuse,) = self.logged("refuse")
        self.assertIn("share of the file descriptors", refuse["reason"])
        self.assertEqual(self.slot.state().refused, 1)
        self.launcher.programs[0].start().end()
        self.assertEqual(self.runtime.descriptors.taken(Purpose.TCPMUX), 1)
        self.slot.stop()
        self.assertEqual(self.runtime.descriptors.taken(Purpose.TCPMUX), 0)

    def test_tooMany(self) -> None:
        """At most C{backlog} clients wait; the others are refused."""
        self.again(bounds=Bounds(acceptMax=1), options=SocketOptions(backlog=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        third = self.ask(b"x\r\n")
        self.assertEqual(self.answer(third), NOT_AVAILABLE)
        (refuse,) = self.logged("refuse")
        self.assertEqual(refuse["service"], "tcpmux/x")
        self.assertEqual(self.slot.state().refused, 1)

    def test_rate(self) -> None:
        """
        A rate that is exceeded refuses clients for a minute (item 64).

        None gets the reply C{+Go}; then clients are served again.
        """
        self.again(bounds=Bounds(serviceMax=1), greets=True)
        self.ask(b"x\r\n")
        for _ in range(2):
            self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(len(self.launcher.programs), 1)
        self.assertEqual(len(self.logged("pause")), 1)
        self.reactor.advance(WINDOW)
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_perSource(self) -> None:
        """The limits for one address apply (item 67)."""
        self.again(bounds=Bounds(perSource=1))
        self.ask(b"x\r\n")
        refused = self.ask(b"x\r\n")
        self.reactor.advance(MOMENT)
        self.assertEqual(self.answer(refused), NOT_AVAILABLE)
        self.launcher.last.start().end()
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_again(self) -> None:
        """A client that reconnects before its program's exit is reported is served."""
        self.again(bounds=Bounds(perSource=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)
        self.launcher.last.start().end()
        self.assertEqual(len(self.launcher.programs), 2)
        self.assertEqual(self.logged("refuse"), [])

    def test_undecidedAndStopped(self) -> None:
        """Undecided clients are refused when the service changes or stops."""
        for end in (
            lambda: self.slot.change(self.slot.service),
            lambda: self.slot.stop(),
        ):
            self.again(bounds=Bounds(perSource=1))
            self.ask(b"x\r\n")
            client = self.ask(b"x\r\n")
            end()
            self.assertEqual(self.answer(client), NOT_AVAILABLE)
            self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_gone(self) -> None:
        """A client that has disconnected is not counted (item 71)."""
        self.again(bounds=Bounds(acceptMax=1), greets=True)
        self.ask(b"x\r\n")
        second = self.ask(b"x\r\n")
        second.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        second.close()
        self.launcher.last.start().end()
        self.assertEqual(len(self.launcher.programs), 1)
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

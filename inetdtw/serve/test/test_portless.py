# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.portless}."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any
from unittest import mock

from inetdtw.launch.warm.test.played import KEPT
from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.address import Address
from inetdtw.model.service import Bounds, Service, SocketOptions
from inetdtw.model.state import PauseReason
from inetdtw.serve.bindretry import LONGEST_RETRY
from inetdtw.serve.portless import PortlessSlot
from inetdtw.serve.tcpmux import GO, NOT_AVAILABLE
from inetdtw.serve.tcpmuxlistener import TcpmuxListener
from inetdtw.serve.undecided import MOMENT
from inetdtw.system.descriptors import Purpose
from inetdtw.test.fakes import (
    NOW,
    PATIENCE,
    ServingTestCase,
    listening,
    makeService,
    openDescriptors,
)


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


class PortlessSlotTests(PortlessCase):
    """Tests for L{PortlessSlot}."""

    def again(self, **given: Any) -> None:
        """Change the service."""
        self.slot.change(makePortless(**given))

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

    def test_room(self) -> None:
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

    def test_change(self) -> None:
        """
        A change applies to the next clients.

        Running programs still count, and new capacity is used at once.
        """
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        self.again(bounds=Bounds(acceptMax=2))
        self.assertEqual(len(self.launcher.programs), 2)
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_stop(self) -> None:
        """A stop refuses clients, also queued ones, and is logged."""
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        waits = self.ask(b"x\r\n")
        self.slot.stop()
        self.assertEqual(self.answer(waits), NOT_AVAILABLE)
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(len(self.logged("close")), 1)
        self.launcher.last.start().end()

    def test_tell(self) -> None:
        """The state has the counters of the service."""
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        state = self.slot.state()
        self.assertEqual((state.name, state.running), ("tcpmux/x", 1))
        self.assertEqual(
            (state.address, state.pauses), ("tcpmux/x", (PauseReason.LIMIT,))
        )
        self.assertEqual(state.condition, "at limit")

    def test_pause(self) -> None:
        """Clients wait while an operator has paused the service."""
        self.slot.pause()
        self.assertTrue(self.slot.paused)
        waits = self.ask(b"x\r\n")
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(self.slot.state().condition, "paused")
        self.slot.resume()
        self.assertFalse(self.slot.paused)
        self.launcher.last.start().end()
        self.assertEqual(self.answer(waits), b"")

    def test_resumeRate(self) -> None:
        """A resume by an operator ends the pause for a rate."""
        self.again(bounds=Bounds(serviceMax=1))
        for _ in range(2):
            self.ask(b"x\r\n")
        state = self.slot.state()
        self.assertEqual((state.pauses, state.refused), ((PauseReason.RATE,), 1))
        self.assertEqual(state.until, NOW + WINDOW)
        self.slot.resume()
        self.assertEqual(self.slot.state().pauses, ())
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_drain(self) -> None:
        """A drained service is unknown; its state depends on running programs."""
        self.ask(b"x\r\n")
        program = self.launcher.last.start()
        self.slot.drain()
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(self.slot.state().condition, "draining")
        program.end()
        self.assertEqual(self.slot.state().condition, "stopped")
        self.slot.stop()
        self.assertEqual(len(self.logged("close")), 1)

    def test_broken(self) -> None:
        """
        An internal error of a start or a change pauses the service.

        The reason is in its state; it is tried again, and leaves no client waiting.
        """

        def launcherOf(service: Service) -> Any:
            if not wrong:
                return self.launcher
            raise ValueError("no launcher")

        for act in (
            lambda slot: slot.start(),
            lambda slot: slot.change(makePortless(refusal=b"x")),
        ):
            wrong = act is not None
            runtime = replace(self.runtime, launcherOf=launcherOf)
            slot = PortlessSlot(makePortless(), runtime)
            act(slot)
            slot.start()
            state = slot.state()
            self.assertEqual(state.condition, "paused")
            self.assertEqual(state.reason, "ValueError: no launcher")
            self.flushLoggedErrors(ValueError)
            wrong = False
            self.reactor.advance(LONGEST_RETRY)
            self.assertEqual(slot.state().condition, "listening")
            slot.drain()

    def test_brokenWhileServed(self) -> None:
        """
        An internal error of a change refuses the clients that wait.

        Later clients are refused too.
        """
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        waits = self.ask(b"x\r\n")
        self.patch(self.slot, "_launcherOf", mock.Mock(side_effect=ValueError))
        self.slot.change(makePortless(refusal=b"x"))
        self.flushLoggedErrors(ValueError)
        self.assertEqual(self.answer(waits), NOT_AVAILABLE)
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(self.slot.state().condition, "paused")

    def test_stopInPause(self) -> None:
        """After a stop, no timer is active."""
        self.again(bounds=Bounds(serviceMax=1))
        for _ in range(2):
            self.ask(b"x\r\n")
        self.assertIsNotNone(self.slot.state().until)
        self.slot.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_ready(self) -> None:
        """The state has whether a warm process is ready, for a warm service."""
        self.assertIsNone(self.slot.state().ready)
        self.again(warm=KEPT)
        self.assertIs(self.slot.state().ready, False)
        self.slot.stop()
        self.assertIsNone(self.slot.state().ready)

    def test_neverServed(self) -> None:
        """A service that was not served is not logged as closed."""
        slot = PortlessSlot(makePortless(), self.runtime)
        slot.bind()
        slot.stop()
        self.assertEqual(self.logged("close"), [])

    def test_descriptors(self) -> None:
        """No descriptor of served or refused clients is leaked."""
        before = openDescriptors()
        for sent in (b"x\r\n", b"nix\r\n", b"help\r\n"):
            self.ask(sent).close()
        self.launcher.last.start().end()
        self.assertEqual(openDescriptors(), before)

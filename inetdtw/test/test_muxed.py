# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.muxed}.
"""

from __future__ import annotations

import socket
from typing import Any

from zope.interface.verify import verifyObject

from inetdtw.interfaces import IListener
from inetdtw.limits import WINDOW, Limits
from inetdtw.muxed import MuxedSlot, Tcpmux
from inetdtw.service import Address, Bounds, Service, SocketOptions
from inetdtw.tcpmux import GO, NOT_AVAILABLE, NOT_READ, TIMEOUT
from inetdtw.test.fakes import (
    PATIENCE,
    ServingTestCase,
    isBlocking,
    listening,
    makeService,
    openDescriptors,
)


def makeMuxed(**given: Any) -> Service:
    """
    A service behind tcpmux.
    """
    address = Address(socket.AF_UNSPEC, "tcpmux/x")
    return makeService(**{"name": "tcpmux/x", "address": address, **given})


class MuxedCase(ServingTestCase):
    """
    A test with tcpmux, and a service behind it.
    """

    def setUp(self) -> None:
        """
        Have both.
        """
        super().setUp()
        self.serve()

    def serve(self, bounds: Bounds = Bounds(), **given: Any) -> None:  # noqa: B008
        """
        Serve tcpmux, with these bounds, and behind it a service with the others.
        """
        mux = makeService(name="mux", internal="tcpmux", bounds=bounds)
        self.server = self.closing(listening(mux))
        self.limits = Limits(bounds, self.reactor.seconds)
        self.mux = Tcpmux(
            mux, self.server, self.host, self.limits, None, lambda: self.mux.released()
        )
        self.mux.start()
        self.slot = MuxedSlot(makeMuxed(**given), self.host, lambda _: self.launcher)
        self.slot.bind()
        self.slot.start()

    def undecided(self, said: bytes = b"") -> socket.socket:
        """
        A client that says something.
        """
        client = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(client.close)
        client.sendall(said)
        self.reactor.turnUntil(lambda: bool(self.host.names.questions))
        self.reactor.settle()
        return client

    def ask(self, said: bytes) -> socket.socket:
        """
        A client that says all it has to say about which service it wants.
        """
        client = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(client.close)
        client.sendall(said)
        before = self.limits.running
        self.reactor.turnUntil(lambda: self.limits.running > before)
        self.reactor.turnUntil(lambda: self.limits.running == before)
        return client

    def answer(self, client: socket.socket) -> bytes:
        """
        All that a client is told until the connection is closed.
        """
        return b"".join(iter(lambda: client.recv(4096), b""))


class TcpmuxTests(MuxedCase):
    """
    Tests for L{Tcpmux} (item 90).
    """

    def test_interface(self) -> None:
        """
        It is a listener.
        """
        verifyObject(IListener, self.mux)

    def test_service(self) -> None:
        """
        A client gets the service that it names, in any case, with the very
        connection, of which nothing but the name was read.
        """
        client = self.ask(b"X\r\nmore")
        program = self.launcher.last
        connection = self.closing(program.socket())
        self.assertEqual(connection.getpeername(), client.getsockname())
        self.assertTrue(isBlocking(connection))
        self.assertEqual(connection.recv(100), b"more")
        extra = program.order.extra
        self.assertEqual(extra["TCPREMOTEPORT"], str(client.getsockname()[1]))
        self.assertEqual(extra["TCPLOCALPORT"], str(self.server.getsockname()[1]))

    def test_unknown(self) -> None:
        """
        Without such a service the client is told so, and the log, in which what the
        client said can do no harm.
        """
        client = self.ask(b"\x1b[2J\r\nmore")
        self.assertEqual(self.answer(client), NOT_AVAILABLE)
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["service"], "mux")
        self.assertEqual(refuse["reason"], r"there is no service tcpmux/\x1b[2j")

    def test_help(self) -> None:
        """
        Who asks for help is told all names.
        """
        MuxedSlot(
            makeMuxed(address=Address(socket.AF_UNSPEC, "tcpmux/a")),
            self.host,
            lambda _: self.launcher,
        ).start()
        self.assertEqual(self.answer(self.ask(b"HELP\r\n")), b"a\r\nx\r\n")

    def test_silent(self) -> None:
        """
        Who says nothing is told so after ten seconds.
        """
        client = self.undecided(b"x")
        self.reactor.advance(TIMEOUT)
        self.assertEqual(self.answer(client), NOT_READ)

    def test_slow(self) -> None:
        """
        A client that takes its time keeps nobody else waiting.
        """
        self.undecided(b"")
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)

    def test_bounds(self) -> None:
        """
        Its own bounds are about clients that have not said what they want: the
        others wait in the backlog meanwhile.
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
        """
        A client that has too many connections already is closed.
        """
        self.mux.stop()
        self.slot.stop()
        self.serve(Bounds(perSource=1))
        self.undecided()
        second = socket.create_connection(self.server.getsockname(), PATIENCE)
        self.addCleanup(second.close)
        self.reactor.settle()
        self.assertEqual(second.recv(1), b"")

    def test_retire(self) -> None:
        """
        Who was accepted before a reload may still say what it wants.
        """
        client = self.undecided(b"x")
        done: list[bool] = []
        self.mux.retire(lambda: done.append(True))
        self.assertEqual(done, [True])
        client.sendall(b"\r\n")
        self.reactor.turnUntil(lambda: bool(self.launcher.programs))

    def test_close(self) -> None:
        """
        When the daemon stops, those that have said nothing are closed.
        """
        client = self.undecided()
        self.mux.stop()
        self.host.names.close()
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class MuxedSlotTests(MuxedCase):
    """
    Tests for L{MuxedSlot}.
    """

    def again(self, **given: Any) -> None:
        """
        Serve otherwise.
        """
        self.slot.change(makeMuxed(**given))

    def test_noSocket(self) -> None:
        """
        It is never bound and listens nowhere.
        """
        self.assertFalse(self.slot.bound)
        found: Any = MuxedSlot.getHost
        self.assertIsNone(found(self.slot))

    def test_silent(self) -> None:
        """
        A client is told nothing but what the program says.
        """
        client = self.ask(b"x\r\n")
        self.closing(self.launcher.last.socket()).sendall(b"hello")
        self.assertEqual(client.recv(100), b"hello")

    def test_greets(self) -> None:
        """
        A client of a service with a plus sign is told when it is served.
        """
        self.again(greets=True)
        client = self.ask(b"x\r\n")
        self.closing(self.launcher.last.socket()).sendall(b"hello")
        self.launcher.last.close()
        wanted = GO + b"hello"
        self.assertEqual(client.recv(len(wanted), socket.MSG_WAITALL), wanted)

    def test_options(self) -> None:
        """
        The connection has the flags that the service's line asks for.
        """
        self.again(options=SocketOptions(noDelay=True))
        self.ask(b"x\r\n")
        connection = self.closing(self.launcher.last.socket())
        flag = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        self.assertTrue(flag)

    def test_full(self) -> None:
        """
        When as many programs run as may, clients wait, and are served in their
        order as programs end.
        """
        self.again(bounds=Bounds(acceptMax=1))
        for _ in range(3):
            self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 1)
        self.launcher.last.start().end()
        self.assertEqual(len(self.launcher.programs), 2)
        self.launcher.last.start().end()
        self.assertEqual(len(self.launcher.programs), 3)

    def test_room(self) -> None:
        """
        While the launcher has no room clients wait.
        """
        self.launcher.room = False
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        self.assertEqual(self.launcher.programs, [])
        self.launcher.makeRoom()
        self.assertEqual(len(self.launcher.programs), 2)

    def test_tooMany(self) -> None:
        """
        No more wait than would in the service's backlog; the others are told.
        """
        self.again(bounds=Bounds(acceptMax=1), options=SocketOptions(backlog=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        third = self.ask(b"x\r\n")
        self.assertEqual(self.answer(third), NOT_AVAILABLE)
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["service"], "tcpmux/x")

    def test_rate(self) -> None:
        """
        A rate that is exceeded sends clients away for a minute, none of whom is told
        that it is served, and then they are served again (item 64).
        """
        self.again(bounds=Bounds(serviceMax=1), greets=True)
        self.ask(b"x\r\n")
        for _ in range(2):
            self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(len(self.launcher.programs), 1)
        self.assertEqual(len(self.said("pause")), 1)
        self.reactor.advance(WINDOW)
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_perSource(self) -> None:
        """
        The bounds for one address hold (item 67).
        """
        self.again(bounds=Bounds(perSource=1))
        self.ask(b"x\r\n")
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.launcher.last.start().end()
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_gone(self) -> None:
        """
        A client that is gone is not counted (item 71).
        """
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
        After a reload clients get what the service is then; those that run count on,
        and more room is used at once.
        """
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        self.again(bounds=Bounds(acceptMax=2))
        self.assertEqual(len(self.launcher.programs), 2)
        self.ask(b"x\r\n")
        self.assertEqual(len(self.launcher.programs), 2)

    def test_stop(self) -> None:
        """
        Once it is gone clients are told so, those that wait too, and the log.
        """
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        waits = self.ask(b"x\r\n")
        self.slot.stop()
        self.assertEqual(self.answer(waits), NOT_AVAILABLE)
        self.assertEqual(self.answer(self.ask(b"x\r\n")), NOT_AVAILABLE)
        self.assertEqual(len(self.said("close")), 1)
        self.launcher.last.start().end()

    def test_tell(self) -> None:
        """
        It tells how it is, like any other service.
        """
        self.again(bounds=Bounds(acceptMax=1))
        self.ask(b"x\r\n")
        self.ask(b"x\r\n")
        self.slot.tell()
        (state,) = self.said("state")
        self.assertEqual((state["service"], state["running"]), ("tcpmux/x", 1))
        self.assertEqual((state["address"], state["held"]), ("tcpmux/x", "full"))

    def test_descriptors(self) -> None:
        """
        No descriptor is left of clients that were served or sent away.
        """
        before = openDescriptors()
        for said in (b"x\r\n", b"nix\r\n", b"help\r\n"):
            self.ask(said).close()
        self.launcher.last.start().end()
        self.assertEqual(openDescriptors(), before)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for changes of the service of a slot, and for its limits."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

from inetdtw.limits.service import WINDOW
from inetdtw.model.service import Bounds, Program, Service, SocketOptions
from inetdtw.serve.slot import Slot
from inetdtw.serve.test.slotcase import SlotTestCase
from inetdtw.test.fakes import (
    PATIENCE,
    FakeLauncher,
    isBlocking,
    makeDatagrams,
    makeService,
    openDescriptors,
    openedSince,
)


class ChangeTests(SlotTestCase):
    """Tests for changes of a L{Slot}."""

    def sameSocket(self, slot: Slot, service: Service) -> None:
        """Change a service, and assert that its socket is the same."""
        before, where = openDescriptors(), self.where(slot)
        slot.change(service)
        self.assertEqual(openedSince(before), {})
        # Another one would have another port.
        self.assertEqual(self.where(slot), where)

    def test_arguments(self) -> None:
        """A change of the program applies to the next client."""
        slot = self.serving(makeService())
        first = self.connect(slot)
        old = self.requested(1).start()
        program = Program("/bin/sh", (), ("new",))
        self.sameSocket(slot, makeService(program=program))
        self.connect(slot)
        self.assertEqual(self.requested(2).request.argv, ("new",))
        with old.socket() as connection:
            connection.sendall(b"still here")
        self.assertEqual(first.recv(100), b"still here")

    def test_backlog(self) -> None:
        """Clients in the backlog are served by the new configuration."""
        slot = self.serving(makeService())
        self.launcher.hasCapacity = False
        self.connect(slot)
        self.reactor.turn(PATIENCE)
        self.sameSocket(slot, makeService(program=Program("/bin/sh", (), ("new",))))
        self.launcher.regainCapacity()
        self.assertEqual(self.requested(1).request.argv, ("new",))

    def test_destination(self) -> None:
        """
        Options that the listener sets are kept while it reads the socket.

        A program that has the socket does not get them.
        """
        option = (socket.IPPROTO_IP, getattr(socket, "IP_PKTINFO", 8))
        slot = self.serving(makeDatagrams())
        assert slot._socket.socket is not None
        self.assertEqual(slot._socket.socket.getsockopt(*option), 1)
        slot.check()
        self.assertEqual(slot._socket.socket.getsockopt(*option), 1)
        self.sameSocket(slot, makeDatagrams(wait=True))
        self.connect(slot).send(b"1")
        with self.requested(1).socket() as theirs:
            self.assertEqual(theirs.getsockopt(*option), 0)

    def test_answersBefore(self) -> None:
        """Replies of programs are sent after a change, until the socket is closed."""
        before = openDescriptors()
        slot = self.serving(makeDatagrams())
        client = self.connect(slot)
        client.send(b"question")
        program = self.requested(1).start()
        self.sameSocket(slot, makeDatagrams(program=Program("/bin/sh", (), ("new",))))
        os.write(program.fds[1], b"answer")
        self.reactor.settle()
        self.assertEqual(client.recv(100), b"answer")
        slot.stop()
        self.assertEqual(self.reactor.getReaders(), [])
        program.end()
        client.close()
        self.assertEqual(openedSince(before), {})

    def test_nowaitToWait(self) -> None:
        """Running programs with connections do not delay a change to C{wait}."""
        slot = self.serving(makeService())
        self.connect(slot)
        self.requested(1).start()
        self.sameSocket(slot, makeService(wait=True))
        self.connect(slot)
        with self.requested(2).socket() as server:
            listens = server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            self.assertEqual(listens, 1)

    def test_waitToNowait(self) -> None:
        """
        A program that has the socket keeps it until it exits.

        Then connections get programs of their own.
        """
        slot = self.serving(makeService(wait=True))
        self.connect(slot)
        program = self.requested(1).start()
        with program.socket() as server:
            self.closing(server.accept()[0])
            self.sameSocket(slot, makeService())
            self.assertTrue(isBlocking(server))
        self.connect(slot)
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 1)
        program.end()
        self.assertIn("TCPREMOTEIP", self.requested(2).request.extra)

    def test_waitAcross(self) -> None:
        """
        A program that has the socket across a change stays the only one.

        When it exits, the next one is started.
        """
        service = makeDatagrams(wait=True)
        slot = self.serving(service)
        sender = self.connect(slot)
        sender.send(b"1")
        program = self.requested(1).start()
        with program.socket() as server:
            self.assertEqual(server.recv(100), b"1")
        new = replace(service, program=Program("/bin/sh", (), ("new",)))
        self.sameSocket(slot, new)
        sender.send(b"2")
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 1)
        program.end()
        program = self.requested(2)
        self.assertEqual(program.request.argv, ("new",))
        with program.socket() as server:
            self.assertEqual(server.recv(100), b"2")

    def test_twice(self) -> None:
        """Of several changes while a program has the socket, the last one applies."""
        service = makeDatagrams(wait=True)
        slot = self.serving(service)
        self.connect(slot).send(b"1")
        program = self.requested(1).start()
        for name in ("new", "newer", "newest"):
            slot.change(replace(service, program=Program("/bin/sh", (), (name,))))
        program.end()
        self.assertEqual(self.requested(2).request.argv, ("newest",))

    def test_back(self) -> None:
        """A change that is undone while a program has the socket adds no program."""
        service = makeDatagrams(wait=True)
        slot = self.serving(service)
        self.connect(slot).send(b"1")
        program = self.requested(1).start()
        slot.change(replace(service, wait=False))
        slot.change(service)
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 1)
        program.end()
        with self.requested(2).socket() as server:
            self.assertEqual(server.recv(100), b"1")
        self.assertEqual(len(self.launcher.last.request.extra), 0)

    def test_toInternal(self) -> None:
        """A service may become an internal one, and back."""
        slot = self.serving(makeService())
        self.sameSocket(slot, makeService(internal="echo"))
        self.connect(slot)
        self.reactor.turnUntil(lambda: bool(self.reactor.adopted))
        self.sameSocket(slot, makeService())
        self.connect(slot)
        self.requested(1)

    def test_launcher(self) -> None:
        """Later programs are started by the new launcher."""
        slot = self.serving(makeService())
        old, self.launcher = self.launcher, FakeLauncher()
        self.addCleanup(self.launcher.close)
        slot.change(makeService(name="new"))
        self.connect(slot)
        self.requested(1)
        self.assertEqual(old.programs, [])

    def test_options(self) -> None:
        """Socket options of a change are set on the open socket."""
        slot = self.serving(makeService())
        self.sameSocket(slot, makeService(options=SocketOptions(backlog=7)))
        self.assertEqual(self.logged("config-warning"), [])
        self.connect(slot)
        self.requested(1)

    def test_optionsFail(self) -> None:
        """An option that cannot be set is logged, and the service is served."""
        slot = self.serving(makeService())
        slot.change(makeService(options=SocketOptions(acceptFilter="dnsready")))
        self.assertEqual(len(self.logged("config-warning")), 1)
        self.connect(slot)
        self.requested(1)


class LimitsTests(SlotTestCase):
    """Tests for the counts of a L{Slot}, which continue over changes."""

    def test_full(self) -> None:
        """Programs from before a change count until they exit."""
        service = makeService(bounds=Bounds(acceptMax=1))
        slot = self.serving(service)
        self.connect(slot)
        program = self.requested(1).start()
        slot.change(replace(service, program=Program("/bin/sh", (), ("new",))))
        self.connect(slot)
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 1)
        program.end()
        self.assertEqual(self.requested(2).request.argv, ("new",))

    def test_bounds(self) -> None:
        """Changed limits apply at once."""
        slot = self.serving(makeService(bounds=Bounds(acceptMax=1)))
        self.connect(slot)
        self.requested(1)
        self.connect(slot)
        self.reactor.settle()
        slot.change(makeService(bounds=Bounds(acceptMax=2)))
        self.requested(2)

    def test_rate(self) -> None:
        """After a change that ends a pause, the next client over the rate pauses it."""
        service = makeService(bounds=Bounds(serviceMax=1))
        slot = self.serving(service)
        self.connect(slot)
        self.requested(1)
        refused = self.connect(slot)
        self.reactor.turnUntil(lambda: len(self.logged("pause")) == 1)
        self.assertEqual(refused.recv(100), b"")
        slot.change(replace(service, program=Program("/bin/sh", (), ("new",))))
        self.connect(slot)
        self.reactor.turnUntil(lambda: len(self.logged("pause")) == 2)
        self.connect(slot)
        self.reactor.advance(WINDOW)
        self.requested(2)

    def test_waiting(self) -> None:
        """A program from before a change is released once."""
        service = makeDatagrams(wait=True, bounds=Bounds(acceptMax=1))
        slot = self.serving(service)
        sender = self.connect(slot)
        for number in range(3):
            sender.send(b"%d" % number)
            program = self.requested(number + 1).start()
            with program.socket() as server:
                self.assertEqual(server.recv(100), b"%d" % number)
            slot.change(replace(slot.service, name=f"name{number}"))
            program.end()

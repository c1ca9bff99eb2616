# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.servicesocket}."""

from __future__ import annotations

import os
import socket
import stat
from typing import Any
from unittest import mock

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from inetdtw.helpers.socketstate import Original
from inetdtw.limits.backoff import FIRST_PAUSE, GOOD_LIFE, GROWTH
from inetdtw.model.address import Address
from inetdtw.model.service import SocketOptions
from inetdtw.serve import servicesocket
from inetdtw.serve.bindretry import LONGEST_RETRY
from inetdtw.serve.test.slotcase import SlotTestCase
from inetdtw.test.fakes import (
    PATIENCE,
    backlogOf,
    makeDatagrams,
    makeService,
    makeUnix,
    ofOneLink,
    openDescriptors,
    openedSince,
)


class HostTests(SlotTestCase):
    """Tests for the address of a L{Slot}."""

    def test_ipv4(self) -> None:
        """The address has the port that the system chose."""
        for make, kind in ((makeService, "TCP"), (makeDatagrams, "UDP")):
            slot = self.slot(make())
            host: Any = slot.getHost()
            self.assertIsInstance(host, IPv4Address)
            self.assertEqual((host.type, host.host), (kind, "127.0.0.1"))
            self.assertGreater(host.port, 0)
            self.assertEqual(slot.address(), f"127.0.0.1:{host.port}")

    def test_ipv6(self) -> None:
        """The address over IPv6 has its port too."""
        slot = self.slot(makeService(address=Address(socket.AF_INET6, "::1")))
        if not slot.bound:
            self.skipTest("no IPv6 here")
        host: Any = slot.getHost()
        self.assertIsInstance(host, IPv6Address)
        self.assertEqual(slot.address(), f"[::1]:{host.port}")

    def test_interface(self) -> None:
        """A link-local address has its interface."""
        address = ofOneLink()
        slot = self.slot(makeDatagrams(address=address))
        if not slot.bound:
            self.skipTest("no IPv6 here")
        where: Any = slot.getHost()
        host, _, name = address.host.partition("%")
        self.assertEqual(
            (where.host, where.scopeID), (host, socket.if_nametoindex(name))
        )
        self.assertEqual(slot.address(), f"[{address.host}]:{where.port}")


class ReplaceTests(SlotTestCase):
    """Tests for a L{Slot} that replaces its socket."""

    def reasons(self) -> list[str]:
        """Return the reasons of the replacements."""
        return [event["reason"] for event in self.logged("rebind")]

    def path(self) -> str:
        """Return a path for a socket."""
        return str(os.path.relpath(self.mktemp()))

    def test_removed(self) -> None:
        """A path that was removed is bound again, and served."""
        path = self.path()
        slot = self.serving(makeUnix(path))
        slot.check()
        self.assertEqual(self.reasons(), [])
        os.unlink(path)
        slot.check()
        self.connect(slot)
        self.requested(1)
        self.assertEqual(
            self.reasons(), ["its path was removed, or leads to another file"]
        )

    def test_resume(self) -> None:
        """A resume by an operator replaces a socket without a path too."""
        path = self.path()
        slot = self.serving(makeUnix(path))
        slot.pause()
        os.unlink(path)
        slot.resume()
        self.connect(slot)
        self.requested(1)

    def test_again(self) -> None:
        """A service whose path is removed repeatedly is failing until a resume."""
        path = self.path()
        slot = self.serving(makeUnix(path))
        for healthy in (True, False):
            os.unlink(path)
            slot.check()
            self.assertEqual(slot.state().healthy, healthy)
        self.assertEqual(slot.state().condition, "failing")
        self.assertEqual(
            slot.state().reason,
            "its socket was replaced 2 times in a minute: its path was removed, or "
            "leads to another file",
        )
        self.connect(slot)
        self.requested(1)
        slot.resume()
        self.assertEqual(slot.state().condition, "listening")
        self.assertIsNone(slot.state().reason)

    def test_paused(self) -> None:
        """A paused service whose path was removed is bound again, and stays paused."""
        path = self.path()
        slot = self.serving(makeUnix(path))
        slot.pause()
        os.unlink(path)
        slot.check()
        self.connect(slot)
        self.reactor.settle()
        self.assertEqual(self.launcher.programs, [])
        slot.resume()
        self.requested(1)

    def test_another(self) -> None:
        """A file of another process at the path is not touched."""
        path = self.path()
        slot = self.serving(makeUnix(path))
        os.unlink(path)
        with open(path, "w"):
            pass
        slot.check()
        self.assertFalse(slot.bound)
        self.assertTrue(stat.S_ISREG(os.lstat(path).st_mode))
        os.unlink(path)
        self.reactor.advance(LONGEST_RETRY)
        self.assertTrue(slot.bound)

    def test_takenOver(self) -> None:
        """A socket whose datagrams another one receives is replaced."""
        slot = self.serving(makeDatagrams())
        self.patch(servicesocket, "receives", lambda sock: False)
        before = len(openDescriptors())
        slot.check()
        self.assertEqual(self.reasons(), ["another socket gets its datagrams"])
        self.assertEqual(len(openDescriptors()), before)

    def test_broken(self) -> None:
        """A socket whose options cannot be restored is replaced."""
        slot = self.serving(makeDatagrams())
        restore = mock.Mock(side_effect=OSError("none"))
        self.patch(Original, "restore", restore)
        slot.check()
        self.assertEqual(self.reasons(), ["none"])

    def test_backlog(self) -> None:
        """A backlog that a program has changed is restored."""
        service = makeService(wait=True, options=SocketOptions(backlog=77))
        slot = self.serving(service)
        self.connect(slot)
        program = self.requested(1).start()
        with program.socket() as shared:
            shared.listen(7)
            program.end()
            self.assertEqual(backlogOf(shared), 77)

    def test_answers(self) -> None:
        """The replies of programs reach their clients after a replacement."""
        path, own = self.path(), self.path()
        slot = self.serving(makeUnix(path, socktype=socket.SOCK_DGRAM))
        client = self.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        client.settimeout(PATIENCE)
        client.bind(own)
        client.sendto(b"question", path)
        program = self.requested(1).start()
        old = slot._socket.socket
        assert old is not None
        os.unlink(path)
        slot.check()
        with program.socket(1) as answers:
            answers.send(b"answer")
        self.reactor.settle()
        self.assertEqual(client.recv(10), b"answer")
        program.end()
        before = len(openDescriptors())
        self.assertGreaterEqual(old.fileno(), 0)
        self.reactor.advance(1)
        self.reactor.settle()
        self.assertLess(len(openDescriptors()), before)
        self.assertEqual(old.fileno(), -1)

    def test_busy(self) -> None:
        """A socket is not replaced while a program has it, but after its exit."""
        path = self.path()
        slot = self.serving(makeUnix(path, wait=True))
        self.connect(slot)
        program = self.requested(1).start()
        os.unlink(path)
        slot.check()
        self.assertEqual(self.reasons(), [])
        program.end()
        self.assertEqual(len(self.reasons()), 1)
        self.connect(slot)
        self.requested(2)

    def test_restored(self) -> None:
        """Options that a program sets are reset; those of a reload stay."""
        slot = self.serving(makeService(wait=True))
        sock = slot._socket.socket
        assert sock is not None
        self.connect(slot)
        program = self.requested(1).start()
        with program.socket() as theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        slot.change(makeService(wait=True, options=SocketOptions(keepAlive=True)))
        program.end()
        options = (socket.SO_OOBINLINE, socket.SO_KEEPALIVE)
        found = [bool(sock.getsockopt(socket.SOL_SOCKET, each)) for each in options]
        self.assertEqual(found, [False, True])

    def test_leftBehind(self) -> None:
        """
        A socket that a background child damages is replaced.

        The service gets another socket, on the same port.
        """
        probe = self.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        address = Address(socket.AF_INET, "127.0.0.1", port)
        slot = self.serving(makeDatagrams(wait=True, address=address))
        assert slot._socket.socket is not None
        theirs = self.closing(slot._socket.socket.dup())
        theirs.connect(("127.0.0.1", 9))
        slot.check()
        self.assertEqual(self.reasons(), ["a program has connected its socket"])
        self.connect(slot).send(b"here")
        self.requested(1)
        self.assertEqual(self.where(slot), ("127.0.0.1", port))

    def test_dropped(self) -> None:
        """A socket that the reactor does not poll is replaced, and logged once."""
        slot = self.serving(makeService())
        (reader,) = self.reactor.getReaders()
        self.reactor.removeReader(reader)
        reader.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(slot.state().condition, "paused")
        self.reactor.advance(1)
        self.assertEqual(self.reasons(), ["an error was left in it"])
        self.connect(slot)
        self.requested(1)

    def test_droppedOften(self) -> None:
        """A socket that the reactor drops soon is replaced after a longer pause."""
        self.serving(makeService())
        again = FIRST_PAUSE * GROWTH
        for lived, pause in (
            *((0, FIRST_PAUSE), (0, again), (GOOD_LIFE, FIRST_PAUSE), (0, again)),
        ):
            self.reactor.advance(lived)
            (reader,) = self.reactor.getReaders()
            self.reactor.removeReader(reader)
            reader.connectionLost(Failure(ConnectionDone()))
            (later,) = self.reactor.getDelayedCalls()
            left = later.getTime() - self.reactor.seconds()
            self.assertAlmostEqual(left, pause)
            self.reactor.advance(left)

    def test_droppedAndStopped(self) -> None:
        """A socket is not replaced when the service was stopped meanwhile."""
        slot = self.serving(makeService())
        (reader,) = self.reactor.getReaders()
        reader.connectionLost(Failure(ConnectionDone()))
        slot.stop()
        self.reactor.advance(1)
        self.assertEqual(self.reasons(), [])
        self.assertFalse(slot.bound)

    def test_drained(self) -> None:
        """A draining service gets no other socket."""
        path = self.path()
        before = openDescriptors()
        slot = self.serving(makeUnix(path, wait=True))
        self.connect(slot).close()
        program = self.requested(1).start()
        slot.drain()
        os.unlink(path)
        program.end()
        self.assertFalse(slot.bound)
        self.assertEqual(openedSince(before), {})
        self.assertFalse(os.path.lexists(path))

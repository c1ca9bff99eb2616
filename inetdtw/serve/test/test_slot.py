# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.slot}."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import tempfile
from typing import Any, Callable
from unittest import mock

from inetdtw.limits.service import WINDOW
from inetdtw.model.address import Address
from inetdtw.model.service import Bounds, Program, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.bindretry import FIRST_RETRY
from inetdtw.serve.datagram import DatagramListener
from inetdtw.serve.internal import InternalDatagramListener, InternalStreamListener
from inetdtw.serve.slot import Slot, listenerFor
from inetdtw.serve.stream import StreamListener
from inetdtw.serve.test.slotcase import SlotTestCase
from inetdtw.serve.wait import WaitListener
from inetdtw.system import sockets
from inetdtw.test.fakes import (
    NOW,
    PATIENCE,
    ServingTestCase,
    makeDatagrams,
    makeService,
    makeUnix,
)


class ListenerForTests(ServingTestCase):
    """Tests for L{listenerFor}."""

    def test_kinds(self) -> None:
        """Each kind of service has its listener."""
        kinds: dict[Any, Service] = {
            StreamListener: makeService(),
            DatagramListener: makeDatagrams(),
            InternalStreamListener: makeService(internal="echo"),
            InternalDatagramListener: makeDatagrams(internal="echo"),
        }
        for kind, service in kinds.items():
            self.assertIs(listenerFor(service), kind)
        for make in (makeService, makeDatagrams):
            self.assertIs(listenerFor(make(wait=True)), WaitListener)

    def test_seqpacket(self) -> None:
        """A seqpacket service has the listener of a stream service."""
        service = makeUnix("/s", socktype=socket.SOCK_SEQPACKET)
        self.assertIs(listenerFor(service), StreamListener)


class PauseTests(SlotTestCase):
    """Tests for a L{Slot} that an operator has paused."""

    def paused(self, service: Service) -> Slot:
        """Return the slot of a service that is served, and then paused."""
        slot = self.serving(service)
        slot.pause()
        return slot

    def test_clientsWait(self) -> None:
        """Clients of a paused service connect, and are served after a resume."""
        slot = self.paused(makeService())
        self.assertTrue(slot.paused)
        self.assertEqual(slot.state().condition, "paused")
        self.assertIsNone(slot.state().until)
        clients = [self.connect(slot) for _ in range(3)]
        self.reactor.settle()
        self.assertEqual(self.launcher.programs, [])
        slot.resume()
        self.assertEqual(slot.state().condition, "listening")
        self.requested(len(clients))

    def test_programEnds(self) -> None:
        """When a program exits during a pause, clients still wait."""
        slot = self.serving(makeService())
        self.connect(slot)
        program = self.requested(1).start()
        slot.pause()
        program.end()
        self.assertTrue(slot.bound)
        self.connect(slot)
        slot.resume()
        self.requested(2)

    def test_twice(self) -> None:
        """A second pause or resume changes nothing."""
        slot = self.paused(makeService())
        slot.pause()
        slot.resume()
        slot.resume()
        self.connect(slot)
        self.requested(1)
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_change(self) -> None:
        """A change of a paused service applies after the resume."""
        slot = self.paused(makeService())
        self.connect(slot)
        slot.change(makeService(program=Program("/bin/cat", (), ("cat",))))
        self.reactor.settle()
        self.assertEqual(self.launcher.programs, [])
        slot.resume()
        self.assertEqual(self.requested(1).request.argv, ("cat",))

    def test_beforeStart(self) -> None:
        """A service that is paused before the start is bound, and not served."""
        slot = self.slot(makeService())
        slot.pause()
        slot.start()
        slot.start()
        self.connect(slot)
        self.reactor.settle()
        self.assertEqual(self.launcher.programs, [])
        self.assertEqual(len(self.logged("listen")), 1)
        slot.resume()
        self.requested(1)

    def test_wait(self) -> None:
        """
        The program of a paused C{wait} service continues.

        No other is started until a resume, whether that comes before its exit or after.
        """
        slot = self.serving(makeDatagrams(wait=True))
        client = self.connect(slot)
        client.send(b"1")
        program = self.requested(1).start()
        slot.pause()
        self.assertEqual(slot.state().pauses, (PauseReason.CHILD, PauseReason.OPERATOR))
        slot.resume()
        self.assertEqual(slot.state().condition, "running")
        slot.pause()
        with program.socket() as theirs:
            theirs.recv(9)
        program.end()
        client.send(b"2")
        self.reactor.settle()
        self.assertEqual(len(self.launcher.programs), 1)
        slot.resume()
        self.requested(2)

    def test_own(self) -> None:
        """
        The daemon never answers its own datagram sockets while they are open.

        That includes sockets that programs have, and UNIX sockets.
        """
        # A path that sun_path has room for, wherever the tests run.
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "s")
        unix = makeUnix(path, socktype=socket.SOCK_DGRAM, wait=True)
        slots = [self.serving(makeDatagrams(wait=True)), self.serving(makeDatagrams())]
        peers: list[tuple[Any, ...]] = [self.where(each) for each in slots]
        slots.append(self.serving(unix))
        peers.append((path,))
        for slot, peer in zip(slots, peers):
            self.assertTrue(self.runtime.guard.isOwn(peer))
            slot.stop()
            self.assertFalse(self.runtime.guard.isOwn(peer))

    def test_internal(self) -> None:
        """
        The datagrams of a paused internal service wait.

        Its port is refused as a source exactly while it is served, and on this machine
        while the daemon has it.
        """
        service = makeDatagrams(internal="echo")
        slot = self.serving(service)
        port = self.where(slot)[1]
        slot.pause()
        client = self.connect(slot)
        client.send(b"x")
        self.reactor.settle()
        self.assertTrue(self.runtime.guard.allows(("192.0.2.1", port)))
        self.assertFalse(self.runtime.guard.allows(("127.0.0.1", port)))
        slot.resume()
        self.reactor.settle()
        self.assertEqual(client.recv(9), b"x")
        self.assertEqual(slot.state().started, 1)
        self.assertFalse(self.runtime.guard.allows(("127.0.0.1", port)))
        self.runtime.guard.add(port)
        slot.pause()
        slot.stop()
        self.assertFalse(self.runtime.guard.allows(("127.0.0.1", port)))

    def test_resumeServed(self) -> None:
        """
        A resume of a service that is not paused changes nothing.

        A program has the socket, or it is not served yet.
        """
        slot = self.slot(makeService(wait=True))
        slot.resume()
        self.assertTrue(slot.bound)
        slot.start()
        self.connect(slot)
        self.requested(1)
        slot.resume()
        self.assertEqual(slot.state().pauses, (PauseReason.CHILD,))

    def test_rate(self) -> None:
        """A resume ends the pause for a rate, and resets the rate."""
        slot = self.serving(makeService(bounds=Bounds(serviceMax=1)))
        self.connect(slot)
        self.requested(1)
        self.connect(slot)
        self.reactor.settle()
        state = slot.state()
        self.assertEqual((state.condition, state.refused), ("paused", 1))
        self.assertEqual(state.until, NOW + WINDOW)
        slot.resume()
        self.assertEqual(slot.state().condition, "listening")
        self.connect(slot)
        self.requested(2)

    def test_unbound(self) -> None:
        """A resume of a service without a socket retries at once."""
        other = self.closing(sockets.createListener(makeService())[0])
        address = Address(socket.AF_INET, *other.getsockname())
        slot = self.serving(makeService(address=address))
        state = slot.state()
        self.assertEqual(state.condition, "bind failed")
        self.assertEqual(state.reason, os.strerror(errno.EADDRINUSE))
        self.assertEqual(state.until, NOW + FIRST_RETRY)
        other.close()
        slot.resume()
        self.assertEqual(slot.state().condition, "listening")
        self.assertIsNone(slot.state().reason)

    def test_unboundPaused(self) -> None:
        """A paused service without a socket is retried, but not served."""
        other = self.closing(sockets.createListener(makeService())[0])
        address = Address(socket.AF_INET, *other.getsockname())
        slot = self.serving(makeService(address=address))
        slot.pause()
        self.assertEqual(slot.state().condition, "bind failed")
        other.close()
        self.reactor.advance(FIRST_RETRY)
        self.assertEqual(slot.state().condition, "paused")

    def test_stop(self) -> None:
        """A stop of a paused service leaves nothing open."""
        self.leavesNothingOpen(lambda: self.paused(makeService()).stop())
        self.assertEqual(len(self.logged("close")), 1)


class DrainTests(SlotTestCase):
    """Tests for a L{Slot} that is drained."""

    def test_stream(self) -> None:
        """The socket is closed at once on a drain; the state counts programs."""
        slot = self.serving(makeService())
        where = self.where(slot)
        self.connect(slot)
        program = self.requested(1).start()
        slot.drain()
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(where, PATIENCE)
        self.assertEqual(slot.state().condition, "draining")
        self.assertEqual(slot.running, 1)
        program.end()
        self.assertEqual(slot.state().condition, "stopped")
        self.assertEqual(slot.running, 0)

    def test_wait(self) -> None:
        """The socket of a C{wait} service is closed when its program exits."""
        slot = self.serving(makeDatagrams(wait=True))
        self.connect(slot).send(b"1")
        program = self.requested(1).start()
        slot.drain()
        self.assertTrue(slot.bound)
        program.end()
        self.assertFalse(slot.bound)

    def test_idle(self) -> None:
        """A drain calls back when the socket is closed too."""
        found: list[tuple[int, bool]] = []
        slot = self.slot(makeDatagrams(wait=True))
        slot.idle = lambda: found.append((slot.running, slot.bound))
        slot.start()
        self.connect(slot).send(b"1")
        program = self.requested(1).start()
        slot.drain()
        self.assertEqual(found, [])
        program.end()
        self.assertIn((0, False), found)

    def test_datagrams(self) -> None:
        """Running programs of datagrams can still reply during a drain."""
        slot = self.serving(makeDatagrams())
        client = self.connect(slot)
        client.send(b"1")
        program = self.requested(1).start()
        slot.drain()
        client.send(b"2")
        with program.socket(1) as theirs:
            theirs.send(b"answer")
        program.end()
        self.assertTrue(slot.bound)
        self.reactor.settle()
        self.assertFalse(slot.bound)
        self.assertEqual(client.recv(99), b"answer")
        self.assertEqual(len(self.launcher.programs), 1)

    def test_paused(self) -> None:
        """A service that is paused, or has no socket, is drained at once."""
        slot = self.serving(makeService())
        slot.pause()
        slot.drain()
        self.assertFalse(slot.bound)
        other = self.closing(sockets.createListener(makeService())[0])
        address = Address(socket.AF_INET, *other.getsockname())
        unbound = self.serving(makeService(address=address))
        unbound.drain()
        self.assertEqual(unbound.state().condition, "stopped")
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_idleDatagrams(self) -> None:
        """Without a program, a drain closes the socket at once."""
        slot = self.serving(makeDatagrams())
        slot.drain()
        self.assertFalse(slot.bound)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_freeAfterStop(self) -> None:
        """A listener that retires after the stop of its slot changes nothing."""
        kept: list[Callable[[], None]] = []
        slot = self.serving(makeService())
        retire = mock.Mock(side_effect=kept.append)
        with mock.patch.object(StreamListener, "retire", retire):
            slot.change(makeService(wait=True))
        slot.stop()
        (done,) = kept
        done()
        self.assertFalse(slot.bound)
        self.assertEqual(self.reactor.getReaders(), [])

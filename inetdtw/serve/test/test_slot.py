# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.slot}."""

from __future__ import annotations

import errno
import os
import socket
import stat
import struct
from dataclasses import replace
from functools import partial
from typing import Any, Callable
from unittest import mock

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from inetdtw.interfaces import ILauncher
from inetdtw.launch.warm.test.played import KEPT
from inetdtw.limits.service import WINDOW
from inetdtw.model.address import Address
from inetdtw.model.service import Bounds, Ownership, Program, Service, SocketOptions
from inetdtw.model.state import PauseReason
from inetdtw.serve.bindretry import FIRST_RETRY, LONGEST_RETRY, SOON
from inetdtw.serve.datagram import DatagramListener
from inetdtw.serve.internal import InternalDatagramListener, InternalStreamListener
from inetdtw.serve.runtime import Runtime
from inetdtw.serve.slot import Slot, listenerFor
from inetdtw.serve.stream import StreamListener
from inetdtw.serve.wait import WaitListener
from inetdtw.system import boundpath, fdlimit, sockets
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.test.fakes import (
    NOW,
    PATIENCE,
    FakeLauncher,
    FakeProgram,
    ServingTestCase,
    isBlocking,
    makeDatagrams,
    makeService,
    makeUnix,
    ofOneLink,
    openDescriptors,
    openedSince,
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
        """A socket that keeps message boundaries is one that clients connect to."""
        service = makeUnix("/s", socktype=socket.SOCK_SEQPACKET)
        self.assertIs(listenerFor(service), StreamListener)


class SlotTestCase(ServingTestCase):
    """A test of one service's socket."""

    def slot(self, service: Service) -> Slot:
        """Return the slot of a service, with its socket if that can be bound."""
        slot = Slot(service, self.runtime, self.launcherOf)
        self.addCleanup(slot.stop)
        slot.bind()
        return slot

    def launcherOf(self, service: Service) -> ILauncher | None:
        """Return the launcher of a service."""
        launcher: ILauncher = self.launcher
        return launcher if service.program is not None else None

    def serving(self, service: Service) -> Slot:
        """Return the slot of a service that is served."""
        slot = self.slot(service)
        slot.start()
        return slot

    def where(self, slot: Slot) -> Any:
        """Return where a service listens."""
        host: Any = slot.getHost()
        return host.name if isinstance(host, UNIXAddress) else (host.host, host.port)

    def connect(self, slot: Slot) -> socket.socket:
        """Return a client of a service."""
        service = slot.service
        sock = self.closing(socket.socket(service.address.family, service.socktype))
        sock.settimeout(PATIENCE)
        sock.connect(self.where(slot))
        return sock

    def requested(self, number: int) -> FakeProgram:
        """Wait for so many launch requests, and return the last program."""
        self.reactor.turnUntil(lambda: len(self.launcher.programs) >= number)
        self.assertEqual(len(self.launcher.programs), number)
        return self.launcher.last


class BindTests(SlotTestCase):
    """Tests for a L{Slot} that gets its socket, and gives it up."""

    def taken(self) -> tuple[socket.socket, Service]:
        """Return a socket, and a service that has its port."""
        other = self.closing(sockets.createListener(makeService())[0])
        address = Address(socket.AF_INET, *other.getsockname())
        return other, makeService(address=address)

    def test_bound(self) -> None:
        """A service has its socket before it is served: clients wait."""
        slot = self.slot(makeService())
        self.assertTrue(slot.bound)
        self.connect(slot)
        self.assertFalse(self.reactor.turn())
        slot.start()
        self.requested(1)
        (listen,) = self.said("listen")
        self.assertEqual(listen["service"], "test/tcp")
        host, port = self.where(slot)
        self.assertEqual(listen["address"], f"{host}:{port}")

    def test_startTwice(self) -> None:
        """To serve what is served is nothing."""
        slot = self.serving(makeService())
        slot.start()
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_inUse(self) -> None:
        """
        A service whose port is in use is tried again, and served when it is free.

        The log has a line.
        """
        other, service = self.taken()
        slot = self.serving(service)
        self.assertFalse(slot.bound)
        self.assertIsNone(slot.getHost())
        (unbound,) = self.said("bind-failed")
        self.assertEqual(unbound["address"], str(service.address))
        self.assertEqual(unbound["reason"], os.strerror(errno.EADDRINUSE))
        other.close()
        self.reactor.advance(FIRST_RETRY)
        self.assertTrue(slot.bound)
        self.connect(slot)
        self.requested(1)

    def test_fewDescriptors(self) -> None:
        """
        A service does not get the last descriptors, and is tried again.

        Without them, services that have their sockets could serve no client.
        """
        slots: list[Slot] = []
        self.noDescriptors(lambda: slots.append(self.slot(makeService())), 8)
        self.assertFalse(slots[0].bound)
        (unbound,) = self.said("bind-failed")
        self.assertEqual(unbound["reason"], os.strerror(errno.EMFILE))
        self.noDescriptors(lambda: self.reactor.advance(FIRST_RETRY), 16)
        self.assertTrue(slots[0].bound)

    def test_noted(self) -> None:
        """
        The number of a listening socket tells how many descriptors are open.

        That is where the system does not tell it.
        """
        self.patch(fdlimit, "_countOpen", lambda: 0)
        account = Descriptors(self.reactor.seconds)
        self.runtime = replace(self.runtime, descriptors=account)
        account.available()
        for _ in range(32):
            self.addCleanup(os.close, os.open(os.devnull, os.O_RDONLY))
        self.reactor.advance(1)
        before = account.available()
        self.slot(makeService())
        self.assertGreater(before - account.available(), 32)

    def test_noLauncher(self) -> None:
        """A service closes its socket when it has no launcher, and is tried again."""
        slot = self.slot(makeService())
        self.assertEqual(self.runtime.descriptors.taken(Purpose.LISTENER), 1)
        given, why = slot._launcherOf, OSError(errno.EMFILE, "too many")

        def none(service: Service) -> None:
            raise why

        self.patch(slot, "_launcherOf", none)
        slot.start()
        self.assertFalse(slot.bound)
        self.assertEqual(self.runtime.descriptors.taken(Purpose.LISTENER), 0)
        (unbound,) = self.said("bind-failed")
        self.assertEqual(unbound["reason"], "too many")
        self.patch(slot, "_launcherOf", given)
        self.reactor.advance(FIRST_RETRY)
        self.assertTrue(slot.bound)
        self.connect(slot)
        self.requested(1)

    def test_growing(self) -> None:
        """
        The time between two attempts grows up to a limit, and each is logged.

        Attempts leave no descriptor open.
        """
        _, service = self.taken()
        before = openDescriptors()
        self.serving(service)
        seconds = FIRST_RETRY
        for tries in range(1, 5):
            self.assertEqual(len(self.said("bind-failed")), tries)
            self.assertEqual(self.said("bind-failed")[-1]["retry"], seconds)
            self.reactor.advance(seconds * 0.99)
            self.assertEqual(len(self.said("bind-failed")), tries)
            self.reactor.advance(seconds * 0.01 + 0.001)
            seconds = min(seconds * 2, LONGEST_RETRY)
        self.assertEqual(seconds, LONGEST_RETRY)
        self.assertEqual(openedSince(before), {})

    def test_logged(self) -> None:
        """A failure like the one before is logged seldom, another one at once."""
        other, service = self.taken()
        slot = self.serving(service)
        self.reactor.pump([LONGEST_RETRY] * 5)
        before = len(self.said("bind-failed"))
        self.reactor.pump([LONGEST_RETRY] * 8)
        self.assertEqual(len(self.said("bind-failed")), before + 2)
        other.close()
        self.patch(sockets, "createListener", self.refused)
        self.reactor.advance(LONGEST_RETRY)
        self.assertEqual(len(self.said("bind-failed")), before + 3)
        self.assertIn("Permission", self.said("bind-failed")[-1]["reason"])
        self.assertFalse(slot.bound)

    def refused(self, service: Service, *more: object) -> Any:
        """Fail as for a port that the user may not bind."""
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def test_privileged(self) -> None:
        """A privileged port is tried again, and the log says what would help."""
        self.patch(sockets, "createListener", self.refused)
        slot = self.serving(makeService(address=Address(socket.AF_INET, "::1", 7)))
        (unbound,) = self.said("bind-failed")
        reason = f"{os.strerror(errno.EACCES)}: ports below 1024 need root, "
        self.assertTrue(unbound["reason"].startswith(reason), unbound["reason"])
        self.assertEqual(slot.state().reason, unbound["reason"])
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_soon(self) -> None:
        """
        Attempts come soon where a socket was just closed.

        Nothing is logged unless the port stays in use.
        """
        other, service = self.taken()
        slot = Slot(service, self.runtime, self.launcherOf)
        self.addCleanup(slot.stop)
        slot.bind(SOON)
        for _ in range(6):
            self.assertEqual(self.said("bind-failed"), [])
            self.assertEqual(slot.state().condition, "bind failed")
            (later,) = self.reactor.getDelayedCalls()
            self.reactor.advance(later.getTime() - self.reactor.seconds())
        (unbound,) = self.said("bind-failed")
        self.assertEqual(unbound["retry"], FIRST_RETRY)
        other.close()
        self.reactor.advance(FIRST_RETRY)
        self.connect(slot)
        self.requested(1)

    def test_stopUnbound(self) -> None:
        """After it was stopped, it is not tried any more."""
        _, service = self.taken()
        slot = self.serving(service)
        slot.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.said("close"), [])

    def test_failsTwice(self) -> None:
        """The service is tried again when its socket cannot be closed either."""
        slot = self.serving(makeService())

        def fail() -> Any:
            raise ValueError("injected")

        self.patch(slot._socket, "close", fail)
        self.patch(slot._socket, "fault", fail)
        slot.check()
        self.assertEqual(len(self.said("bind-failed")), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        del slot._socket.close
        slot.stop()

    def test_changeUnbound(self) -> None:
        """A change while there is no socket holds when there is one."""
        other, service = self.taken()
        slot = self.serving(service)
        slot.change(replace(service, wait=True))
        other.close()
        self.reactor.advance(FIRST_RETRY)
        self.connect(slot)
        self.requested(1)
        self.reactor.settle()
        self.assertEqual(self.launcher.last.request.extra, {})

    def test_stop(self) -> None:
        """
        Clients are refused when the slot has stopped.

        Nothing is read or open, and the log has a line.
        """
        before = openDescriptors()
        slot = self.serving(makeService(wait=True))
        host, port = self.where(slot)
        slot.stop()
        with socket.socket() as client:
            self.assertEqual(client.connect_ex((host, port)), errno.ECONNREFUSED)
        self.assertEqual(openedSince(before), {})
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.said("close")[0]["service"], "test/tcp")
        self.assertIsNone(slot.getHost())
        self.assertEqual(self.runtime.shared, set())
        slot.stop()
        self.assertEqual(len(self.said("close")), 1)

    def test_stopRunning(self) -> None:
        """Programs continue when the slot stops, and their exits are logged."""
        slot = self.serving(makeService())
        client = self.connect(slot)
        program = self.requested(1).start()
        slot.stop()
        with program.socket() as connection:
            connection.sendall(b"still here")
        self.assertEqual(client.recv(100), b"still here")
        program.end()
        self.assertEqual(len(self.said("exit")), 1)

    def test_stopWaiting(self) -> None:
        """A program keeps the service's own socket as it is when the slot stops."""
        slot = self.serving(makeDatagrams(wait=True))
        self.connect(slot).send(b"1")
        program = self.requested(1).start()
        slot.stop()
        with program.socket() as server:
            self.assertTrue(isBlocking(server))
            self.assertEqual(server.recv(100), b"1")
        program.end()
        self.assertEqual(len(self.said("exit")), 1)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_stopRetiring(self) -> None:
        """Nothing is served when a slot stops during a change."""
        service = makeDatagrams(wait=True)
        slot = self.serving(service)
        self.connect(slot).send(b"1")
        program = self.requested(1).start()
        slot.change(replace(service, wait=False))
        slot.stop()
        program.end()
        self.assertEqual(self.reactor.getReaders(), [])


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
        """When a program ends meanwhile, clients still wait."""
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
        """To pause or resume twice is to do so once."""
        slot = self.paused(makeService())
        slot.pause()
        slot.resume()
        slot.resume()
        self.connect(slot)
        self.requested(1)
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_change(self) -> None:
        """A change of a paused service holds after the resume."""
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
        self.assertEqual(len(self.said("listen")), 1)
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
        self.assertEqual(slot.state().held, (PauseReason.CHILD, PauseReason.OPERATOR))
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
        The daemon never answers its own datagram sockets, as long as they are open.

        That includes sockets that programs have, and UNIX sockets.
        """
        path = os.path.abspath(self.mktemp())
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
        self.assertEqual(slot.state().held, (PauseReason.CHILD,))

    def test_rate(self) -> None:
        """A resume ends the pause of a rate, whose starts count no more."""
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
        """To resume a service that has no socket is to try again at once."""
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
        """A service that is paused without a socket is tried again, but not served."""
        other = self.closing(sockets.createListener(makeService())[0])
        address = Address(socket.AF_INET, *other.getsockname())
        slot = self.serving(makeService(address=address))
        slot.pause()
        self.assertEqual(slot.state().condition, "bind failed")
        other.close()
        self.reactor.advance(FIRST_RETRY)
        self.assertEqual(slot.state().condition, "paused")

    def test_stop(self) -> None:
        """A paused service stops with nothing left open."""
        self.leavesNothingOpen(lambda: self.paused(makeService()).stop())
        self.assertEqual(len(self.said("close")), 1)


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
        self.assertFalse(program.child.how)
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

    def test_datagrams(self) -> None:
        """Programs that a datagram is for can still answer, down to the last word."""
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
        """Without a program there is nothing to wait for."""
        slot = self.serving(makeDatagrams())
        slot.drain()
        self.assertFalse(slot.bound)
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class StateTests(SlotTestCase):
    """Tests for what a L{Slot} tells of itself."""

    def told(self, slot: Slot) -> tuple[int, str]:
        """Return how many programs run, and why no clients are accepted."""
        self.runtime.report.state(slot.state())
        state = self.said("state")[-1]
        self.assertEqual(state["service"], slot.service.name)
        self.assertEqual(state["address"], slot.address())
        return state["running"], state["held"]

    def test_unbound(self) -> None:
        """Without a socket it says so."""
        other = self.closing(sockets.createListener(makeService())[0])
        address = Address(socket.AF_INET, *other.getsockname())
        slot = self.slot(makeService(address=address))
        self.assertEqual(self.told(slot), (0, "unbound"))

    def test_serving(self) -> None:
        """The state counts running programs, and has the limit as reason."""
        slot = self.serving(makeService(bounds=Bounds(acceptMax=1)))
        self.assertEqual(self.told(slot), (0, "-"))
        self.connect(slot)
        self.requested(1)
        self.connect(slot)
        self.reactor.settle()
        self.assertEqual(self.told(slot), (1, "limit"))

    def test_wait(self) -> None:
        """
        A service is C{running} while a program has the socket.

        A change waits for its exit.
        """
        slot = self.serving(makeService(wait=True))
        self.connect(slot)
        self.requested(1)
        self.assertEqual(self.told(slot), (1, "child"))
        slot.change(makeService(wait=True, name="other"))
        self.assertEqual(self.told(slot), (1, "child,idle,changing"))

    def test_ready(self) -> None:
        """
        The state says whether a warm interpreter is ready, if one is wanted.

        It is not ready without a launcher.
        """
        slot = self.slot(makeService(warm=KEPT))
        self.assertIsNone(slot.state().ready)
        slot.start()
        self.assertIs(slot.state().ready, False)
        self.patch(slot, "_launcherOf", mock.Mock(side_effect=OSError))
        self.assertIs(slot.state().ready, False)
        self.assertIsNone(self.serving(makeService()).state().ready)

    def test_others(self) -> None:
        """Every kind of service can tell."""
        for service in (
            makeService(internal="echo"),
            makeService(internal="tcpmux"),
            makeDatagrams(internal="echo"),
            makeDatagrams(),
            makeDatagrams(wait=True),
        ):
            self.assertEqual(self.told(self.serving(service)), (0, "-"))


class PathTests(SlotTestCase):
    """Tests for a L{Slot} on a path."""

    def setUp(self) -> None:
        """Choose a path."""
        super().setUp()
        self.path = self.mktemp()

    def test_removed(self) -> None:
        """The path is removed with the socket."""
        slot = self.serving(makeUnix(self.path))
        self.connect(slot)
        self.requested(1)
        slot.stop()
        self.assertFalse(os.path.lexists(self.path))

    def test_notOurs(self) -> None:
        """A file that another process has put at the path stays."""
        slot = self.serving(makeUnix(self.path))
        os.unlink(self.path)
        other = self.serving(makeUnix(self.path))
        slot.stop()
        self.connect(other)
        self.requested(1)

    def test_inTheWay(self) -> None:
        """A file at the path is never removed; the socket is bound when it is gone."""
        with open(self.path, "w"):
            pass  # The file must stay.
        slot = self.serving(makeUnix(self.path))
        self.assertEqual(len(self.said("bind-failed")), 1)
        slot.stop()
        self.assertTrue(os.path.exists(self.path))
        slot = self.serving(makeUnix(self.path))
        os.unlink(self.path)
        self.reactor.advance(FIRST_RETRY)
        self.connect(slot)
        self.requested(1)

    def test_ownership(self) -> None:
        """Permissions that are changed are changed at the path that is there."""
        slot = self.serving(makeUnix(self.path))
        inode = os.stat(self.path).st_ino
        slot.change(makeUnix(self.path, ownership=Ownership(mode=0o660)))
        about = os.stat(self.path)
        self.assertEqual((stat.S_IMODE(about.st_mode), about.st_ino), (0o660, inode))
        self.connect(slot)
        self.requested(1)

    def test_ownershipElsewhere(self) -> None:
        """
        A file that another process has put at the path keeps its owner.

        The log says so, and the rest of the change holds.
        """
        slot = self.serving(makeUnix(self.path))
        client = self.connect(slot)
        precious = self.path + ".precious"
        os.rename(self.path, self.path + ".old")
        with open(precious, "w"):
            pass  # It belongs to another user.
        os.chmod(precious, 0o600)
        os.symlink(os.path.abspath(precious), self.path)
        slot.change(
            makeUnix(
                self.path,
                ownership=Ownership(mode=0o666),
                program=Program("/bin/sh", (), ("new",)),
            )
        )
        self.assertEqual(stat.S_IMODE(os.stat(precious).st_mode), 0o600)
        (warning,) = self.said("config-warning")
        self.assertIn("another file is at", warning["reason"])
        self.assertEqual(self.requested(1).request.argv, ("new",))
        client.close()

    def test_ownershipFails(self) -> None:
        """An owner that cannot be changed is logged; the rest of the change holds."""

        def chown(*arguments: Any, **options: Any) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

        slot = self.serving(makeUnix(self.path))
        self.patch(os, "chown", chown)
        slot.change(
            makeUnix(
                self.path,
                ownership=Ownership(uid=1),
                program=Program("/bin/sh", (), ("new",)),
            )
        )
        (warning,) = self.said("config-warning")
        self.assertIn("Operation not permitted", warning["reason"])
        self.connect(slot)
        self.assertEqual(self.requested(1).request.argv, ("new",))

    def test_host(self) -> None:
        """A service on a UNIX socket listens on its path."""
        slot = self.slot(makeUnix(self.path))
        self.assertEqual(slot.getHost(), UNIXAddress(self.path))
        self.assertEqual(slot.address(), self.path)

    def test_hostElsewhere(self) -> None:
        """
        The address is that of the configuration where the path may lead elsewhere.

        The system has another name for the socket then.
        """
        os.makedirs(os.path.join(self.path, "folder"))
        os.chmod(self.path, 0o777)
        path = os.path.join(self.path, "folder", "socket")
        slot = self.slot(makeUnix(path))
        self.assertEqual(slot.getHost(), UNIXAddress(path))


class ChangeTests(SlotTestCase):
    """Tests for a L{Slot} that comes to serve otherwise."""

    def sameSocket(self, slot: Slot, service: Service) -> None:
        """Change a service, and assert that its socket is the same."""
        before, where = openDescriptors(), self.where(slot)
        slot.change(service)
        self.assertEqual(openedSince(before), {})
        # Another one would have another port.
        self.assertEqual(self.where(slot), where)

    def test_arguments(self) -> None:
        """A change of the program holds for the next client, not for earlier ones."""
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
        """Clients that wait are served by what is meant now."""
        slot = self.serving(makeService())
        self.launcher.hasCapacity = False
        self.connect(slot)
        self.reactor.turn(PATIENCE)
        self.sameSocket(slot, makeService(program=Program("/bin/sh", (), ("new",))))
        self.launcher.makeRoom()
        self.assertEqual(self.requested(1).request.argv, ("new",))

    def test_destination(self) -> None:
        """
        Options that the listener sets are kept as long as it receives itself.

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
        """Programs that have connections do not delay a change to C{wait}."""
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
        """Of several changes while a program has the socket, the last one holds."""
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
        """Later programs are started by the launcher that the service has now."""
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
        self.assertEqual(self.said("config-warning"), [])
        self.connect(slot)
        self.requested(1)

    def test_optionsFail(self) -> None:
        """An option that cannot be set is logged, and the service is served."""
        slot = self.serving(makeService())
        slot.change(makeService(options=SocketOptions(acceptFilter="dnsready")))
        self.assertEqual(len(self.said("config-warning")), 1)
        self.connect(slot)
        self.requested(1)


class LimitsTests(SlotTestCase):
    """Tests for the counts of a L{Slot}, which go on across changes."""

    def test_full(self) -> None:
        """Programs from before a change count, and make room when they end."""
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
        """Bounds that are changed hold at once."""
        slot = self.serving(makeService(bounds=Bounds(acceptMax=1)))
        self.connect(slot)
        self.requested(1)
        self.connect(slot)
        self.reactor.settle()
        slot.change(makeService(bounds=Bounds(acceptMax=2)))
        self.requested(2)

    def test_rate(self) -> None:
        """A pause that a change ends begins anew with the next client over the rate."""
        service = makeService(bounds=Bounds(serviceMax=1))
        slot = self.serving(service)
        self.connect(slot)
        self.requested(1)
        refused = self.connect(slot)
        self.reactor.turnUntil(lambda: len(self.said("pause")) == 1)
        self.assertEqual(refused.recv(100), b"")
        slot.change(replace(service, program=Program("/bin/sh", (), ("new",))))
        self.connect(slot)
        self.reactor.turnUntil(lambda: len(self.said("pause")) == 2)
        self.connect(slot)
        self.reactor.advance(WINDOW)
        self.requested(2)

    def test_waiting(self) -> None:
        """The program that had a socket is released once."""
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


class HostTests(SlotTestCase):
    """Tests for where a L{Slot} listens."""

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
        """An address of one link is that of its interface."""
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


class RenewTests(SlotTestCase):
    """Tests for a L{Slot} whose socket is of no use any more."""

    def reasons(self) -> list[str]:
        """Why there were other sockets."""
        return [event["reason"] for event in self.said("rebind")]

    def path(self) -> str:
        """Return a path for a socket."""
        return str(os.path.relpath(self.mktemp()))

    def test_removed(self) -> None:
        """A path that was removed is bound again, and serves as before."""
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
        """A paused service whose path was removed gets it again, and stays paused."""
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
        """A file of another process at the path is left alone until it is removed."""
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
        """Options that a program sets are not the next one's; those of a reload are."""
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
        A process that harms a socket while no program runs is left behind.

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
        """A socket that the reactor polls no more is replaced soon, and logged once."""
        slot = self.serving(makeService())
        (reader,) = self.reactor.getReaders()
        self.reactor.removeReader(reader)
        reader.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(slot.state().condition, "paused")
        self.reactor.advance(1)
        self.assertEqual(self.reasons(), ["an error was left in it"])
        self.connect(slot)
        self.requested(1)

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
        slot = self.serving(makeUnix(path, wait=True))
        self.connect(slot)
        program = self.requested(1).start()
        slot.drain()
        os.unlink(path)
        program.end()
        self.assertFalse(slot.bound)
        self.assertFalse(os.path.lexists(path))


class FaultTests(SlotTestCase):
    """Tests for a L{Slot} in which any step raises an exception of any kind."""

    KINDS: tuple[Exception, ...] = (
        OverflowError("signed integer is greater than maximum"),
        UnicodeEncodeError("ascii", "\xe9", 0, 1, "ordinal not in range(128)"),
        ValueError("embedded null byte"),
        struct.error("'i' format requires"),
        AttributeError("module 'socket' has no attribute 'SO_NONE'"),
        OSError(errno.EMFILE, "no more descriptors"),
    )

    def failing(self, *_: Any, **__: Any) -> Any:
        """Be a step that raises something."""
        raise self.why

    def assertFails(self, slot: Slot, act: Callable[[], object]) -> None:
        """Assert that an act leaves the service unbound, to be tried again."""
        act()
        self.assertFalse(slot.bound)
        state = slot.state()
        self.assertEqual(state.condition, "bind failed")
        text = self.why.strerror if isinstance(self.why, OSError) else str(self.why)
        self.assertIn(text or "-", state.reason or "")
        self.assertIsNotNone(state.until)
        logged = len(self.flushLoggedErrors(type(self.why)))
        self.assertEqual(logged, 0 if isinstance(self.why, OSError) else 1)

    def again(self, slot: Slot) -> None:
        """Assert that the service is served after another attempt."""
        self.reactor.advance(FIRST_RETRY * 2)
        self.assertTrue(slot.bound)
        self.assertEqual(slot.state().condition, "listening")
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        slot.stop()

    def test_steps(self) -> None:
        """
        Any exception of an event leaves the service unbound, to be tried again.

        That holds for bind, start, change, pause and resume.
        """
        for why in self.KINDS:
            self.why = why
            before = openDescriptors()
            with mock.patch.object(sockets, "createListener", self.failing):
                slot = Slot(makeService(), self.runtime, self.launcherOf)
                self.assertFails(slot, slot.bind)
            self.again(slot)
            slot = self.slot(makeService())
            with mock.patch.object(StreamListener, "start", self.failing):
                self.assertFails(slot, slot.start)
                self.assertFalse(self.reactor.getReaders())
            self.again(slot)
            slot = self.slot(makeService())
            with mock.patch.object(StreamListener, "__init__", self.failing):
                self.assertFails(slot, slot.start)
            self.again(slot)
            for act in (
                lambda slot: slot.change(makeService(wait=True)),
                lambda slot: slot.pause(),
            ):
                slot = self.serving(makeService())
                with mock.patch.object(StreamListener, "retire", self.failing):
                    self.assertFails(slot, partial(act, slot))
                slot.resume()
                self.again(slot)
            slot = self.serving(makeService())
            slot.pause()
            with mock.patch.object(StreamListener, "start", self.failing):
                self.assertFails(slot, slot.resume)
            self.again(slot)
            self.assertEqual(openedSince(before), {})

    def test_restored(self) -> None:
        """
        Any exception of a restoration after a program leaves the service unbound.

        Nothing else is done with the socket.
        """
        for why in self.KINDS:
            self.why = why
            slot = self.serving(makeService(wait=True))
            self.connect(slot)
            self.reactor.turn(PATIENCE)
            with mock.patch.object(slot._socket, "fault", self.failing):
                self.assertFails(slot, self.launcher.last.start().end)
            self.again(slot)

    def test_options(self) -> None:
        """An internal error of a socket option leaves the socket as it is."""
        for why in self.KINDS:
            self.why = why
            slot = self.serving(makeService())
            with mock.patch.object(sockets, "reconfigure", self.failing):
                slot.change(makeService(bounds=Bounds(3)))
            self.assertTrue(slot.bound)
            self.assertIn("stays as it is", self.said("config-warning")[-1]["reason"])
            slot.stop()

    def test_stop(self) -> None:
        """An internal error of a stop or a drain leaves nothing open."""
        for why in self.KINDS:
            self.why = why
            for act in (Slot.stop, Slot.drain):
                before = openDescriptors()
                slot = self.serving(makeUnix(os.path.abspath("s")))
                with (
                    mock.patch.object(StreamListener, "stop", self.failing),
                    mock.patch.object(boundpath.BoundPath, "remove", self.failing),
                    mock.patch.object(Runtime, "leave", self.failing),
                ):
                    act(slot)
                self.assertFalse(slot.bound)
                self.flushLoggedErrors(type(self.why))
                self.assertEqual(self.reactor.getDelayedCalls(), [])
                self.assertEqual(openedSince(before), {})
                os.unlink("s")

    def test_backoff(self) -> None:
        """The time between two tries grows, and the traceback is logged once."""
        self.why = ValueError("it is wrong")
        slot = self.slot(makeService())
        with mock.patch.object(StreamListener, "start", self.failing):
            slot.start()
            for seconds in (1, 2, 4):
                (later,) = self.reactor.getDelayedCalls()
                left = later.getTime() - self.reactor.seconds()
                self.assertAlmostEqual(left, seconds)
                self.reactor.advance(left)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        slot.stop()

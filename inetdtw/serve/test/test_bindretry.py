# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.bindretry}, and for binds and stops of slots."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import replace
from typing import Any
from unittest import mock

from inetdtw.model.address import Address
from inetdtw.model.service import Service
from inetdtw.serve.bindretry import FIRST_RETRY, LONGEST_RETRY, SOON
from inetdtw.serve.slot import Slot
from inetdtw.serve.test.slotcase import SlotTestCase
from inetdtw.system import fdlimit, sockets
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.test.fakes import (
    isBlocking,
    makeDatagrams,
    makeService,
    makeUnix,
    openDescriptors,
    openedSince,
)


class BindTests(SlotTestCase):
    """Tests for a L{Slot} that binds and closes its socket."""

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
        (listen,) = self.logged("listen")
        self.assertEqual(listen["service"], "test/tcp")
        host, port = self.where(slot)
        self.assertEqual(listen["address"], f"{host}:{port}")

    def test_startTwice(self) -> None:
        """A second start changes nothing."""
        slot = self.serving(makeService())
        slot.start()
        self.assertEqual(len(self.reactor.getReaders()), 1)

    def test_inUse(self) -> None:
        """
        A service whose port is in use is retried, and served when it is free.

        The log has a line.
        """
        other, service = self.taken()
        slot = self.serving(service)
        self.assertFalse(slot.bound)
        self.assertIsNone(slot.getHost())
        (unbound,) = self.logged("bind-failed")
        self.assertEqual(unbound["address"], str(service.address))
        self.assertEqual(unbound["reason"], os.strerror(errno.EADDRINUSE))
        other.close()
        self.reactor.advance(FIRST_RETRY)
        self.assertTrue(slot.bound)
        self.connect(slot)
        self.requested(1)

    def test_fewDescriptors(self) -> None:
        """
        A service is not bound with the last descriptors, and is retried.

        Without them, services that have their sockets could serve no client.
        """
        slots: list[Slot] = []
        self.noDescriptors(lambda: slots.append(self.slot(makeService())), 8)
        self.assertFalse(slots[0].bound)
        (unbound,) = self.logged("bind-failed")
        self.assertEqual(unbound["reason"], os.strerror(errno.EMFILE))
        self.noDescriptors(lambda: self.reactor.advance(FIRST_RETRY), 16)
        self.assertTrue(slots[0].bound)

    def test_noted(self) -> None:
        """
        The number of a listening socket shows how many descriptors are open.

        That is where the system does not report it.
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
        """A service without a launcher closes its socket, and is retried."""
        slot = self.slot(makeService())
        self.assertEqual(self.runtime.descriptors.taken(Purpose.LISTENER), 1)
        given, why = slot._launcherOf, OSError(errno.EMFILE, "too many")

        def none(service: Service) -> None:
            raise why

        self.patch(slot, "_launcherOf", none)
        slot.start()
        self.assertFalse(slot.bound)
        self.assertEqual(self.runtime.descriptors.taken(Purpose.LISTENER), 0)
        (unbound,) = self.logged("bind-failed")
        self.assertEqual(unbound["reason"], "too many")
        self.patch(slot, "_launcherOf", given)
        self.reactor.advance(FIRST_RETRY)
        self.assertTrue(slot.bound)
        self.connect(slot)
        self.requested(1)

    def test_growing(self) -> None:
        """
        Attempts have exponential backoff, and each is logged.

        Attempts leave no descriptor open.
        """
        _, service = self.taken()
        before = openDescriptors()
        self.serving(service)
        seconds = FIRST_RETRY
        for tries in range(1, 5):
            self.assertEqual(len(self.logged("bind-failed")), tries)
            self.assertEqual(self.logged("bind-failed")[-1]["retry"], seconds)
            self.reactor.advance(seconds * 0.99)
            self.assertEqual(len(self.logged("bind-failed")), tries)
            self.reactor.advance(seconds * 0.01 + 0.001)
            seconds = min(seconds * 2, LONGEST_RETRY)
        self.assertEqual(seconds, LONGEST_RETRY)
        self.assertEqual(openedSince(before), {})

    def test_logged(self) -> None:
        """A repeated failure is logged seldom, and another one at once."""
        other, service = self.taken()
        slot = self.serving(service)
        self.reactor.pump([LONGEST_RETRY] * 5)
        before = len(self.logged("bind-failed"))
        self.reactor.pump([LONGEST_RETRY] * 8)
        self.assertEqual(len(self.logged("bind-failed")), before + 2)
        other.close()
        self.patch(sockets, "createListener", self.refused)
        self.reactor.advance(LONGEST_RETRY)
        self.assertEqual(len(self.logged("bind-failed")), before + 3)
        self.assertIn("Permission", self.logged("bind-failed")[-1]["reason"])
        self.assertFalse(slot.bound)

    def refused(self, service: Service, *more: object) -> Any:
        """Fail as for a port that the user may not bind."""
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def test_privileged(self) -> None:
        """A privileged port is retried, and the log has what to do."""
        self.patch(sockets, "createListener", self.refused)
        slot = self.serving(makeService(address=Address(socket.AF_INET, "::1", 7)))
        (unbound,) = self.logged("bind-failed")
        reason = f"{os.strerror(errno.EACCES)}: ports below 1024 need root, "
        self.assertTrue(unbound["reason"].startswith(reason), unbound["reason"])
        self.assertEqual(slot.state().reason, unbound["reason"])
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)

    def test_notPrivileged(self) -> None:
        """Another port, or another error, gets no such hint."""
        services = (makeService(), makeUnix("/a/path"))
        self.patch(sockets, "createListener", self.refused)
        for service in services:
            state = self.slot(service).state()
            self.assertEqual(state.reason, os.strerror(errno.EACCES))
        inUse = mock.Mock(side_effect=OSError(errno.EADDRINUSE, "in use"))
        self.patch(sockets, "createListener", inUse)
        address = Address(socket.AF_INET, "::1", 7)
        state = self.slot(makeService(address=address)).state()
        self.assertEqual(state.reason, "in use")

    def test_soon(self) -> None:
        """
        The first attempts come soon if a socket was just closed.

        Nothing is logged unless the port stays in use.
        """
        other, service = self.taken()
        slot = Slot(service, self.runtime)
        self.addCleanup(slot.stop)
        slot.bind(SOON)
        for _ in range(6):
            self.assertEqual(self.logged("bind-failed"), [])
            self.assertEqual(slot.state().condition, "bind failed")
            (later,) = self.reactor.getDelayedCalls()
            self.reactor.advance(later.getTime() - self.reactor.seconds())
        (unbound,) = self.logged("bind-failed")
        self.assertEqual(unbound["retry"], FIRST_RETRY)
        other.close()
        self.reactor.advance(FIRST_RETRY)
        self.connect(slot)
        self.requested(1)

    def test_stopUnbound(self) -> None:
        """A service that was stopped is not retried."""
        _, service = self.taken()
        slot = self.serving(service)
        slot.stop()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(self.logged("close"), [])

    def test_failsTwice(self) -> None:
        """A service whose socket cannot be closed either is retried."""
        slot = self.serving(makeService())

        def fail() -> Any:
            raise ValueError("injected")

        self.patch(slot._socket, "close", fail)
        self.patch(slot._socket, "fault", fail)
        slot.check()
        self.assertEqual(len(self.logged("bind-failed")), 1)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
        del slot._socket.close
        slot.stop()

    def test_changeUnbound(self) -> None:
        """A change without a socket applies when the socket is bound."""
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
        After a stop, clients are refused.

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
        self.assertEqual(self.logged("close")[0]["service"], "test/tcp")
        self.assertIsNone(slot.getHost())
        self.assertEqual(self.runtime.shared, set())
        slot.stop()
        self.assertEqual(len(self.logged("close")), 1)

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
        self.assertEqual(len(self.logged("exit")), 1)

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
        self.assertEqual(len(self.logged("exit")), 1)
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

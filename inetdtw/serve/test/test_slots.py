# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.slots}; L{inetdtw.test.test_reload} has others."""

from __future__ import annotations

import socket
from collections.abc import Iterable

from inetdtw.model.address import Address
from inetdtw.model.service import Service
from inetdtw.serve import slots
from inetdtw.serve.slot import Slot
from inetdtw.serve.slots import CHECK, SlotTable
from inetdtw.serve.test.test_portless import makePortless
from inetdtw.test.fakes import (
    FakeLauncher,
    ServingTestCase,
    listening,
    makeDatagrams,
    makeService,
    makeUnix,
)


class FakePool:
    """
    The launchers of services.

    @ivar needed: the names of the services that need one now.
    """

    def __init__(self, launcher: FakeLauncher) -> None:
        """@param launcher: that of all services."""
        self._launcher = launcher
        self.needed: list[str] = []

    def need(self, services: Iterable[Service]) -> None:
        """Note the names of the services."""
        self.needed += [service.name for service in services]

    def of(self, service: Service) -> FakeLauncher:
        """Return the launcher of a service."""
        return self._launcher

    def stop(self) -> None:
        """Do nothing: there is no process."""


class StartTests(ServingTestCase):
    """Tests for the start of a L{SlotTable}."""

    def started(self, *services: Service) -> FakePool:
        """Start services, and return their launchers."""
        pool = FakePool(self.launcher)
        self.patch(slots, "LauncherPool", lambda *given: pool)
        table = SlotTable(self.runtime, 0)
        self.addCleanup(table.stop)
        for service in services:
            table.add(service)
        table.start()
        return pool

    def test_launchers(self) -> None:
        """Services with open sockets, and portless ones, need launchers."""
        other = self.closing(listening(makeService()))
        taken = Address(socket.AF_INET, *other.getsockname())
        pool = self.started(
            makeService(name="a"), makeService(name="b", address=taken), makePortless()
        )
        self.assertEqual(pool.needed, ["a", "tcpmux/x"])

    def test_checked(self) -> None:
        """Sockets that other processes can change are checked from the start on."""
        checked: list[str] = []
        self.patch(Slot, "check", lambda slot: checked.append(slot.service.name))
        self.started(makeService(name="a"))
        self.reactor.advance(CHECK)
        self.assertEqual(checked, [])
        for service in (makeDatagrams(wait=True), makeUnix(self.mktemp())):
            del checked[:]
            self.started(service)
            self.assertEqual(checked, [])
            self.reactor.advance(CHECK)
            self.assertIn(service.name, checked)

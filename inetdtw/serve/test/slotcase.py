# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The test case of slots, which have sockets."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.address import UNIXAddress

from inetdtw.model.service import Service
from inetdtw.serve.slot import Slot
from inetdtw.test.fakes import PATIENCE, ServingTestCase


class SlotTestCase(ServingTestCase):
    """A test of the slot of one service."""

    def slot(self, service: Service) -> Slot:
        """Return the slot of a service, with its socket if that can be bound."""
        slot = Slot(service, self.runtime)
        self.addCleanup(slot.stop)
        slot.bind()
        return slot

    def serving(self, service: Service) -> Slot:
        """Return the slot of a service that is served."""
        slot = self.slot(service)
        slot.start()
        return slot

    def where(self, slot: Slot) -> Any:
        """Return the address of a service."""
        host: Any = slot.getHost()
        return host.name if isinstance(host, UNIXAddress) else (host.host, host.port)

    def connect(self, slot: Slot) -> socket.socket:
        """Return a client of a service."""
        service = slot.service
        sock = self.closing(socket.socket(service.address.family, service.socktype))
        sock.settimeout(PATIENCE)
        sock.connect(self.where(slot))
        return sock

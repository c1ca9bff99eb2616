# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A socket that is delegated to a fork server that a test plays."""

from __future__ import annotations

import socket
import struct
from typing import Any

from zope.interface import implementer
from zope.interface.verify import verifyObject

from inetdtw.helpers.reports import Reports
from inetdtw.helpers.requests import ACCEPT, HEADER, WITHDRAW
from inetdtw.interfaces import ExitStatus, IAcceptDelegate, IChild
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.forkserver.test.played import HelperTestCase
from inetdtw.limits.budget import Lease, ProcessBudget


@implementer(IAcceptDelegate, IChild)
class Watcher:
    """Records what happens to a delegated socket, and to its programs."""

    warm: bool | None = None

    def __init__(self) -> None:
        """Record nothing yet."""
        self.calls: list[Any] = []

    def accepted(self, peer: Any) -> Watcher:
        """Record that a program was started."""
        self.calls.append(("accepted", peer))
        return self

    def dropped(self, peer: Any, reason: str) -> None:
        """Record that no more connections are accepted."""
        self.calls.append(("dropped", peer, reason))

    def returned(self, left: bool = False) -> None:
        """Record that no more connections are accepted for now."""
        self.calls.append(("left",) if left else ("returned",))

    def started(self, pid: int) -> None:
        """Record that the program runs."""
        self.calls.append(("started", pid))

    def failed(self, reason: str) -> None:
        """Record that the program could not be started."""
        self.calls.append(("failed", reason))

    def ended(self, how: ExitStatus) -> None:
        """Record that the program has ended."""
        self.calls.append(("ended", how.status))


class DelegationTestCase(HelperTestCase):
    """A test of L{Delegations}, as a fork server uses them."""

    def setUp(self) -> None:
        """Delegate a socket to the fork server."""
        super().setUp()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(self.server.close)
        self.watcher = Watcher()
        verifyObject(IAcceptDelegate, self.watcher)
        delegation = Delegation(self.watcher, b"shared", self.server.fileno())
        self.helper.delegate(5, delegation)

    def taken(self) -> int:
        """Receive the number of a delegated socket."""
        packet, ancillary, _, _ = self.played.channel.recvmsg(100, 100)
        kind, _, _, number, _, length = HEADER.unpack_from(packet)
        self.assertEqual((kind, length), (ACCEPT, len(b"shared")))
        self.assertEqual(packet[HEADER.size :], b"shared")
        (fd,) = struct.unpack("i", ancillary[0][2])
        with socket.socket(fileno=fd) as given:
            self.assertEqual(given.getsockname(), self.server.getsockname())
        return int(number)

    def withdrawn(self) -> int:
        """Receive the number of a socket that is withdrawn."""
        kind, _, _, number, _, _ = HEADER.unpack(self.played.channel.recv(1000))
        self.assertEqual(kind, WITHDRAW)
        return int(number)

    def lease(self, budget: ProcessBudget) -> None:
        """Give the fork server a lease."""
        self.helper.lease = self.helper.delegations._lease = Lease(budget)

    def connection(self, kind: int, *report: int, peer: Any = None) -> None:
        """Report a connection, as L{Reports.addConnection} does."""
        reports = Reports(self.played.channel)
        reports.addConnection(kind, report[0], report[1], peer=peer)
        reports.flush()
        self.reactor.settle()

    def report(self, *reports: tuple[int, int, int, int]) -> None:
        """Send reports of the fork server."""
        self.played.report(*reports)
        self.reactor.settle()

    def nothingMore(self) -> None:
        """Assert that the channel is empty."""
        self.played.channel.setblocking(False)
        self.assertRaises(BlockingIOError, self.played.channel.recv, 100)

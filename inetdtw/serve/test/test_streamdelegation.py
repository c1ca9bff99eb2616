# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.stream}: whether a listening socket is delegated."""

from __future__ import annotations

import socket
from typing import Any, Callable

from zope.interface import implementer
from zope.interface.verify import verifyObject

from inetdtw.interfaces import ExitStatus, IDelegatingLauncher, LaunchRequest
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Bounds, Service
from inetdtw.serve.stream import IDLE, StreamListener
from inetdtw.test.fakes import (
    PATIENCE,
    FakeLauncher,
    ServingTestCase,
    listening,
    makeService,
)


@implementer(IDelegatingLauncher)
class AcceptingLauncher(FakeLauncher):
    """A launcher that accepts by itself."""

    def delegate(self, watcher: Any, request: LaunchRequest) -> int:
        """Remember it."""
        self.request = request
        self.said.append("delegate")
        return 9

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Remember it."""
        self.said.append(f"withdraw {number}")
        self.free = free


class DelegationTests(ServingTestCase):
    """Tests for L{StreamListener} with a launcher that accepts by itself."""

    def serve(self, service: Service) -> None:
        """Serve a service."""
        self.accepting = AcceptingLauncher()
        self.addCleanup(self.accepting.close)
        verifyObject(IDelegatingLauncher, self.accepting)
        self.server = self.closing(listening(service))
        self.limits = ServiceLimits(service.bounds, self.reactor.seconds)
        given = self.serviceRuntime(
            service, self.limits, self.accepting, lambda: self.listener.released()
        )
        self.listener: StreamListener = StreamListener(given, self.server)
        self.listener.start()

    def test_delegates(self) -> None:
        """
        A service without limits is delegated, and withdrawn once.

        Its socket is free when the launcher does not accept any more.
        """
        self.serve(makeService())
        self.assertEqual(self.accepting.request.fds[0], self.server.fileno())
        self.listener.retire(lambda: self.accepting.said.append("retired"))
        self.listener.stop()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        self.accepting.free()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9", "retired"])

    def test_oneOfMany(self) -> None:
        """
        One service of many is delegated when it has had a client.

        So idle services have no descriptor in the launcher.
        """
        for number in range(IDLE):
            self.runtime.budget.addDelegation(lambda number=number: None)  # type: ignore[misc]
        self.serve(makeService())
        self.assertEqual(self.accepting.said, [])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(self.accepting.said, [])
        self.accepting.programs[0].start().end()
        self.assertEqual(self.accepting.said, ["delegate"])
        self.assertEqual(self.reactor.getReaders(), [])

    def test_bounded(self) -> None:
        """A service with a bound is not."""
        self.serve(makeService(bounds=Bounds(ipMax=5)))
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.accepting.programs[0].start().end()
        self.assertEqual(self.accepting.said, [])

    def test_counts(self) -> None:
        """A program that the launcher starts counts until it has ended."""
        self.serve(makeService())
        child = self.listener.accepted(("127.0.0.1", 7))
        child.started(77)
        self.assertEqual(self.limits.running, 1)
        child.ended(ExitStatus(0))
        self.assertEqual(self.limits.running, 0)

    def test_crowded(self) -> None:
        """
        The daemon accepts when too many programs run.

        The service is delegated again when one has ended and the launcher does not
        accept any more.
        """
        self.serve(makeService())
        child = self.listener.accepted(("127.0.0.1", 7))
        child.started(77)
        self.listener.crowded()
        self.listener.crowded()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(len(self.accepting.programs), 1)
        self.accepting.programs[0].start().end()
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        self.accepting.free()
        child.ended(ExitStatus(0))
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9", "delegate"])
        self.assertEqual(self.listener.held(), [])
        self.assertEqual(self.reactor.getReaders(), [])

    def test_recalled(self) -> None:
        """The daemon accepts when another service waits for the global limit."""
        self.serve(makeService())
        self.runtime.budget.whenCapacity(lambda: None)
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        self.listener.stop()
        self.runtime.budget.whenCapacity(lambda: None)
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])

    def test_notAmple(self) -> None:
        """A service is not delegated when the limit on all programs is near."""
        self.runtime.budget.most, self.runtime.budget.running = 100, 51
        self.serve(makeService())
        self.assertEqual(self.accepting.said, [])

    def test_dropped(self) -> None:
        """When the launcher cannot, connections come to the daemon."""
        self.serve(makeService())
        self.listener.dropped(("127.0.0.1", 7), "why")
        self.listener.dropped(None, "why")
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(len(self.accepting.programs), 1)

    def test_droppedUnix(self) -> None:
        """
        A client without an address that was dropped is logged and counted.

        The service is not delegated again.
        """
        self.serve(makeService())
        child = self.listener.accepted("")
        child.started(77)
        self.listener.dropped("", "why")
        (event,) = self.said("start-failed")
        self.assertEqual(event["peer"], "-")
        self.assertEqual(self.runtime.tallies[makeService().name].failed, 1)
        self.accepting.free()
        child.ended(ExitStatus(0))
        self.assertEqual(self.accepting.said, ["delegate", "withdraw 9"])

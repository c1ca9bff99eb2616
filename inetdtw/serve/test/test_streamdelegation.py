# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.stream}: the delegation of its socket."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable

from zope.interface import implementer

from inetdtw.interfaces import ExitStatus, IDelegatingLauncher, LaunchRequest
from inetdtw.limits.budget import ProcessBudget
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Bounds, Program, Service
from inetdtw.serve.delegation import IDLE
from inetdtw.serve.stream import StreamListener
from inetdtw.test.fakes import FakeLauncher, ServingTestCase, listening, makeService


@implementer(IDelegatingLauncher)
class AcceptingLauncher(FakeLauncher):
    """
    A launcher that would accept.

    @ivar requests: the launch request of each delegated socket, by number.
    @ivar withdrawn: what is called when it accepts no more from one, likewise.
    """

    def __init__(self) -> None:
        """Start with no delegation."""
        super().__init__()
        self.requests: dict[int, LaunchRequest] = {}
        self.withdrawn: dict[int, Callable[[], None]] = {}

    def delegate(self, watcher: object, request: LaunchRequest) -> int:
        """Remember a socket."""
        number = len(self.requests)
        self.requests[number] = request
        return number

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Remember that it is wanted back."""
        self.withdrawn[number] = free


class DelegatedTests(ServingTestCase):
    """Tests for L{StreamListener} that leaves its socket to a launcher."""

    PEER = ("192.0.2.1", 40000)

    def setUp(self) -> None:
        """Make a launcher that accepts, and a process budget."""
        super().setUp()
        self.accepting = AcceptingLauncher()
        self.addCleanup(self.accepting.close)
        self.launcher = self.accepting
        self.runtime = replace(self.runtime, budget=ProcessBudget(640))

    def serve(self, service: Service | None = None, shared: bool = False) -> None:
        """Serve a service."""
        service = makeService() if service is None else service
        self.server = self.closing(listening(service))
        if shared:
            self.runtime.shared.add(self.server)
        self.limits = ServiceLimits(service.bounds, self.reactor.seconds)
        given = self.serviceRuntime(
            service, self.limits, self.launcher, lambda: self.listener.released()
        )
        self.listener: StreamListener = StreamListener(given, self.server)
        self.listener.start()

    def assertLeft(self, times: int = 1) -> None:
        """Assert that only the launcher accepts, after so many delegations."""
        self.assertEqual(len(self.accepting.requests), times)
        self.assertNotIn(times - 1, self.accepting.withdrawn)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.listener.pauses(), [])

    def assertOwn(self, times: int = 1) -> None:
        """Assert that the listener accepts, after so many delegations."""
        self.assertEqual(len(self.accepting.requests), times)
        self.assertEqual(sorted(self.accepting.withdrawn), list(range(times)))
        self.assertEqual(len(self.reactor.getReaders()), 1)
        self.assertEqual(self.listener.pauses(), [])
        self.assertEqual(self.runtime.budget.delegations, 0)

    def ran(self) -> None:
        """Let a program of the launcher exit."""
        child = self.listener.accepted(self.PEER)
        self.assertEqual(self.limits.running, 1)
        child.started(9)
        child.ended(ExitStatus(0))
        self.assertEqual((self.limits.running, self.runtime.budget.running), (0, 0))

    def test_left(self) -> None:
        """The launcher has the socket, and its programs count here."""
        self.serve()
        self.assertLeft()
        self.assertEqual(self.accepting.requests[0].fds[0], self.server.fileno())
        self.assertEqual(self.runtime.budget.delegations, 1)
        self.ran()
        self.assertLeft()

    def test_notLeft(self) -> None:
        """
        A socket is not delegated unless a connection takes only a program.

        Nor is it if programs share it, or if the process budget is nearly used.
        """
        bounds = (
            *(Bounds(acceptMax=9), Bounds(serviceMax=9)),
            *(Bounds(perSource=1), Bounds(ipMax=5)),
        )
        for service in (
            *(makeService(bounds=each) for each in bounds),
            makeService(stderr="log"),
        ):
            self.serve(service)
            self.assertOwn(0)
            self.listener.stop()
        self.runtime.budget.running = 320
        self.serve()
        self.assertOwn(0)
        self.listener.stop()
        self.runtime.budget.running = 0
        self.serve(shared=True)
        self.assertEqual(self.accepting.requests, {})

    def test_missing(self) -> None:
        """The listener accepts when there is no executable."""
        self.serve(makeService(program=Program("/nowhere/prog", (), ("prog",))))
        self.assertOwn(0)

    def test_many(self) -> None:
        """A socket is delegated after its first client where many are already."""
        others = [(lambda number=number: number) for number in range(IDLE)]
        for other in others[:-1]:
            self.runtime.budget.addDelegation(other)
        self.serve()
        self.assertLeft()
        self.listener.stop()
        self.runtime.budget.addDelegation(others[-1])
        self.serve()
        self.assertEqual(len(self.accepting.requests), 1)
        self.client(self.server)
        self.reactor.turnUntil(lambda: bool(self.launcher.programs))
        self.launcher.last.start().end()
        self.assertLeft(2)

    def test_crowded(self) -> None:
        """
        The socket is taken back when another service waits for the process budget.

        When few programs run it is delegated again, but not before the launcher has
        given it back.
        """
        self.serve()
        self.runtime.budget.whenCapacity(lambda: None)
        self.assertOwn()
        self.listener.returned()
        self.ran()
        self.assertOwn()
        running = self.limits.running = self.runtime.budget.leaseSize // 2 + 1
        self.accepting.withdrawn[0]()
        self.listener.released()
        self.assertOwn()
        self.limits.running = running - 1
        self.listener.released()
        self.assertLeft(2)
        self.listener.released()
        self.assertLeft(2)

    def test_dropped(self) -> None:
        """
        The socket is taken back when the launcher cannot start a program.

        The client is counted and logged.
        """
        self.serve()
        self.listener.dropped(self.PEER, "no such file")
        self.assertOwn()
        (fail,) = self.logged("start-failed")
        self.assertEqual(fail["reason"], "'/bin/sh': no such file")
        self.assertEqual(self.runtime.tallies["test/tcp"].failed, 1)
        self.accepting.withdrawn[0]()
        self.ran()
        self.assertOwn()

    def test_droppedNobody(self) -> None:
        """When it could not even accept, that is so for a while."""
        self.serve()
        self.listener.dropped(None, "too many files")
        self.assertOwn()
        self.assertEqual(self.logged("start-failed"), [])
        self.assertEqual(self.runtime.tallies["test/tcp"].failed, 0)
        self.accepting.withdrawn[0]()
        self.ran()
        self.assertLeft(2)

    def test_retire(self) -> None:
        """The socket is free when the launcher has given it back."""
        self.serve()
        done: list[None] = []
        self.listener.retire(lambda: done.append(None))
        self.assertEqual((done, self.reactor.getReaders()), ([], []))
        self.accepting.withdrawn[0]()
        self.assertEqual(done, [None])
        self.listener.retire(lambda: done.append(None))
        self.assertEqual(done, [None, None])

    def test_stop(self) -> None:
        """The launcher gives the socket back on a stop, and never gets it again."""
        self.serve()
        child = self.listener.accepted(self.PEER)
        self.listener.stop()
        self.assertEqual(list(self.accepting.withdrawn), [0])
        self.assertEqual(self.runtime.budget.delegations, 0)
        self.accepting.withdrawn[0]()
        self.listener.dropped(None, "too many files")
        self.listener.returned()
        child.started(9)
        child.ended(ExitStatus(0))
        self.assertEqual(len(self.accepting.requests), 1)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_stopHandedBack(self) -> None:
        """A socket that would be delegated again is not after a stop."""
        self.serve()
        self.listener.returned()
        self.accepting.withdrawn[0]()
        self.listener.stop()
        self.listener.released()
        self.assertEqual(len(self.accepting.requests), 1)

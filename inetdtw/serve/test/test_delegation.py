# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.delegation}, as two kinds of listeners use it."""

from __future__ import annotations

import os
import socket
from typing import Any, Callable

from zope.interface import implementer
from zope.interface.verify import verifyObject

from inetdtw.interfaces import (
    ExitStatus,
    IAcceptDelegate,
    IWaitDelegatingLauncher,
    LaunchRequest,
)
from inetdtw.limits.service import ServiceLimits
from inetdtw.model.service import Bounds, Service
from inetdtw.model.state import PauseReason
from inetdtw.serve.child import Child
from inetdtw.serve.stream import StreamListener
from inetdtw.serve.wait import WaitListener
from inetdtw.system.descriptors import Purpose
from inetdtw.test.fakes import (
    PATIENCE,
    FakeLauncher,
    ServingTestCase,
    listening,
    makeDatagrams,
    makeService,
)


@implementer(IWaitDelegatingLauncher)
class DelegatingLauncher(FakeLauncher):
    """A launcher that accepts by itself."""

    def delegate(self, watcher: Any, request: LaunchRequest) -> int:
        """Remember it."""
        self.request = request
        self.calls.append("delegate")
        return 9

    def delegateWait(self, watcher: Any, request: LaunchRequest) -> int:
        """Remember it."""
        self.request = request
        self.calls.append("wait")
        return 9

    def withdraw(self, number: int, free: Callable[[], None]) -> None:
        """Remember it."""
        self.calls.append(f"withdraw {number}")
        self.free = free


class DelegationTestCase(ServingTestCase):
    """
    A test of a listener with a launcher that starts programs by itself.

    @cvar make: makes the listener.
    """

    make: Any = None

    def serve(self, service: Service) -> None:
        """Serve a service."""
        self.accepting = DelegatingLauncher()
        self.addCleanup(self.accepting.close)
        verifyObject(IWaitDelegatingLauncher, self.accepting)
        self.server = self.closing(listening(service))
        self.limits = ServiceLimits(service.bounds, self.reactor.seconds)
        given = self.serviceRuntime(
            service, self.limits, self.accepting, lambda: self.listener.released()
        )
        self.listener = self.make(given, self.server)
        self.listener.start()


class StreamDelegationTests(DelegationTestCase):
    """Tests for L{StreamListener}."""

    make = StreamListener

    def test_delegates(self) -> None:
        """
        A service without limits is delegated, and withdrawn once.

        Its socket is free when the launcher does not accept any more.
        """
        self.serve(makeService())
        self.assertEqual(self.accepting.request.fds[0], self.server.fileno())
        self.listener.retire(lambda: self.accepting.calls.append("retired"))
        self.listener.stop()
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9"])
        self.accepting.free()
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9", "retired"])

    def test_returned(self) -> None:
        """
        The daemon accepts when too many programs run.

        The service is delegated again when one has ended and the launcher does not
        accept any more.
        """
        self.serve(makeService())
        child = self.listener.accepted(("127.0.0.1", 7))
        child.started(77)
        self.listener.returned()
        self.listener.returned()
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9"])
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(len(self.accepting.programs), 1)
        self.accepting.programs[0].start().end()
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9"])
        self.accepting.free()
        child.ended(ExitStatus(0))
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9", "delegate"])
        self.assertEqual(self.listener.pauses(), [])
        self.assertEqual(self.reactor.getReaders(), [])

    def test_later(self) -> None:
        """A service for which the budget had no room is delegated after a client."""
        self.runtime.budget.most, self.runtime.budget.running = 100, 51
        self.runtime.budget.leaseSize = 6
        self.serve(makeService())
        self.runtime.budget.running = 0
        with socket.create_connection(self.server.getsockname(), PATIENCE):
            self.reactor.turn(PATIENCE)
        self.assertEqual(self.accepting.calls, [])
        self.accepting.last.start().end()
        self.assertEqual(self.accepting.calls, ["delegate"])

    def test_recalled(self) -> None:
        """The daemon accepts when another service waits for the global limit."""
        self.serve(makeService())
        self.runtime.budget.whenCapacity(lambda: None)
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9"])
        self.listener.stop()
        self.runtime.budget.whenCapacity(lambda: None)
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9"])

    def test_dropped(self) -> None:
        """When the launcher cannot, connections come to the daemon."""
        self.serve(makeService())
        self.listener.dropped(("127.0.0.1", 7), "why")
        self.listener.dropped(None, "why")
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9"])
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
        (event,) = self.logged("start-failed")
        self.assertEqual(event["peer"], "-")
        self.assertEqual(self.runtime.tallies[makeService().name].failed, 1)
        self.accepting.free()
        child.ended(ExitStatus(0))
        self.assertEqual(self.accepting.calls, ["delegate", "withdraw 9"])


class WaitDelegationTests(DelegationTestCase):
    """Tests for L{WaitListener}."""

    make = WaitListener

    def setUp(self) -> None:
        """Serve datagrams."""
        super().setUp()
        self.serve(makeDatagrams(wait=True))
        self.sender = self.client(self.server)

    def accepted(self, pid: int = 77) -> Child:
        """Have the launcher start a program."""
        child: Child = self.listener.accepted(None)
        child.started(pid)
        return child

    def test_delegates(self) -> None:
        """The daemon does not read a delegated socket."""
        verifyObject(IAcceptDelegate, self.listener)
        self.assertEqual(self.accepting.calls, ["wait"])
        self.assertEqual(self.accepting.request.fds[0], self.server.fileno())
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.listener.pauses(), [])
        child = self.accepted()
        self.assertEqual(self.listener.pauses(), [PauseReason.CHILD])
        self.assertEqual(self.limits.running, 1)
        child.ended(ExitStatus(0))
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(self.listener.pauses(), [])
        self.assertEqual(self.reactor.getReaders(), [])

    def test_needsDaemon(self) -> None:
        """What has a limit, discards errors or takes connections is not delegated."""
        bounds = Bounds(serviceMax=5)
        for service in (
            makeDatagrams(wait=True, bounds=bounds),
            makeDatagrams(wait=True, stderr="null"),
            makeService(wait=True),
        ):
            self.serve(service)
            self.assertEqual(self.accepting.calls, [])

    def test_stderr(self) -> None:
        """
        All programs of the launcher have one pipe for standard error.

        Its lines are those of the program that runs, also while the socket is
        withdrawn; it is closed afterwards, and the next delegation has another.
        """
        self.serve(makeDatagrams(wait=True, stderr="log", name="svc"))
        helpers = self.runtime.descriptors.taken(Purpose.HELPER)
        self.assertEqual(helpers, 2)
        program = os.dup(self.accepting.request.fds[2])
        for pid in (77, 78):
            child = self.accepted(pid)
            os.write(program, b"Oh!\nand")
            if pid == 78:
                os.close(program)
                self.listener.returned()
                self.accepting.free()
            child.ended(ExitStatus(1))
        self.assertEqual(
            [(each["pid"], each["text"]) for each in self.logged("stderr")],
            [(77, "Oh!"), (77, "and"), (78, "Oh!"), (78, "and")],
        )
        self.reactor.settle()
        self.assertEqual(self.accepting.calls, ["wait", "withdraw 9", "wait"])
        self.assertEqual(len(self.runtime.stderrReaders), 1)
        self.assertEqual(self.runtime.descriptors.taken(Purpose.HELPER), 2)

    def test_stderrShort(self) -> None:
        """The daemon reads the socket while descriptors for the pipe are short."""
        self.patch(self.runtime.descriptors, "spare", lambda count: False)
        self.serve(makeDatagrams(wait=True, stderr="log"))
        self.assertEqual(self.accepting.calls, [])
        self.assertEqual(self.reactor.getReaders(), [self.listener._port])
        self.assertEqual(self.runtime.stderrReaders, set())

    def test_busy(self) -> None:
        """A program has the socket, or is about to get it, if a datagram is there."""
        self.assertFalse(self.listener.busy)
        self.sender.send(b"1")
        self.assertTrue(self.listener.busy)
        child = self.accepted()
        self.server.recv(9)
        self.assertTrue(self.listener.busy)
        child.ended(ExitStatus(0))
        self.assertFalse(self.listener.busy)

    def test_returned(self) -> None:
        """
        The daemon starts programs when the launcher starts no more.

        The socket is delegated again when the next program has exited.
        """
        self.sender.send(b"1")
        self.listener.returned()
        self.assertEqual(self.accepting.calls, ["wait", "withdraw 9"])
        self.reactor.settle()
        self.assertEqual(self.accepting.programs, [])
        self.accepting.free()
        self.reactor.settle()
        program = self.accepting.last.start()
        self.server.recv(9)
        self.sender.send(b"2")
        program.end()
        self.assertEqual(self.accepting.calls, ["wait", "withdraw 9", "wait"])
        self.assertEqual(len(self.accepting.programs), 1)
        self.assertEqual(self.reactor.getReaders(), [])

    def test_returnedWhileRunning(self) -> None:
        """The daemon starts none while a program of the launcher has the socket."""
        child = self.accepted()
        self.sender.send(b"1")
        self.listener.returned()
        self.accepting.free()
        self.reactor.settle()
        self.assertEqual(self.accepting.programs, [])
        child.ended(ExitStatus(0))
        self.assertEqual(self.accepting.calls[2:], ["wait"])

    def test_left(self) -> None:
        """A datagram that programs have left is discarded and logged."""
        self.sender.send(b"1")
        self.sender.send(b"2")
        self.listener.returned(left=True)
        (drop,) = self.logged("drop")
        self.assertEqual(drop["peer"], f"127.0.0.1:{self.sender.getsockname()[1]}")
        self.assertEqual(self.server.recv(9), b"2")

    def test_dropped(self) -> None:
        """The daemon reads a socket that the launcher cannot use."""
        self.listener.dropped(None, "why")
        self.accepting.free()
        self.sender.send(b"1")
        self.reactor.settle()
        self.assertEqual(len(self.accepting.programs), 1)

    def test_replaced(self) -> None:
        """A socket that was replaced when it was returned is not read."""
        self.listener.restored = lambda: False
        self.listener.returned()
        self.accepting.free()
        self.assertEqual(self.reactor.getReaders(), [])

    def test_retire(self) -> None:
        """The socket is free when the launcher and its program have left it."""
        for first in ("launcher", "program"):
            self.serve(makeDatagrams(wait=True))
            child = self.accepted()
            done: list[None] = []
            self.listener.retire(lambda done=done: done.append(None))
            if first == "launcher":
                self.accepting.free()
            else:
                child.ended(ExitStatus(0))
            self.assertEqual(done, [])
            if first == "launcher":
                child.ended(ExitStatus(0))
            else:
                self.accepting.free()
            self.assertEqual(done, [None])
            self.assertEqual(self.accepting.calls, ["wait", "withdraw 9"])

    def test_twoAtOnce(self) -> None:
        """A launcher that reports two programs at once does not confuse the count."""
        one, two = self.accepted(), self.accepted(78)
        self.listener.returned()
        self.accepting.free()
        one.ended(ExitStatus(0))
        self.sender.send(b"1")
        self.reactor.settle()
        self.assertEqual(self.accepting.programs, [])
        two.ended(ExitStatus(0))
        self.assertEqual(self.limits.running, 0)
        self.assertEqual(self.accepting.calls[2:], ["wait"])

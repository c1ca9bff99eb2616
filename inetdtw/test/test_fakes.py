# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.test.fakes}.

With a fake that differs from what it stands for, tests pass that should not.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from zope.interface.verify import verifyObject

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.interfaces import (
    IProcessTransport,
    IReactorFDSet,
    IReactorSocket,
    IReactorTime,
)
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.interfaces import IChild, ILauncher
from inetdtw.test.fakes import (
    FakeChild,
    FakeLauncher,
    FakeReactor,
    ServingTestCase,
    makeService,
    openDescriptors,
    openedSince,
)


class ExitProtocol(ProcessProtocol):
    """Records how a process exited."""

    why: Any = None

    def processEnded(self, reason: Failure) -> None:
        """Record the exit."""
        self.why = reason.value


class FakeReactorTests(SynchronousTestCase):
    """Tests for L{FakeReactor} and L{inetdtw.test.fakes.FakeProcess}."""

    def setUp(self) -> None:
        """Make a reactor."""
        self.reactor = FakeReactor()
        self.addCleanup(self.reactor.close)

    def test_interfaces(self) -> None:
        """The reactor provides the interfaces that the daemon needs."""
        for interface in (IReactorFDSet, IReactorSocket, IReactorTime):
            verifyObject(interface, self.reactor)

    def test_process(self) -> None:
        """A spawned process provides C{IProcessTransport}."""
        process = self.reactor.spawnProcess(ExitProtocol(), "/bin/true")
        verifyObject(IProcessTransport, process)

    def test_descriptors(self) -> None:
        """A process has its descriptors until it exits."""
        before = openDescriptors()
        null = os.open(os.devnull, os.O_RDWR)
        process = self.reactor.spawnProcess(
            ExitProtocol(), "/bin/true", childFDs={0: null}
        )
        os.close(null)
        self.assertEqual(os.readlink(f"/proc/self/fd/{process.fds[0]}"), os.devnull)
        process.exit()
        self.assertEqual(openedSince(before), {})

    def test_ends(self) -> None:
        """The exit of a process is reported with its status or signal."""
        ends: list[tuple[dict[str, int], type[Exception], int]] = [
            ({}, ProcessDone, 0),
            ({"status": 3}, ProcessTerminated, 3 << 8),
            ({"number": 9}, ProcessTerminated, 9),
        ]
        for how, kind, word in ends:
            protocol = ExitProtocol()
            self.reactor.spawnProcess(protocol, "/bin/true").exit(**how)
            self.assertIsInstance(protocol.why, kind)
            self.assertEqual(protocol.why.status, word)

    def test_adopt(self) -> None:
        """An adopted connection stays open when the caller closes it."""
        ours, theirs = socket.socketpair()
        with ours:
            self.reactor.adoptStreamConnection(theirs.fileno(), theirs.family, None)
            theirs.close()
            self.reactor.adopted[0][0].sendall(b"here")
            self.assertEqual(ours.recv(10), b"here")


class FakeLauncherTests(ServingTestCase):
    """Tests for L{FakeLauncher}."""

    def test_interface(self) -> None:
        """The launcher provides C{ILauncher}."""
        verifyObject(ILauncher, FakeLauncher())

    def test_child(self) -> None:
        """The fake child provides L{IChild}."""
        verifyObject(IChild, FakeChild())

    def test_makeService(self) -> None:
        """The services differ only in the given values."""
        self.assertEqual(makeService(), makeService())
        self.assertEqual(makeService(name="other").name, "other")
        self.assertIsNone(makeService(internal="echo").program)

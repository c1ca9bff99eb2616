# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for what L{inetdtw.superserver} does for an operator."""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure

from inetdtw import NothingToServe
from inetdtw.model.selection import AmbiguousService
from inetdtw.model.state import Draining
from inetdtw.system.descriptors import Purpose
from inetdtw.test.fakes import listening, makeService
from inetdtw.test.superservercase import (
    BAD,
    DISCARD,
    ECHO,
    PROGRAM,
    SuperserverTestCase,
)


class RequiredTests(SuperserverTestCase):
    """Tests for L{InetdService} that must have something to serve."""

    def test_noHelpers(self) -> None:
        """
        Descriptors of helper processes are free once all are started.

        Services that have no socket have no helper process.
        """
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        line = f"127.0.0.1:{port} stream tcp nowait - /bin/sh {{}}\n"
        inetd = self.running(line, ECHO)
        self.assertEqual(inetd._runtime.descriptors.taken(Purpose.HELPER), 0)

    def test_unbound(self) -> None:
        """
        A service that is not bound yet counts as a service.

        It is tried again, and served once its address is free.
        """
        other = self.closing(listening(makeService()))
        port = other.getsockname()[1]
        line = f"127.0.0.1:{port} stream tcp nowait - internal echo\n"
        inetd = self.running(line, required=True)
        self.assertEqual(len(self.logged("bind-failed")), 1)
        self.assertFalse(inetd.state().healthy)
        other.close()
        self.reactor.advance(1.0)
        self.assertTrue(inetd.state().healthy)

    def test_nothing(self) -> None:
        """An error and the log name the file when there is no service."""
        line = "127.0.0.1:0 off protocol = tcp, args = echo;\n"
        inetd = self.inetd(line, required=True)
        why = self.assertRaises(NothingToServe, inetd.startService)
        self.assertIn(self.path, str(why))
        self.assertEqual(len(self.logged("no-services")), 1)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_one(self) -> None:
        """One service is enough."""
        inetd = self.inetd(BAD, ECHO, required=True)
        inetd.privilegedStartService()
        inetd.startService()
        self.assertEqual(len(inetd.getHosts()), 1)


class OperatorTests(SuperserverTestCase):
    """Tests for the operations of an L{InetdService}."""

    def test_state(self) -> None:
        """The state has the daemon and each service, in the order of the file."""
        inetd = self.running(ECHO, DISCARD)
        state = inetd.state()
        names = [(each.name, each.condition) for each in state.services]
        self.assertEqual(names, [("0/tcp", "listening"), ("0/udp", "listening")])
        self.assertEqual((state.pid, state.files), (os.getpid(), (self.path,)))
        self.assertTrue(state.healthy)
        self.write(DISCARD, ECHO)
        inetd.reload()
        names = [(each.name, each.condition) for each in inetd.state().services]
        self.assertEqual(names, [("0/udp", "listening"), ("0/tcp", "listening")])

    def test_reloadTells(self) -> None:
        """
        A reload returns the changes, and the problems of the file.

        The state has that too, until the file is right.
        """
        inetd = self.running(ECHO)
        self.write(ECHO, DISCARD)
        changes = inetd.reload().changes
        assert changes is not None
        self.assertEqual([each.name for each in changes.start], ["0/udp"])
        self.assertEqual([each.name for each in changes.keep], ["0/tcp"])
        self.write(BAD)
        broken = inetd.reload()
        self.assertIsNone(broken.changes)
        (problem,) = broken.problems
        self.assertIn(f"{self.path}:1:", str(problem))
        self.assertEqual(inetd.state().problems, (str(problem),))
        self.write(ECHO)
        inetd.reload()
        self.assertEqual(inetd.state().problems, ())

    def test_pause(self) -> None:
        """
        A paused service stays paused over a reload until the operator resumes it.

        It is kept, changed, or gets another socket.
        """
        inetd = self.running(ECHO)
        self.assertEqual(inetd.pause("0").condition, "paused")
        self.assertEqual(inetd.pause("0").condition, "paused")
        self.assertEqual(len(self.logged("pause")), 1)
        self.assertTrue(inetd.state().healthy)
        other = "127.0.0.2:0 on protocol = tcp, args = echo, id = 0/tcp;\n"
        for line in (ECHO, ECHO.replace("nowait", "nowait/5"), other):
            self.write(line)
            self.assertTrue(inetd.reload())
            (state,) = inetd.state().services
            self.assertEqual(state.condition, "paused", line)
        self.assertEqual(inetd.resume("0/tcp").condition, "listening")
        self.assertEqual(len(self.logged("resume")), 1)
        inetd.resume("0/tcp")
        self.assertEqual(len(self.logged("resume")), 1)

    def test_unknown(self) -> None:
        """A pause of an unknown service is an error."""
        inetd = self.running(ECHO)
        for operation in (inetd.pause, inetd.resume):
            self.assertRaises(AmbiguousService, operation, "x")

    def test_drain(self) -> None:
        """
        A drain refuses clients at once, and ends when no program runs.

        Meanwhile nothing else is done.
        """
        inetd = self.running(ECHO)
        where = inetd.getHosts()["0/tcp"]
        client = self.closing(socket.create_connection((where.host, where.port)))
        self.reactor.turnUntil(lambda: bool(self.reactor.adopted))
        over: list[Any] = []
        inetd.drain().addCallback(over.append)
        self.assertNotEqual(self.connects(where), 0)
        self.reactor.advance(1)
        self.assertEqual((over, inetd.state().running), ([], 1))
        self.assertTrue(inetd.state().draining)
        self.assertFalse(inetd.reload())
        self.assertRaises(Draining, inetd.pause, "0")
        self.assertRaises(Draining, inetd.resume, "0")
        self.assertIs(inetd.drain(), inetd.drain())
        ((_, factory),) = self.reactor.adopted
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(StringTransportWithDisconnection())
        protocol.connectionLost(Failure(ConnectionDone()))
        client.close()
        self.assertEqual(over, [None])
        inetd.stopService()
        self.assertEqual(over, [None])

    def test_drainIdle(self) -> None:
        """A drain of services without clients ends at once."""
        over: list[Any] = []
        self.running(ECHO, PROGRAM.format("x")).drain().addCallback(over.append)
        self.assertEqual(over, [None])

    def test_drainRemoved(self) -> None:
        """A drain waits for the programs of removed services."""
        inetd = self.running(PROGRAM.format("x"), ECHO)
        played = self.ready()
        self.argument(inetd, "0/tcp", played)
        self.write(DISCARD)
        inetd.reload()
        over: list[Any] = []
        inetd.drain().addCallback(over.append)
        self.reactor.advance(1)
        self.assertEqual((over, inetd.state().running), ([], 1))

    def test_stopDraining(self) -> None:
        """A stop ends a drain."""
        inetd = self.running(PROGRAM.format("x"))
        played = self.ready()
        self.argument(inetd, "0/tcp", played)
        over: list[Any] = []
        inetd.drain().addCallback(over.append)
        self.assertEqual(over, [])
        inetd.stopService()
        self.assertEqual(over, [None])

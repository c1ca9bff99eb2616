# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.gate}.
"""

from __future__ import annotations

import socket
from typing import Any

from inetdtw.gate import Gate
from inetdtw.interfaces import ILauncher
from inetdtw.limits import WINDOW, Limits
from inetdtw.ports import SocketPort
from inetdtw.service import Bounds
from inetdtw.test.fakes import ServingTestCase

PEER = ("192.0.2.1", 40000)
OTHER = ("192.0.2.2", 40000)


class GateTests(ServingTestCase):
    """
    Tests for L{Gate}.
    """

    def gate(self, launcher: ILauncher | None = None, **bounds: Any) -> Gate:
        """
        A gate of a service that is being served.
        """
        limits = Limits(Bounds(**bounds), self.reactor.seconds)
        gate = Gate("test/tcp", limits, self.host.report, launcher)
        sock = self.closing(socket.socket())
        gate.port = SocketPort(sock, self.reactor, "test/tcp")
        gate.port.start()
        return gate

    def test_open(self) -> None:
        """
        Without bounds every client may come.
        """
        gate = self.gate()
        for _ in range(100):
            self.assertTrue(gate.open())
            self.assertTrue(gate.admit(PEER))
        self.assertEqual(self.said("refuse"), [])

    def test_full(self) -> None:
        """
        With as many programs as may run, the service is not read until one has
        ended.
        """
        gate = self.gate(acceptMax=2)
        gate.admit(PEER)
        self.assertTrue(gate.open())
        gate.admit(OTHER)
        self.assertFalse(gate.open())
        self.assertFalse(gate.port.reading)
        gate.reopen()
        self.assertFalse(gate.port.reading)
        gate.release(PEER)
        gate.reopen()
        self.assertTrue(gate.port.reading)
        self.assertTrue(gate.open())

    def test_room(self) -> None:
        """
        While the launcher has no room, the service is not read.
        """
        gate = self.gate(self.launcher)
        self.launcher.room = False
        self.assertFalse(gate.open())
        self.assertFalse(gate.port.reading)
        self.launcher.makeRoom()
        self.assertTrue(gate.port.reading)
        self.assertTrue(gate.open())

    def test_held(self) -> None:
        """
        It is closed while anything else holds the port, though a program may be
        started.
        """
        gate = self.gate(self.launcher)
        gate.port.hold("child")
        self.assertFalse(gate.open())
        self.assertTrue(gate.free())

    def test_rate(self) -> None:
        """
        Exactly as many starts as the bound says are let in; then the service pauses
        and comes back by itself, with a line for each.
        """
        gate = self.gate(serviceMax=3)
        self.assertEqual([gate.admit(PEER) for _ in range(4)], [True] * 3 + [False])
        self.assertFalse(gate.port.reading)
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["peer"], "192.0.2.1:40000")
        self.assertEqual(refuse["reason"], "more than 3 starts a minute")
        (pause,) = self.said("pause")
        self.assertEqual(pause["seconds"], "60")
        self.assertEqual(self.said("resume"), [])
        self.reactor.advance(WINDOW)
        self.assertEqual(len(self.said("resume")), 1)
        self.assertTrue(gate.open())
        self.assertTrue(gate.admit(PEER))

    def test_pause(self) -> None:
        """
        How long the pause is can be said; afterwards the starts are counted anew, and
        the service serves as many again (item 64).
        """
        gate = self.gate(serviceMax=2, pause=5)
        for _ in range(2):
            admitted = [gate.admit(PEER) for _ in range(3)]
            self.assertEqual(admitted, [True, True, False])
            self.assertFalse(gate.port.reading)
            self.reactor.advance(5)
            self.assertTrue(gate.port.reading)
        self.assertEqual([each["seconds"] for each in self.said("pause")], ["5", "5"])
        self.assertEqual(len(self.said("resume")), 2)

    def test_peerRate(self) -> None:
        """
        A client that comes too often is refused, and no other.
        """
        gate = self.gate(ipMax=1)
        self.assertTrue(gate.admit(PEER))
        self.assertFalse(gate.admit(PEER))
        self.assertTrue(gate.admit(OTHER))
        self.assertTrue(gate.port.reading)
        (refuse,) = self.said("refuse")
        self.assertIn("1 starts a minute for one address", refuse["reason"])

    def test_perSource(self) -> None:
        """
        A client that has as many programs as it may is refused until one ends.
        """
        gate = self.gate(perSource=1)
        self.assertTrue(gate.admit(PEER))
        self.assertFalse(gate.admit(("192.0.2.1", 40001)))
        self.assertTrue(gate.admit(OTHER))
        gate.release(PEER)
        self.assertTrue(gate.admit(PEER))

    def test_repeats(self) -> None:
        """
        What was started once more counts for the rate.
        """
        gate = self.gate(serviceMax=3)
        gate.admit()
        self.assertEqual(gate.spare(16), 2)
        gate.again()
        gate.again()
        self.assertEqual(gate.spare(16), 0)
        self.assertFalse(gate.admit())

    def test_spare(self) -> None:
        """
        Without a rate there are as many as are wanted.
        """
        self.assertEqual(self.gate().spare(16), 16)

    def test_short(self) -> None:
        """
        That the machine is out of something is in the log.
        """
        self.gate().short("Too many open files")
        (stall,) = self.said("stall")
        self.assertEqual(stall["reason"], "Too many open files")

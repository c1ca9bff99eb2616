# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.admission}."""

from __future__ import annotations

import socket
from typing import Any

from inetdtw.interfaces import ILauncher
from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.service import Bounds
from inetdtw.serve.admission import AdmissionControl
from inetdtw.serve.port import SocketPort
from inetdtw.serve.undecided import MOMENT
from inetdtw.system.descriptors import DescriptorAccount, Purpose
from inetdtw.test.fakes import ServingTestCase

PEER = ("192.0.2.1", 40000)
OTHER = ("192.0.2.2", 40000)


class AdmissionControlTests(ServingTestCase):
    """Tests for L{AdmissionControl}."""

    def gate(
        self, launcher: ILauncher | None = None, **bounds: Any
    ) -> AdmissionControl:
        """A gate of a service that is being served."""
        limits = ServiceLimits(Bounds(**bounds), self.reactor.seconds)
        gate = AdmissionControl("test/tcp", limits, self.runtime.report, launcher)
        sock = self.closing(socket.socket())
        gate.port = SocketPort(sock, self.reactor, "test/tcp")
        gate.port.start()
        return gate

    def test_open(self) -> None:
        """Without bounds every client may come."""
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
        """While the launcher has no room, the service is not read."""
        gate = self.gate(self.launcher)
        self.launcher.hasCapacity = False
        self.assertFalse(gate.open())
        self.assertFalse(gate.port.reading)
        self.launcher.makeRoom()
        self.assertTrue(gate.port.reading)
        self.assertTrue(gate.open())

    def test_shortage(self) -> None:
        """
        Without descriptors no program may be started, whoever asks; the port pauses,
        and the log says why.
        """
        gate = self.gate()
        short = self.patch(DescriptorAccount, "short", lambda account: True)
        self.assertFalse(gate.free())
        self.assertFalse(gate.port.reading)
        (stall,) = self.said("stall")
        self.assertEqual(stall["reason"], "Too many open files")
        short.restore()
        self.reactor.advance(SHORTAGE_PAUSE)
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
        """A client that comes too often is refused, and no other."""
        gate = self.gate(ipMax=1)
        self.assertTrue(gate.admit(PEER))
        self.assertFalse(gate.admit(PEER))
        self.assertTrue(gate.admit(OTHER))
        self.assertTrue(gate.port.reading)
        (refuse,) = self.said("refuse")
        self.assertIn("1 starts a minute for one address", refuse["reason"])

    def test_perSource(self) -> None:
        """A client that has as many programs as it may is refused until one ends."""
        gate = self.gate(perSource=1)
        self.assertTrue(gate.admit(PEER))
        self.assertFalse(gate.admit(("192.0.2.1", 40001)))
        self.assertTrue(gate.admit(OTHER))
        gate.release(PEER)
        self.assertTrue(gate.admit(PEER))

    def let(self, gate: AdmissionControl, peer: Any = PEER) -> list[str]:
        """
        Ask for a client to be let in.

        @return: what has become of it, as soon as that is decided.
        """
        said: list[str] = []
        gate.let(peer, lambda: said.append("served"), lambda: said.append("refused"))
        return said

    def test_let(self) -> None:
        """What is clear is decided at once."""
        self.assertEqual(self.let(self.gate()), ["served"])
        gate = self.gate(perSource=1, ipMax=1)
        self.assertEqual(self.let(gate), ["served"])
        gate.release(PEER)
        self.assertEqual(self.let(gate), ["refused"])
        self.assertEqual(self.let(gate, OTHER), ["served"])
        gate = self.gate(perSource=1)
        for _ in range(2):
            self.assertEqual(self.let(gate, "/a/path"), ["served"])

    def test_undecided(self) -> None:
        """
        A client of a source that has as many programs as it may is served when one of
        them ends, before others that come then; never are there more.
        """
        gate = self.gate(perSource=1)
        gate.admit(PEER)
        said = self.let(gate)
        self.assertEqual(said, [])
        gate.admit(OTHER)
        gate.release(OTHER)
        gate.reopen()
        self.assertEqual(said, [])
        gate.release(PEER)
        gate.reopen()
        self.assertEqual(said, ["served"])
        self.assertFalse(gate.admit(PEER))
        self.reactor.advance(MOMENT)
        self.assertEqual(said, ["served"])
        self.assertEqual(len(self.said("refuse")), 1)

    def test_keptCounts(self) -> None:
        """One that is kept has one descriptor, until it is decided on."""
        gate = self.gate(perSource=1)
        gate.admit(PEER)
        account = gate._account.descriptors
        self.let(gate)
        self.assertEqual(account.taken(Purpose.CHILD), 1)
        self.let(gate)
        self.assertEqual(account.taken(Purpose.CHILD), 1)
        self.reactor.advance(MOMENT)
        self.assertEqual(account.taken(Purpose.CHILD), 0)

    def test_refusedAfterAll(self) -> None:
        """It is refused if none does, and counted once."""
        gate = self.gate(perSource=1)
        gate.admit(PEER)
        said = self.let(gate)
        self.reactor.advance(MOMENT)
        self.assertEqual(said, ["refused"])
        self.assertEqual(gate._limits.refused, 1)
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["reason"], "more than 1 at once for one address")

    def test_close(self) -> None:
        """When nobody is served any more it is refused."""
        gate = self.gate(perSource=1)
        gate.admit(PEER)
        said = self.let(gate)
        gate.close()
        gate.close()
        self.assertEqual(said, ["refused"])
        self.assertEqual((gate._limits.refused, len(self.said("refuse"))), (1, 1))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_network(self) -> None:
        """
        The end of a program of any address of a source decides, and a line in the log
        has the length of the prefix.
        """
        one, two = ("2001:db8::1", 4, 0, 0), ("2001:db8::2", 4, 0, 0)
        gate = self.gate(perSource=1)
        gate.admit(one)
        said = [self.let(gate, two), self.let(gate, two)]
        self.assertEqual(said, [[], ["refused"]])
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["reason"], "more than 1 at once for one /64")
        gate.release(one)
        gate.reopen()
        self.assertEqual(said[0], ["served"])

    def test_capacity(self) -> None:
        """
        When its source has fewer programs by then, but the service as many as may run,
        it waits on, and never makes them more.
        """
        gate = self.gate(perSource=1, acceptMax=2)
        gate.admit(PEER)
        said = self.let(gate)
        gate._limits.bounds = Bounds(acceptMax=1, perSource=1)
        gate.admit(OTHER)
        gate.release(PEER)
        gate.reopen()
        self.reactor.advance(MOMENT)
        self.assertEqual(said, [])
        gate.release(OTHER)
        gate.reopen()
        self.assertEqual(said, ["served"])

    def test_brokenServing(self) -> None:
        """What is wrong with one client does not keep others from being decided on."""
        gate = self.gate(perSource=2)
        gate.admit(PEER)
        gate.admit(PEER)
        gate.let(PEER, lambda: 1 / 0)
        said = self.let(gate)
        gate.release(PEER)
        gate.release(PEER)
        gate.reopen()
        self.assertEqual(said, ["served"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_brokenCounts(self) -> None:
        """
        A client that could not be served for an error counts no more, nor does one
        whose refusal fails.
        """
        gate = self.gate(perSource=1)
        gate.let(PEER, lambda: 1 / 0)
        self.assertEqual(self.let(gate), ["served"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_repeats(self) -> None:
        """What was started once more counts for the rate."""
        gate = self.gate(serviceMax=3)
        gate.admit()
        self.assertEqual(gate.remaining(16), 2)
        gate.countRestart()
        gate.countRestart()
        self.assertEqual(gate.remaining(16), 0)
        self.assertFalse(gate.admit())

    def test_spare(self) -> None:
        """Without a rate there are as many as are wanted."""
        self.assertEqual(self.gate().remaining(16), 16)

    def test_short(self) -> None:
        """That the machine is out of something is in the log."""
        self.gate().short("Too many open files")
        (stall,) = self.said("stall")
        self.assertEqual(stall["reason"], "Too many open files")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.admission}."""

from __future__ import annotations

from functools import partial
from typing import Any

from inetdtw.interfaces import ILauncher
from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.service import Bounds
from inetdtw.model.state import PauseReason
from inetdtw.serve.admission import AdmissionControl
from inetdtw.serve.undecided import MOMENT, AcceptedClient
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Purpose
from inetdtw.test.fakes import ServingTestCase, makeService

PEER = ("192.0.2.1", 40000)
OTHER = ("192.0.2.2", 40000)


class AdmissionTestCase(ServingTestCase):
    """Make the admission control of services that are being served."""

    def admission(
        self,
        launcher: ILauncher | None = None,
        account: DescriptorAccount | None = None,
        **bounds: Any,
    ) -> AdmissionControl:
        """Make one of a service that is not paused."""
        limits = ServiceLimits(Bounds(**bounds), self.reactor.seconds)
        given = self.serviceRuntime(makeService(), limits, launcher)
        return AdmissionControl(given, self.unpaused(), account)


class AdmissionControlTests(AdmissionTestCase):
    """Tests for L{AdmissionControl}."""

    def test_open(self) -> None:
        """Without limits every client is admitted."""
        admission = self.admission()
        for _ in range(100):
            self.assertTrue(admission.open())
            self.assertTrue(admission.admit(PEER))
        self.assertEqual(self.logged("refuse"), [])

    def test_full(self) -> None:
        """The service is not read while as many programs run as may."""
        admission = self.admission(acceptMax=2)
        admission.admit(PEER)
        self.assertTrue(admission.open())
        admission.admit(OTHER)
        self.assertFalse(admission.open())
        self.assertIs(admission.free(), False)
        self.assertTrue(admission.holds)
        admission.reopen()
        self.assertTrue(admission.holds)
        admission.release(PEER)
        admission.reopen()
        self.assertFalse(admission.holds)
        self.assertTrue(admission.open())

    def test_capacity(self) -> None:
        """The service is not read while the launcher has no capacity."""
        admission = self.admission(self.launcher)
        self.launcher.hasCapacity = False
        self.assertFalse(admission.open())
        self.assertIs(admission.free(), False)
        self.assertTrue(admission.holds)
        self.launcher.regainCapacity()
        self.assertFalse(admission.holds)
        self.assertTrue(admission.open())

    def test_shortage(self) -> None:
        """Without descriptors the service pauses, and the log says why."""
        admission = self.admission()
        short = self.patch(DescriptorAccount, "short", lambda account: True)
        self.assertIs(admission.free(), False)
        self.assertTrue(admission.holds)
        (stall,) = self.logged("shortage")
        self.assertEqual(stall["reason"], "Too many open files")
        short.restore()
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(admission.open())

    def test_held(self) -> None:
        """It is closed while the service is paused, though a program may be started."""
        admission = self.admission(self.launcher)
        admission.holds.pause(PauseReason.CHILD)
        self.assertFalse(admission.open())
        self.assertTrue(admission.free())

    def test_rate(self) -> None:
        """
        Exactly as many clients as the rate allows are admitted.

        The service pauses then, and resumes by itself, with a line in the log for each.
        """
        admission = self.admission(serviceMax=3)
        self.assertEqual(
            [admission.admit(PEER) for _ in range(4)], [True] * 3 + [False]
        )
        self.assertTrue(admission.holds)
        (refuse,) = self.logged("refuse")
        self.assertEqual(refuse["peer"], "192.0.2.1:40000")
        self.assertEqual(refuse["reason"], "rate limit (3/min) exceeded")
        (pause,) = self.logged("pause")
        self.assertEqual(pause["seconds"], 60)
        self.assertEqual(self.logged("resume"), [])
        self.reactor.advance(WINDOW)
        self.assertEqual(len(self.logged("resume")), 1)
        self.assertTrue(admission.open())
        self.assertTrue(admission.admit(PEER))

    def test_pause(self) -> None:
        """The rate is reset after a pause of the given length (item 64)."""
        admission = self.admission(serviceMax=2, pause=5)
        for _ in range(2):
            admitted = [admission.admit(PEER) for _ in range(3)]
            self.assertEqual(admitted, [True, True, False])
            self.assertTrue(admission.holds)
            self.reactor.advance(5)
            self.assertFalse(admission.holds)
        self.assertEqual([each["seconds"] for each in self.logged("pause")], [5, 5])
        self.assertEqual(len(self.logged("resume")), 2)

    def test_peerRate(self) -> None:
        """A client above its rate is refused, and no other one."""
        admission = self.admission(ipMax=1)
        self.assertTrue(admission.admit(PEER))
        self.assertFalse(admission.admit(PEER))
        self.assertTrue(admission.admit(OTHER))
        self.assertFalse(admission.holds)
        (refuse,) = self.logged("refuse")
        self.assertIn("per-address rate limit (1/min)", refuse["reason"])

    def test_perSource(self) -> None:
        """A client with as many programs as it may have is refused until one ends."""
        admission = self.admission(perSource=1)
        self.assertTrue(admission.admit(PEER))
        self.assertFalse(admission.admit(("192.0.2.1", 40001)))
        self.assertTrue(admission.admit(OTHER))
        admission.release(PEER)
        self.assertTrue(admission.admit(PEER))

    def let(self, admission: AdmissionControl, peer: Any = PEER) -> list[str]:
        """
        Ask for a client to be let in.

        @return: what has become of it, as soon as that is decided.
        """
        decided: list[str] = []
        serve, refuse = (
            partial(decided.append, "served"),
            partial(decided.append, "refused"),
        )
        admission.let(AcceptedClient(peer, serve, refuse))
        return decided

    def test_let(self) -> None:
        """A client is decided on at once if no program of it can have exited."""
        self.assertEqual(self.let(self.admission()), ["served"])
        admission = self.admission(perSource=1, ipMax=1)
        self.assertEqual(self.let(admission), ["served"])
        admission.release(PEER)
        self.assertEqual(self.let(admission), ["refused"])
        self.assertEqual(self.let(admission, OTHER), ["served"])
        admission = self.admission(perSource=1)
        for _ in range(2):
            self.assertEqual(self.let(admission, "/a/path"), ["served"])

    def test_undecided(self) -> None:
        """
        An undecided client is served when a program of its source ends.

        It comes before later clients, and the limit is never exceeded.
        """
        admission = self.admission(perSource=1)
        admission.admit(PEER)
        decided = self.let(admission)
        self.assertEqual(decided, [])
        admission.admit(OTHER)
        admission.release(OTHER)
        admission.reopen()
        self.assertEqual(decided, [])
        admission.release(PEER)
        admission.reopen()
        self.assertEqual(decided, ["served"])
        self.assertFalse(admission.admit(PEER))
        self.reactor.advance(MOMENT)
        self.assertEqual(decided, ["served"])
        self.assertEqual(len(self.logged("refuse")), 1)

    def test_keptCounts(self) -> None:
        """An undecided client counts one descriptor."""
        admission = self.admission(perSource=1)
        admission.admit(PEER)
        account = admission._account.descriptors
        self.let(admission)
        self.assertEqual(account.taken(Purpose.CHILD), 1)
        self.let(admission)
        self.assertEqual(account.taken(Purpose.CHILD), 1)
        self.reactor.advance(MOMENT)
        self.assertEqual(account.taken(Purpose.CHILD), 0)

    def test_refusedAfterAll(self) -> None:
        """An undecided client is refused if no program ends, and counted once."""
        admission = self.admission(perSource=1)
        admission.admit(PEER)
        decided = self.let(admission)
        self.reactor.advance(MOMENT)
        self.assertEqual(decided, ["refused"])
        self.assertEqual(admission._limits.tally.refused, 1)
        (refuse,) = self.logged("refuse")
        self.assertEqual(refuse["reason"], "per-address limit (1 at once) reached")

    def test_close(self) -> None:
        """An undecided client is refused when the service stops."""
        admission = self.admission(perSource=1)
        admission.admit(PEER)
        decided = self.let(admission)
        admission.close()
        admission.close()
        self.assertEqual(decided, ["refused"])
        self.assertEqual(
            (admission._limits.tally.refused, len(self.logged("refuse"))), (1, 1)
        )
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_network(self) -> None:
        """
        The exit of a program for any address of a prefix decides.

        The log has the length of the prefix.
        """
        one, two = ("2001:db8::1", 4, 0, 0), ("2001:db8::2", 4, 0, 0)
        admission = self.admission(perSource=1)
        admission.admit(one)
        decided = [self.let(admission, two), self.let(admission, two)]
        self.assertEqual(decided, [[], ["refused"]])
        (refuse,) = self.logged("refuse")
        self.assertEqual(refuse["reason"], "per-/64 limit (1 at once) reached")
        admission.release(one)
        admission.reopen()
        self.assertEqual(decided[0], ["served"])

    def test_undecidedWhileFull(self) -> None:
        """An undecided client waits on while the service itself is full."""
        admission = self.admission(perSource=1, acceptMax=2)
        admission.admit(PEER)
        decided = self.let(admission)
        admission._limits.bounds = Bounds(acceptMax=1, perSource=1)
        admission.admit(OTHER)
        admission.release(PEER)
        admission.reopen()
        self.reactor.advance(MOMENT)
        self.assertEqual(decided, [])
        admission.release(OTHER)
        admission.reopen()
        self.assertEqual(decided, ["served"])

    def test_brokenServing(self) -> None:
        """An error with one client does not keep others undecided."""
        admission = self.admission(perSource=2)
        admission.admit(PEER)
        admission.admit(PEER)
        admission.let(AcceptedClient(PEER, lambda: 1 / 0))
        decided = self.let(admission)
        admission.release(PEER)
        admission.release(PEER)
        admission.reopen()
        self.assertEqual(decided, ["served"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_brokenCounts(self) -> None:
        """A client does not count when serving or refusing it raises."""
        admission = self.admission(perSource=1)
        admission.let(AcceptedClient(PEER, lambda: 1 / 0))
        self.assertEqual(self.let(admission), ["served"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_short(self) -> None:
        """A resource shortage is logged."""
        self.admission().short("Too many open files")
        (stall,) = self.logged("shortage")
        self.assertEqual(stall["reason"], "Too many open files")


class BudgetTests(AdmissionTestCase):
    """Tests for L{AdmissionControl} with a process budget."""

    def test_together(self) -> None:
        """A service resumes when the program of another one has ended."""
        self.runtime.budget.most = 1
        one, two = (
            self.admission(self.launcher, acceptMax=3),
            self.admission(self.launcher, acceptMax=3),
        )
        self.assertTrue(one.open())
        one.admit()
        self.assertFalse(two.open())
        self.assertIs(two.free(), False)
        self.assertEqual(two.holds.reasons, [PauseReason.TOTAL])
        one.release()
        self.assertTrue(two.open())

    def test_internal(self) -> None:
        """Clients of internal services do not count."""
        self.runtime.budget.most = 1
        internal = self.admission(acceptMax=3)
        for _ in range(3):
            self.assertTrue(internal.open())
            internal.admit()
        self.assertEqual(self.runtime.budget.running, 0)
        internal.release()
        self.assertEqual(self.runtime.budget.running, 0)

    def test_refused(self) -> None:
        """A refused client does not count."""
        admission = self.admission(self.launcher, acceptMax=3)
        admission._limits.bounds = Bounds(perSource=1)
        peer = ("192.0.2.1", 1)
        self.assertTrue(admission.admit(peer))
        self.assertFalse(admission.admit(peer))
        self.assertEqual(self.runtime.budget.running, 1)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.admission}."""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import Any

from inetdtw.interfaces import ILauncher
from inetdtw.limits.backoff import SHORTAGE_PAUSE
from inetdtw.limits.service import WINDOW, ServiceLimits
from inetdtw.model.service import Bounds
from inetdtw.model.state import PauseReason
from inetdtw.serve.admission import SHARE, AdmissionControl
from inetdtw.serve.undecided import MOMENT, Client
from inetdtw.system.descriptoraccount import DescriptorAccount
from inetdtw.system.descriptors import Purpose
from inetdtw.system.fdlimit import COUNTED, RESERVE
from inetdtw.system.test.test_descriptors import LIMIT, OTHERS, AccountTestCase
from inetdtw.test.fakes import ServingTestCase, makeService

PEER = ("192.0.2.1", 40000)
OTHER = ("192.0.2.2", 40000)


class GateTestCase(ServingTestCase):
    """Make the admission control of services that are being served."""

    def gate(
        self,
        launcher: ILauncher | None = None,
        account: DescriptorAccount | None = None,
        **bounds: Any,
    ) -> AdmissionControl:
        """Make one of a service that is not paused."""
        limits = ServiceLimits(Bounds(**bounds), self.reactor.seconds)
        given = self.serviceRuntime(makeService(), limits, launcher)
        return AdmissionControl(given, self.unpaused(), account)


class AdmissionControlTests(GateTestCase):
    """Tests for L{AdmissionControl}."""

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
        self.assertTrue(gate.holds)
        gate.reopen()
        self.assertTrue(gate.holds)
        gate.release(PEER)
        gate.reopen()
        self.assertFalse(gate.holds)
        self.assertTrue(gate.open())

    def test_room(self) -> None:
        """While the launcher has no room, the service is not read."""
        gate = self.gate(self.launcher)
        self.launcher.hasCapacity = False
        self.assertFalse(gate.open())
        self.assertTrue(gate.holds)
        self.launcher.makeRoom()
        self.assertFalse(gate.holds)
        self.assertTrue(gate.open())

    def test_shortage(self) -> None:
        """
        Without descriptors no program may be started, whoever asks; the port pauses,
        and the log says why.
        """
        gate = self.gate()
        short = self.patch(DescriptorAccount, "short", lambda account: True)
        self.assertFalse(gate.free())
        self.assertTrue(gate.holds)
        (stall,) = self.said("shortage")
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
        gate.holds.pause(PauseReason.CHILD)
        self.assertFalse(gate.open())
        self.assertTrue(gate.free())

    def test_rate(self) -> None:
        """
        Exactly as many starts as the bound says are let in; then the service pauses
        and comes back by itself, with a line for each.
        """
        gate = self.gate(serviceMax=3)
        self.assertEqual([gate.admit(PEER) for _ in range(4)], [True] * 3 + [False])
        self.assertTrue(gate.holds)
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["peer"], "192.0.2.1:40000")
        self.assertEqual(refuse["reason"], "rate limit (3/min) exceeded")
        (pause,) = self.said("pause")
        self.assertEqual(pause["seconds"], 60)
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
            self.assertTrue(gate.holds)
            self.reactor.advance(5)
            self.assertFalse(gate.holds)
        self.assertEqual([each["seconds"] for each in self.said("pause")], [5, 5])
        self.assertEqual(len(self.said("resume")), 2)

    def test_peerRate(self) -> None:
        """A client that comes too often is refused, and no other."""
        gate = self.gate(ipMax=1)
        self.assertTrue(gate.admit(PEER))
        self.assertFalse(gate.admit(PEER))
        self.assertTrue(gate.admit(OTHER))
        self.assertFalse(gate.holds)
        (refuse,) = self.said("refuse")
        self.assertIn("per-address rate limit (1/min)", refuse["reason"])

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
        serve, refuse = partial(said.append, "served"), partial(said.append, "refused")
        gate.let(Client(peer, serve, refuse))
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
        self.assertEqual(gate._limits.tally.refused, 1)
        (refuse,) = self.said("refuse")
        self.assertEqual(refuse["reason"], "per-address limit (1 at once) reached")

    def test_close(self) -> None:
        """When nobody is served any more it is refused."""
        gate = self.gate(perSource=1)
        gate.admit(PEER)
        said = self.let(gate)
        gate.close()
        gate.close()
        self.assertEqual(said, ["refused"])
        self.assertEqual((gate._limits.tally.refused, len(self.said("refuse"))), (1, 1))
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
        self.assertEqual(refuse["reason"], "per-/64 limit (1 at once) reached")
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
        gate.let(Client(PEER, lambda: 1 / 0))
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
        gate.let(Client(PEER, lambda: 1 / 0))
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
        (stall,) = self.said("shortage")
        self.assertEqual(stall["reason"], "Too many open files")


class Leftover:
    """What a program left behind."""

    def __init__(self, claim: Any) -> None:
        self.claim = claim
        self.left = 0

    def leave(self) -> None:
        """Close it."""
        self.left += 1
        self.claim.give()


class DescriptorTests(AccountTestCase, GateTestCase):
    """Tests for L{AdmissionControl} of a service with a L{DescriptorAccount}."""

    def own(
        self, purpose: Purpose = Purpose.INTERNAL, **given: Any
    ) -> AdmissionControl:
        """Make one for clients that have descriptors of a purpose."""
        return self.gate(
            account=DescriptorAccount(self.account, purpose, "test/tcp", **given)
        )

    def test_shortage(self) -> None:
        """Without enough of them a service takes no client for a moment."""
        gate = self.own()
        self.limit = 0
        self.noDescriptors(lambda: self.assertFalse(gate.open()))
        (stall,) = self.said("shortage")
        self.assertEqual(stall["reason"], os.strerror(errno.EMFILE))
        self.assertEqual(gate.holds.reasons, [PauseReason.SHORTAGE])
        self.limit = LIMIT
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(gate.open())

    def test_reserve(self) -> None:
        """What clients keep is not of the reserve."""
        gate = self.own(each=1)
        claim = self.account.take(LIMIT - RESERVE - OTHERS, Purpose.LISTENER)
        self.open = LIMIT - RESERVE
        self.assertFalse(gate.open())
        self.assertEqual(gate.holds.reasons, [PauseReason.SHORTAGE])
        claim.giveSome(1)
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(gate.open())

    def test_share(self) -> None:
        """
        A service that has its share takes no further client until one is released,
        with a line in the log.
        """
        gate = self.own(each=1)
        clients = 0
        while gate.open():
            self.assertTrue(gate.admit())
            clients += 1
        self.assertGreater(clients, 100)
        self.assertEqual(gate.holds.reasons, [PauseReason.DESCRIPTORS])
        (stall,) = self.said("shortage")
        self.assertIn(SHARE, stall["reason"])
        self.assertIn("test/tcp", stall["reason"])
        gate.release()
        self.assertTrue(gate.open())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_raised(self) -> None:
        """It takes clients again when the limit is raised, which nobody tells it of."""
        gate = self.own(each=1)
        while gate.open():
            gate.admit()
        self.limit *= 2
        self.reactor.advance(SHORTAGE_PAUSE)
        self.assertTrue(gate.open())

    def test_address(self) -> None:
        """A client of an address that has its share is turned away, and no other."""
        gate = self.own(each=1, bounded=True)
        while gate.admit(PEER):
            self.assertTrue(gate.open())
        (refuse,) = self.said("refuse")
        self.assertIn(SHARE, refuse["reason"])
        self.assertTrue(gate.open())
        self.assertTrue(gate.admit(("192.0.2.2", 40000)))
        gate.release(PEER)
        gate.release(PEER)
        self.assertTrue(gate.admit(PEER))

    def test_unbounded(self) -> None:
        """Addresses have no bound where clients are served by programs."""
        gate = self.own(Purpose.CHILD, each=2)
        while gate.open():
            self.assertTrue(gate.admit(PEER))
        self.assertEqual(gate.holds.reasons, [PauseReason.DESCRIPTORS])

    def test_claim(self) -> None:
        """One that is needed for a moment is had if there is one."""
        made = DescriptorAccount(self.account, Purpose.INTERNAL, "test/tcp")
        claim = made.claim(1)
        assert claim is not None
        self.assertEqual(self.account.taken(Purpose.INTERNAL), 1)
        claim.give()
        self.assertEqual(self.account.taken(Purpose.INTERNAL), 0)
        self.assertIsNone(made.claim(LIMIT // 2))
        self.limit = OTHERS
        self.reactor.advance(COUNTED)
        self.account.enough()
        self.assertIsNone(made.claim(1))

    def test_leftovers(self) -> None:
        """
        What programs that have ended left behind is closed for the next one, the
        oldest first.
        """
        gate = self.own(Purpose.CHILD, more=2)
        left = []
        while self.account.fits(2, Purpose.CHILD, "test/tcp"):
            left.append(Leftover(self.account.take(1, Purpose.CHILD, "test/tcp")))
            left[-1].claim.leftBehind(left[-1])
        self.assertTrue(gate.open())
        closed = [each.left for each in left]
        self.assertEqual(closed, [1] + [0] * (len(left) - 1))
        for each in left:
            each.claim.give()
        self.assertEqual(len(self.account.leftovers), 0)

    def test_noLeftovers(self) -> None:
        """For what has another share nothing is closed."""
        gate = self.own(each=1)
        claim = self.account.take(1, Purpose.CHILD, "other/tcp")
        leftover = Leftover(claim)
        claim.leftBehind(leftover)
        while gate.open():
            gate.admit()
        self.assertEqual(leftover.left, 0)


class BudgetTests(GateTestCase):
    """Tests for L{AdmissionControl} with a L{ProcessBudget<inetdtw.limits.budget.ProcessBudget>}."""

    def test_together(self) -> None:
        """
        Two services share the bound, and one that waits goes on when the other's
        program has ended.
        """
        self.runtime.budget.most = 1
        one, two = (
            self.gate(self.launcher, acceptMax=3),
            self.gate(self.launcher, acceptMax=3),
        )
        self.assertTrue(one.open())
        one.admit()
        self.assertFalse(two.open())
        self.assertFalse(two.free())
        self.assertEqual(two.holds.reasons, [PauseReason.TOTAL])
        one.release()
        self.assertTrue(two.open())

    def test_internal(self) -> None:
        """What is no program is not counted."""
        self.runtime.budget.most = 1
        internal = self.gate(acceptMax=3)
        for _ in range(3):
            self.assertTrue(internal.open())
            internal.admit()
        self.assertEqual(self.runtime.budget.running, 0)
        internal.release()
        self.assertEqual(self.runtime.budget.running, 0)

    def test_refused(self) -> None:
        """A client that is turned away is not counted."""
        gate = self.gate(self.launcher, acceptMax=3)
        gate._limits.bounds = Bounds(perSource=1)
        peer = ("192.0.2.1", 1)
        self.assertTrue(gate.admit(peer))
        self.assertFalse(gate.admit(peer))
        self.assertEqual(self.runtime.budget.running, 1)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.service}."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.limits.service import WINDOW, Admission, ServiceLimits
from inetdtw.model.service import Bounds

ADMIT = Admission.ADMIT


class LimitsTests(SynchronousTestCase):
    """Tests for L{ServiceLimits}."""

    def setUp(self) -> None:
        """Make a clock."""
        self.clock = Clock()
        self.clock.advance(1000)

    def limits(self, **bounds: Any) -> ServiceLimits:
        """Make the limits of a service."""
        return ServiceLimits(Bounds(**bounds), self.clock.seconds)

    def admit(
        self, limits: ServiceLimits, count: int, peer: str = ""
    ) -> list[Admission]:
        """Ask for so many."""
        return [limits.admit(peer) for _ in range(count)]

    def test_noBounds(self) -> None:
        """Without bounds any number may start, and run."""
        limits = self.limits()
        self.assertEqual(set(self.admit(limits, 1000, "a")), {ADMIT})
        self.assertFalse(limits.full)
        self.assertEqual(limits.running, 1000)

    def test_window(self) -> None:
        """A rate counts over a minute."""
        self.assertEqual(WINDOW, 60)

    def test_rate(self) -> None:
        """Exactly as many clients as the rate allows are admitted (item 63)."""
        limits = self.limits(serviceMax=3)
        wanted = [ADMIT] * 3 + [Admission.TRIPPED] * 2
        self.assertEqual(self.admit(limits, 5), wanted)
        self.assertEqual(limits.running, 3)

    def test_rateRecovers(self) -> None:
        """After a minute as many may start again, with no operator (item 64)."""
        limits = self.limits(serviceMax=3)
        self.admit(limits, 4)
        self.clock.advance(59.9)
        self.assertEqual(limits.admit(), Admission.TRIPPED)
        self.clock.advance(0.1)
        wanted = [ADMIT] * 3 + [Admission.TRIPPED]
        self.assertEqual(self.admit(limits, 4), wanted)

    def test_rateSlides(self) -> None:
        """The minute is the last one at any time, not that of a clock (item 68)."""
        limits = self.limits(serviceMax=2)
        self.admit(limits, 1)
        self.clock.advance(40)
        self.admit(limits, 1)
        self.clock.advance(20)
        self.assertEqual(self.admit(limits, 2), [ADMIT, Admission.TRIPPED])
        self.clock.advance(40)
        self.assertEqual(self.admit(limits, 2), [ADMIT, Admission.TRIPPED])

    def test_rateOfEnded(self) -> None:
        """Those that have ended count for a rate as well."""
        limits = self.limits(serviceMax=1)
        limits.admit("a")
        limits.release("a")
        self.assertEqual(limits.admit("a"), Admission.TRIPPED)

    def test_refusedDoNotCount(self) -> None:
        """Refused clients do not count, so a service recovers during a flood."""
        limits = self.limits(serviceMax=1, ipMax=1)
        limits.admit("a")
        for _ in range(59):
            self.clock.advance(1)
            self.assertNotEqual(limits.admit("a"), ADMIT)
        self.clock.advance(1)
        self.assertEqual(limits.admit("a"), ADMIT)

    def test_otherServices(self) -> None:
        """What one service has reached is nothing to another (item 65)."""
        self.admit(self.limits(serviceMax=1, acceptMax=1), 2, "a")
        other = self.limits(serviceMax=1, acceptMax=1)
        self.assertFalse(other.full)
        self.assertEqual(other.admit("a"), ADMIT)

    def test_full(self) -> None:
        """A service is full until a program has ended (items 66 and 70)."""
        limits = self.limits(acceptMax=2)
        limits.admit("a")
        self.assertFalse(limits.full)
        limits.admit("a")
        self.assertTrue(limits.full)
        limits.release("a")
        self.assertFalse(limits.full)
        self.assertEqual(limits.running, 1)

    def test_one(self) -> None:
        """The limit may be one."""
        limits = self.limits(acceptMax=1)
        self.assertFalse(limits.full)
        limits.admit()
        self.assertTrue(limits.full)

    def test_busyPeer(self) -> None:
        """An address has its own limit of running programs (items 67 and 70)."""
        limits = self.limits(perSource=2)
        wanted = [ADMIT, ADMIT, Admission.PEER_BUSY]
        self.assertEqual(self.admit(limits, 3, "a"), wanted)
        self.assertEqual(self.admit(limits, 3, "b"), wanted)
        limits.release("a")
        self.assertEqual(self.admit(limits, 2, "a"), [ADMIT, Admission.PEER_BUSY])
        self.assertEqual(limits.admit("b"), Admission.PEER_BUSY)

    def test_peerRate(self) -> None:
        """An address has its own rate limit over a sliding minute (item 68)."""
        limits = self.limits(ipMax=2)
        limits.admit("a")
        self.clock.advance(30)
        self.assertEqual(self.admit(limits, 2, "a"), [ADMIT, Admission.PEER_RATE])
        self.assertEqual(limits.admit("b"), ADMIT)
        self.clock.advance(30)
        self.assertEqual(self.admit(limits, 2, "a"), [ADMIT, Admission.PEER_RATE])

    def test_unknownPeer(self) -> None:
        """Clients without an address are not counted by it."""
        limits = self.limits(perSource=1, ipMax=1)
        self.assertEqual(self.admit(limits, 3), [ADMIT] * 3)
        limits.release()
        self.assertEqual(limits.running, 2)

    def test_order(self) -> None:
        """A client above its own limit does not count for the service's limit."""
        limits = self.limits(serviceMax=2, ipMax=1, perSource=1)
        wanted = [ADMIT, Admission.PEER_BUSY]
        self.assertEqual(self.admit(limits, 2, "a"), wanted)
        limits.release("a")
        self.assertEqual(limits.admit("a"), Admission.PEER_RATE)
        self.assertEqual(limits.admit("b"), ADMIT)
        self.assertEqual(limits.admit("c"), Admission.TRIPPED)

    def test_bound(self) -> None:
        """It is known which bound led to a verdict, for a message."""
        limits = self.limits(acceptMax=1, serviceMax=2, ipMax=3, perSource=4)
        bounds = [limits.bound(each) for each in Admission]
        self.assertEqual(bounds, [0, 2, 3, 4, 6000])
        messages = [each.value.format(limits.bound(each)) for each in Admission]
        self.assertEqual(
            messages,
            [
                "admitted",
                "rate limit (2/min) exceeded",
                "per-address rate limit (3/min) exceeded",
                "per-address limit (4 at once) reached",
                "per-address limit (6000 answers/min) exceeded",
            ],
        )

    def test_lowered(self) -> None:
        """Bounds may be lowered while more than that run."""
        limits = self.limits(acceptMax=5, perSource=5)
        self.admit(limits, 3, "a")
        limits.bounds = Bounds(acceptMax=2, perSource=2)
        for _ in range(2):
            self.assertTrue(limits.full)
            self.assertEqual(limits.admit("a"), Admission.PEER_BUSY)
            limits.release("a")
        self.assertFalse(limits.full)
        self.assertEqual(limits.admit("a"), ADMIT)

    def test_raised(self) -> None:
        """Bounds may be raised, or lifted, at any time."""
        limits = self.limits(acceptMax=1, serviceMax=1, perSource=1, ipMax=1)
        limits.admit("a")
        limits.bounds = Bounds(2, 2, 2, 2)
        self.assertFalse(limits.full)
        self.assertEqual(limits.admit("a"), ADMIT)
        limits.bounds = Bounds()
        self.assertEqual(limits.admit("a"), ADMIT)

    def test_introduced(self) -> None:
        """A bound for one address counts those that run already."""
        limits = self.limits()
        limits.admit("a")
        limits.bounds = Bounds(perSource=2)
        self.assertEqual(self.admit(limits, 2, "a"), [ADMIT, Admission.PEER_BUSY])
        limits.release("a")
        self.assertEqual(self.admit(limits, 2, "a"), [ADMIT, Admission.PEER_BUSY])
        for _ in range(2):
            limits.release("a")
        self.assertEqual(limits.running, 0)

    def test_forgets(self) -> None:
        """Nothing is kept of addresses without programs or recent starts."""
        limits = self.limits(ipMax=5, perSource=5, serviceMax=100000)
        for number in range(1000):
            limits.admit(f"peer{number}")
            limits.release(f"peer{number}")
            self.clock.advance(1)
        self.assertRemembers(limits, 61)

    def test_forgetsBehindOthers(self) -> None:
        """Addresses are forgotten though another one comes all the time."""
        limits = self.limits(ipMax=1000)
        for number in range(1000):
            for peer in ("a", f"peer{number}"):
                limits.admit(peer)
                limits.release(peer)
            self.clock.advance(1)
        self.assertRemembers(limits, 62)

    def assertRemembers(self, limits: ServiceLimits, most: int) -> None:
        """No more than so many clients are remembered, in either way."""
        known = [value for value in vars(limits).values() if hasattr(value, "__len__")]
        self.assertEqual(len(known), 3)
        self.assertLessEqual(max(map(len, known)), most)


class CountsTests(SynchronousTestCase):
    """Tests for what L{ServiceLimits} reports of the past."""

    def test_counts(self) -> None:
        """All that were admitted are counted, and all that were not."""
        limits = ServiceLimits(Bounds(perSource=1), lambda: 0.0)
        for _ in range(3):
            limits.admit("a")
        self.assertEqual((limits.tally.admitted, limits.tally.refused), (1, 2))

    def test_forgive(self) -> None:
        """As many clients as before are admitted after C{resetRate}."""
        limits = ServiceLimits(Bounds(serviceMax=1), lambda: 0.0)
        limits.admit("a")
        self.assertIs(limits.admit("b"), Admission.TRIPPED)
        limits.resetRate()
        self.assertIs(limits.admit("a"), Admission.ADMIT)


class SourcesTests(SynchronousTestCase):
    """Tests for the sources that L{ServiceLimits} counts."""

    ONE, SAME, OTHER = "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"

    def test_atOnce(self) -> None:
        """All addresses of a /64 share the limit of running programs."""
        limits = ServiceLimits(Bounds(perSource=2), lambda: 0.0)
        for peer in (self.ONE, self.SAME, self.OTHER):
            self.assertIs(limits.admit(peer), ADMIT)
        for peer in (self.ONE, self.SAME, "2001:db8::3"):
            self.assertIs(limits.admit(peer), Admission.PEER_BUSY)
        limits.release(self.SAME)
        self.assertIs(limits.admit("2001:db8::3"), ADMIT)
        self.assertIs(limits.admit(self.OTHER), ADMIT)

    def test_rate(self) -> None:
        """So it is with their starts in a minute."""
        limits = ServiceLimits(Bounds(ipMax=1), lambda: 0.0)
        self.assertIs(limits.admit(self.ONE), ADMIT)
        self.assertIs(limits.admit(self.SAME), Admission.PEER_RATE)
        self.assertIs(limits.admit(self.OTHER), ADMIT)

    def test_prefix(self) -> None:
        """The length of the prefix is configurable for both families."""
        bounds = Bounds(perSource=1, sourcePrefix=(24, 128))
        limits = ServiceLimits(bounds, lambda: 0.0)
        for peer in (self.ONE, self.SAME, "192.0.2.1", "192.0.3.1"):
            self.assertIs(limits.admit(peer), ADMIT)
        self.assertIs(limits.admit("192.0.2.2"), Admission.PEER_BUSY)

    def test_changed(self) -> None:
        """Running programs count for the new prefix when a reload changes it."""
        limits = ServiceLimits(Bounds(perSource=1, sourcePrefix=(32, 128)), lambda: 0.0)
        limits.admit(self.ONE)
        limits.bounds = Bounds(perSource=1)
        self.assertIs(limits.admit(self.SAME), Admission.PEER_BUSY)
        limits.bounds = Bounds(perSource=1, sourcePrefix=(32, 128))
        self.assertIs(limits.admit(self.SAME), ADMIT)
        limits.bounds = Bounds(perSource=2)
        self.assertIs(limits.admit(self.SAME), Admission.PEER_BUSY)
        for peer in (self.ONE, self.SAME):
            limits.release(peer)
        self.assertEqual(limits.running, 0)
        known = [each for each in vars(limits).values() if hasattr(each, "__len__")]
        self.assertEqual([len(each) for each in known], [0, 0, 0])

    def test_rateChanged(self) -> None:
        """When the prefix changes, the starts of the last minute are counted anew."""
        limits = ServiceLimits(Bounds(ipMax=1), lambda: 0.0)
        limits.admit(self.ONE)
        limits.bounds = Bounds(ipMax=1, pause=1)
        self.assertIs(limits.admit(self.ONE), Admission.PEER_RATE)
        limits.bounds = Bounds(ipMax=1, sourcePrefix=(32, 56))
        self.assertIs(limits.admit(self.ONE), ADMIT)
        self.assertIs(limits.admit(self.OTHER), Admission.PEER_RATE)

    def test_about(self) -> None:
        """A reason has the length of the prefix, unless that is one host."""
        limits = ServiceLimits(Bounds(perSource=4, ipMax=3), lambda: 0.0)
        for peer, what in ((self.ONE, "/64"), ("192.0.2.1", "address")):
            reason = limits.about(Admission.PEER_BUSY, peer)
            self.assertEqual(reason, f"per-{what} limit (4 at once) reached")
            reason = limits.about(Admission.PEER_RATE, peer)
            self.assertEqual(reason, f"per-{what} rate limit (3/min) exceeded")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.undecided}."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.serve.undecided import MOMENT, MOST, AcceptedClient, Undecided


class UndecidedTests(SynchronousTestCase):
    """Tests for L{Undecided}."""

    def setUp(self) -> None:
        """Every source is busy, and there is capacity."""
        self.clock = Clock()
        self.busy = {"a", "b"}
        self.free = True
        self.decided: list[str] = []
        self.undecided = Undecided(
            self.clock,
            lambda source: source in self.busy,
            lambda: self.free,
            self.decide,
        )

    def decide(self, client: AcceptedClient) -> None:
        """Record which client was decided on, and how."""
        self.decided.append(client.peer)
        (client.refuse if client.source in self.busy else client.serve)()

    def keep(self, peer: str, most: int = MOST) -> bool:
        """Add a client, whose source is the first letter of its name."""
        record = self.decided.append
        client = AcceptedClient(
            peer, lambda: record("served"), lambda: record("refused"), peer[0]
        )
        return self.undecided.keep(client, most)

    def test_moment(self) -> None:
        """A client is decided on after a moment."""
        self.assertTrue(self.keep("a1"))
        self.clock.advance(MOMENT / 2)
        self.assertEqual((self.decided, len(self.undecided)), ([], 1))
        self.clock.advance(MOMENT / 2)
        self.assertEqual(self.decided, ["a1", "refused"])
        self.assertEqual(len(self.undecided), 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_reportsFirst(self) -> None:
        """If the reactor is late, reports are read before the decision."""
        self.keep("a1")
        # The reactor calls what is due, reads, and only then calls what that added.
        due: Any = self.clock.calls.pop()
        due.func(*due.args)
        self.assertEqual(self.decided, [])
        self.busy.clear()
        self.undecided.look()
        self.assertEqual(self.decided, ["a1", "served"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_order(self) -> None:
        """Clients are served in order."""
        for peer in ("a1", "b1", "a2"):
            self.keep(peer)
        self.busy.clear()
        self.undecided.look()
        self.assertEqual(self.decided[::2], ["a1", "b1", "a2"])

    def test_others(self) -> None:
        """Clients whose sources are still at their limit are not decided on."""
        self.keep("a1")
        self.keep("b1")
        self.busy.remove("b")
        self.undecided.look()
        self.assertEqual(self.decided, ["b1", "served"])
        self.assertEqual(len(self.undecided), 1)

    def test_capacity(self) -> None:
        """A client that waits for capacity only is not refused."""
        self.keep("a1")
        self.free = False
        self.busy.clear()
        self.undecided.look()
        for _ in range(9):
            self.clock.advance(MOMENT)
        self.assertEqual(self.decided, [])
        self.free = True
        self.clock.advance(MOMENT)
        self.assertEqual(self.decided, ["a1", "served"])

    def test_most(self) -> None:
        """The number of undecided clients is bounded, for one source and for all."""
        self.assertEqual([self.keep("a", 2) for _ in range(3)], [True, True, False])
        self.assertEqual(self.keep("b", 2), True)
        kept = [self.keep(f"{chr(200 + number)}", 2) for number in range(MOST)]
        self.assertEqual(kept.count(True), MOST - 3)
        self.assertEqual(len(self.undecided), MOST)

    def test_nested(self) -> None:
        """A client is decided on once, also within the decision on another."""
        record = self.decided.append
        client = AcceptedClient(
            "a1", self.undecided.look, lambda: record("refused"), "a"
        )
        self.undecided.keep(client, 9)
        self.keep("a2")
        self.busy.clear()
        self.undecided.look()
        self.assertEqual(self.decided, ["a1", "a2", "served"])

    def test_takeAll(self) -> None:
        """C{takeAll} returns all clients."""
        self.keep("a1")
        self.keep("b1")
        taken = self.undecided.takeAll()
        self.assertEqual([client.peer for client in taken], ["a1", "b1"])
        taken[0].refuse()
        self.assertEqual(self.decided, ["refused"])
        self.assertEqual(self.undecided.takeAll(), [])
        self.assertEqual(self.clock.getDelayedCalls(), [])

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.serve.child}."""

from __future__ import annotations

from zope.interface.verify import verifyObject

from inetdtw.interfaces import ExitStatus, IChild
from inetdtw.launch.warm.test.played import KEPT
from inetdtw.serve.child import Child
from inetdtw.test.fakes import ServingTestCase, makeService

PEER = ("192.0.2.1", 40000)


class ChildTests(ServingTestCase):
    """Tests for L{Child}."""

    def setUp(self) -> None:
        """Make a child that was just requested."""
        super().setUp()
        self.done: list[Child] = []
        self.child = Child(makeService(), PEER, self.runtime, self.done.append)

    def test_interface(self) -> None:
        """A launcher can notify it of what happens."""
        verifyObject(IChild, self.child)

    def test_life(self) -> None:
        """Start and exit are logged, and the service is notified of the exit."""
        self.child.started(4)
        self.assertEqual(self.done, [])
        self.reactor.advance(2.5)
        self.child.ended(ExitStatus(3, cpu=0.25))
        self.assertEqual(self.done, [self.child])
        self.assertEqual(self.child.how, ExitStatus(3, cpu=0.25))
        (start,) = self.logged("start")
        self.assertEqual((start["service"], start["pid"]), ("test/tcp", 4))
        self.assertEqual(start["peer"], "192.0.2.1:40000")
        (end,) = self.logged("exit")
        self.assertEqual((end["service"], end["pid"]), ("test/tcp", 4))
        self.assertEqual((end["status"], end["seconds"]), (3, 2.5))

    def test_lived(self) -> None:
        """A helper process knows better for how long it has run."""
        self.child.started(4)
        self.reactor.advance(2.5)
        self.child.ended(ExitStatus(0, lived=0.25))
        self.assertEqual(self.logged("exit")[0]["seconds"], 0.25)

    def test_warm(self) -> None:
        """A program of a warm service starts cold unless a launcher says otherwise."""
        self.assertIsNone(self.child.warm)
        service = makeService(warm=KEPT)
        cold, warm = (Child(service, PEER, self.runtime, print) for _ in range(2))
        warm.warm = True
        for child in (self.child, cold, warm):
            child.started(4)
        starts = [event.get("start") for event in self.logged("start")]
        self.assertEqual(starts, [None, "cold", "warm"])
        tally = self.runtime.tallies["test/tcp"]
        self.assertEqual((tally.cold, tally.warm), (2, 1))

    def test_failed(self) -> None:
        """An executable that was not found is logged, and the child is over."""
        self.child.failed("'/x' is not there")
        self.assertEqual(self.done, [self.child])
        self.assertIsNone(self.child.how)
        (fail,) = self.logged("start-failed")
        self.assertEqual(fail["reason"], "'/x' is not there")
        self.assertEqual(self.runtime.tallies["test/tcp"].failed, 1)

    def test_since(self) -> None:
        """A child has the time of its launch request."""
        self.reactor.advance(7)
        later = Child(makeService(), None, self.runtime, self.done.append)
        self.assertEqual((self.child.since, later.since), (0, 7))

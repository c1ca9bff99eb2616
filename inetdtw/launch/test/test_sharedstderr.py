# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.sharedstderr}."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.launch.sharedstderr import SharedStderrReader
from inetdtw.launch.stderr import CAPACITY, LAST, LINES, PAUSE, StderrReader
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.test.fakes import FakeReactor, openDescriptors


class SharedStderrReaderTests(SynchronousTestCase):
    """Tests for L{SharedStderrReader}."""

    def setUp(self) -> None:
        """Make a reader whose write end a helper process has."""
        self.reactor = FakeReactor()
        self.addCleanup(self.reactor.close)
        self.open: set[StderrReader] = set()
        self.lines: list[str] = []
        self.before = openDescriptors()
        self.account = Descriptors(self.reactor.seconds)
        claim = self.account.take(2, Purpose.HELPER, "svc")
        self.reader = SharedStderrReader(self.reactor, self.open, claim=claim)
        self.helper = os.dup(self.reader.writeEnd)

    def start(self, name: str) -> None:
        """Start a program."""
        self.reader.start(lambda line: self.lines.append(f"{name} {line}"))

    def retire(self) -> None:
        """Let the helper process start no more programs."""
        os.close(self.helper)
        self.reader.retire()

    def assertClosed(self) -> None:
        """Assert that the pipe is closed."""
        self.reactor.settle()
        self.assertEqual(self.open, set())
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual(openDescriptors(), self.before)
        self.assertEqual(self.account.taken(Purpose.HELPER), 0)

    def test_each(self) -> None:
        """The lines of each program are logged before its exit, as its own."""
        for name in ("a", "b"):
            self.start(name)
            os.write(self.helper, b"1\n2")
            self.reactor.settle()
            self.assertEqual(self.lines, [f"{name} 1"])
            self.reader.finish()
            self.assertEqual(self.lines, [f"{name} 1", f"{name} 2"])
            self.lines.clear()
        self.retire()
        self.assertClosed()

    def test_background(self) -> None:
        """What a background child writes is logged as output of the last program."""
        self.start("a")
        self.reader.finish()
        os.write(self.helper, b"late\n")
        self.reactor.settle()
        self.assertEqual(self.lines, ["a late"])
        self.retire()
        self.assertClosed()

    def test_many(self) -> None:
        """
        The lines that are not logged yet at an exit are logged later.

        Those that were read are the exited program's, although the next one has
        started.
        """
        self.start("a")
        os.write(self.helper, b"x\n" * 3 * LAST)
        self.reader.finish()
        self.assertEqual(self.lines, ["a x"] * LAST)
        self.start("b")
        self.assertEqual(self.reactor.getReaders(), [])
        while self.reactor.getDelayedCalls():
            self.reactor.advance(0)
        self.assertEqual(self.lines, ["a x"] * 3 * LAST)
        os.write(self.helper, b"y\n" * LINES)
        self.reader.finish()
        self.retire()
        while self.reactor.getDelayedCalls():
            self.reactor.advance(0)
        self.assertEqual(self.lines[3 * LAST :], ["b y"] * LINES)
        self.assertClosed()

    def test_suppressed(self) -> None:
        """Lines over the rate limit are read and left out, so that nothing blocks."""
        counts: list[int] = []

        def suppress(lines: int) -> bool:
            counts.append(lines)
            return True

        self.reader.start(lambda line: False, suppress)
        for _ in range(3):
            os.write(self.helper, b"x\n" * (CAPACITY // 2))
            self.reader.finish()
            self.reader.start(lambda line: False, suppress)
            self.reactor.advance(PAUSE)
        self.assertGreater(sum(counts), CAPACITY)
        self.reader.finish()
        self.retire()
        self.reactor.advance(PAUSE)
        self.assertClosed()

    def test_retireWhileRunning(self) -> None:
        """The pipe is closed when the last program has exited."""
        self.start("a")
        self.retire()
        self.assertEqual(self.open, {self.reader})
        self.reader.finish()
        self.assertClosed()

    def test_retiredUnused(self) -> None:
        """The pipe is closed if no program was started."""
        self.retire()
        self.assertClosed()

    def test_leave(self) -> None:
        """When the daemon stops, lines are logged; later exits change nothing."""
        self.start("a")
        os.write(self.helper, b"last")
        os.close(self.helper)
        self.reactor.settle()
        self.reader.leave()
        self.assertEqual(self.lines, ["a last"])
        self.reader.finish()
        self.reader.retire()
        self.start("b")
        self.assertClosed()

    def test_needed(self) -> None:
        """A pipe that a background child keeps is closed for others that need it."""
        self.start("a")
        self.reader.retire()
        self.reader.finish()
        self.assertEqual(self.account.taken(Purpose.HELPER), 1)
        claim = self.account.leftovers.oldest()
        assert claim is not None
        claim.abandon()
        os.close(self.helper)
        self.assertClosed()

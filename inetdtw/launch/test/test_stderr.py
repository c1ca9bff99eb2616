# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.stderr}."""

from __future__ import annotations

import os
import select

from zope.interface.verify import verifyObject

from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from inetdtw.launch.stderr import BATCH, CAPACITY, LAST, LINES, StderrReader
from inetdtw.system.descriptors import Descriptors, Purpose
from inetdtw.test.fakes import FakeReactor, openDescriptors


class StderrTestCase(SynchronousTestCase):
    """A test of L{StderrReader}."""

    def setUp(self) -> None:
        """Make a reactor and the set of readers."""
        self.reactor = FakeReactor()
        self.addCleanup(self.reactor.close)
        self.open: set[StderrReader] = set()
        self.lines: list[str] = []
        self.before = openDescriptors()

    def reader(self) -> tuple[StderrReader, int]:
        """Return a reader and the write end of the program."""
        made = StderrReader(self.reactor, self.open)
        program = os.dup(made.writeEnd)
        return made, program

    def started(self) -> tuple[StderrReader, int]:
        """Return a reader that reads, and the write end of the program."""
        made, program = self.reader()
        made.start(self.lines.append)
        return made, program

    def assertFull(self, program: int) -> None:
        """Assert that writes of the program fail when the pipe is full."""
        with self.assertRaises(BlockingIOError):
            for _ in range(2 * CAPACITY // BATCH):
                os.write(program, bytes(BATCH))

    def goOn(self) -> None:
        """Run reactor iterations until nothing is left to do."""
        self.reactor.settle()
        while self.reactor.getDelayedCalls():
            self.reactor.advance(0)
            self.reactor.settle()

    def assertDone(self) -> None:
        """Assert that the reader has stopped, and no descriptor is leaked."""
        self.assertEqual(self.open, set())
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(openDescriptors(), self.before)


class StderrReaderTests(StderrTestCase):
    """Tests for L{StderrReader}."""

    def claimed(self) -> tuple[StderrReader, int, Descriptors]:
        """Return a reader with the account that counts both ends of its pipe."""
        account = Descriptors()
        claim = account.take(2, Purpose.CHILD, "test/tcp")
        made = StderrReader(self.reactor, self.open, -1, claim)
        return made, os.dup(made.writeEnd), account

    def test_claim(self) -> None:
        """Each end of the pipe is released when it is closed."""
        made, program, account = self.claimed()
        made.start(self.lines.append)
        self.assertEqual(account.taken(Purpose.CHILD), 2)
        made.finish()
        self.assertEqual(account.taken(Purpose.CHILD), 1)
        os.close(program)
        self.goOn()
        self.assertEqual(account.taken(Purpose.CHILD), 0)
        self.assertEqual(len(account.leftovers), 0)
        self.assertDone()

    def test_leftBehind(self) -> None:
        """
        The output of background children is read until the descriptor is needed.

        Their writes never block.
        """
        made, program, account = self.claimed()
        made.start(self.lines.append)
        made.finish()
        os.write(program, b"left\n")
        self.goOn()
        self.assertEqual(self.lines, ["left"])
        oldest = account.leftovers.oldest()
        assert oldest is not None
        oldest.abandon()
        self.assertEqual(account.taken(Purpose.CHILD), 0)
        self.assertEqual(len(account.leftovers), 0)
        self.assertFull(program)
        os.close(program)
        self.assertDone()

    def test_interface(self) -> None:
        """The request provides C{IReadDescriptor}."""
        made, program = self.reader()
        os.close(program)
        self.addCleanup(made.leave)
        verifyObject(IReadDescriptor, made)

    def test_lines(self) -> None:
        """Lines are logged while the program runs, and the rest after its exit."""
        made, program = self.started()
        os.write(program, b"one\ntwo\nthr")
        self.reactor.settle()
        self.assertEqual(self.lines, ["one", "two"])
        os.write(program, b"ee\nfour")
        os.close(program)
        made.finish()
        self.assertEqual(self.lines, ["one", "two", "three", "four"])
        self.assertDone()

    def test_much(self) -> None:
        """
        All that fits into the pipe is logged after the exit of the program.

        Some of it is logged at once, the rest in later reactor iterations.
        """
        made, program = self.started()
        os.write(program, b"0123456789abcde\n" * 3000)
        os.close(program)
        made.finish()
        self.assertEqual(len(self.lines), LAST)
        self.goOn()
        self.assertEqual(self.lines, ["0123456789abcde"] * 3000)
        self.assertDone()

    def test_writesOn(self) -> None:
        """The exit of a program is not delayed by background children that write."""
        made, program = self.reader()

        def record(line: str) -> None:
            self.lines.append(line)
            if len(self.lines) < 1000:
                os.write(program, b"x\nx\n")

        made.start(record)
        os.write(program, b"y\n")
        made.finish()
        self.assertEqual(len(self.lines), LAST)
        self.goOn()
        self.assertEqual(len(self.lines), 1 + 2 * 999)
        os.close(program)
        self.goOn()
        self.assertDone()

    def test_emptyLines(self) -> None:
        """The exit is not delayed by output without an end of line."""
        made, program = self.reader()
        real = os.read

        def refilled(fd: int, most: int) -> bytes:
            self.lines.append("")
            if len(self.lines) < 1000:
                os.write(program, b"\n" * most)
            return real(fd, most)

        made.start(self.lines.append)
        self.patch(os, "read", refilled)
        made.finish()
        self.assertEqual(len(self.lines), CAPACITY // BATCH)
        os.close(program)
        made.leave()
        self.assertDone()

    def test_oneTurn(self) -> None:
        """Only one call for the next reactor iteration is scheduled."""
        made, program = self.started()
        os.write(program, b"a\n" * 1000)
        self.reactor.turn()
        os.close(program)
        made.finish()
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        made.leave()
        self.assertDone()

    def test_early(self) -> None:
        """Output from before the start was reported is kept until then."""
        made, program = self.reader()
        os.write(program, b"one\n")
        self.reactor.settle()
        self.assertEqual(self.lines, [])
        made.start(self.lines.append)
        self.reactor.settle()
        self.assertEqual(self.lines, ["one"])
        os.close(program)
        made.finish()
        self.assertDone()

    def test_failed(self) -> None:
        """A program that could not be started leaves nothing open."""
        made, program = self.reader()
        os.close(program)
        made.finish()
        self.assertEqual(self.lines, [])
        self.assertDone()

    def test_heirs(self) -> None:
        """The output of background children is logged until the last has exited."""
        made, program = self.started()
        made.finish()
        os.write(program, b"still here\n")
        self.reactor.settle()
        self.assertEqual(self.lines, ["still here"])
        os.close(program)
        self.reactor.settle()
        self.assertDone()

    def test_whileItRuns(self) -> None:
        """While the daemon runs, a program that writes much blocks."""
        made, program = self.started()
        self.assertTrue(os.get_blocking(program))
        os.close(program)
        made.finish()

    def test_reactorStops(self) -> None:
        """When the reactor stops, the pipe is closed as at the end of the daemon."""
        made, program = self.started()
        made.connectionLost(Failure(ConnectionDone()))
        self.assertFalse(os.get_blocking(program))
        os.close(program)
        self.assertDone()

    def test_reopened(self) -> None:
        """A program can open its standard error by name, as shell scripts do."""
        made, program = self.started()
        again = os.open(f"/proc/self/fd/{program}", os.O_WRONLY)
        os.write(again, b"by name\n")
        os.close(again)
        os.close(program)
        made.finish()
        self.assertEqual(self.lines, ["by name"])

    def test_noProc(self) -> None:
        """Without a proc file system, the pipe is an ordinary one."""
        self.patch(os.path, "exists", lambda path: False)
        made, program = self.started()
        os.write(program, b"one\n")
        os.close(program)
        made.finish()
        self.assertEqual(self.lines, ["one"])
        self.assertDone()

    def test_noDescriptors(self) -> None:
        """Without free descriptors, none is leaked."""

        def none(*arguments: object) -> int:
            raise OSError(24, "Too many open files")

        self.patch(os, "open", none)
        self.assertRaises(OSError, StderrReader, self.reactor, self.open)
        self.assertDone()

    def test_fair(self) -> None:
        """
        Only some bytes are read at once, and only some lines are logged.

        No more is read before all lines are logged.
        """
        made, program = self.started()
        os.write(program, b"a\n" * 30000)
        self.reactor.turn()
        self.assertEqual(len(self.lines), LINES)
        self.assertFalse(self.reactor.turn())
        self.reactor.advance(0)
        self.assertEqual(len(self.lines), BATCH // 2)
        poll = select.poll()
        poll.register(made.fileno(), select.POLLIN)
        self.assertTrue(poll.poll(0))
        self.goOn()
        self.assertEqual(len(self.lines), 30000)
        os.close(program)
        made.leave()

    def test_share(self) -> None:
        """Several programs share the lines of an iteration; each has at least one."""
        made = [self.reader() for _ in range(LINES // 2)]
        for number in range(2):
            made[number][0].start(self.lines.append)
            os.write(made[number][1], b"a\n" * 100)
        self.reactor.turn()
        self.assertEqual(len(self.lines), 2 * 2)
        made += [self.reader() for _ in range(LINES)]
        made[-1][0].start(self.lines.append)
        os.write(made[-1][1], b"b\n" * 100)
        self.reactor.turn()
        self.assertEqual(self.lines.count("b"), 1)
        for each, program in made:
            os.close(program)
            each.leave()
        self.assertDone()

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.launch.stderr}: lines that are not logged."""

from __future__ import annotations

import os

from inetdtw.launch.stderr import CAPACITY, LAST, LINES, PAUSE
from inetdtw.launch.test.test_stderr import StderrTestCase


class LeftOutTests(StderrTestCase):
    """Tests for lines that are not logged."""

    def few(self, line: str) -> bool:
        """Set the rate to three lines."""
        if len(self.lines) == 3:
            self.left += 1
            return False
        self.lines.append(line)
        return True

    def leaveOut(self, lines: int) -> bool:
        """Count suppressed lines."""
        self.left += lines
        return len(self.lines) == 3

    def test_leftOut(self) -> None:
        """
        Lines over the rate are read and counted; the program does not block.

        They are read with pauses.  Later lines are logged when the rate allows.
        """
        self.left = 0
        made, program = self.reader()
        made.start(self.few, self.leaveOut)
        os.write(program, b"line\n" * 100)
        self.reactor.settle()
        self.assertEqual((len(self.lines), self.left), (3, 97))
        for _ in range(5):
            os.write(program, b"x\n" * (CAPACITY // 2))
            self.assertEqual(self.reactor.getReaders(), [])
            self.reactor.advance(PAUSE)
        self.assertEqual(self.left, 97 + 5 * CAPACITY // 2)
        # When it writes nothing, nothing is tried.
        self.reactor.advance(PAUSE)
        self.assertEqual(self.reactor.getReaders(), [made])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.lines.clear()
        os.write(program, b"again\n")
        self.reactor.settle()
        self.assertEqual(self.lines, ["again"])
        os.close(program)
        made.finish()
        self.assertDone()

    def test_leftOutAtEnd(self) -> None:
        """Suppressed lines are read to the end when the program has exited."""
        self.left = 0
        made, program = self.reader()
        made.start(self.few, self.leaveOut)
        os.write(program, b"line\n" * 10000)
        os.close(program)
        made.finish()
        self.goOn()
        self.assertEqual((len(self.lines), self.left), (3, 9997))
        self.assertDone()

    def test_leaveMuch(self) -> None:
        """The daemon does not read all output before it stops."""
        made, program = self.started()
        os.write(program, b"a\n" * 1000)
        self.reactor.turn()
        made.leave()
        self.assertEqual(len(self.lines), LINES + LAST)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        os.close(program)
        made.finish()
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertDone()

    def test_leaveUnended(self) -> None:
        """A line without an end is logged when the daemon stops."""
        made, program = self.started()
        os.write(program, b"one\ntwo")
        self.reactor.settle()
        made.leave()
        self.assertEqual(self.lines, ["one", "two"])
        os.close(program)
        self.assertDone()

    def test_leave(self) -> None:
        """
        A program that outlives the daemon can write.

        It gets no SIGPIPE, and its writes do not block.
        """
        made, program = self.started()
        made.leave()
        os.write(program, b"one\n")
        self.assertFull(program)
        os.close(program)
        self.assertEqual(self.lines, [])
        self.assertDone()

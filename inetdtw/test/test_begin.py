# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Tests for L{inetdtw.begin}.
"""

from __future__ import annotations

import os
import signal

from twisted.trial.unittest import SynchronousTestCase

from inetdtw import begin, cli


class MainTests(SynchronousTestCase):
    """
    Tests for L{begin.main}.
    """

    def setUp(self) -> None:
        """
        Have the command do nothing, and keep the signals.
        """
        self.began = 0
        self.patch(cli, "main", self.begin)
        for number in begin.ENDING:
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def begin(self) -> None:
        """
        Be the command.
        """
        self.began += 1

    def test_command(self) -> None:
        """
        It is the command; an ordinary process leaves the signals alone.
        """
        before = [signal.getsignal(number) for number in begin.ENDING]
        begin.main()
        self.assertEqual(self.began, 1)
        after = [signal.getsignal(number) for number in begin.ENDING]
        self.assertEqual(after, before)

    def test_first(self) -> None:
        """
        Process 1 ends well when it is asked to before it serves.
        """
        pid = os.getpid()
        self.patch(os, "getpid", lambda: 1)
        begin.main()
        self.assertEqual(self.began, 1)
        for number in begin.ENDING:
            why = self.assertRaises(SystemExit, self.signalled, pid, number)
            self.assertEqual(why.code, 0)

    def signalled(self, pid: int, number: int) -> None:
        """
        Get a signal, which comes between two instructions.
        """
        os.kill(pid, number)
        for _ in range(1000):
            """It has come by now."""

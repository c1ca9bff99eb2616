# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.limits.failures}."""

from __future__ import annotations

import errno
import os
import signal

from twisted.trial.unittest import SynchronousTestCase

from inetdtw.interfaces import ExitStatus
from inetdtw.limits.failures import ROW, Failures
from inetdtw.model.state import Failure

GOOD, BAD = ExitStatus(0), ExitStatus(3)
MISSING = "'/x': No such file or directory"


class FailuresTests(SynchronousTestCase):
    """Tests for L{Failures}."""

    def setUp(self) -> None:
        """Start without failures."""
        self.failures = Failures()

    def end(self, how: ExitStatus, times: int = 1) -> None:
        """Let programs end, each a second after the one before."""
        for second in range(times):
            self.failures.ended(how, float(second))

    def test_none(self) -> None:
        """Without a failure there is no last one."""
        self.end(GOOD, ROW)
        self.assertIsNone(self.failures.last)
        self.assertFalse(self.failures.fatal)

    def test_everyClient(self) -> None:
        """A service whose programs fail every client is failing after some in a row."""
        for count in range(1, ROW + 1):
            self.assertFalse(self.failures.fatal)
            self.failures.ended(BAD, count + 0.5)
            wanted = Failure("exit status 3", count + 0.5, count)
            self.assertEqual(self.failures.last, wanted)
        self.assertTrue(self.failures.fatal)

    def test_recovered(self) -> None:
        """A program that succeeds ends the row; the last failure is kept."""
        self.end(BAD, ROW)
        self.end(GOOD)
        self.assertFalse(self.failures.fatal)
        self.assertEqual(self.failures.last, Failure("exit status 3", ROW - 1.0, 0))

    def test_someClients(self) -> None:
        """Where programs have succeeded, those that fail may be the clients' doing."""
        self.end(GOOD)
        self.end(BAD, 10 * ROW)
        self.assertFalse(self.failures.fatal)
        assert self.failures.last is not None
        self.assertEqual(self.failures.last.inARow, 10 * ROW)

    def test_unstarted(self) -> None:
        """No client makes a program missing, also where others have succeeded."""
        self.end(GOOD)
        for _ in range(ROW):
            self.assertFalse(self.failures.fatal)
            self.failures.unstarted(MISSING, 7.5)
        self.assertTrue(self.failures.fatal)
        self.assertEqual(self.failures.last, Failure(MISSING, 7.5, ROW))

    def test_shortage(self) -> None:
        """Many clients can bring a shortage about."""
        reason = f"'/x': {os.strerror(errno.EAGAIN)}"
        for _ in range(ROW):
            self.failures.unstarted(reason, 7.5)
        self.assertFalse(self.failures.fatal)
        self.assertEqual(self.failures.last, Failure(reason, 7.5, 0))

    def test_signals(self) -> None:
        """A signal is named; those of a client that has gone do not count."""
        for number in (signal.SIGPIPE, signal.SIGALRM, signal.SIGTERM):
            self.end(ExitStatus(signal=number), ROW)
        self.assertIsNone(self.failures.last)
        self.end(ExitStatus(signal=signal.SIGSEGV))
        self.assertEqual(self.failures.last, Failure("killed by SIGSEGV", 0.0, 1))
        self.end(ExitStatus(signal=63))
        self.assertEqual(self.failures.last, Failure("killed by signal 63", 0.0, 2))

    def test_begin(self) -> None:
        """An operator may have mended the service: the row begins anew."""
        for fail in (
            lambda: self.failures.ended(BAD, 1.0),
            lambda: self.failures.unstarted(MISSING, 1.0),
        ):
            self.failures.begin()
            for _ in range(ROW):
                self.assertFalse(self.failures.fatal)
                fail()
            self.assertTrue(self.failures.fatal)
        self.failures.begin()
        self.assertFalse(self.failures.fatal)
        self.assertEqual(self.failures.last, Failure(MISSING, 1.0, 0))

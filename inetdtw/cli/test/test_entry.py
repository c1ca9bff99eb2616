# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for L{inetdtw.cli.entry}."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import inetdtw
from inetdtw.cli import entry, main, names, operate


class MainTests(SynchronousTestCase):
    """Tests for L{entry.main}."""

    def setUp(self) -> None:
        """Replace the command, save the handlers, and be another process than 1."""
        self.began = 0
        self.pid = os.getpid()
        self.patch(os, "getpid", lambda: 77)
        self.patch(main, "main", self.begin)
        for number in entry.ENDING:
            self.addCleanup(signal.signal, number, signal.getsignal(number))

    def begin(self) -> None:
        """Stand for the command."""
        self.began += 1

    def test_command(self) -> None:
        """The command is called; unless it is process 1, no handler is set."""
        before = [signal.getsignal(number) for number in entry.ENDING]
        entry.main()
        self.assertEqual(self.began, 1)
        after = [signal.getsignal(number) for number in entry.ENDING]
        self.assertEqual(after, before)

    def test_operate(self) -> None:
        """A command for a running daemon is run in place of the daemon."""
        self.assertEqual(names.COMMANDS, tuple(operate.COMMANDS))
        done: list[Any] = []

        def do(*what: Any) -> int:
            done.append(what)
            return 7

        self.patch(operate, "main", do)
        self.patch(sys, "argv", ["inetd", "pause", "x", "-y"])
        why = self.assertRaises(SystemExit, entry.main)
        self.assertEqual((why.code, done), (7, [("pause", ["x", "-y"])]))
        for words in ((), ("./status",), ("-f", "status")):
            self.patch(sys, "argv", ["inetd", *words])
            entry.main()
        self.assertEqual((self.began, len(done)), (3, 1))

    def test_light(self) -> None:
        """Commands import neither Twisted's reactor nor the daemon."""
        code = "import sys, inetdtw.cli.operate; print(*sys.modules)"
        path = os.path.dirname(os.path.dirname(inetdtw.__file__))
        argv = [sys.executable, "-c", code]
        env = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(argv, env=env, capture_output=True, check=True, text=True)
        names = set(done.stdout.split())
        self.assertIn("inetdtw.cli.operate", names)
        heavy = {"twisted.internet", "twisted.application", "inetdtw.superserver"}
        self.assertEqual(heavy & names, set())

    def test_first(self) -> None:
        """
        Process 1 exits with 0 if a signal arrives before it serves.

        It unblocks signals that its parent has blocked.
        """
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, entry.ENDING)
        self.addCleanup(signal.pthread_sigmask, signal.SIG_SETMASK, mask)
        self.patch(os, "getpid", lambda: 1)
        entry.main()
        self.assertEqual(self.began, 1)
        for number in entry.ENDING:
            why = self.assertRaises(SystemExit, self.signalled, self.pid, number)
            self.assertEqual(why.code, 0)

    def signalled(self, pid: int, number: int) -> None:
        """Get a signal, which comes between two instructions."""
        os.kill(pid, number)
        for _ in range(1000):
            pass  # It has arrived by now.

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Rates of log lines that clients and programs cause."""

from __future__ import annotations

import re
import sys

from tests.support.daemon import Daemon, eventually, freePort, talk, talkOrNothing
from tests.support.faults import FaultsTestCase
from tests.support.serving import inetd

#: How many lines of a hundred bytes are written: 30 MB.
MANY = 300_000
#: Writes them to standard error.
FLOOD = f"""
import os
for _ in range({MANY} // 1000):
    os.write(2, (b"x" * 99 + b"\\n") * 1000)
"""
#: No log may be longer, after 30 MB.
MOST = 2_000_000


class LogRateTests(FaultsTestCase):
    """Log lines over the limit are counted and dropped, without a wait."""

    def serving(self, lines: str, *ports: int, options: tuple[str, ...] = ()) -> Daemon:
        """Return a daemon that does not log every program."""
        path = self.write("inetd.conf", self.lines + lines)
        daemon = Daemon(inetd("-fe", *options, path), ports=(*self.others, *ports))
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def suppressed(self, daemon: Daemon, kind: str) -> int:
        """Return how many lines of a kind were dropped, as the log has it."""
        found = re.findall(rf"suppress \S+ kind={kind} lines=(\d+) ", daemon.log())
        return sum(map(int, found))

    def logged(self, daemon: Daemon, text: str) -> int:
        """Return how many lines contain a string."""
        return sum(text in line for line in daemon.log().splitlines())

    def test_stderr(self) -> None:
        """
        A program that writes 30 MB to its standard error is not blocked.

        Each line is in the log or counted, and the log stays small.
        """
        floods = self.program("floods", FLOOD + "print('done')")
        port = freePort()
        daemon = self.serving(
            f"{port} on protocol = tcp, wait = no, user = -, exec = {floods},"
            " stderr = log;\n",
            port,
        )
        with self.connect(port) as client:
            self.othersAnswer()
            self.assertEqual(client.recv(100), b"done\n")
        eventually(
            lambda: (
                self.suppressed(daemon, "stderr") + self.logged(daemon, "text=xxx")
                >= MANY
            ),
            daemon.log,
        )
        self.assertEqual(
            self.suppressed(daemon, "stderr") + self.logged(daemon, "text=xxx"), MANY
        )
        self.assertLess(len(daemon.log()), MOST)

    def test_traceback(self) -> None:
        """Tracebacks of a hundred programs are there wholly."""
        fails = self.program("fails", "def fail():\n  1 / 0\nfail()\n")
        port = freePort()
        daemon = self.serving(
            f"{port} on protocol = tcp, wait = no, user = -, exec = {fails},"
            " stderr = log;\n",
            port,
        )
        for _ in range(100):
            talk(port, b"")
        daemon.waitForLog("text=ZeroDivisionError", 100)
        self.assertEqual(self.suppressed(daemon, "stderr"), 0)

    def test_warm(self) -> None:
        """Standard error of warm processes and of their orphans is limited."""
        self.write("flooding.py", f"import os\nif not os.fork():\n{self.indented()}")
        warm = self.write("warm.py", "print('hello')\n")
        port = freePort()
        daemon = self.serving(
            f"{port} on protocol = tcp, wait = no, user = -, exec = {sys.executable},"
            f" args = python {warm}, warm = yes, preload = flooding,"
            f" directory = {self.directory};\n",
            port,
        )
        self.othersAnswer()
        eventually(
            lambda: (
                self.suppressed(daemon, "warm-stderr") + self.logged(daemon, "text=xxx")
                >= MANY
            ),
            daemon.log,
        )
        self.assertEqual(talk(port, b""), b"hello\n")
        self.assertLess(len(daemon.log()), MOST)

    def indented(self) -> str:
        """Return the flood as a block, in a process that ends then."""
        return "".join(f"    {each}\n" for each in (FLOOD + "os._exit(0)").split("\n"))

    def test_clients(self) -> None:
        """Lines for rejected clients and failing programs are limited."""
        cat, fails = freePort(), freePort()
        daemon = self.serving(
            f"{cat} on protocol = tcp, wait = no, user = -, exec = /bin/cat,"
            " ip_max = 1;\n"
            f"{fails} stream tcp nowait - /bin/false false\n",
            cat,
            fails,
            options=("--log-rate", "20"),
        )
        for _ in range(100):
            talkOrNothing(cat, b"")
            talkOrNothing(fails, b"")
        eventually(lambda: self.suppressed(daemon, "refuse") == 79, daemon.log)
        eventually(lambda: self.suppressed(daemon, "exit") == 80, daemon.log)
        self.assertEqual(self.logged(daemon, "] refuse "), 20)
        self.assertEqual(self.logged(daemon, f"] exit {fails}/tcp"), 20)
        self.othersAnswer()

    def test_end(self) -> None:
        """The number of dropped lines is logged when the daemon ends, too."""
        fails = freePort()
        # With a bound of one, the end of each program but the last has been seen.
        line = f"{fails} stream tcp nowait/1 - /bin/false false\n"
        daemon = self.serving(line, fails, options=("--log-rate", "5"))
        for _ in range(8):
            talkOrNothing(fails, b"")
        daemon.waitForLog(f"exit {fails}/tcp", 5)
        daemon.process.terminate()
        daemon.process.wait(30)
        self.assertGreater(self.suppressed(daemon, "exit"), 0)

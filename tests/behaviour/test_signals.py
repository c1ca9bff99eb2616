# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Signals that a daemon inherits ignored or blocked, and signals without a use."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from tests.support.daemon import Daemon, eventually, freePort, talk, twistd
from tests.support.serving import ServingTestCase, inetd

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Ignores or blocks signals, and executes its arguments.
_STARTS = """
import os, signal, sys
how = sys.argv[1]
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    if how == "ignored":
        signal.signal(number, signal.SIG_IGN)
if how == "blocked":
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execv(sys.argv[2], sys.argv[2:])
"""
#: Reports which signals it ignores and blocks.
_PROBE = """
import re
with open("/proc/self/status") as file:
    text = file.read()
print(*(re.search(rf"Sig{each}:\\s+(\\w+)", text)[1] for each in ("Ign", "Blk")))
"""
#: What Python itself ignores; and what the C library keeps for itself.
_PYTHONS = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1 | 3 << 31
#: What ends most processes, and is to do nothing.
_NO_USE = (
    *("SIGUSR1", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGSTKFLT"),
    *("SIGPIPE", "SIGXFSZ", "SIGTTIN", "SIGTTOU"),
)


class SignalsTestCase(ServingTestCase):
    """A test case with a service, a UNIX socket and a pid file."""

    def setUp(self) -> None:
        """Write the file."""
        super().setUp()
        self.port, self.pidFile = freePort(), self.path("inetd.pid")
        self.socket = self.path("socket")
        self.file = self.write(
            "inetd.conf",
            f"{self.port} stream tcp nowait - /bin/cat cat\n"
            f"{self.socket} stream unix nowait - internal echo\n",
        )

    def start(self, argv: Sequence[str]) -> Daemon:
        """Start a daemon, which serves."""
        daemon = Daemon(argv, ports=(self.port,))
        daemon.start()
        self.addCleanup(daemon.stop)
        eventually(lambda: os.path.exists(self.socket), daemon.log)
        eventually(lambda: os.path.exists(self.pidFile), daemon.log)
        return daemon

    def inetd(self) -> Daemon:
        """Start an C{inetd}."""
        return self.start(inetd("-fe", "-p", self.pidFile, self.file))


class SentTests(SignalsTestCase):
    """Signals that are sent to a daemon that serves."""

    def test_noUse(self) -> None:
        """A signal without a use has no effect; most draw a log line."""
        daemon = self.inetd()
        for name in _NO_USE:
            daemon.process.send_signal(getattr(signal, name, 0))
            self.assertEqual(talk(self.port, b"hello"), b"hello", name)
        for name in _NO_USE[:5]:
            daemon.waitForLog(f"signal - name={name} action=ignored")
        daemon.process.send_signal(signal.SIGRTMIN + 3)
        daemon.waitForLog("signal - name=SIGRTMIN+3 action=ignored")
        self.assertEqual(talk(self.port, b"hello"), b"hello")

    def test_end(self) -> None:
        """
        A signal that ends the daemon draws a log line.

        No pid file and no socket is left behind.
        """
        for name in ("SIGQUIT", "SIGXCPU", "SIGPWR"):
            daemon = self.inetd()
            daemon.process.send_signal(getattr(signal, name, signal.SIGQUIT))
            self.assertEqual(daemon.process.wait(30), 0, name)
            self.assertIn(f"signal - name={name} action=shutdown", daemon.log())
            left = [self.socket, self.pidFile]
            self.assertEqual([each for each in left if os.path.exists(each)], [])

    def test_ending(self) -> None:
        """A daemon that ends is not killed by a signal that it listened to before."""
        daemon = self.inetd()
        # Its fork servers do not end at once.
        daemon.process.send_signal(signal.SIGTERM)
        for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGUSR1) * 50:
            if daemon.process.poll() is None:
                daemon.process.send_signal(number)
        self.assertEqual(daemon.process.wait(30), 0)
        self.assertFalse(os.path.exists(self.pidFile))

    def test_again(self) -> None:
        """A signal that asks for an end has no effect on a daemon that ends already."""
        for first in (signal.SIGTERM, signal.SIGQUIT):
            daemon = self.inetd()
            for number in (first, *(signal.SIGTERM, signal.SIGINT) * 50):
                if daemon.process.poll() is None:
                    daemon.process.send_signal(number)
            self.assertEqual(daemon.process.wait(30), 0)
            self.assertNotIn("Traceback", daemon.log())

    def test_twistd(self) -> None:
        """C{twistd inetd} ends with a log line, too."""
        argv = [each for each in twistd() if each != "--pidfile="]
        daemon = self.start([*argv, "--pidfile", self.pidFile, "inetd", self.file])
        daemon.process.send_signal(signal.SIGUSR1)
        daemon.waitForLog("signal - name=SIGUSR1 action=ignored")
        self.assertEqual(talk(self.port, b"hello"), b"hello")
        daemon.process.send_signal(signal.SIGQUIT)
        self.assertEqual(daemon.process.wait(30), 0)
        self.assertFalse(os.path.exists(self.pidFile))


class InheritedTests(SignalsTestCase):
    """Signals that are ignored or blocked in the process that starts the daemon."""

    def probes(self, *ways: str) -> dict[str, int]:
        """Have a program serve that prints its signals; return its ports."""
        program = self.program("probe", _PROBE)
        ports = {way: freePort() for way in ways}
        self.file = self.write(
            "inetd.conf",
            f"{self.port} stream tcp nowait/1 - /bin/sh sh -c 'exit 3'\n"
            f"{self.socket} stream unix nowait - internal echo\n"
            + "".join(
                f"{port} on protocol = tcp, wait = no, user = -, exec = {program},"
                f" {way};\n"
                for way, port in ports.items()
            ),
        )
        return ports

    def test_inherited(self) -> None:
        """
        A daemon started with signals ignored or blocked handles them.

        Programs start with default signals, by all launchers, and no exit is missed.
        """
        ports = self.probes("launch = forkserver", "launch = direct", "warm = yes")
        starts = self.write("starts.py", _STARTS)
        command = inetd("-fe", "-p", self.pidFile, self.file)
        for how in ("ignored", "blocked"):
            daemon = self.start([command[0], starts, how, *command])
            daemon.waitForLog("warm-ready ")
            for way, port in ports.items():
                ignored, blocked = talk(port, b"").decode().split()
                self.assertEqual(int(blocked, 16), 0, (how, way))
                self.assertEqual(int(ignored, 16) & ~_PYTHONS, 0, (how, way))
            for count in range(1, 4):
                # With a bound of one, each has to be seen to end.
                self.assertEqual(talk(self.port, b""), b"")
                daemon.waitForLog("status=3", count)
            for number, line in (
                (signal.SIGHUP, "reload - "),
                (signal.SIGUSR2, "state "),
                (signal.SIGUSR1, "signal - name=SIGUSR1"),
            ):
                daemon.process.send_signal(number)
                daemon.waitForLog(line)
            daemon.process.send_signal(signal.SIGTERM)
            self.assertEqual(daemon.process.wait(30), 0, how)
            self.assertFalse(os.path.exists(self.pidFile))

    def test_background(self) -> None:
        """A daemon in the background handles signals that were ignored or blocked."""
        starts = self.write("starts.py", _STARTS)
        command = inetd("-p", self.pidFile, self.file)
        for how in ("ignored", "blocked"):
            daemon = self.start([command[0], starts, how, *command])
            with open(self.pidFile, encoding="ascii") as file:
                pid = int(file.read())
            self.assertEqual(talk(self.port, b"hello"), b"hello", how)
            os.kill(pid, signal.SIGUSR1)
            self.assertEqual(talk(self.port, b"hello"), b"hello", how)
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: not os.path.exists(self.pidFile), daemon.log)

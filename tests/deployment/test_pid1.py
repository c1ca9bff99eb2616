# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The daemon as process 1, as in a container: in a PID namespace of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

from tests.support import checkout, interpreters, users
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    environment,
    eventually,
    freePort,
    talk,
)
from tests.support.processes import childrenOf, forkServers, programs, stat, status
from tests.support.serving import ServingTestCase, inetd, run

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What makes a process the first of a namespace.
_FIRST = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
#: A program that leaves a process behind, which ends soon, and ends badly itself.
_LEAVES = "(setsid sleep 0.1 >/dev/null 2>&1 </dev/null &); exit 7"


class FirstTestCase(ServingTestCase):
    """A test of a daemon that is process 1."""

    if not users.ROOT:
        skip = "only root can make a PID namespace"
    elif shutil.which("unshare") is None:
        skip = "unshare is not installed"

    def first(self, conf: str, *ports: int, options: Sequence[str] = ()) -> Daemon:
        """
        Start a daemon as process 1, with its log on standard output.

        @ivar pid: its process id outside of the namespace.
        """
        path = self.write("inetd.conf", conf)
        quiet = ["sh", "-c", 'exec "$@" 2>/dev/null', "sh"]
        command = [
            interpreters.python(),
            "-m",
            "inetdtw",
            "-f",
            "--stdout",
            *options,
            path,
        ]
        daemon = Daemon([*quiet, *_FIRST, *command], ports=ports)
        daemon.start()
        self.addCleanup(daemon.stop)
        eventually(
            lambda: len(list(childrenOf(daemon.process.pid))) == 1,
            lambda: "a first process",
        )
        (self.pid,) = childrenOf(daemon.process.pid)
        self.addCleanup(self.end, self.pid, daemon)
        return daemon

    def end(self, pid: int, daemon: Daemon) -> None:
        """Stop process 1, so that unshare(1) exits."""
        if daemon.process.poll() is None:
            os.kill(pid, signal.SIGTERM)

    def zombies(self) -> list[int]:
        """Return the zombies among the children of process 1."""
        return [child for child in childrenOf(self.pid) if stat(child)[0] == "Z"]


class OrphanTests(FirstTestCase):
    """Processes whose parents have ended."""

    def test_reaped(self) -> None:
        """
        Process 1 waits for orphans, and reports how programs ended.

        Orphans are left behind by programs, or were those of a fork server that was
        killed.
        """
        port, direct, lasting = freePort(), freePort(), freePort()
        line = "{} on protocol = tcp, wait = no, exec = /bin/sh, user = -, args = {};\n"
        leaves = f"sh -c '{_LEAVES}'"
        conf = (
            line.format(port, leaves)
            + line.format(direct, f"{leaves}, launch = direct")
            + line.format(lasting, "sh -c 'echo here; read line; exit 3'")
        )
        ports = (port, direct, lasting)
        daemon = self.first(conf, *ports, options=["--log-level", "info"])
        client = self.connect(lasting)
        self.assertEqual(client.recv(100), b"here\n")
        for _ in range(10):
            talk(port, b"")
            talk(direct, b"")
        daemon.waitForLog("status=7", 20)
        for helper in forkServers(self.pid):
            os.kill(helper, signal.SIGKILL)
        daemon.waitForLog("forkserver-exit ", 1)
        client.sendall(b"line\n")
        self.assertEqual(client.recv(100), b"")
        eventually(
            lambda: not self.zombies() and not self.sleepers(),
            lambda: f"the end of {self.zombies()} {self.sleepers()}\n{daemon.log()}",
        )
        talk(port, b"")
        daemon.waitForLog("status=7", 21)
        self.assertNotIn("Traceback", daemon.log())

    def sleepers(self) -> list[int]:
        """Return the processes that programs left behind and that still run."""
        mine = set(forkServers(self.pid))
        return [child for child in childrenOf(self.pid) if child not in mine]


class PidFileTests(FirstTestCase):
    """The pid file of a container that is started again."""

    def test_left(self) -> None:
        """A pid file that a killed process 1 left behind is replaced."""
        port = freePort()
        left = self.write("inetd.pid", "1")
        conf = f"{port} stream tcp nowait - /bin/cat cat\n"
        self.first(conf, port, options=["-p", left])
        self.assertEqual(talk(port, b"text"), b"text")


class SignalsTests(FirstTestCase):
    """Signals that process 1 has no use for, or that ask it to end."""

    def test_signals(self) -> None:
        """Signals without a use draw a log line, those that end it do so in order."""
        port = freePort()
        pidFile = self.path("inetd.pid")
        conf = f"{port} stream tcp nowait - /bin/cat cat\n"
        daemon = self.first(conf, port, options=["-p", pidFile])
        os.kill(self.pid, signal.SIGUSR1)
        daemon.waitForLog("signal - name=SIGUSR1 action=ignored")
        self.assertEqual(talk(port, b"text"), b"text")
        os.kill(self.pid, signal.SIGQUIT)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        self.assertIn("signal - name=SIGQUIT action=shutdown", daemon.log())
        self.assertFalse(os.path.exists(pidFile))


class ProbeTests(FirstTestCase):
    """The health of a container."""

    def test_health(self) -> None:
        """C{inetd health} exits with 0, 1 or 2: all served, some not, no daemon."""
        port, taken = freePort(), freePort()
        control = self.path("control")
        line = f"{port} stream tcp nowait - /bin/cat cat\n"
        self.assertEqual(self.health(control), 2)
        daemon = self.first(line, port, options=["--control", control])
        eventually(lambda: self.health(control) == 0, daemon.log)
        with socket.create_server(("127.0.0.1", taken)):
            self.write("inetd.conf", line + line.replace(str(port), str(taken)))
            os.kill(self.pid, signal.SIGHUP)
            daemon.waitForLog("bind-failed")
            self.assertEqual(self.health(control), 1)

    def health(self, control: str) -> int:
        """Return the exit status of the probe, in the daemon's namespaces if any."""
        return run(inetd("health", "--control", control)).returncode


class SignalTests(FirstTestCase):
    """Signals, and how it ends."""

    def test_signals(self) -> None:
        """
        Process 1 reloads on HUP and ends at once on TERM.

        Neither is passed on to programs.
        """
        port, other = freePort(), freePort()
        got = self.path("got")
        self.program("traps", _TRAPS.format(got))
        line = f"{port} stream tcp nowait - {self.path('traps')}\n"
        daemon = self.first(line, port)
        client = self.connect(port)
        self.assertEqual(client.recv(100), b"ready\n")
        self.write("inetd.conf", line + f"{other} stream tcp nowait - /bin/cat cat\n")
        os.kill(self.pid, signal.SIGHUP)
        daemon.waitForLog("started=1")
        self.assertEqual(talk(other, b"text"), b"text")
        self.assertEqual(len(programs(self.pid)), 1)
        os.kill(self.pid, signal.SIGTERM)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        self.assertFalse(os.path.exists(got))

    def test_early(self) -> None:
        """Process 1 ends on TERM and INT from the first moment, before it serves."""
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.first(f"{freePort()} stream tcp nowait - /bin/cat cat\n")
            eventually(self.catches, daemon.log)
            os.kill(self.pid, number)
            self.assertEqual(daemon.process.wait(DEADLINE), 0)

    def catches(self) -> bool:
        """
        Return whether process 1 has a handler for TERM.

        INT has the interpreter's handler from the start, and gets another at the same
        time.
        """
        caught = int(status(self.pid).get("SigCgt", "0"), 16)
        return bool(caught & 1 << (signal.SIGTERM - 1))

    def test_nothingToServe(self) -> None:
        """Process 1 exits with its own status when it has nothing to serve."""
        done = run([*_FIRST, *inetd("-f", "-e", self.path("missing"))])
        self.assertEqual(done.returncode, 1)
        self.assertIn("missing", done.stderr)


#: A program that writes the signals that it gets to a file.
_TRAPS = """
import signal, sys
def got(number, frame):
    with open({!r}, "a") as file:
        file.write(str(number))
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
    signal.signal(number, got)
print("ready", flush=True)
sys.stdin.read()
"""


class ContainerTests(ServingTestCase):
    """Other things that containers need."""

    def test_streams(self) -> None:
        """With --stdout the log is on standard output, with -e on standard error."""
        path = self.write(
            "inetd.conf", "127.0.0.1:0 stream tcp nowait - /bin/cat cat\n"
        )
        for option, name in (("--stdout", "stdout"), ("-e", "stderr")):
            process = subprocess.Popen(
                inetd("-f", option, path),
                env=environment(),
                cwd=checkout.path(),
                **{name: subprocess.PIPE},  # type: ignore[call-overload] # a stream
            )
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            stream = getattr(process, name)
            self.addCleanup(stream.close)
            while b" listen " not in stream.readline():
                self.assertIsNone(process.poll())
            process.terminate()
            self.assertIn(b" close ", stream.read())
            process.wait(DEADLINE)

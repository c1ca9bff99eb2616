# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Logs that are not read."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import socket
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Any

from tests.support import checkout, users
from tests.support.daemon import environment, eventually, isServed, twistd
from tests.support.faults import FaultsTestCase
from tests.support.serving import inetd
from tests.support.systemlog import SystemLog

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many other services are served, each of which draws a line on request.
MANY = 100
#: How often one asks: these are more lines than anything holds.
TIMES = 25


class FullLogTests(FaultsTestCase):
    """
    The daemon serves, reloads and ends when its log is not read.

    It reports how much of the log was lost.
    """

    def setUp(self) -> None:
        """Write a configuration with many services."""
        super().setUp()
        self.lines += "".join(
            f"{self.path(f's{number}')} stream unix nowait - internal echo\n"
            for number in range(MANY)
        )
        self.file = self.write("inetd.conf", self.lines)

    def start(self, argv: Sequence[str], **streams: Any) -> subprocess.Popen[bytes]:
        """Start a daemon, which serves."""
        process = subprocess.Popen(
            argv,
            env=environment(),
            cwd=checkout.path(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            **streams,
        )
        self.addCleanup(process.wait, 30)
        self.addCleanup(process.kill)
        eventually(lambda: all(map(isServed, self.others)), lambda: "the services")
        return process

    def fill(self, pid: int) -> None:
        """Make the daemon log more than buffers hold, while it answers."""
        for _ in range(TIMES):
            os.kill(pid, signal.SIGUSR2)
            self.othersAnswer()
        os.kill(pid, signal.SIGHUP)
        self.othersAnswer()

    def full(self, argv: Sequence[str], **streams: Any) -> None:
        """Start a daemon whose log is not read, and end it."""
        process = self.start(argv, **streams)
        self.fill(process.pid)
        process.terminate()
        # twistd ends by the signal itself.
        self.assertIn(process.wait(20), (0, -signal.SIGTERM))

    def pipe(self) -> tuple[int, int]:
        """Return a pipe with a small buffer."""
        reading, writing = os.pipe()
        for fd in (reading, writing):
            self.addCleanup(os.close, fd)
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        return reading, writing

    def test_pipe(self) -> None:
        """A daemon with a full pipe serves, however it is written to."""
        for arguments, name in (
            (["-f", "-e"], "stderr"),
            (["-f", "--stdout"], "stdout"),
            (["-f", "--stdout", "--log-format", "json"], "stdout"),
        ):
            _, writing = self.pipe()
            self.full(inetd("-l", *arguments, self.file), **{name: writing})
            self.assertFalse(fcntl.fcntl(writing, fcntl.F_GETFL) & os.O_NONBLOCK)

    def test_twistd(self) -> None:
        """C{twistd inetd} with a full pipe serves."""
        _, writing = self.pipe()
        self.full(twistd("inetd", "-l", self.file), stdout=writing)

    def test_anothersPipe(self) -> None:
        """A full pipe of another user, as in a container, does not matter."""
        if not users.ROOT:
            self.skipTest("only root can be another user")
        user = users.alpine()
        self.lines = re.sub(f" {self.user} /bin", " - /bin", self.lines)
        self.lines = "".join(self.lines.splitlines(True)[:3])
        self.file = self.write("inetd.conf", self.lines)
        _, writing = self.pipe()
        process = self.start(
            inetd("-l", "-f", "-e", self.file),
            stderr=writing,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
        )
        for _ in range(MANY // 3):
            os.kill(process.pid, signal.SIGUSR2)
            self.othersAnswer()
        self.fill(process.pid)
        process.terminate()
        self.assertEqual(process.wait(20), 0)

    def test_socket(self) -> None:
        """A full socket does not matter."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.full(inetd("-l", "-f", "-e", self.file), stderr=theirs)

    def test_fifo(self) -> None:
        """A full FIFO does not matter."""
        path = self.path("fifo")
        os.mkfifo(path)
        fd = os.open(path, os.O_RDWR)
        self.addCleanup(os.close, fd)
        self.full(inetd("-l", "-f", "-e", self.file), stderr=fd)

    def test_terminal(self) -> None:
        """A terminal whose output is stopped does not matter."""
        ours, theirs = pty.openpty()
        for fd in (ours, theirs):
            self.addCleanup(os.close, fd)
        termios.tcflow(theirs, termios.TCOOFF)
        self.full(inetd("-l", "-f", "-e", self.file), stderr=theirs)

    def test_told(self) -> None:
        """A log that is read again has whole lines and the number of lost ones."""
        reading, writing = self.pipe()
        process = self.start(inetd("-l", "-f", "-e", self.file), stderr=writing)
        self.fill(process.pid)
        os.set_blocking(reading, False)
        found = b""

        def read() -> bool:
            nonlocal found
            try:
                found += os.read(reading, 65536)
            except BlockingIOError:
                return False
            return b"log-lost - lines=" in found and found.endswith(b"\n")

        eventually(read, lambda: f"log-lost in {found!r}")
        for line in found.decode().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT[\d:+-]+ \[\S+#\w+\] \S")
        lost = re.search(rb"log-lost - lines=(\d+) ", found)
        assert lost is not None
        self.assertGreater(int(lost[1]), 100)
        process.terminate()
        self.assertEqual(process.wait(20), 0)

    def test_syslog(self) -> None:
        """A system log that does not read gets the number of lost lines later."""
        log = SystemLog(self)
        process = self.start(inetd("-l", "-f", self.file))
        self.fill(process.pid)
        found = log.waitFor("log-lost - lines=")
        self.assertRegex(
            found, r"^<27>\w{3} [ \d]\d [\d:]+ inetd\[\d+\]: log-lost - lines=\d"
        )
        self.fill(process.pid)
        process.terminate()
        self.assertEqual(process.wait(20), 0)

    def test_twistdSyslog(self) -> None:
        """C{twistd --syslog} serves with a full system log."""
        log = SystemLog(self)
        argv = [*twistd("--syslog", "--prefix", "mine"), "inetd", "-l", self.file]
        process = self.start(argv)
        self.fill(process.pid)
        self.assertRegex(
            log.waitFor("log-lost - lines="), r"^<\d+>\w{3} .* mine: \[.*log-lost"
        )
        self.fill(process.pid)
        process.terminate()
        self.assertIn(process.wait(20), (0, -signal.SIGTERM))

    def test_background(self) -> None:
        """A daemon in the background serves with a full system log."""
        SystemLog(self)
        pidFile = self.path("inetd.pid")
        self.start(inetd("-l", "-p", pidFile, self.file))
        with open(pidFile, encoding="ascii") as file:
            pid = int(file.read())
        self.addCleanup(self.killed, pid)
        self.fill(pid)
        os.kill(pid, signal.SIGTERM)
        eventually(lambda: not os.path.exists(pidFile), lambda: "the end")

    def killed(self, pid: int) -> None:
        """Leave no process behind."""
        deadline = time.monotonic() + 20
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
            time.sleep(0.02)
        if os.path.exists(f"/proc/{pid}"):
            os.kill(pid, signal.SIGKILL)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The C{inetd} command, as an operator uses it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat as modes

from tests.support import interpreters
from tests.support.command import CommandTestCase
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    ask,
    environment,
    eventually,
    freePort,
    isServed,
    talk,
    twistd,
)
from tests.support.processes import forkServers
from tests.support.serving import inetd, inodeOf, readAll, run
from tests.support.users import ordinaryUser


class ForegroundTests(CommandTestCase):
    """A daemon in the foreground."""

    def test_stderr(self) -> None:
        """With C{-f -e} the daemon stays, and logs to standard error."""
        with Daemon(inetd("-f", "-e", self.conf), ports=[self.port]) as daemon:
            self.assertServes()
            daemon.waitForLog(f"listen {self.port}/tcp")
            self.assertNotIn("start ", daemon.log().replace("starting", ""))

    def test_debug(self) -> None:
        """With C{-d} the daemon logs every start and exit to standard error."""
        with Daemon(inetd("-d", self.conf), ports=[self.port]) as daemon:
            self.assertServes()
            daemon.waitForLog(f"] start {self.port}/tcp pid=")
            daemon.waitForLog(f"] exit {self.port}/tcp pid=")

    def test_module(self) -> None:
        """C{python -m inetdtw} is the same command."""
        argv = [interpreters.python(), "-m", "inetdtw", "-f", "-e", self.conf]
        with Daemon(argv, ports=[self.port]) as daemon:
            self.assertServes()
            daemon.waitForLog(f"listen {self.port}/tcp")

    def test_ordinaryUser(self) -> None:
        """A user other than root can run the command."""
        argv = inetd("-f", "-e", self.conf)
        with Daemon(argv, ports=[self.port], user=ordinaryUser()):
            self.assertServes()

    def check(self, number: int) -> None:
        """Check that a signal ends it with 0, and that nothing is left."""
        path = self.path("socket")
        self.write("inetd.conf", f"{self.line}{path} stream unix nowait - /bin/cat\n")
        daemon = self.start("-f", "-e", "-p", self.pidFile, self.conf)
        self.assertServes()
        self.assertEqual(self.pid(), daemon.process.pid)
        self.assertTrue(os.path.exists(path))
        os.kill(daemon.process.pid, number)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        self.assertFalse(os.path.exists(self.pidFile))
        self.assertFalse(os.path.exists(path))
        self.assertFalse(isServed(self.port))
        self.assertNotIn("Traceback", daemon.log())

    def test_terminated(self) -> None:
        """C{SIGTERM} ends it with 0; its pid file and UNIX sockets are removed."""
        self.check(signal.SIGTERM)

    def test_interrupted(self) -> None:
        """C{SIGINT} ends it likewise."""
        self.check(signal.SIGINT)

    def test_endsSoon(self) -> None:
        """The daemon ends at once, and programs run on."""
        daemon = self.start("-f", "-e", self.conf)
        client = self.connect(self.port)
        client.sendall(b"text")
        self.assertEqual(client.recv(100), b"text")
        os.kill(daemon.process.pid, signal.SIGTERM)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        client.sendall(b"more")
        self.assertEqual(client.recv(100), b"more")

    def test_unixSocket(self) -> None:
        """A service on a path is served there, for its owner only."""
        path = self.path("socket")
        self.write("inetd.conf", f"{self.line}{path} stream unix nowait - /bin/cat\n")
        self.start("-f", "-e", self.conf)
        self.assertEqual(modes.S_IMODE(os.stat(path).st_mode), 0o600)
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(path)
            client.sendall(b"text")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(readAll(client), b"text")

    def test_lines(self) -> None:
        """A newline in a word of the command line is escaped in messages."""
        word, shown = "x\nforged", "x\\nforged"
        commands = (
            ["--" + word],
            ["--rate", word, "-f", self.conf],
            ["-p", self.path(f"{word}/inetd.pid"), "-f", self.conf],
            ["--explain", word, self.conf],
            ["status", "--control", self.path(word)],
        )
        for each in commands:
            done = run(inetd(*each))
            self.assertNotIn("\nforged", done.stderr)
            self.assertIn(shown, done.stderr)

    def test_files(self) -> None:
        """The services of several files are served."""
        other = freePort()
        conf = self.write("other.conf", f"{other} dgram udp nowait - /bin/cat\n")
        self.start("-f", "-e", self.conf, conf, ports=[other])
        self.assertServes()
        self.assertEqual(ask(other, b"other"), b"other")

    def test_backlog(self) -> None:
        """C{-q N} sets the backlog, which is 128 by default."""
        for options, backlog in ((), 128), (("-q", "37"), 37):
            argv = inetd("-f", "-e", *options, self.conf)
            with Daemon(argv, ports=[self.port]):
                line = run(["ss", "-Hltn", f"sport = :{self.port}"]).stdout
                self.assertEqual(line.split()[2], str(backlog))

    if shutil.which("ss") is None:
        test_backlog.skip = "ss is not installed"  # type: ignore[attr-defined]

    def test_rate(self) -> None:
        """
        With C{-R 3} a service serves three clients within a minute.

        The next one is closed, and other services are served as before.
        """
        other = freePort()
        self.write("inetd.conf", f"{self.line}{other} stream tcp nowait - /bin/cat\n")
        daemon = self.start("-f", "-e", "-R", "3", self.conf, ports=[other])
        for _ in range(3):
            self.assertServes()
        self.assertEqual(readAll(self.connect(self.port)), b"")
        daemon.waitForLog(f"] refuse {self.port}/tcp ")
        daemon.waitForLog(f"] pause {self.port}/tcp seconds=60 ")
        for _ in range(3):
            self.assertEqual(talk(other, b"other"), b"other")

    def test_noRate(self) -> None:
        """Without C{-R} a service has no rate limit."""
        self.start("-f", "-e", self.conf)
        for _ in range(300):
            self.assertServes()

    def test_launch(self) -> None:
        """C{--launch direct} needs no fork servers."""
        daemon = self.start("-f", "-e", self.conf)
        eventually(lambda: forkServers(daemon.process.pid), daemon.log)
        daemon.stop()
        daemon = self.start("-f", "-e", "--launch", "direct", self.conf)
        self.assertServes()
        self.assertEqual(forkServers(daemon.process.pid), [])


class ReloadTests(CommandTestCase):
    """Reloads by C{SIGHUP}."""

    def reload(self, daemon: Daemon, *lines: str) -> None:
        """Change the lines of the file, and reload."""
        count = daemon.log().count("] reload")
        self.write("inetd.conf", "".join(lines))
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.waitForLog("] reload", count + 1)

    def test_services(self) -> None:
        """Services are added and removed; the others keep their sockets."""
        other = freePort()
        added = f"{other} stream tcp nowait - /bin/cat\n"
        daemon = self.start("-f", "-e", self.conf)
        inode = inodeOf(self.port)
        self.assertIsNotNone(inode)
        self.reload(daemon, self.line, added)
        self.assertEqual(talk(other, b"added"), b"added")
        self.assertEqual(inodeOf(self.port), inode)
        running = self.connect(other)
        running.sendall(b"before")
        self.assertEqual(running.recv(100), b"before")
        self.reload(daemon, self.line)
        # A fork server that accepts there is notified a moment later.
        eventually(lambda: not isServed(other), daemon.log)
        self.assertRaises(ConnectionRefusedError, self.connect, other)
        self.assertEqual(inodeOf(self.port), inode)
        running.sendall(b"after")
        self.assertEqual(running.recv(100), b"after")
        self.assertServes()

    def test_changed(self) -> None:
        """
        A service with another program keeps its socket over a reload.

        The next client gets the new program; an earlier one keeps the old program.
        """
        daemon = self.start("-f", "-e", self.conf)
        inode, before = inodeOf(self.port), self.connect(self.port)
        before.sendall(b"before")
        self.assertEqual(before.recv(100), b"before")
        changed = f"{self.port} stream tcp nowait - /bin/echo echo changed\n"
        self.reload(daemon, changed)
        self.assertEqual(talk(self.port, b""), b"changed\n")
        self.assertEqual(inodeOf(self.port), inode)
        before.sendall(b"after")
        self.assertEqual(before.recv(100), b"after")

    def test_waiting(self) -> None:
        """From C{nowait} to C{wait} and back, the socket stays."""
        accept = (
            "import socket\n"
            "client, _ = socket.socket(fileno=0).accept()\n"
            "client.sendall(b'waited for')\n"
        )
        path = self.program("accept", accept)
        daemon = self.start("-f", "-e", self.conf)
        inode = inodeOf(self.port)
        for _ in range(2):
            self.reload(daemon, f"{self.port} stream tcp wait - {path}\n")
            self.assertEqual(talk(self.port, b""), b"waited for")
            self.reload(daemon, self.line)
            self.assertServes()
        self.assertEqual(inodeOf(self.port), inode)

    def test_burst(self) -> None:
        """After twenty signals at once the daemon serves the last file."""
        other = freePort()
        daemon = self.start("-f", "-e", self.conf)
        inode = inodeOf(self.port)
        self.write("inetd.conf", f"{self.line}{other} dgram udp nowait - /bin/cat\n")
        for _ in range(20):
            os.kill(daemon.process.pid, signal.SIGHUP)
        eventually(lambda: isServed(other), daemon.log)
        self.assertEqual(ask(other, b"other"), b"other")
        self.assertServes()
        self.assertEqual(inodeOf(self.port), inode)

    def test_unixSocket(self) -> None:
        """The path of a removed service is removed."""
        path = self.path("socket")
        unix = f"{path} stream unix nowait - /bin/cat\n"
        self.write("inetd.conf", self.line + unix)
        daemon = self.start("-f", "-e", self.conf)
        self.assertTrue(os.path.exists(path))
        self.reload(daemon, self.line)
        self.assertFalse(os.path.exists(path))

    def test_twistd(self) -> None:
        """C{twistd inetd} reloads, too."""
        other = freePort()
        argv = twistd("inetd", "--conf", self.conf)
        with Daemon(argv, ports=[self.port]) as daemon:
            self.reload(daemon, self.line, f"{other} stream tcp nowait - /bin/cat\n")
            self.assertEqual(talk(other, b"other"), b"other")


class EnvironmentTests(CommandTestCase):
    """Environments in which the command works."""

    def test_closedDescriptors(self) -> None:
        """The command serves without standard input, output and error."""
        shell = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
        argv = [*shell, *inetd("-f", "-p", self.pidFile, self.conf)]
        with Daemon(argv, ports=[self.port]):
            self.assertServes()

    def test_emptyEnvironment(self) -> None:
        """The command serves with next to no environment variables."""
        env = {name: environment()[name] for name in ("PYTHONPATH", "INETD_CONTROL")}
        argv = inetd("-f", "-e", self.conf)
        with Daemon(argv, ports=[self.port], env=env) as daemon:
            self.assertServes()
            self.assertFalse(re.search("Traceback", daemon.log()))

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The C{inetd} command in the background, and its system log."""

from __future__ import annotations

import os
import signal
import socket
import stat as modes
import subprocess

from tests.support import checkout, interpreters, users
from tests.support.command import CommandTestCase
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    eventually,
    freePort,
    isServed,
    talk,
    twistd,
)
from tests.support.processes import forkServers, stat
from tests.support.serving import inetd, run
from tests.support.systemlog import SystemLog

#: Is C{inetd}, and sends itself a signal between the two steps of its start.
_EARLY = """
import os, signal, sys
from inetdtw import superserver
from inetdtw.cli import main, service

class Early(superserver.InetdService):
    def startService(self):
        assert os.path.exists(sys.argv[-2])
        os.kill(os.getpid(), signal.SIGTERM)
        super().startService()

service.InetdService = Early
main.main()
"""


class SystemLogTests(CommandTestCase):
    """Lines in the system log."""

    skip = None if users.ROOT else "only root can keep a system log"

    def setUp(self) -> None:
        """Keep a system log."""
        super().setUp()
        self.log = SystemLog(self)

    def test_background(self) -> None:
        """
        C{inetd FILE} daemonizes and logs to the system log.

        Lines have the tag C{inetd}, the process id and the facility of daemons.
        """
        self.write("inetd.conf", self.line + "7 stream tcp\n")
        daemon = self.start("-p", self.pidFile, self.conf)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        self.assertServes()
        line = self.log.waitFor("listen ")
        self.assertIn(f"inetd[{self.pid()}]: listen {self.port}/tcp ", line)
        info, error = 3 * 8 + 6, 3 * 8 + 3
        self.assertTrue(line.startswith(f"<{info}>"), line)
        bad = self.log.waitFor("inetd.conf:2:")
        self.assertTrue(bad.startswith(f"<{error}>"), bad)
        self.assertEqual(daemon.log(), "")

    def test_foreground(self) -> None:
        """C{inetd -f FILE}, and C{-i}, stay, and log to the system log."""
        for option in ("-f", "-i"):
            with Daemon(inetd(option, self.conf), ports=[self.port]) as daemon:
                self.assertServes()
                self.assertIsNone(daemon.process.poll())
                self.log.waitFor(f"inetd[{daemon.process.pid}]: listen ")
                self.assertNotIn("listen", daemon.log())

    def test_twistd(self) -> None:
        """C{twistd --syslog inetd} logs to the system log."""
        argv = twistd("--syslog", "--prefix=inetdtest", "inetd", "--conf", self.conf)
        with Daemon(argv, ports=[self.port]) as daemon:
            self.assertServes()
            self.log.waitFor("inetdtest")
            self.log.waitFor(f"listen {self.port}/tcp")
            self.assertNotIn("listen", daemon.log())


class BackgroundTests(CommandTestCase):
    """A daemon in the background."""

    def test_detached(self) -> None:
        """
        The daemon has its own session, / as directory, no terminal and no files.

        The command exits with 0.
        """
        daemon = self.start("-p", self.pidFile, self.conf)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)
        pid = self.pid()
        self.assertNotEqual(pid, daemon.process.pid)
        self.assertNotEqual(os.getsid(pid), os.getsid(0))
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
        self.assertNotIn(stat(pid)[1], (os.getpid(), daemon.process.pid))
        links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
        self.assertEqual(links, {"/dev/null"})
        self.assertServes()

    def test_nothing(self) -> None:
        """
        The command daemonizes when no port is free, with a warning.

        The line counts the services without a socket; each is served once its port is
        free.
        """
        with socket.create_server(("", self.port)):
            daemon = self.start("-p", self.pidFile, self.conf)
            self.assertEqual(daemon.process.wait(DEADLINE), 0)
        self.assertEqual(
            daemon.log(),
            "inetd: started, but 1 of 1 services is not bound yet: the daemon "
            "retries; see the system log, or run with -f -e\n",
        )
        eventually(lambda: isServed(self.port), lambda: "the port to be bound")
        self.assertServes()

    def test_unboundInForeground(self) -> None:
        """The command prints the same line in the foreground with another log."""
        with socket.create_server(("", self.port)):
            daemon = self.start("-f", self.conf)
            daemon.waitForLog("started, but 1 of 1 services is not bound yet")
        eventually(lambda: isServed(self.port), lambda: "the port to be bound")

    def test_closedDescriptors(self) -> None:
        """The command daemonizes with any of the standard descriptors closed."""
        for closed in ("<&-", ">&-", "2>&-", "<&- 2>&-", "<&- >&- 2>&-"):
            shell = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh"]
            argv = [*shell, *inetd("-p", self.pidFile, self.conf)]
            with Daemon(argv, ports=[self.port]) as daemon:
                self.assertEqual(daemon.process.wait(DEADLINE), 0, closed)
                self.assertServes()
                pid = self.pid()
                links = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)}
                self.assertEqual((links, daemon.log()), ({"/dev/null"}, ""), closed)

    def test_pidFileMode(self) -> None:
        """Other users cannot write to the pid file."""
        self.start("-p", self.pidFile, self.conf)
        mode = modes.S_IMODE(os.stat(self.pidFile).st_mode)
        self.assertEqual(mode & 0o022, 0)

    def check(self, number: int) -> None:
        """Check that a signal ends the daemon, and that nothing is left."""
        path = self.path("socket")
        self.write("inetd.conf", f"{self.line}{path} stream unix nowait - /bin/cat\n")
        self.start("-p", self.pidFile, self.conf)
        self.assertServes()
        pid = self.pid()
        helpers = forkServers(pid)
        self.assertTrue(os.path.exists(path))
        os.kill(pid, number)
        eventually(lambda: stat(pid)[0] in "XZ", lambda: f"the end of {pid}")
        self.assertFalse(os.path.exists(self.pidFile))
        self.assertFalse(os.path.exists(path))
        eventually(
            lambda: all(stat(each)[0] in "XZ" for each in helpers),
            lambda: f"the end of {helpers}",
        )
        self.assertFalse(isServed(self.port))

    def test_terminated(self) -> None:
        """C{SIGTERM} ends the daemon; its pid file and UNIX sockets are removed."""
        self.check(signal.SIGTERM)

    def test_terminatedEarly(self) -> None:
        """A signal before the daemon serves leaves no pid file behind."""
        done = run(
            [interpreters.python(), "-c", _EARLY, "-f", "-p", self.pidFile, self.conf]
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse(os.path.exists(self.pidFile))

    def test_interrupted(self) -> None:
        """C{SIGINT} ends it likewise."""
        self.check(signal.SIGINT)

    def test_second(self) -> None:
        """A second daemon with the same pid file exits, and harms nothing."""
        self.start("-p", self.pidFile, self.conf)
        pid, other = self.pid(), freePort()
        conf = self.write("other.conf", f"{other} stream tcp nowait - /bin/cat\n")
        done = run(inetd("-p", self.pidFile, conf))
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(pid), done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stdout + done.stderr)
        self.assertEqual(self.pid(), pid)
        self.assertFalse(isServed(other))
        self.assertServes()

    def test_stalePidFile(self) -> None:
        """A pid file of a process that has ended is replaced."""
        gone = subprocess.Popen(["/bin/true"])
        gone.wait()
        self.write("inetd.pid", f"{gone.pid}\n")
        self.start("-p", self.pidFile, self.conf)
        self.assertNotEqual(self.pid(), gone.pid)
        self.assertServes()

    def test_leftPidFile(self) -> None:
        """
        An empty pid file, or one with the daemon's own process id, is replaced.

        A full disk leaves an empty one.
        """
        for left in (": >", "echo $$ >"):
            for options in ((), ("-f",)):
                shell = ["/bin/sh", "-c", f'{left}{self.pidFile}; exec "$@"', "sh"]
                argv = [*shell, *inetd(*options, "-p", self.pidFile, self.conf)]
                with Daemon(argv, ports=[self.port]):
                    self.assertServes()
                    self.assertTrue(self.pid())

    def test_noPidFile(self) -> None:
        """A path that cannot be a pid file draws a line, and stays as it is."""
        os.mkdir(self.path("directory"))
        os.mkfifo(self.path("fifo"))
        os.symlink(self.path("nothing"), self.path("link"))
        for name, why in (
            ("directory", "is a directory, not a regular file"),
            ("fifo", "is a FIFO, not a regular file"),
            ("link", "is a symbolic link, not a regular file"),
            ("inetd.conf", "has no pid in it"),
        ):
            path = self.path(name)
            before = self.written(path)
            done = run(inetd("-p", path, self.conf))
            wanted = f"inetd: the pid file '{path}': {why}; use -p for another path\n"
            self.assertEqual((done.returncode, done.stderr), (1, wanted))
            self.assertEqual(self.written(path), before)

    def written(self, path: str) -> tuple[int, int]:
        """Return what changes when a file is replaced or written to."""
        about = os.lstat(path)
        return about.st_ino, about.st_mtime_ns

    def test_reload(self) -> None:
        """A file with a relative path is read again at a reload."""
        other = freePort()
        relative = os.path.relpath(self.conf, checkout.path())
        self.start("-p", self.pidFile, relative)
        line = f"{other} stream tcp nowait - /bin/cat\n"
        self.write("inetd.conf", self.line + line)
        os.kill(self.pid(), signal.SIGHUP)
        eventually(lambda: isServed(other), lambda: f"{other} served")
        self.assertEqual(talk(other, b"other"), b"other")

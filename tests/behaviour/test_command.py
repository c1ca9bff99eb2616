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
import subprocess
from typing import TYPE_CHECKING

from inetdtw import __version__
from tests.support import checkout, interpreters, users
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
from tests.support.processes import forkServers, stat
from tests.support.serving import ServingTestCase, inetd, inodeOf, readAll, run
from tests.support.systemlog import SystemLog
from tests.support.users import ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Is C{inetd}, and sends itself a signal between the two steps of its start.
_EARLY = """
import os, signal, sys
from inetdtw import cli, superserver

class Early(superserver.InetdService):
    def startService(self):
        assert os.path.exists(sys.argv[-2])
        os.kill(os.getpid(), signal.SIGTERM)
        super().startService()

cli.tap.InetdService = Early
cli.main()
"""


class CommandTestCase(ServingTestCase):
    """Have a file with one service."""

    def setUp(self) -> None:
        """Write the file."""
        super().setUp()
        self.port = freePort()
        self.line = f"{self.port} stream tcp nowait - /bin/cat\n"
        self.conf = self.write("inetd.conf", self.line)
        self.pidFile = self.path("inetd.pid")

    def start(self, *arguments: str, ports: Sequence[int] = ()) -> Daemon:
        """Run C{inetd} until the test ends, once it serves."""
        daemon = Daemon(inetd(*arguments), ports=[self.port, *ports])
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def pid(self) -> int:
        """Return the process id in the pid file."""
        with open(self.pidFile, encoding="ascii") as file:
            return int(file.read())

    def assertServes(self) -> None:
        """Check that a client is served."""
        self.assertEqual(talk(self.port, b"text"), b"text")


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
        The command daemonizes when no port is free, and says so in a line.

        The line counts the services without a socket; each is served once its port is
        free.
        """
        with socket.create_server(("", self.port)):
            daemon = self.start("-p", self.pidFile, self.conf)
            self.assertEqual(daemon.process.wait(DEADLINE), 0)
        self.assertEqual(
            daemon.log(),
            "inetd: started, but 1 of 1 services is not bound yet: the daemon "
            "retries; the reasons are in the system log; -f -e shows it here\n",
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
        os.mkdir(self.path("folder"))
        os.mkfifo(self.path("fifo"))
        os.symlink(self.path("nothing"), self.path("link"))
        for name, why in (
            ("folder", "is a directory, not a regular file"),
            ("fifo", "is a FIFO, not a regular file"),
            ("link", "is a symbolic link, not a regular file"),
            ("inetd.conf", "holds no pid"),
        ):
            path = self.path(name)
            before = self.written(path)
            done = run(inetd("-p", path, self.conf))
            said = f"inetd: the pid file '{path}': {why}; -p takes another one\n"
            self.assertEqual((done.returncode, done.stderr), (1, said))
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
        word, said = "x\nforged", "x\\nforged"
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
            self.assertIn(said, done.stderr)

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
        self.assertTrue(forkServers(daemon.process.pid))
        daemon.stop()
        daemon = self.start("-f", "-e", "--launch", "direct", self.conf)
        self.assertServes()
        self.assertEqual(forkServers(daemon.process.pid), [])


class WordsTests(CommandTestCase):
    """What the command prints when it does not serve."""

    def test_help(self) -> None:
        """C{--help} prints every option, and exits with 0."""
        done = run(inetd("--help"))
        self.assertEqual(done.returncode, 0)
        self.assertIn("Usage: inetd [options] [FILE or FOLDER]...", done.stdout)
        for option in "fedqRpl":
            self.assertIn(f"\n  -{option}, --", done.stdout)
        self.assertIn("-i", done.stdout)

    def test_version(self) -> None:
        """C{--version} prints the version and exits with 0."""
        done = run(inetd("--version"))
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stdout, f"inetd (inetdtw) {__version__}\n")

    def assertRefused(self, *arguments: str) -> str:
        """
        Check that a command line is rejected in two short lines.

        @return: the output.
        """
        done = run(inetd(*arguments))
        self.assertEqual(done.returncode, 2, arguments)
        self.assertTrue(done.stderr.startswith("inetd: "), done.stderr)
        self.assertIn("Try 'inetd --help'", done.stderr)
        self.assertEqual(done.stderr.count("\n"), 2, done.stderr)
        return done.stderr

    def test_unknownOption(self) -> None:
        """An unknown option is named, with a pointer to C{--help}."""
        self.assertIn("nosuchoption", self.assertRefused("--nosuchoption", self.conf))
        self.assertIn("Z", self.assertRefused("-Z", self.conf))

    def test_badValues(self) -> None:
        """A value that is not a number, or out of range, is rejected."""
        for option in ("-q", "-R"):
            for value in ("x", "-1", "99999999"):
                said = self.assertRefused("-f", option, value, self.conf)
                self.assertIn(f"{option} takes a number", said)
                self.assertIn(value, said)
        self.assertIn("--launch", self.assertRefused("--launch", "rocket", self.conf))

    def printed(self, *arguments: str, to: str | int) -> tuple[int, str]:
        """
        Run a command with another standard output.

        @param to: a redirection of the shell, or a descriptor.
        @return: its exit status, and its standard error.
        """
        redirected = f'exec "$@" >{to}' if isinstance(to, str) else 'exec "$@"'
        done = subprocess.run(
            ["/bin/sh", "-c", redirected, "sh", *inetd(*arguments)],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=to if isinstance(to, int) else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stderr

    def printing(self) -> Iterator[tuple[str, ...]]:
        """Return command lines that print something, and succeed."""
        yield ("--version",)
        yield "--check", self.conf
        yield "--explain", f"{self.port}/tcp", self.conf
        yield ("--help",)
        yield "status", "--help"
        yield "status", "--version"

    def test_full(self) -> None:
        """The command exits with 1, with a message, when its output fails."""
        said = "inetd: nothing can be printed: No space left on device\n"
        for arguments in self.printing():
            found = self.printed(*arguments, to="/dev/full")
            self.assertEqual(found, (1, said), arguments)
        self.assertWithoutAWord("/dev/full 2>&1")

    if not os.path.exists("/dev/full"):
        test_full.skip = "there is no /dev/full"  # type: ignore[attr-defined]

    def test_unread(self) -> None:
        """The command exits with 1, without a message, when its output is not read."""
        unread, end = os.pipe()
        os.close(unread)
        self.addCleanup(os.close, end)
        for arguments in self.printing():
            self.assertEqual(self.printed(*arguments, to=end), (1, ""), arguments)

    def test_noOutput(self) -> None:
        """The command succeeds when its standard output is closed."""
        for arguments in self.printing():
            self.assertEqual(self.printed(*arguments, to="&-"), (0, ""), arguments)
        self.assertWithoutAWord("&- 2>&-")

    def assertWithoutAWord(self, to: str) -> None:
        """Check that errors that cannot be printed leave the exit status as it is."""
        for arguments in (("status", "--control", self.path("none")), ("--nosuch",)):
            self.assertEqual(self.printed(*arguments, to=to), (2, ""), arguments)

    def test_behindTheFile(self) -> None:
        """An option after the file is an option."""
        done = run(inetd(self.conf, "--check"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("0 errors", done.stdout)
        done = run(inetd(self.conf, "--help"))
        self.assertEqual((done.returncode, done.stdout[:6]), (0, "Usage:"))

    def test_stderrOfADaemon(self) -> None:
        """C{-e} without C{-f} is rejected: a daemon has no standard error."""
        self.assertIn("-e needs -f", self.assertRefused("-e", self.conf))


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
        # A fork server that accepts there hears of it a moment later.
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

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Files, lines, programs and ports with errors."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket

from tests.support import interpreters, users
from tests.support.daemon import Daemon, eventually, freePort, talk, twistd
from tests.support.probe import LAUNCHES
from tests.support.serving import ServingTestCase, inetd, readAll, run
from tests.support.users import ordinaryUser

#: Lines that cannot be used, and the field that each message names.
_BAD_LINES = (
    ("7 stream tcp nowait", "user"),
    ("nosuchservice stream tcp nowait - /bin/cat", "service"),
    ("99999 stream tcp nowait - /bin/cat", "service"),
    ("{port} stream tcp nowait nosuchuser /bin/cat", "user"),
    ("{port} stream tcp nowait -:nosuchgroup /bin/cat", "group"),
    ("{port} stream sctp nowait - /bin/cat", "protocol"),
    ("{port} stream udp nowait - /bin/cat", "socktype"),
    ("{port} dgram tcp wait - /bin/cat", "socktype"),
    ("{port} rdm tcp wait - /bin/cat", "socktype"),
    ("{port} stream tcp maybe - /bin/cat", "wait"),
    ("{port} stream tcp nowait.x - /bin/cat", "service_max"),
    ("{port} stream tcp nowait/99999 - /bin/cat", "accept_max"),
    ("{port} stream tcp nowait - internal nosuchthing", "args"),
    ("{port} stream tcp,sndbuf=x nowait - /bin/cat", "sndbuf"),
    ("{port} stream tcp nowait - /bin/sh sh -c 'never closed", "line"),
    ("{port} stream rpc/tcp nowait - /bin/cat", "protocol"),
    ("[::1:{port} stream tcp nowait - /bin/cat", "service"),
    ("{port} on protocol = tcp, wait = no, exec = /bin/cat, colour = red;", "colour"),
    ("{port} on protocol = tcp, wait = no, user = -, wait = yes;", "wait"),
    ("{port} on protocol = tcp, user = -, exec = /bin/cat;", "wait"),
)


class LoggedTestCase(ServingTestCase):
    """Look for lines of the log."""

    def lines(self, daemon: Daemon, text: str) -> list[str]:
        """Return the lines of the log that contain a string."""
        return [line for line in daemon.log().splitlines() if text in line]


class BadLineTests(LoggedTestCase):
    """Lines with errors."""

    def check(self, user: pwd.struct_passwd | None) -> None:
        """Check that every bad line is logged once, and the others are served."""
        first, last = freePort(), freePort()
        bad = "\n".join(line.format(port=freePort()) for line, _ in _BAD_LINES)
        good = "{} stream tcp nowait - /bin/cat"
        conf = f"{good.format(first)}\n{bad}\n{good.format(last)}\n"
        with self.daemon(conf, first, last, user=user) as daemon:
            self.assertEqual(talk(first, b"first"), b"first")
            self.assertEqual(talk(last, b"last"), b"last")
            path = self.path("inetd.conf")
            for number, (line, field) in enumerate(_BAD_LINES, 2):
                (logged,) = self.lines(daemon, f"{path}:{number}:")
                self.assertIn(f" field={field} reason=", logged, line)
            self.assertEqual(len(self.lines(daemon, "config-error ")), len(_BAD_LINES))
            self.assertEqual(self.lines(daemon, "Traceback"), [])

    def test_ordinaryUser(self) -> None:
        """
        Each bad line draws a log line with file, line and field.

        The others are served.
        """
        self.check(ordinaryUser())

    def test_root(self) -> None:
        """Bad lines draw log lines when root runs the daemon, too."""
        self.check(None)

    def test_otherUser(self) -> None:
        """A user other than root cannot serve as another: the message says so."""
        good, bad = freePort(), freePort()
        conf = (
            f"{good} stream tcp nowait - /bin/cat\n"
            f"{bad} stream tcp nowait root /bin/cat\n"
        )
        with self.daemon(conf, good, user=ordinaryUser()) as daemon:
            (line,) = self.lines(daemon, "inetd.conf:2:")
            self.assertIn("field=user reason=only root can", line)
            self.assertRaises(ConnectionRefusedError, self.connect, bad)

    def test_ownName(self) -> None:
        """A user other than root can name itself in a line."""
        user = ordinaryUser() or pwd.getpwuid(os.geteuid())
        port = freePort()
        conf = f"{port} stream tcp nowait {user.pw_name} /bin/cat\n"
        with self.daemon(conf, port, user=ordinaryUser()):
            self.assertEqual(talk(port, b"text"), b"text")

    def test_twice(self) -> None:
        """Of two lines for one port the first is served, and a warning names both."""
        port = freePort()
        conf = (
            f"{port} stream tcp nowait - /bin/cat\n"
            f"{port} stream tcp nowait - /bin/echo echo second\n"
        )
        with self.daemon(conf, port) as daemon:
            self.assertEqual(talk(port, b"first"), b"first")
            (line,) = self.lines(daemon, "inetd.conf:2:")
            self.assertIn("inetd.conf:1:", line)


class MissingProgramTests(LoggedTestCase):
    """
    Programs that are missing, or not executable, when a client connects.

    @cvar user: the name of the user of the programs.
    """

    user = "-"

    def check(self, path: str, launch: str, warned: bool = True) -> None:
        """
        Check that clients are closed, and served once a program is installed.

        @param path: the program, which cannot be executed yet.
        @param warned: whether a warning is possible when the file is read.
        """
        port, other, waits = freePort(), freePort(), freePort()
        keys = f"protocol = tcp, launch = {launch}, user = {self.user}, exec"
        conf = (
            f"{port} on wait = no, {keys} = {path};\n"
            f"{waits} on wait = yes, {keys} = {path}, id = waits;\n"
            f"{other} on wait = no, {keys} = /bin/cat;\n"
        )
        with self.daemon(conf, port, waits, other) as daemon:
            self.assertEqual(len(self.lines(daemon, path)), 2 * warned)
            for line in self.lines(daemon, path):
                self.assertRegex(line, r"config-warning \S+:[12]:\d+ field=exec ")
            for number in range(1, 4):
                self.assertEqual(readAll(self.connect(port)), b"")
                daemon.waitForLog(f"] start-failed {port}/tcp ", number)
                failed = self.lines(daemon, f"] start-failed {port}/tcp ")
                self.assertEqual(len(failed), number)
                self.assertIn(path, failed[-1])
            self.assertEqual(readAll(self.connect(waits)), b"")
            daemon.waitForLog("] start-failed waits ")
            self.assertEqual(talk(other, b"other"), b"other")
            self.install(path)
            self.assertEqual(talk(port, b"installed"), b"installed")
            self.assertEqual(self.lines(daemon, "Traceback"), [])

    def install(self, path: str) -> None:
        """Install a program that works."""
        if os.path.isdir(path):
            os.rmdir(path)
        new = self.path("new")
        shutil.copy("/bin/cat", new)
        os.chmod(new, 0o755)
        os.rename(new, path)

    def test_missing(self) -> None:
        """
        A missing program draws a warning, and clients are closed.

        Each of them draws a log line. As soon as the program is installed, clients are
        served.
        """
        for launch in LAUNCHES:
            self.check(self.path(f"missing-{launch}"), launch)

    def test_notExecutable(self) -> None:
        """The same happens when the file is not executable."""
        for launch in LAUNCHES:
            name = f"plain-{launch}"
            self.check(self.write(name, "#!/bin/sh\necho no\n"), launch)

    def test_directory(self) -> None:
        """The same happens when the path is a directory."""
        for launch in LAUNCHES:
            path = self.path(f"directory-{launch}")
            os.mkdir(path)
            self.check(path, launch)

    def test_interpreterMissing(self) -> None:
        """A program without its interpreter draws a log line when it is started."""
        for launch in LAUNCHES:
            text = "#!/no/such/interpreter\n"
            path = self.write(f"script-{launch}", text, 0o755)
            self.check(path, launch, warned=False)

    def test_inPath(self) -> None:
        """A program that no directory of PATH has is found once one has it."""
        for launch in LAUNCHES:
            port = freePort()
            name = f"nosuchprogram-{launch}"
            path = self.write(
                "inetd.conf",
                f"{port} on protocol = tcp, wait = no, launch = {launch}, "
                f"user = {self.user}, exec = {name};\n",
            )
            argv = [
                "env",
                f"PATH={self.directory}:/bin",
                *twistd("inetd", "--conf", path),
            ]
            with Daemon(argv, ports=[port]) as daemon:
                (line,) = self.lines(daemon, name)
                self.assertIn("config-warning ", line)
                self.assertEqual(readAll(self.connect(port)), b"")
                daemon.waitForLog(f"] start-failed {port}/tcp ")
                self.assertIn(name, self.lines(daemon, "] start-failed ")[0])
                self.install(self.path(name))
                self.assertEqual(talk(port, b"installed"), b"installed")

    def test_datagrams(self) -> None:
        """A datagram for a missing program draws a log line, and no answer."""
        for launch in LAUNCHES:
            for wait in ("yes", "no"):
                port, other = freePort(), freePort()
                path = self.path(f"no-{launch}-{wait}")
                keys = f"launch = {launch}, user = {self.user}, exec"
                conf = (
                    f"{port} on protocol = udp, wait = {wait}, {keys} = {path};\n"
                    f"{other} on protocol = udp, wait = no, {keys} = /bin/cat;\n"
                )
                with self.daemon(conf, port, other) as daemon:
                    client = self.datagrams()
                    for number in range(1, 4):
                        client.sendto(b"?", ("127.0.0.1", port))
                        daemon.waitForLog(f"] start-failed {port}/udp ", number)
                    client.sendto(b"other", ("127.0.0.1", other))
                    self.assertEqual(client.recv(100), b"other")
                    failed = self.lines(daemon, f"] start-failed {port}/udp ")
                    self.assertEqual(len(failed), 3)
                    self.assertIn(path, failed[0])


class MissingProgramOfAlpineTests(MissingProgramTests):
    """Programs of the user C{alpine}, when root runs the daemon."""

    skip = None if users.ROOT else users.NOT_ROOT
    user = "alpine"

    def setUp(self) -> None:
        """Add the user."""
        super().setUp()
        users.alpine()

    def test_ofAnother(self) -> None:
        """The same happens when root can execute the program and the user cannot."""
        for launch in LAUNCHES:
            path = self.path(f"private-{launch}")
            shutil.copy("/bin/cat", path)
            os.chmod(path, 0o700)
            self.check(path, launch)


class PortInUseTests(LoggedTestCase):
    """Ports that another process listens on."""

    def check(self, kind: int, lines: str) -> None:
        """Check that others are served, and the port as soon as it becomes free."""
        taken, other = freePort(), freePort()
        conf = f"{lines.format(taken)}\n{other} stream tcp nowait - /bin/cat\n"
        with socket.socket(socket.AF_INET, kind) as holder:
            holder.bind(("", taken))
            if kind == socket.SOCK_STREAM:
                holder.listen()
            with self.daemon(conf, other) as daemon:
                line, *_ = self.lines(daemon, "] bind-failed ")
                self.assertIn(f":{taken} ", line)
                self.assertIn("Address already in use", line)
                self.assertEqual(talk(other, b"other"), b"other")
                holder.close()
                daemon.waitForLog(f"address=0.0.0.0:{taken}", 2)
                eventually(lambda: self.lines(daemon, f"] listen {taken}/"), daemon.log)
                if kind == socket.SOCK_STREAM:
                    self.assertEqual(talk(taken, b"mine"), b"mine")
                    return
                client = self.datagrams()
                client.sendto(b"mine", ("127.0.0.1", taken))
                self.assertEqual(client.recv(100), b"mine")

    def test_tcp(self) -> None:
        """A TCP port in use is logged, and served once it is free."""
        self.check(socket.SOCK_STREAM, "{} stream tcp nowait - /bin/cat")

    def test_udp(self) -> None:
        """A UDP port in use is logged, and served once it is free."""
        self.check(socket.SOCK_DGRAM, "{} dgram udp nowait - /bin/cat")

    def test_privileged(self) -> None:
        """A privileged port is logged, and others are served, for another user."""
        port = freePort()
        conf = f"{port} stream tcp nowait - /bin/cat\n1 stream tcp nowait - /bin/cat\n"
        with self.daemon(conf, port, user=ordinaryUser()) as daemon:
            line, *_ = self.lines(daemon, "] bind-failed 1/tcp ")
            self.assertIn("Permission denied", line)
            self.assertEqual(talk(port, b"text"), b"text")

    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as _file:
        if int(_file.read()) < 2:
            test_privileged.skip = "any user may have port 1"  # type: ignore[attr-defined]


class BadFileTests(LoggedTestCase):
    """Configuration files that cannot be read, each beside one that can."""

    def check(self, path: str, reason: str) -> None:
        """
        Check that a bad file draws a log line and the other file is served.

        Without the other file, the command fails with a message.
        """
        port, user = freePort(), ordinaryUser()
        good = self.write("good.conf", f"{port} stream tcp nowait - /bin/cat\n")
        argv = twistd("inetd", "--conf", path, "--conf", good)
        with Daemon(argv, ports=[port], user=user) as daemon:
            self.assertEqual(talk(port, b"good"), b"good")
            (line,) = self.lines(daemon, path)
            self.assertIn(f"config-error {path}:1:1 field=file reason=", line)
            self.assertIn(reason, line)
        asUser = ["setpriv", f"--reuid={user.pw_uid}", "--clear-groups"] if user else []
        done = run([*asUser, *twistd("inetd", "--conf", path)])
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(reason, done.stdout + done.stderr)
        self.assertNotIn("Traceback", done.stdout + done.stderr)

    def test_absent(self) -> None:
        """A missing file is a bad file."""
        self.check(self.path("absent.conf"), "No such file or directory")

    def test_unreadable(self) -> None:
        """A file that the user cannot read is a bad file."""
        path = self.write("private.conf", "", 0o000)
        self.check(path, "Permission denied")

    def test_fifo(self) -> None:
        """A FIFO without a writer is a bad file."""
        path = self.path("fifo.conf")
        os.mkfifo(path, 0o666)
        self.check(path, "is a FIFO, not a regular file")

    def test_binary(self) -> None:
        """A program is a bad file."""
        path = self.path("binary.conf")
        shutil.copy("/bin/cat", path)
        os.chmod(path, 0o644)
        self.check(path, "is not UTF-8 text")

    def test_directory(self) -> None:
        """The files of a directory are read; a bad one does not hide the others."""
        port = freePort()
        os.mkdir(self.path("inetd.d"))
        self.write("inetd.d/one.conf", f"{port} stream tcp nowait - /bin/cat\n")
        bad = self.write("inetd.d/two.conf", "7 stream\n")
        argv = twistd("inetd", "--conf", self.path("inetd.d"))
        with Daemon(argv, ports=[port]) as daemon:
            self.assertEqual(talk(port, b"good"), b"good")
            (line,) = self.lines(daemon, f"{bad}:1:")
            self.assertIn("field=protocol", line)


class NothingToServeTests(ServingTestCase):
    """Commands that have nothing to serve."""

    def commands(self, path: str) -> dict[str, list[str]]:
        """Return all commands that serve a file, by a name."""
        pid = self.path("pid")
        return {
            "inetd": inetd("-p", pid, path),
            "inetd -f": inetd("-f", path),
            "inetd -f -e": inetd("-f", "-e", path),
            "python -m": [interpreters.python(), "-m", "inetdtw", "-p", pid, path],
            "twistd -n": twistd("inetd", "--conf", path),
            "twistd": [
                *twistd()[:-2],
                *("--pidfile", pid, "--logfile", self.path("log")),
                *("inetd", "--conf", path),
            ],
        }

    def check(self, path: str, *texts: str) -> None:
        """Check that every command fails with a message and leaves nothing behind."""
        for name, argv in self.commands(path).items():
            done = run(argv)
            said = done.stdout + done.stderr
            if os.path.exists(self.path("log")):
                with open(self.path("log"), encoding="utf-8") as log:
                    said += log.read()
            self.assertNotEqual(done.returncode, 0, f"{name}: {said}")
            for text in texts:
                self.assertIn(text, said, name)
            self.assertNotIn("Traceback", said, name)
            # Its starter knows of the failure first.
            eventually(
                lambda: not os.path.exists(self.path("pid")),
                lambda: "the pid file to be removed",
            )

    def test_empty(self) -> None:
        """A file with only comments draws a message, and a failure."""
        path = self.write("inetd.conf", "# nothing\n\n")
        self.check(path, "nothing to serve", path)

    def test_absent(self) -> None:
        """A missing file draws a message that names it, and a failure."""
        path = self.path("absent.conf")
        self.check(path, "nothing to serve", path, "No such file")

    def test_onlyBadLines(self) -> None:
        """A file without a good line draws a message with every error."""
        path = self.write(
            "inetd.conf", "7 stream\nnosuch stream tcp nowait - /bin/cat\n"
        )
        self.check(path, "nothing to serve", f"{path}:1:", f"{path}:2:")

    def test_portsInUse(self) -> None:
        """A daemon without a free port stays, and serves once one is free."""
        port = freePort()
        path = self.write("inetd.conf", f"{port} stream tcp nowait - /bin/cat\n")
        for argv in (inetd("-f", "-e", path), twistd("inetd", "--conf", path)):
            holder = socket.create_server(("", port))
            with Daemon(argv) as daemon:
                with holder:
                    daemon.waitForLog("already in use", 2)
                self.assertIsNone(daemon.process.poll())
                daemon.waitForLog(f"listen {port}/tcp")
                self.assertEqual(talk(port, b"late"), b"late")


class BadReloadTests(LoggedTestCase):
    """Files that are bad at a reload."""

    def check(self, bad: str | None) -> None:
        """Check that the old configuration is served."""
        port, added = freePort(), freePort()
        good = f"{port} stream tcp nowait - /bin/cat\n"
        with self.daemon(good, port) as daemon:
            if bad is None:
                os.unlink(self.path("inetd.conf"))
            else:
                self.write("inetd.conf", bad.format(port=port, added=added))
            os.kill(daemon.process.pid, signal.SIGHUP)
            daemon.waitForLog("reload-rejected - problems=1")
            self.assertEqual(talk(port, b"text"), b"text")
            self.assertRaises(ConnectionRefusedError, self.connect, added)
            self.assertTrue(
                re.search(r"config-error \S+inetd.conf:\d+:\d+ ", daemon.log())
            )

    def test_badLine(self) -> None:
        """A bad line rejects the reload, with a log line."""
        self.check("{port} stream tcp nowait - /bin/echo\n{added} stream tcp\n")

    def test_absent(self) -> None:
        """A missing file rejects the reload, with a log line."""
        self.check(None)

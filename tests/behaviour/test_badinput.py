# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Files, lines, programs and ports with errors."""

from __future__ import annotations

import os
import pwd
import shutil
import socket

from tests.support import users
from tests.support.daemon import Daemon, eventually, freePort, talk, twistd
from tests.support.probe import LAUNCHES
from tests.support.serving import ServingTestCase, readAll
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
    (
        "{port} on protocol = tcp, user = -, exec = /bin/cat, wait = no, wait = no;",
        "wait",
    ),
    ("{port} on protocol = tcp, user = -, exec = /bin/cat;", "wait"),
)


class BadLineTests(ServingTestCase):
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
                (logged,) = daemon.lines(f"{path}:{number}:")
                self.assertIn(f" field={field} reason=", logged, line)
            self.assertEqual(len(daemon.lines("config-error ")), len(_BAD_LINES))
            self.assertEqual(daemon.lines("Traceback"), [])

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
            (line,) = daemon.lines("inetd.conf:2:")
            self.assertIn("field=user reason=only root can", line)
            self.assertRaises(ConnectionRefusedError, self.connect, bad)

    def test_otherUsers(self) -> None:
        """Several such lines are one message, and each is counted."""
        good, conf = freePort(), ""
        for _ in range(3):
            conf += f"{freePort()} stream tcp nowait root /bin/cat\n"
        conf += f"{good} stream tcp nowait - /bin/cat\n"
        with self.daemon(conf, good, user=ordinaryUser()) as daemon:
            (line,) = daemon.lines("config-error ")
            self.assertIn("3 services need root: only root can run a service", line)
            self.assertIn("(lines 1, 2, 3);", line)

    def test_severalErrors(self) -> None:
        """All errors of one line are logged, each in its column."""
        good = freePort()
        bad = "nosuchservice stream tcp nowait nosuchuser /nosuch nosuch"
        conf = f"{bad}\n{good} stream tcp nowait - /bin/cat\n"
        with self.daemon(conf, good) as daemon:
            path = self.path("inetd.conf")
            self.assertEqual(len(daemon.lines(f"config-error {path}:1:")), 2)
            self.assertEqual(len(daemon.lines(f"{path}:1:33 field=user")), 1)
            self.assertEqual(len(daemon.lines(f"{path}:1:44 field=exec")), 1)

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
            (line,) = daemon.lines("inetd.conf:2:")
            self.assertIn("inetd.conf:1:", line)


class MissingProgramTests(ServingTestCase):
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
            self.assertEqual(len(daemon.lines(path)), 2 * warned)
            for line in daemon.lines(path):
                self.assertRegex(line, r"config-warning \S+:[12]:\d+ field=exec ")
            for number in range(1, 4):
                self.assertEqual(readAll(self.connect(port)), b"")
                daemon.waitForLog(f"] start-failed {port}/tcp ", number)
                failed = daemon.lines(f"] start-failed {port}/tcp ")
                self.assertEqual(len(failed), number)
                self.assertIn(path, failed[-1])
            self.assertEqual(readAll(self.connect(waits)), b"")
            daemon.waitForLog("] start-failed waits ")
            self.assertEqual(talk(other, b"other"), b"other")
            self.install(path)
            self.assertEqual(talk(port, b"installed"), b"installed")
            self.assertEqual(daemon.lines("Traceback"), [])

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
        """A file that is not executable draws a warning, and clients are closed."""
        for launch in LAUNCHES:
            name = f"plain-{launch}"
            self.check(self.write(name, "#!/bin/sh\necho no\n"), launch)

    def test_directory(self) -> None:
        """A directory as a program draws a warning, and clients are closed."""
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
                (line,) = daemon.lines(name)
                self.assertIn("config-warning ", line)
                self.assertEqual(readAll(self.connect(port)), b"")
                daemon.waitForLog(f"] start-failed {port}/tcp ")
                self.assertIn(name, daemon.lines("] start-failed ")[0])
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
                    failed = daemon.lines(f"] start-failed {port}/udp ")
                    self.assertEqual(len(failed), 3)
                    self.assertIn(path, failed[0])


class MissingProgramOfAlpineTests(users.OfAlpine, MissingProgramTests):
    """Programs of the user C{alpine}, when root runs the daemon."""

    def test_ofAnother(self) -> None:
        """A program that only root can execute draws a warning; clients are closed."""
        for launch in LAUNCHES:
            path = self.path(f"private-{launch}")
            shutil.copy("/bin/cat", path)
            os.chmod(path, 0o700)
            self.check(path, launch)


class PortInUseTests(ServingTestCase):
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
                line, *_ = daemon.lines("] bind-failed ")
                self.assertIn(f":{taken} ", line)
                self.assertIn("Address already in use", line)
                self.assertEqual(talk(other, b"other"), b"other")
                holder.close()
                daemon.waitForLog(f"address=0.0.0.0:{taken}", 2)
                eventually(lambda: daemon.lines(f"] listen {taken}/"), daemon.log)
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
            line, *_ = daemon.lines("] bind-failed 1/tcp ")
            self.assertIn("Permission denied", line)
            self.assertEqual(talk(port, b"text"), b"text")

    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as _file:
        if int(_file.read()) < 2:
            test_privileged.skip = "any user may have port 1"  # type: ignore[attr-defined]

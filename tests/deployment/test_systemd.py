# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The daemon under a supervisor: notifications, and sockets that it is passed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket

from tests.support import interpreters, users
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    environment,
    freePort,
    portIsTaken,
    talk,
    twistd,
)
from tests.support.passing import PASS
from tests.support.serving import ServingTestCase, inetd, run
from tests.support.users import ordinaryUser

#: What no program may have in its environment.
_PRIVATE = ("LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_")


class StrangeDescriptorsTests(ServingTestCase):
    """Descriptors in C{LISTEN_FDS} that no service can have."""

    def strange(self) -> list[socket.socket | int]:
        """Return sockets of other families and types, and what is not a socket."""
        found: list[socket.socket | int] = []
        for family, kind in (
            ("AF_NETLINK", socket.SOCK_RAW),
            ("AF_VSOCK", socket.SOCK_STREAM),
            ("AF_ALG", socket.SOCK_SEQPACKET),
            ("AF_PACKET", socket.SOCK_DGRAM),
            ("AF_INET", socket.SOCK_RAW),
            ("AF_INET", socket.SOCK_STREAM),
            ("AF_UNIX", socket.SOCK_STREAM),
        ):
            with contextlib.suppress(AttributeError, OSError):
                made = socket.socket(getattr(socket, family), kind)
                self.addCleanup(made.close)
                found.append(made)
        pipe = os.pipe()
        for fd in (*pipe, os.open("/", os.O_RDONLY)):
            self.addCleanup(os.close, fd)
            found.append(fd)
        return found

    def test_unused(self) -> None:
        """Each unusable descriptor draws a log line; everything is served."""
        port = freePort()
        path = self.write("inetd.conf", f"{port} stream tcp nowait - internal echo\n")
        strange = self.strange()
        fds = [e if isinstance(e, int) else e.fileno() for e in strange]
        numbers = ",".join(map(str, fds))
        # The variable counts one more than are passed.
        code = PASS.replace("str(len(fds))", "str(len(fds) + 1)")
        give = [interpreters.python(), "-c", code, numbers, ""]
        argv = [*give, *inetd("-f", "-e", path)]
        with Daemon(argv, ports=[port], fds=fds) as daemon:
            daemon.waitForLog("unused-socket - ", len(fds) + 1)
            self.assertEqual(talk(port, b"x"), b"x")
            daemon.process.send_signal(signal.SIGHUP)
            daemon.waitForLog("] reload - ")
            log = daemon.log()
        self.assertNotIn("Traceback", log)
        self.assertEqual(log.count("] unused-socket - "), len(fds) + 1)
        if hasattr(socket, "AF_NETLINK"):
            self.assertIn("address family AF_NETLINK is not supported", log)


class GoneDirectoryTests(ServingTestCase):
    """A working directory that was removed."""

    def gone(self, *argv: str) -> list[str]:
        """Return a command line that runs another one in such a directory."""
        gone = self.path("gone")
        os.mkdir(gone)
        script = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
        return ["sh", "-c", script, "sh", gone, *argv]

    def test_serves(self) -> None:
        """
        A configuration with absolute paths is served and reloaded.

        Direct programs start, and twistd(1) works too.
        """
        ports = [freePort() for _ in range(3)]
        line = "%d on protocol = tcp, wait = no, user = -, exec = %s, %s;\n"
        program = self.program("program", "print('fine')\n")
        ways = ("launch = direct", "launch = forkserver", "warm = yes")
        conf = self.write(
            "inetd.conf",
            "".join(line % (port, program, way) for port, way in zip(ports, ways)),
        )
        pid = self.path("pid")
        # As an installed twistd(1), which does not look for plugins where it is.
        plugin = twistd("inetd", "--conf", conf)
        plugin[2] = plugin[2].replace("import sys;", "import sys; sys.path.remove('');")
        for command in (inetd("-f", "-e", "-p", pid, conf), plugin):
            with Daemon(self.gone(*command), ports=ports) as daemon:
                for _ in range(2):
                    for port in ports:
                        self.assertEqual(talk(port, b""), b"fine\n")
                    daemon.process.send_signal(signal.SIGHUP)
                    daemon.waitForLog("] reload - ")
                self.assertNotIn("Traceback", daemon.log())
        for words in (("--check", conf), ("--explain", str(ports[0]), conf)):
            done = run(self.gone(*inetd(*words)))
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_relative(self) -> None:
        """A relative path is rejected in a line, and nothing is made elsewhere."""
        conf = self.write("inetd.conf", "7 stream tcp nowait - /bin/true\n")
        for words in (
            ("-f", "-e", "inetd.conf"),
            ("-f", "-e", "-p", "relative.pid", conf),
            ("-f", "-e", "--control", "relative", conf),
            ("--check", "inetd.conf"),
            ("--explain", "7", "inetd.conf"),
            ("status", "--control", "relative"),
        ):
            done = run(self.gone(*inetd(*words)))
            output = done.stdout + done.stderr
            self.assertIn(done.returncode, (1, 2), output)
            self.assertNotIn("Traceback", output)
            self.assertRegex(output, "directory is gone|No such file")
        self.assertFalse(os.path.exists("/relative.pid"))


class NotificationTests(ServingTestCase):
    """C{NOTIFY_SOCKET} and C{WATCHDOG_USEC}."""

    def setUp(self) -> None:
        """Listen as a supervisor does."""
        super().setUp()
        self.supervisor = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.supervisor.close)
        self.supervisor.settimeout(DEADLINE)
        self.supervisor.bind(self.path("notify"))
        os.chmod(self.path("notify"), 0o666)

    def receive(self, *wanted: str) -> dict[str, str]:
        """
        Wait for notifications that begin with these, in order.

        @return: the variables of the last one.
        """
        found: dict[str, str] = {}
        for first in wanted:
            while True:
                text = self.supervisor.recv(4096).decode()
                found = dict(line.split("=", 1) for line in text.split("\n"))
                if text.split("\n")[0] == first:
                    break
        return found

    def test_life(self) -> None:
        """
        The supervisor is notified of start, reload, watchdog, stop and status.

        Programs do not inherit the socket's variable.
        """
        port, other = freePort(), freePort()
        line = f"{port} stream tcp nowait - /usr/bin/env env\n"
        path = self.write("inetd.conf", line)
        env = environment(
            ordinaryUser(), NOTIFY_SOCKET=self.path("notify"), WATCHDOG_USEC="200000"
        )
        argv = inetd("-f", "-e", path)
        with Daemon(argv, ports=[port], env=env, user=ordinaryUser()) as daemon:
            ready = self.receive("READY=1")
            self.assertEqual(ready["STATUS"], "services: 1; running: 0")
            self.receive("WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1")
            output = talk(port, b"").decode()
            self.assertIn("TCPREMOTEPORT=", output)
            names = [each.split("=")[0] for each in output.splitlines()]
            self.assertEqual([n for n in names if n.startswith(_PRIVATE)], [])
            self.write("inetd.conf", line + line.replace(str(port), str(other)))
            os.kill(daemon.process.pid, signal.SIGHUP)
            reloading = self.receive("RELOADING=1")
            self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
            ready = self.receive("READY=1")
            # The program may have ended unseen.
            self.assertIn("services: 2; running: ", ready["STATUS"])
            self.assertIn("TCPREMOTEPORT=", talk(other, b"").decode())
            os.kill(daemon.process.pid, signal.SIGTERM)
            self.receive("STOPPING=1")


class SocketActivateTests(ServingTestCase):
    """systemd-socket-activate(1)."""

    if shutil.which("systemd-socket-activate") is None:
        skip = "systemd-socket-activate is not installed"

    def activated(self, port: int, conf: str, *before: str) -> Daemon:
        """Return the daemon, started by the first client of a port."""
        path = self.write("inetd.conf", conf)
        activate = ["systemd-socket-activate", "-l", f"127.0.0.1:{port}"]
        kept = [
            f"--setenv={name}={environment()[name]}"
            for name in ("PYTHONPATH", "INETD_CONTROL")
        ]
        command = [*before, *inetd("-f", "-e", path)]
        return Daemon([*activate, *kept, *command], ports=[port])

    def test_serves(self) -> None:
        """The first client starts the daemon, and all clients are served."""
        port = freePort()
        line = f"127.0.0.1:{port} stream tcp nowait - /bin/cat cat\n"
        with self.activated(port, line) as daemon:
            for number in range(3):
                self.assertEqual(talk(port, b"%d" % number), b"%d" % number)
            daemon.waitForLog("source=LISTEN_FDS")
            self.assertNotIn("unused-socket", daemon.log())

    def test_privilegedPort(self) -> None:
        """A user other than root serves a port below 1024."""
        user = users.alpine()
        port = random.choice([p for p in range(600, 1024) if not portIsTaken(p)])
        line = f"127.0.0.1:{port} stream tcp nowait - /usr/bin/id id -u\n"
        become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}"]
        with self.activated(port, line, *become, "--clear-groups"):
            self.assertEqual(int(talk(port, b"")), user.pw_uid)

    if not users.ROOT:
        test_privilegedPort.skip = users.NOT_ROOT  # type: ignore[attr-defined] # trial's

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
import threading
from collections import Counter
from typing import Any

from tests.support import interpreters, users
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    environment,
    eventually,
    freePort,
    portIsTaken,
    talk,
    twistd,
)
from tests.support.serving import ServingTestCase, inetd, readAll, run
from tests.support.users import ordinaryUser

#: Passes descriptors and their names, as a supervisor does, and executes
#: the daemon.
_PASS = """
import os, sys
from fcntl import F_DUPFD, fcntl
given = [int(fd) for fd in sys.argv[1].split(",")]
fds = [fcntl(fd, F_DUPFD, 100) for fd in given]
for fd in given:
    os.close(fd)
for number, fd in enumerate(fds, 3):
    os.dup2(fd, number)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.environ["LISTEN_FDS"] = str(len(fds))
os.environ["LISTEN_FDNAMES"] = sys.argv[2]
os.execv(sys.argv[3], sys.argv[3:])
"""
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
        """Each of them, and a closed one, draws a log line; everything is served."""
        port = freePort()
        path = self.write("inetd.conf", f"{port} stream tcp nowait - internal echo\n")
        strange = self.strange()
        fds = [e if isinstance(e, int) else e.fileno() for e in strange]
        numbers = ",".join(map(str, fds))
        # The variable counts one more than are passed.
        code = _PASS.replace("str(len(fds))", "str(len(fds) + 1)")
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
            said = done.stdout + done.stderr
            self.assertIn(done.returncode, (1, 2), said)
            self.assertNotIn("Traceback", said)
            self.assertRegex(said, "directory is gone|No such file")
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

    def hear(self, *wanted: str) -> dict[str, str]:
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
            ready = self.hear("READY=1")
            self.assertEqual(ready["STATUS"], "services: 1; running: 0")
            self.hear("WATCHDOG=1", "WATCHDOG=1", "WATCHDOG=1")
            told = talk(port, b"").decode()
            self.assertIn("TCPREMOTEPORT=", told)
            names = [each.split("=")[0] for each in told.splitlines()]
            self.assertEqual([n for n in names if n.startswith(_PRIVATE)], [])
            self.write("inetd.conf", line + line.replace(str(port), str(other)))
            os.kill(daemon.process.pid, signal.SIGHUP)
            reloading = self.hear("RELOADING=1")
            self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
            ready = self.hear("READY=1")
            # The program may have ended unseen.
            self.assertIn("services: 2; running: ", ready["STATUS"])
            self.assertIn("TCPREMOTEPORT=", talk(other, b"").decode())
            os.kill(daemon.process.pid, signal.SIGTERM)
            self.hear("STOPPING=1")


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


class HolderTests(ServingTestCase):
    """A supervisor that keeps the sockets while the daemon restarts."""

    def setUp(self) -> None:
        """Make the sockets."""
        super().setUp()
        self.sockets: list[socket.socket] = []
        self.port = self.hold(socket.AF_INET, ("127.0.0.1", 0))[1]
        self.bounded = self.hold(socket.AF_INET, ("127.0.0.1", 0))[1]
        self.udp = self.hold(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)[1]
        self.unix = self.hold(socket.AF_UNIX, self.path("socket"))
        self.nobodys = self.hold(socket.AF_INET, ("127.0.0.1", 0))[1]
        os.chmod(self.unix, 0o666)
        self.conf = (
            f"127.0.0.1:{self.port} stream tcp nowait - /bin/cat cat\n"
            f"127.0.0.1:{self.bounded} stream tcp nowait/50 - /bin/cat cat\n"
            "127.0.0.1:9 on id = words, protocol = udp, wait = no, user = -,"
            " exec = /usr/bin/wc, args = wc -w;\n"
            f"{self.unix} stream unix nowait - /bin/cat cat\n"
        )

    def hold(self, family: int, where: Any, kind: int = socket.SOCK_STREAM) -> Any:
        """Make a socket, and say where it is."""
        sock = socket.socket(family, kind)
        self.addCleanup(sock.close)
        self.sockets.append(sock)
        sock.bind(where)
        if kind == socket.SOCK_STREAM:
            sock.listen(256)
        return sock.getsockname()

    def started(self) -> Daemon:
        """Return a daemon that was passed the sockets, and serves them."""
        path = self.write("inetd.conf", self.conf)
        fds = [sock.fileno() for sock in self.sockets]
        numbers = ",".join(map(str, fds))
        names = "::words::nobody"
        give = [interpreters.python(), "-c", _PASS, numbers, names]
        daemon = Daemon([*give, *inetd("-f", "-e", path)], fds=fds, user=ordinaryUser())
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("source=LISTEN_FDS", 4)
        return daemon

    def ended(self, daemon: Daemon) -> None:
        """Have a daemon end, and what it has started go on."""
        daemon.process.terminate()
        daemon.process.wait(DEADLINE)

    def asked(self) -> bytes:
        """Return the answer of the service for datagrams."""
        client = self.datagrams()
        client.sendto(b"one two three", ("127.0.0.1", self.udp))
        return client.recv(100).strip()

    def overUnix(self) -> bytes:
        """Return the answer of the service on a UNIX socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(DEADLINE)
            client.connect(self.unix)
            client.sendall(b"text")
            client.shutdown(socket.SHUT_WR)
            return readAll(client)

    def test_matched(self) -> None:
        """
        Each service serves the passed socket that has its address or its name.

        It does so before and after a reload and a stop; an unused socket draws one log
        line.
        """
        daemon = self.started()
        self.assertEqual(daemon.log().count("unused-socket - "), 1)
        self.assertIn(
            f"unused-socket - fd=7 name=nobody address=127.0.0.1:{self.nobodys} "
            "reason=no service has this address or name",
            daemon.log(),
        )
        self.sockets.pop().close()
        with self.assertRaises(ConnectionRefusedError):
            talk(self.nobodys, b"")
        for count in range(2):
            self.assertEqual(talk(self.port, b"text"), b"text")
            self.assertEqual(self.asked(), b"3")
            self.assertEqual(self.overUnix(), b"text")
            self.write("inetd.conf", self.conf.replace("/50", "/60"))
            os.kill(daemon.process.pid, signal.SIGHUP)
            daemon.waitForLog("reload - ", count + 1)
        self.without(daemon)
        self.ended(daemon)
        self.assertEqual(os.stat(self.unix).st_mode & 0o777, 0o666)
        self.assertNotIn("Traceback", daemon.log())

    def without(self, daemon: Daemon) -> None:
        """Take a service out of the configuration and put it back."""
        lines = self.conf.splitlines(keepends=True)
        self.write("inetd.conf", "".join(lines[1:]))
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.waitForLog("stopped=1")
        self.write("inetd.conf", self.conf)
        os.kill(daemon.process.pid, signal.SIGHUP)
        daemon.waitForLog("started=1")
        self.assertEqual(talk(self.port, b"again"), b"again")
        self.assertNotIn("bind-failed", daemon.log())

    def test_restart(self) -> None:
        """While the daemon restarts again and again, each client gets its answer."""
        counted: Counter[str] = Counter()
        over = threading.Event()
        ports = (self.port, self.bounded) * 2
        clients = [
            threading.Thread(target=self.client, args=(port, over, counted))
            for port in ports
        ]
        daemon = self.started()
        self.addCleanup(over.set)
        for each in clients:
            each.start()
        for _ in range(3):
            before = counted["served"]
            eventually(
                lambda before=before: counted["served"] >= before + 40,  # type: ignore[misc] # a default
                lambda: f"clients that are served: {counted}",
            )
            self.ended(daemon)
            daemon = self.started()
        over.set()
        for each in clients:
            each.join(DEADLINE)
        self.assertGreaterEqual(counted.pop("served"), 120)
        self.assertEqual(dict(counted), {})

    def client(self, port: int, over: threading.Event, counted: Counter[str]) -> None:
        """Be one client after the other until the end, and count the outcomes."""
        for number in range(100_000):
            if over.is_set():
                return
            sent = b"%d of %d" % (number, port)
            try:
                how = "served" if talk(port, sent) == sent else "wrong"
            except OSError as why:
                how = type(why).__name__
            counted[how] += 1

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Commands for the operator, the control socket, and metrics."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import stat
import subprocess
from unittest import SkipTest, skipUnless

from tests.support import users
from tests.support.control import CAT, ControlTestCase
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    environment,
    eventually,
    freePort,
    talk,
)
from tests.support.serving import inetd
from tests.support.users import ordinaryUser


class SocketTests(ControlTestCase):
    """Tests for the control socket itself."""

    def test_private(self) -> None:
        """Only the daemon's user and root may use the control socket."""
        user = ordinaryUser()
        self.start(user=user)
        about = os.stat(self.socket)
        self.assertEqual(stat.S_IMODE(about.st_mode), 0o600)
        self.assertEqual(about.st_uid, os.geteuid() if user is None else user.pw_uid)
        self.assertEqual(self.run_("health")[0], 0)
        self.assertEqual(self.run_("health", user=user)[0], 0)

    @skipUnless(users.ROOT, users.NOT_ROOT)
    def test_another(self) -> None:
        """
        Permissions, and the daemon itself, refuse another user.

        The daemon does so when the permissions were widened.
        """
        daemon = self.start()
        user = users.alpine()
        code, text = self.run_("health", user=user)
        self.assertEqual(code, 2)
        self.assertIn("Permission denied; only the daemon's user and root", text)
        os.chmod(self.socket, 0o666)
        self.assertEqual(self.run_("health", user=user)[0], 2)
        self.assertEqual(self.run_("health")[0], 0)
        self.assertNotIn("Traceback", daemon.log())

    def test_curl(self) -> None:
        """curl(1) reads the state and carries out commands."""
        self.start()
        code, answer = self.ask("POST", f"/pause?service=127.0.0.1:{self.cat}")
        self.assertEqual((code, json.loads(answer)["state"]), (200, "paused"))
        try:
            done = subprocess.run(
                [
                    *("curl", "-sS", "--unix-socket", self.socket),
                    *("-d", f"service={self.cat}", "http://inetd/resume"),
                ],
                capture_output=True,
                timeout=DEADLINE,
                check=True,
            )
        except FileNotFoundError:
            raise SkipTest("curl is not installed") from None
        self.assertEqual(json.loads(done.stdout)["state"], "listening")

    def test_replaced(self) -> None:
        """
        The socket of a killed daemon is replaced.

        That of a running daemon, and any other file, stay; the daemon serves all the
        same.
        """
        first = self.start()
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        first.stop()
        eventually(lambda: not first.family(), first.log)
        self.assertTrue(os.path.exists(self.socket))
        second = self.start()
        eventually(lambda: self.run_("health")[0] == 0, second.log)
        port = freePort()
        for path in (self.socket, self.write("file", "text")):
            conf = self.write("other.conf", f"127.0.0.1:{port} {CAT}\n")
            argv = inetd("-fe", "--control", path, conf)
            with Daemon(argv, ports=(port,)) as third:
                self.assertEqual(talk(port, b"x"), b"x")
                third.waitForLog(f"control-failed - address={path} reason=")
            self.assertEqual(self.run_("health")[0], 0)
        with open(self.path("file"), encoding="ascii") as file:
            self.assertEqual(file.read(), "text")

    def test_second(self) -> None:
        """
        A second daemon of a user says which control socket it has.

        Commands reach it there, and without an option once the first has exited.
        """
        user = ordinaryUser()
        if user is not None:
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        port = freePort()
        files = [
            self.write("inetd.conf", self.conf),
            self.write("other.conf", f"127.0.0.1:{port} {CAT}\n"),
        ]
        env = environment(user, XDG_RUNTIME_DIR=self.directory)
        env.pop("INETD_CONTROL")
        path = self.path("inetd/control")

        def status(*options: str) -> str:
            return subprocess.run(
                inetd("status", *options),
                env=env,
                cwd="/",
                timeout=DEADLINE,
                check=False,
                text=True,
                stdout=subprocess.PIPE,
                user=user and user.pw_uid,
                group=user and user.pw_gid,
            ).stdout

        one, other = (
            Daemon(inetd("-fe", file), ports=ports, env=env, user=user)
            for file, ports in zip(files, [(self.cat, self.bad), (port,)])
        )
        with one, other:
            reason = f"another daemon has {path}; give commands --control {path}-2"
            other.waitForLog(f"control-second - address={path}-2 reason={reason}")
            self.assertIn(str(self.cat), status())
            self.assertIn(str(port), status("--control", f"{path}-2"))
            # What it leaves does not hide the other one.
            os.kill(one.process.pid, signal.SIGKILL)
            eventually(lambda: str(port) in status(), other.log)

    def test_usual(self) -> None:
        """
        Without options, daemon and command meet in the session's directory.

        Other users cannot enter it, and nothing is left of it.
        """
        user = ordinaryUser()
        file = self.write("inetd.conf", self.conf)
        if user is not None:
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        env = environment(user, XDG_RUNTIME_DIR=self.directory)
        env.pop("INETD_CONTROL")
        with Daemon(inetd("-fe", file), ports=(self.cat,), env=env, user=user) as one:
            directory = self.path("inetd")
            path = os.path.join(directory, "control")
            if user is not None:
                eventually(lambda: os.path.exists(path), one.log)
                self.assertEqual(stat.S_IMODE(os.stat(directory).st_mode), 0o700)
                done = subprocess.run(
                    inetd("health"),
                    env=env,
                    cwd="/",
                    timeout=DEADLINE,
                    check=False,
                    user=user.pw_uid,
                    group=user.pw_gid,
                )
                self.assertEqual(done.returncode, 0)
        self.assertFalse(os.path.exists(directory))

    def test_nonsense(self) -> None:
        """Invalid requests do not affect other clients or the daemon."""
        daemon = self.start()
        silent = []
        for text in (
            b"",
            b"\0" * 100,
            b"GET\r\n\r\n",
            b"x" * 100_000,
            b"POST /drain?x=1 HTTP/1.1\r\n\r\n",
            b"GET /drain HTTP/1.1\r\n\r\n",
            b"DELETE /status HTTP/1.1\r\n\r\n",
            b"POST /reload HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
            b"POST /reload HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n",
            b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
        ):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.settimeout(DEADLINE)
            client.connect(self.socket)
            try:
                client.sendall(text)
            except (BrokenPipeError, ConnectionResetError):
                pass  # The client has read enough.
            silent.append(client)
        self.assertEqual(self.ask("GET", "/health")[0], 200)
        self.assertEqual(self.ask("GET", "/drain")[0], 405)
        self.assertEqual(self.ask("POST", "/pause", b"x" * 10_000)[0], 413)
        self.assertEqual(talk(self.cat, b"x"), b"x")
        self.assertNotIn("Traceback", daemon.log())

    def test_none(self) -> None:
        """With C{--control none} no control socket exists."""
        self.socket = "none"
        file = self.write("inetd.conf", self.conf)
        with Daemon(inetd("-fe", "--control", "none", file), ports=(self.cat,)):
            self.assertEqual(self.run_("health")[0], 2)
        self.assertEqual(sorted(os.listdir(self.directory)), ["inetd.conf"])


class MetricsTests(ControlTestCase):
    """Tests for C{--metrics}."""

    def test_endpoint(self) -> None:
        """The endpoint serves the metrics, and no commands."""
        port = freePort()
        daemon = self.start("--metrics", f"tcp:{port}:interface=127.0.0.1")
        talk(self.cat, b"x")
        self.becomes(self.cat, "exited", 1)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
        self.assertEqual(answer.status, 200)
        self.assertEqual(
            answer.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8"
        )
        name = f"{self.cat}/tcp"
        self.assertIn(f'_started_total{{service="{name}",start="cold"}} 1\n', text)
        self.assertIn(f'inetd_service_exits_total{{service="{name}"}} 1\n', text)
        names = re.compile(r"^[a-z_]+", re.MULTILINE)
        _, same = self.ask("GET", "/metrics")
        self.assertEqual(names.findall(same), names.findall(text))
        for method, target in (("POST", "/drain"), ("GET", "/status")):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
            connection.request(method, target)
            self.assertEqual(connection.getresponse().status, 404)
            connection.close()
        self.assertEqual(self.run_("health")[0], 0)
        daemon.process.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.process.wait(DEADLINE), 0)

    def test_wrong(self) -> None:
        """An invalid endpoint is an error of the command line."""
        file = self.write("inetd.conf", self.conf)
        argv = inetd("-fe", "--control", "none", "--metrics", "9100", file)
        done = subprocess.run(
            argv,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        self.assertEqual(done.returncode, 2)
        self.assertIn("--metrics: '9100' is not an endpoint", done.stderr)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The keys for a program's standard error, its environment and its connection."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from tests.support import users
from tests.support.daemon import DEADLINE, ask, environment, freePort, talk
from tests.support.serving import ServingTestCase

#: Complains, answers, and fails.
COMPLAINS = """
import sys
print("hello")
sys.stdout.flush()
raise ValueError("a \\x1b[31mred\\x1b[0m fault")
"""
#: For every line of the client, complains much and answers.
TALKATIVE = """
import sys
for line in sys.stdin:
    for _ in range(200):
        try:
            sys.stderr.write("x" * 1000 + "\\n")
        except BlockingIOError:
            pass
    print("answer", flush=True)
"""

#: Leaves another program behind that complains without end.
LEAVES = """#!/bin/sh
(while echo error; do :; done) <&- >&2 &
echo $!
"""


class KeysTestCase(ServingTestCase):
    """A test case with one service that a line configures."""

    def definition(self, program: str, keys: str) -> str:
        """Return the definition of a TCP service."""
        return (
            f"{self.port} on protocol = tcp, wait = no, user = -, "
            f"exec = {program}, {keys};\n"
        )

    def setUp(self) -> None:
        """Choose a port."""
        super().setUp()
        self.port = freePort()


class StderrTests(KeysTestCase):
    """Tests for C{stderr}."""

    def answer(self, keys: str, options: tuple[str, ...] = ()) -> tuple[bytes, str]:
        """Return what a client gets from a program that fails, and the log."""
        program = self.program("complains.py", COMPLAINS)
        conf = self.definition(program, keys)
        with self.daemon(conf, self.port, options=options) as daemon:
            answer = talk(self.port, b"")
            daemon.waitForLog("exit ")
            return answer, daemon.log()

    def test_log(self) -> None:
        """
        With C{stderr = log} a traceback is logged, not sent (item 48).

        Each line begins with the service, the process id and the client. Control
        characters are escaped.
        """
        for launch in ("forkserver", "direct"):
            answer, log = self.answer(f"stderr = log, launch = {launch}")
            self.assertEqual(answer, b"hello\n")
            (line,) = (each for each in log.splitlines() if "=ValueError" in each)
            self.assertRegex(
                line,
                rf"stderr {self.port}/tcp pid=\d+ peer=127\.0\.0\.1:\d+ "
                r"text=ValueError: a \\x1b\[31mred\\x1b\[0m fault$",
            )
            (end,) = (each for each in log.splitlines() if "exit " in each)
            self.assertIn("status=1", end)

    def test_null(self) -> None:
        """With C{stderr = null} a traceback is discarded."""
        answer, log = self.answer("stderr = null")
        self.assertEqual(answer, b"hello\n")
        self.assertNotIn("fault", log)

    def test_socket(self) -> None:
        """By default, and with C{stderr = socket}, a client is sent the traceback."""
        for keys in ("stderr = socket", "nice = 0"):
            answer, log = self.answer(keys)
            self.assertIn(b"ValueError", answer)
            self.assertNotIn("fault", log)

    def test_descriptors(self) -> None:
        """A program has only 0, 1 and 2 open; 2 is not the socket (item 32)."""
        program = self.program(
            "fds.py",
            "import os\n"
            "for fd in sorted(map(int, os.listdir('/proc/self/fd')))[:-1]:\n"
            "    print(fd, os.readlink(f'/proc/self/fd/{fd}'))\n",
        )
        conf = self.definition(program, "stderr = log")
        with self.daemon(conf, self.port):
            lines = talk(self.port, b"").decode().splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["0", "1", "2"])
        kinds = [line.split()[1].split(":")[0] for line in lines]
        self.assertEqual(kinds, ["socket", "socket", "pipe"])

    def test_datagrams(self) -> None:
        """Standard error of a program for datagrams is logged, not sent."""
        program = self.program(
            "upper.py",
            "import sys\n"
            "sys.stderr.write('took ' + sys.stdin.read() + '\\n')\n"
            "print('done')\n",
        )
        conf = (
            f"{self.port} on protocol = udp, wait = no, user = -, exec = {program}, "
            "stderr = log;\n"
        )
        with self.daemon(conf, self.port) as daemon:
            self.assertEqual(ask(self.port, b"x"), b"done\n")
            daemon.waitForLog("text=took x")

    def test_outlived(self) -> None:
        """A program that outlives the daemon can continue to write to 2 (item 52)."""
        program = self.program("talkative.py", TALKATIVE)
        conf = self.definition(program, "stderr = log")
        with self.daemon(conf, self.port) as daemon:
            client = self.connect(self.port)
            client.sendall(b"one\n")
            self.assertEqual(client.recv(100), b"answer\n")
            daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(DEADLINE)
            client.sendall(b"two\nthree\n")
            with client.makefile("rb") as answers:
                self.assertEqual(answers.readline(), b"answer\n")
                self.assertEqual(answers.readline(), b"answer\n")
                client.shutdown(1)
                self.assertEqual(answers.read(), b"")

    def test_endless(self) -> None:
        """Endless standard error of an orphan delays no client and no shutdown."""
        program = self.write("leaves.sh", LEAVES, 0o755)
        echo = freePort()
        conf = self.definition(program, "stderr = log")
        conf += f"{echo} on protocol = tcp, args = echo;\n"
        with self.daemon(conf, self.port, echo) as daemon:
            left = int(talk(self.port, b""))
            try:
                daemon.waitForLog("text=error", 1000)
                for _ in range(5):
                    self.assertEqual(talk(echo, b"served"), b"served")
                daemon.process.send_signal(signal.SIGTERM)
                daemon.process.wait(DEADLINE)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)

    def test_otherUser(self) -> None:
        """A program of another user can open its standard error by name."""
        if not users.ROOT:
            self.skipTest("only root has other users' programs run")
        name = users.alpine().pw_name
        program = self.write("name.sh", "#!/bin/sh\necho by name >/dev/stderr\n", 0o755)
        conf = self.definition(program, "stderr = log").replace(
            "user = -", f"user = {name}"
        )
        with self.daemon(conf, self.port) as daemon:
            self.assertEqual(talk(self.port, b""), b"")
            daemon.waitForLog("text=by name")


class EnvironmentTests(KeysTestCase):
    """Tests for C{env} and C{passenv}."""

    def variables(self, keys: str) -> dict[str, str]:
        """Return a program's environment, without that of the connection."""
        program = self.program(
            "env.py",
            "import os\nfor pair in os.environ.items(): print(*pair, sep='=')\n",
        )
        conf = self.definition(sys.executable, f"args = x -I {program}, {keys}")
        env = environment(GREETING="good day", LANG="C")
        with self.daemon(conf, self.port, env=env):
            lines = talk(self.port, b"").decode().splitlines()
        found = dict(line.split("=", 1) for line in lines)
        own = ("TCP", "REMOTE_", "PROTO", "LC_CTYPE")
        return {name: found[name] for name in found if not name.startswith(own)}

    def test_added(self) -> None:
        """C{env} adds variables, with whitespace, and precedes the daemon's."""
        found = self.variables("env = LANG=de 'MOTD=a  b' EMPTY=")
        self.assertEqual((found["LANG"], found["MOTD"]), ("de", "a  b"))
        self.assertEqual((found["EMPTY"], found["GREETING"]), ("", "good day"))

    def test_passed(self) -> None:
        """
        C{passenv} passes only what it names.

        If that is nothing, the environment is what C{env} adds.
        """
        found = self.variables("passenv = GREETING NONE")
        self.assertEqual(found, {"GREETING": "good day"})
        self.assertEqual(self.variables("passenv = , env = A=b"), {"A": "b"})

    def test_path(self) -> None:
        """
        A program of another user has a default C{PATH}, not the daemon's.

        An interpreter that it names by C{env} is found.
        """
        if not users.ROOT:
            self.skipTest("only root has other users' programs run")
        text = '#!/usr/bin/env sh\necho "$PATH"\n'
        conf = self.definition(self.write("env.sh", text, 0o755), "")
        conf = conf.replace("user = -", f"user = {users.alpine().pw_name}")
        with self.daemon(conf, self.port):
            self.assertEqual(talk(self.port, b""), b"/usr/local/bin:/usr/bin:/bin\n")


class ConnectionTests(KeysTestCase):
    """Tests for C{nodelay} and C{keepalive}."""

    def test_flags(self) -> None:
        """The program's socket has the flags that the line asks for, and no others."""
        program = self.program(
            "flags.py",
            "import socket\n"
            "own = socket.socket(fileno=0)\n"
            "print(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) > 0,\n"
            "      own.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) > 0)\n",
        )
        for nodelay, keepalive in (("yes", "no"), ("no", "yes")):
            keys = f"nodelay = {nodelay}, keepalive = {keepalive}"
            with self.daemon(self.definition(program, keys), self.port):
                answer = talk(self.port, b"").decode().split()
            wanted = [str(each == "yes") for each in (nodelay, keepalive)]
            self.assertEqual(answer, wanted)

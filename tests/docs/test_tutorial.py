# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The tutorial, word for word but for its ports.

    21000 stream tcp nowait alpine python3 python3 /home/alpine/bin/lower.py
    27000 dgram udp wait alpine python3 python3 /home/alpine/bin/udpclient.py
    28000 dgram udp wait alpine python3 python3 /home/alpine/bin/udpclient2.py
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from typing import TYPE_CHECKING

from tests.support import checkout, interpreters, users
from tests.support.daemon import (
    DEADLINE,
    Daemon,
    ask,
    environment,
    eventually,
    freePort,
    isServed,
    portIsTaken,
    talk,
    twistd,
)
from tests.support.serving import ServingTestCase, readAll, run
from tests.support.users import ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Sequence

#: How many datagrams come at once, and how long all of them may take.
_BURST = 200
_BURST_DEADLINE = 240.0

_TUTORIAL = """\
21000 stream tcp nowait alpine python3 python3 /home/alpine/bin/lower.py
27000 dgram udp wait alpine python3 python3 /home/alpine/bin/udpclient.py
28000 dgram udp wait alpine python3 python3 /home/alpine/bin/udpclient2.py
"""
_PROGRAMS = ("lower.py", "udpclient.py", "udpclient2.py")

_WHOAMI = """\
import os, sys
print(os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups()))
"""

_COMPLAIN = """\
import sys
print("on 1", flush=True)
print("on 2", file=sys.stderr, flush=True)
raise SystemExit(3)
"""


def _netcat() -> str | None:
    """Return why no nc(1) can close its sending half, if so."""
    if shutil.which("nc") is None:
        return "nc is not installed"
    with contextlib.suppress(OSError):
        usage = subprocess.run(["nc", "-h"], capture_output=True, check=False)
        if b"OpenBSD" in usage.stdout + usage.stderr:
            return None
    return "nc is not OpenBSD's"


class Home:
    """
    The directory C{bin} in the home of the programs' user.

    @ivar user: the user.
    @ivar path: the path of the home.
    """

    def __init__(self, test: ServingTestCase) -> None:
        """Copy the programs of the tutorial there."""
        if users.ROOT:
            self.user = users.alpine()
            self.path = self.user.pw_dir
        else:
            self.user = pwd.getpwuid(os.geteuid())
            self.path = test.directory
        self.bin = os.path.join(self.path, "bin")
        os.makedirs(self.bin, exist_ok=True)
        self._give(self.bin)
        for name in _PROGRAMS:
            self.put(test, os.path.join(checkout.path(), "examples", name))

    def _give(self, path: str) -> None:
        """Make the user the owner of a file or a directory."""
        os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def put(self, test: ServingTestCase, path: str) -> str:
        """Copy a program into the directory until the test ends."""
        copy = os.path.join(self.bin, os.path.basename(path))
        shutil.copy(path, copy)
        self._give(copy)
        test.addCleanup(os.unlink, copy)
        return copy


class TutorialTests(ServingTestCase):
    """The tutorial, when the user C{alpine} runs the daemon."""

    def setUp(self) -> None:
        """Copy the programs, and set free ports in the lines."""
        super().setUp()
        self.home = Home(self)
        self.ports = [freePort() for _ in range(3)]
        self.lower, self.store, self.upper = self.ports
        self.conf = _TUTORIAL.replace("/home/alpine", self.home.path)
        self.conf = self.conf.replace(" alpine ", f" {self.home.user.pw_name} ")
        for port in self.ports:
            self.conf = re.sub(
                "^2[178]000 ", f"{port} ", self.conf, count=1, flags=re.M
            )

    def owner(self) -> pwd.struct_passwd | None:
        """Return the user that runs the daemon."""
        return ordinaryUser()

    def database(self) -> str:
        """Return the path of the database."""
        return self.path("data/ts.sqlite")

    def serve(self, more: str = "", *ports: int) -> Daemon:
        """Serve the lines of the tutorial, and more."""
        os.makedirs(self.path("data"), exist_ok=True)
        os.chmod(self.path("data"), 0o777)
        env = environment(self.owner(), TS_DATABASE=self.path("data/ts.sqlite"))
        self.addCleanup(self.forget)
        if interpreters.python() != sys.executable:
            env["PATH"] = f"{self.interpreters()}:{env['PATH']}"
        conf, served = self.conf + more, [*self.ports, *ports]
        return self.daemon(conf, *served, user=self.owner(), env=env)

    def forget(self) -> None:
        """Remove the database."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.database())

    def interpreters(self) -> str:
        """
        Make a directory with a C{python3}, where only a copy of one is usable.

        A copy finds its library only when it is run by its path.
        """
        directory = self.path("interpreters")
        os.makedirs(directory, exist_ok=True)
        text = f'#!/bin/sh\nexec {interpreters.python()} "$@"\n'
        self.write("interpreters/python3", text, 0o755)
        return directory

    def rows(self) -> list[tuple[str, str, float]]:
        """Return the rows that were stored."""
        path = self.database()
        if not os.path.exists(path):
            return []
        with closing(sqlite3.connect(path, timeout=DEADLINE)) as database:
            try:
                return database.execute("SELECT * FROM ts ORDER BY 1, 2").fetchall()
            except sqlite3.OperationalError:
                return []  # it is there, but the table is not yet

    def test_netcat(self) -> None:
        """C{nc} prints the lines in lower case, and ends."""
        with self.serve():
            command = f"printf 'wEjLu\\nUikO\\n' | nc -N 127.0.0.1 {self.lower}"
            done = run(["/bin/sh", "-c", command])
        self.assertEqual((done.returncode, done.stdout), (0, "wejlu\nuiko\n"))

    if _netcat():
        test_netcat.skip = _netcat()  # type: ignore[attr-defined]

    def test_halfClose(self) -> None:
        """Everything is answered to a client that closes its sending half at once."""
        text = b"".join(b"LiNe %d\n" % number for number in range(20000))
        with self.serve(), self.connect(self.lower) as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(readAll(client), text.lower())

    def test_rows(self) -> None:
        """The lines of one datagram become rows of the table, which has its key."""
        with self.serve(), self.datagrams() as client:
            text = b"2024-04-13,GS.US,450.3\n2024-04-13,JPM.US,182.79\n"
            client.sendto(text, ("127.0.0.1", self.store))
            expected = [
                ("2024-04-13", "GS.US", 450.3),
                ("2024-04-13", "JPM.US", 182.79),
            ]
            eventually(lambda: self.rows() == expected, lambda: f"{self.rows()}")
        with closing(sqlite3.connect(self.database())) as database:
            columns = database.execute("PRAGMA table_info(ts)").fetchall()
        found = [(name, kind, key) for _, name, kind, _, _, key in columns]
        expected_ = [("time", "TEXT", 1), ("name", "TEXT", 2), ("value", "REAL", 0)]
        self.assertEqual(found, expected_)

    def test_upper(self) -> None:
        """A datagram comes back in upper case."""
        with self.serve():
            self.assertEqual(ask(self.upper, b"wEjLu\nUikO\n"), b"WEJLU\nUIKO\n")

    def test_bursts(self) -> None:
        """Every one of 200 datagrams at once is stored, or answered."""
        names = [f"N{number:03}" for number in range(_BURST)]
        answers: set[bytes] = set()
        with self.serve() as daemon, self.datagrams() as client:
            for name in names:
                row = f"2024-04-13,{name},1.5\n".encode()
                client.sendto(row, ("127.0.0.1", self.store))
                client.sendto(name.lower().encode(), ("127.0.0.1", self.upper))
            client.settimeout(_BURST_DEADLINE)
            while len(answers) < _BURST:
                answers.add(client.recv(100))
            expected = [("2024-04-13", name, 1.5) for name in names]
            eventually(
                lambda: self.rows() == expected,
                lambda: f"{len(self.rows())} rows; {daemon.log()}",
                _BURST_DEADLINE,
            )
        self.assertEqual(answers, {name.encode() for name in names})

    def test_identity(self) -> None:
        """Programs run with the user, group and supplementary groups of the user."""
        port, user = freePort(), self.home.user
        path = self.program("whoami", _WHOAMI)
        line = f"{port} stream tcp nowait {user.pw_name} {path} whoami\n"
        with self.serve(line, port):
            output = talk(port, b"").decode()
        groups = sorted(set(os.getgrouplist(user.pw_name, user.pw_gid)))
        uid, gid = user.pw_uid, user.pw_gid
        if not users.ROOT:
            groups = sorted(os.getgroups())
        else:
            self.assertGreater(len(groups), 1, "no supplementary group")
        self.assertEqual(output, f"{uid} {uid} {gid} {gid} {groups}\n")

    def test_stderr(self) -> None:
        """Output on descriptor 2 goes to the client, and not into the log."""
        port = freePort()
        path = self.program("complain", _COMPLAIN)
        name = self.home.user.pw_name
        line = f"{port} stream tcp nowait {name} {path} complain\n"
        with self.serve(line, port) as daemon:
            self.assertEqual(talk(port, b""), b"on 1\non 2\n")
            daemon.waitForLog("status=3")
            self.assertNotIn("on 2", daemon.log())

    def compile(self, name: str) -> str:
        """Compile an example in C; every user can run it."""
        source = os.path.join(checkout.path(), "examples", f"{name}.c")
        subprocess.run(["cc", "-o", self.path(name), source], check=True)
        os.chmod(self.path(name), 0o755)
        return self.path(name)

    def test_compiledStream(self) -> None:
        """A program in C serves a connection by getsockname, read and write."""
        port, name = freePort(), self.home.user.pw_name
        line = f"{port} stream tcp nowait {name} {self.compile('whoami')} whoami\n"
        with self.serve(line, port):
            client = self.connect(port)
            mine = client.getsockname()[1]
            client.sendall(b"hello\n")
            client.shutdown(socket.SHUT_WR)
            output = readAll(client).decode()
        expected = f"you are 127.0.0.1 port {mine}\nI am 127.0.0.1 port {port}\nhello\n"
        self.assertEqual(output, expected)

    def test_compiledDatagram(self) -> None:
        """A program in C answers datagrams by recvfrom and sendto, one by one."""
        port, name = freePort(), self.home.user.pw_name
        line = f"{port} dgram udp wait {name} {self.compile('upper')} upper\n"
        with self.serve(line, port), self.datagrams() as client:
            sent = [f"number {number}" for number in range(50)]
            for text in sent:
                client.sendto(text.encode(), ("127.0.0.1", port))
            answers = sorted(client.recv(100).decode() for _ in sent)
        self.assertEqual(answers, sorted(text.upper() for text in sent))

    if shutil.which("cc") is None:
        test_compiledStream.skip = "no C compiler"  # type: ignore[attr-defined]
        test_compiledDatagram.skip = "no C compiler"  # type: ignore[attr-defined]


class TutorialOfRootTests(TutorialTests):
    """The tutorial, when root runs the daemon."""

    skip = None if users.ROOT else users.NOT_ROOT

    def owner(self) -> pwd.struct_passwd | None:
        """Return the user that runs the daemon: root."""
        return None

    def database(self) -> str:
        """
        Return a path beside the program.

        Programs of another user do not inherit all of root's variables.
        """
        return os.path.join(self.home.bin, "ts.sqlite")


class ShippedTests(ServingTestCase):
    """The file C{etc/inetd.conf}, served from the checkout by its owner."""

    def takeTurns(self) -> None:
        """Wait for other tests that have the ports."""
        held = os.open(tempfile.gettempdir(), os.O_RDONLY)
        self.addCleanup(os.close, held)
        fcntl.flock(held, fcntl.LOCK_EX)

    def served(self, argv: Sequence[str]) -> None:
        """Check that a daemon serves the tutorial's services of a shipped file."""
        shipped = os.path.join(checkout.path(), "etc", "inetd.conf")
        with open(shipped, encoding="utf-8") as file:
            ports = {int(port) for port in re.findall(r"^(\d+) ", file.read(), re.M)}
        self.takeTurns()
        taken = [port for port in ports if portIsTaken(port)]
        if taken:
            self.skipTest(f"ports {taken} of the shipped file are in use")
        user = ordinaryUser()
        env = environment(user, TS_DATABASE=self.path("data.sqlite"))
        os.chmod(self.directory, 0o777)
        with Daemon(argv, ports=ports, user=user, env=env):
            self.assertTrue(all(map(isServed, ports)))
            self.assertEqual(talk(21000, b"wEjLu\n"), b"wejlu\n")
            self.assertEqual(talk(23000, b"wEjLu\n"), b"wejlu\n")
            self.assertEqual(ask(28000, b"wEjLu"), b"WEJLU")
            self.assertEqual(ask(26000, b"one two\n"), b"1 2 8\n")
            self.assertEqual(talk(20007, b"echo"), b"echo")
            self.assertEqual(ask(20007, b"echo"), b"echo")

    def test_fromTheCheckout(self) -> None:
        """C{twistd -n inetd --conf etc/inetd.conf} serves all of it, without root."""
        self.served(twistd("inetd", "--conf", "etc/inetd.conf"))

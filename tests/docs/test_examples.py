# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Tests for the programs in C{examples/}, each started as an inetd would start it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from socket import (
    AF_INET,
    AF_UNIX,
    SHUT_WR,
    SOCK_DGRAM,
    SOCK_SEQPACKET,
    create_connection,
    create_server,
    socket,
    socketpair,
)
from tempfile import TemporaryFile

from twisted.trial.unittest import SynchronousTestCase

from tests.support import checkout

EXAMPLES = Path(checkout.ORIGINAL) / "examples"
TIMEOUT = 30.0


class ProgramTestCase(SynchronousTestCase):
    """Start a program on a socket and talk to it."""

    def keep(self, sock: socket) -> socket:
        """Close a socket at the end of the test."""
        self.addCleanup(sock.close)
        return sock

    def start(
        self,
        program: Path,
        sock: socket,
        environment: Mapping[str, str] | None = None,
        *,
        stderr: int | None = None,
    ) -> subprocess.Popen[bytes]:
        """
        Start a program in C{/} with a socket as its three standard streams.

        @param environment: What to add to the environment of the tests, of
            which Python's own settings are left out.
        @param stderr: Another file descriptor 2.
        """
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("PYTHON")
        }
        # env(1) is to find the Python that runs the tests.
        path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        process = subprocess.Popen(
            [str(program)],
            stdin=sock.fileno(),
            stdout=sock.fileno(),
            stderr=sock.fileno() if stderr is None else stderr,
            cwd="/",
            env={**inherited, "PATH": path, **(environment or {})},
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assertSucceeds(self, process: subprocess.Popen[bytes]) -> None:
        """Check that a process ends by itself, with status 0."""
        self.assertEqual(process.wait(TIMEOUT), 0)

    def temporary(self) -> Path:
        """Make a directory whose path is absolute, since a child's cwd is C{/}."""
        path = Path(self.mktemp()).absolute()
        path.mkdir()
        return path

    def compile(self, name: str) -> Path:
        """Compile an example in C, in which a warning is an error."""
        program = self.temporary() / name
        flags = ["-std=c99", "-Wall", "-Wextra", "-Werror"]
        source = EXAMPLES / f"{name}.c"
        subprocess.run(["cc", *flags, "-o", program, source], check=True)
        return program


class ConnectionTestCase(ProgramTestCase):
    """Start a program as a C{stream tcp nowait} service."""

    def connect(
        self, program: Path, environment: Mapping[str, str] | None = None
    ) -> socket:
        """Start a program on one end of a TCP connection and return the other."""
        server = self.keep(create_server(("127.0.0.1", 0)))
        client = self.keep(create_connection(server.getsockname(), TIMEOUT))
        with server.accept()[0] as connection:
            connection.setblocking(True)
            self.start(program, connection, environment)
        return client

    def converse(
        self,
        program: Path,
        text: bytes,
        environment: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send bytes and a half close to a program; return its output."""
        client = self.connect(program, environment)
        client.sendall(text)
        client.shutdown(SHUT_WR)
        with client.makefile("rb") as answer:
            return answer.read()


class DatagramTestCase(ProgramTestCase):
    """Start a program as a C{dgram udp wait} service."""

    def setUp(self) -> None:
        """Bind the service's socket."""
        self.service = self.keep(socket(AF_INET, SOCK_DGRAM))
        self.service.bind(("127.0.0.1", 0))

    def client(self) -> socket:
        """Return a socket that is connected to the service's."""
        client = self.keep(socket(AF_INET, SOCK_DGRAM))
        client.settimeout(TIMEOUT)
        client.connect(self.service.getsockname())
        return client

    def assertAnswersInUpperCase(self, program: Path) -> None:
        """Check that every run of a program answers one datagram of the queue."""
        first, second = self.client(), self.client()
        first.send(b"wEjLu\nUikO\n")
        second.send(b"\xff\0z")
        self.assertSucceeds(self.start(program, self.service))
        self.assertSucceeds(self.start(program, self.service))
        self.assertEqual(first.recv(65535), b"WEJLU\nUIKO\n")
        self.assertEqual(second.recv(65535), b"\xff\0Z")


class LowerTests(ConnectionTestCase):
    """Tests for C{lower.py}."""

    program = EXAMPLES / "lower.py"

    def test_halfClose(self) -> None:
        """Each line is sent back in lower case, until the client's half close."""
        answer = self.converse(self.program, b"wEjLu\nUikO\n")
        self.assertEqual(answer, b"wejlu\nuiko\n")

    def test_unterminatedLine(self) -> None:
        """A last line without a newline is answered without one."""
        self.assertEqual(self.converse(self.program, b"wEjLu"), b"wejlu")

    def test_everyLineAtOnce(self) -> None:
        """A line is answered while the connection stays open."""
        client = self.connect(self.program)
        with client.makefile("rb") as answer:
            for text in b"wEjLu\n", b"UikO\n":
                client.sendall(text)
                self.assertEqual(answer.readline(), text.lower())

    def test_garbage(self) -> None:
        """Bytes that are not UTF-8, and carriage returns, are passed on."""
        text = b"A\xff\0\xc3\xed\xa0\x80B\r\nC\rD\n"
        strict = {"PYTHONIOENCODING": "utf-8:strict"}
        self.assertEqual(self.converse(self.program, text, strict), text.lower())

    def test_locale(self) -> None:
        """Input is UTF-8, whatever locale the daemon runs in."""
        latin1 = {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}
        answer = self.converse(self.program, "ÄÉ\n".encode(), latin1)
        self.assertEqual(answer, "äé\n".encode())


class LowerInShellTests(ConnectionTestCase):
    """Tests for C{lower.sh}."""

    def test_halfClose(self) -> None:
        """The answer is in lower case and ends at the client's half close."""
        answer = self.converse(EXAMPLES / "lower.sh", b"wEjLu\nUikO\n")
        self.assertEqual(answer, b"wejlu\nuiko\n")


class WhoAmITests(ConnectionTestCase):
    """Tests for C{whoami.c}."""

    skip = None if shutil.which("cc") else "no C compiler is installed"

    def test_addresses(self) -> None:
        """The answer has both ends of the connection; then input is echoed."""
        client = self.connect(self.compile("whoami"))
        peer, me = client.getsockname()[1], client.getpeername()[1]
        client.sendall(b"hello\n")
        client.shutdown(SHUT_WR)
        with client.makefile("rb") as answer:
            self.assertEqual(
                answer.read(),
                b"you are 127.0.0.1 port %d\nI am 127.0.0.1 port %d\nhello\n"
                % (peer, me),
            )


class UDPClientTests(DatagramTestCase):
    """Tests for C{udpclient.py}."""

    program = EXAMPLES / "udpclient.py"
    row = ("2024-04-13", "GS.US", 450.3)
    line = b"2024-04-13,GS.US,450.3\n"

    def setUp(self) -> None:
        """Choose a path for the database."""
        super().setUp()
        self.database = self.temporary() / "test.sqlite"

    def send(
        self, datagram: bytes, stderr: int | None = None
    ) -> subprocess.Popen[bytes]:
        """Send a datagram, then start the program."""
        self.client().send(datagram)
        environment = {"TS_DATABASE": str(self.database)}
        return self.start(self.program, self.service, environment, stderr=stderr)

    def assertRows(self, *rows: tuple[str, str, float]) -> None:
        """Check the contents of the database, in the order of time and name."""
        with closing(sqlite3.connect(self.database)) as database:
            found = database.execute("SELECT * FROM ts ORDER BY time, name")
            self.assertEqual(found.fetchall(), list(rows))

    def test_rows(self) -> None:
        """Every line of a datagram is stored, and of the next one in the next run."""
        self.assertSucceeds(self.send(self.line + b"2024-04-13,JPM.US,182.79"))
        self.assertSucceeds(self.send(b"2024-04-15,GS.US,4e2\n"))
        self.assertRows(
            self.row, ("2024-04-13", "JPM.US", 182.79), ("2024-04-15", "GS.US", 400.0)
        )

    def test_sameKey(self) -> None:
        """A row replaces the one that has the same time and name."""
        self.assertSucceeds(self.send(b"2024-04-13,GS.US,1\n"))
        self.assertSucceeds(self.send(self.line))
        self.assertRows(self.row)

    def test_malformedLines(self) -> None:
        """
        Malformed lines are skipped, and the others are stored.

        The program has no way to report them.
        """
        bad = b"2024,A\n2024,A,1,2\n2024,A,x\n2024,A,nan\n\n2024,\xff,1\n"
        self.assertSucceeds(self.send(bad + self.line))
        self.assertRows(self.row)

    def test_malformedLineReported(self) -> None:
        """A malformed line is reported if file descriptor 2 takes it."""
        with TemporaryFile() as log:
            process = self.send(b"nonsense\xff\n" + self.line, log.fileno())
            self.assertSucceeds(process)
            log.seek(0)
            self.assertEqual(log.read(), b"malformed line: b'nonsense\\xff'\n")
        self.assertRows(self.row)

    def test_databaseInUse(self) -> None:
        """The program waits while another process has the database locked."""
        with closing(sqlite3.connect(self.database)) as other:
            other.execute("BEGIN EXCLUSIVE")
            process = self.send(self.line)
            self.assertRaises(subprocess.TimeoutExpired, process.wait, 1)
            other.rollback()
        self.assertSucceeds(process)
        self.assertRows(self.row)

    def test_besideTheScript(self) -> None:
        """Without C{TS_DATABASE} the database is C{ts.sqlite} beside the script."""
        self.program = Path(shutil.copy(self.program, self.temporary()))
        self.client().send(self.line)
        process = self.start(self.program, self.service, {"TS_DATABASE": ""})
        self.assertSucceeds(process)
        self.database = self.program.with_name("ts.sqlite")
        self.assertRows(self.row)


class UDPClient2Tests(DatagramTestCase):
    """Tests for C{udpclient2.py}."""

    def test_reply(self) -> None:
        """Each run answers one datagram, to its sender and in upper case."""
        self.assertAnswersInUpperCase(EXAMPLES / "udpclient2.py")


class UpperTests(DatagramTestCase):
    """Tests for C{upper.c}."""

    skip = None if shutil.which("cc") else "no C compiler is installed"

    def test_reply(self) -> None:
        """Each run answers one datagram, to its sender and in upper case."""
        self.assertAnswersInUpperCase(self.compile("upper"))


class CountTests(ProgramTestCase):
    """Tests for C{count.py}, started as a C{dgram udp nowait} service."""

    def test_reply(self) -> None:
        """The answer has lines, words and bytes, in one datagram."""
        client, service = map(self.keep, socketpair(AF_UNIX, SOCK_SEQPACKET))
        client.settimeout(TIMEOUT)
        client.send(b"one two\nthr\xff\n")
        client.shutdown(SHUT_WR)
        process = self.start(EXAMPLES / "count.py", service)
        service.close()
        self.assertEqual(client.recv(65535), b"2 3 13\n")
        self.assertEqual(client.recv(65535), b"")
        self.assertSucceeds(process)

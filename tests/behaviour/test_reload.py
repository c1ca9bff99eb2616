# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Reloads, while clients come and go."""

from __future__ import annotations

import collections
import os
import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support.daemon import (
    DEADLINE,
    Daemon,
    ask,
    eventually,
    freePort,
    isServed,
    talk,
)
from tests.support.processes import programs
from tests.support.serving import ServingTestCase, inetd, inodeOf, readAll

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The proof: so many connections, so many at a time, a signal every so many seconds.
CONNECTIONS, AT_ONCE, INTERVAL = 5000, 20, 0.05

#: Serves one client, of a socket of either kind.
EITHER = """
import os, socket
server = socket.socket(fileno=os.dup(0))
if server.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
    server.settimeout(5)
    client, _ = server.accept()
    client.settimeout(None)
else:
    client = server
while True:
    data = client.recv(65536)
    if not data:
        break
    client.sendall(data)
"""
#: Accepts one client, and sends it its process id until the client disconnects.
PATIENT = """
import os, socket
client, _ = socket.socket(fileno=os.dup(0)).accept()
while client.recv(1):
    client.sendall(b"%d\\n" % os.getpid())
"""


class LoadTests(ServingTestCase):
    """Reloads under load."""

    def setUp(self) -> None:
        """Choose ports, and write programs."""
        super().setUp()
        self.same, self.changed, self.either, self.patient, self.added = (
            freePort() for _ in range(5)
        )
        self.eitherProgram = self.program("either.py", EITHER)
        self.patientProgram = self.program("patient.py", PATIENT)
        self.counts: collections.Counter[str] = collections.Counter()

    def conf(
        self, arguments: str = "", wait: str = "nowait", added: bool = False
    ) -> str:
        """Return the file, with the parts that may change."""
        lines = [
            f"{self.same} stream tcp nowait - /bin/cat cat",
            f"{self.changed} stream tcp nowait/100 - /bin/cat cat{arguments}",
            f"{self.either} stream tcp {wait} - {self.eitherProgram} either",
            f"{self.patient} stream tcp wait - {self.patientProgram} x{arguments}",
        ]
        if added:
            lines.append(f"{self.added} stream tcp nowait - internal echo")
        return "\n".join(lines) + "\n"

    def versions(self) -> Iterator[tuple[str, str]]:
        """Return the versions of the file, for ever, each with its name."""
        broken = "this is not a line\n"
        while True:
            yield "nothing", self.conf()
            yield "added", self.conf(added=True)
            yield "removed", self.conf()
            yield "arguments", self.conf(" -u")
            yield "wait", self.conf(" -u", "wait")
            yield "broken", self.conf(added=True) + broken
            yield "nowait", self.conf(" -u")
            yield "back", self.conf()

    def hangUps(self, daemon: Daemon, done: threading.Event) -> None:
        """Change the file and send the signal, again and again."""
        versions = self.versions()
        while not done.is_set():
            name, text = next(versions)
            # As an editor does it: the file is never incomplete.
            new = self.write("new.conf", text)
            os.rename(new, self.path("inetd.conf"))
            daemon.process.send_signal(signal.SIGHUP)
            self.counts[name] += 1
            done.wait(INTERVAL)

    def client(self, number: int) -> str:
        """
        Use a service that is always there.

        @return: what went wrong, if anything did.
        """
        port = (self.same, self.same, self.same, self.changed, self.either)[number % 5]
        sent = b"%d\n" % number * (number % 3000 + 1)
        try:
            received = talk(port, sent)
        except OSError as why:
            return f"{port}: {why}"
        return "" if received == sent else f"{port}: {len(received)} of {len(sent)}"

    def pidOf(self, client: socket.socket) -> int:
        """Return the process id of the patient program that serves a client."""
        client.sendall(b"?")
        return int(client.recv(100))

    def test_load(self) -> None:
        """
        Reloads lose none of 5,000 clients, 20 at a time, of services that stay.

        No client is refused, reset or short of a byte; sockets are the same, and
        programs run on (items 72 to 77 and 83).
        """
        ports = (self.same, self.changed, self.either, self.patient)
        with self.daemon(self.conf(), *ports) as daemon:
            inodes = list(map(inodeOf, ports))
            running = [self.connect(port) for port in (self.same, self.changed)]
            patient = self.connect(self.patient)
            pid = self.pidOf(patient)
            next_ = self.connect(self.patient)
            done = threading.Event()
            hangUps = threading.Thread(target=self.hangUps, args=(daemon, done))
            hangUps.start()
            try:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    failures = list(
                        filter(None, pool.map(self.client, range(CONNECTIONS)))
                    )
            finally:
                done.set()
                hangUps.join()
            self.assertEqual(failures, [])
            self.assertEqual(list(map(inodeOf, ports)), inodes)
            self.assertGreater(min(self.counts.values()), 0, self.counts)
            for client in running:
                client.sendall(b"still here")
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(readAll(client), b"still here")
            self.assertEqual(self.pidOf(patient), pid)
            patient.close()
            self.assertNotEqual(self.pidOf(next_), pid)
            self.settled(daemon)

    def settled(self, daemon: Daemon) -> None:
        """Check that the last version is served, and that nothing else was logged."""
        seen = daemon.log().count("] reload")
        self.write("inetd.conf", self.conf(added=True))
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("] reload", seen + 1)
        self.assertEqual(talk(self.added, b"x"), b"x")
        for word in (
            "start-failed ",
            "refuse ",
            "bind-failed ",
            "forkserver-exit ",
            "shortage ",
            "Traceback",
        ):
            self.assertNotIn(word, daemon.log())


class ReloadTests(ServingTestCase):
    """Reloads, one at a time."""

    def reload(self, daemon: Daemon, text: str, name: str = "inetd.conf") -> str:
        """
        Change a file, and reload.

        @return: the log line of the reload.
        """
        self.write(name, text)
        seen = daemon.log().count("] reload")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.waitForLog("] reload", seen + 1)
        line = daemon.log().rpartition("] reload")[2].splitlines()[0]
        return line.partition(" - ")[2]

    def test_removed(self) -> None:
        """
        A port whose line is removed refuses; a running program serves on.

        See item 73.
        """
        port, other = freePort(), freePort()
        conf = f"{other} stream tcp nowait - internal echo\n"
        line = f"{port} stream tcp nowait - /bin/cat cat\n"
        with self.daemon(conf + line, port, other) as daemon:
            client = self.connect(port)
            client.sendall(b"x")
            self.assertEqual(client.recv(1), b"x")
            changes = self.reload(daemon, conf)
            self.assertEqual(changes, "kept=1 changed=0 started=0 stopped=1")
            eventually(lambda: not isServed(port), daemon.log)
            self.assertRaises(ConnectionRefusedError, talk, port, b"")
            client.sendall(b"y")
            self.assertEqual(client.recv(1), b"y")

    def test_datagramsOfWaitProgram(self) -> None:
        """
        A program with a UDP socket keeps it over reloads (item 75).

        No other is started; after its end the next datagram starts the program of the
        new line.
        """
        port = freePort()
        program = self.program(
            "wait.py",
            "import os, socket, sys\n"
            "server = socket.socket(fileno=0)\n"
            "while True:\n"
            "    data, peer = server.recvfrom(100)\n"
            "    server.sendto(f'{os.getpid()} {sys.argv[1]}'.encode(), peer)\n"
            "    if data == b'end':\n"
            "        break\n",
        )
        line = f"{port} dgram udp wait - {program} wait "
        with self.daemon(f"{line}1\n", port) as daemon:
            inode = inodeOf(port, "udp")
            first = ask(port, b"x")
            self.assertEqual(self.reload(daemon, f"{line}1\n").split()[0], "kept=1")
            self.assertEqual(self.reload(daemon, f"{line}2\n").split()[1], "changed=1")
            self.assertEqual(ask(port, b"x"), first)
            self.assertEqual(len(programs(daemon.process.pid)), 1)
            self.assertEqual(ask(port, b"end"), first)
            eventually(lambda: not programs(daemon.process.pid), daemon.log)
            pid, version = ask(port, b"end").split()
            self.assertNotEqual(pid, first.split()[0])
            self.assertEqual(version, b"2")
            self.assertEqual(inodeOf(port, "udp"), inode)

    def test_waitToNowait(self) -> None:
        """
        A program with the socket runs on when C{wait} becomes C{nowait}.

        When it has ended, the new line applies; from C{nowait} to C{wait} at once (item
        76).
        """
        port = freePort()
        wait = self.program("patient.py", PATIENT)
        nowait = f"{port} stream tcp nowait - /bin/cat cat\n"
        waits = f"{port} stream tcp wait - {wait} x\n"
        with self.daemon(waits, port) as daemon:
            inode = inodeOf(port)
            first = self.connect(port)
            first.sendall(b"?")
            pid = first.recv(100)
            self.reload(daemon, nowait)
            second = self.connect(port)
            second.sendall(b"abc")
            first.sendall(b"?")
            self.assertEqual(first.recv(100), pid)
            self.assertEqual(len(programs(daemon.process.pid)), 1)
            first.close()
            self.assertEqual(second.recv(3), b"abc")
            self.assertEqual(talk(port, b"third"), b"third")
            self.reload(daemon, waits)
            fourth, fifth = self.connect(port), self.connect(port)
            fourth.sendall(b"?")
            self.assertTrue(int(fourth.recv(100)))
            fifth.sendall(b"?")
            second.sendall(b"d")
            self.assertEqual(second.recv(1), b"d")
            fourth.close()
            self.assertTrue(int(fifth.recv(100)))
            self.assertEqual(inodeOf(port), inode)

    def test_files(self) -> None:
        """
        A reload reads all files and directories of the command line again.

        No socket of any of them is opened again (item 79).
        """
        first, second, third = freePort(), freePort(), freePort()
        echo = "stream tcp nowait - internal echo\n"
        file = self.write("first", f"{first} {echo}")
        os.mkdir(self.path("inetd.d"))
        self.write("inetd.d/second", f"{second} {echo}")
        argv = inetd("-fe", file, self.path("inetd.d"))
        with Daemon(argv, ports=(first, second)) as daemon:
            inodes = inodeOf(first), inodeOf(second)
            changes = self.reload(daemon, f"{third} {echo}", "inetd.d/third")
            self.assertEqual(changes, "kept=2 changed=0 started=1 stopped=0")
            self.assertEqual((inodeOf(first), inodeOf(second)), inodes)
            self.assertEqual(talk(third, b"x"), b"x")

    def test_burst(self) -> None:
        """Many signals at a time lead to the state of the last file (item 84)."""
        first, second = freePort(), freePort()
        echo = "stream tcp nowait - internal echo\n"
        with self.daemon(f"{first} {echo}", first) as daemon:
            inode = inodeOf(first)
            self.write("inetd.conf", f"{first} {echo}{second} {echo}")
            for _ in range(20):
                daemon.process.send_signal(signal.SIGHUP)
            eventually(lambda: isServed(second), daemon.log)
            changes = self.reload(daemon, f"{first} {echo}")
            self.assertIn("kept=1 changed=0 started=0", changes)
            eventually(lambda: not isServed(second), daemon.log)
            self.assertEqual(talk(first, b"x"), b"x")
            self.assertEqual(inodeOf(first), inode)

    def test_path(self) -> None:
        """
        The path of a UNIX socket stays, and goes when its line is removed.

        See items 22 and 72.
        """
        path, port = self.path("socket"), freePort()
        unix = f"{path} stream unix nowait - internal echo\n"
        echo = f"{port} stream tcp nowait - internal echo\n"
        with self.daemon(unix + echo, port) as daemon:
            before = os.stat(path)
            self.reload(daemon, unix.replace("nowait", "nowait/9") + echo)
            self.assertTrue(os.path.samestat(os.stat(path), before))
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(DEADLINE)
                client.connect(path)
                client.sendall(b"x")
                self.assertEqual(client.recv(1), b"x")
            self.reload(daemon, echo)
            self.assertFalse(os.path.exists(path))

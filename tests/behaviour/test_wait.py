# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{wait} services, whose program has the socket, and C{dgram nowait} services."""

from __future__ import annotations

import os
import re
import signal
from unittest import skipUnless

from inetdtw.test.fakes import reportsBacklog
from tests.support import users
from tests.support.daemon import Daemon, ask, eventually, freePort, talk
from tests.support.oneservice import OneServiceTestCase
from tests.support.probe import LAUNCHES
from tests.support.processes import forkServers, programs
from tests.support.serving import readAll

#: Serve connections until one has sent C{end}; report the pid and the socket's state.
_ACCEPT = """\
import os, socket
service = socket.socket(fileno=0)
listens = service.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
blocking = os.get_blocking(0)
line = ""
while line != "end":
    client, _ = service.accept()
    with client, client.makefile("rw") as file:
        print(os.getpid(), listens, blocking, file=file, flush=True)
        line = file.readline().strip()
"""

#: Serve one connection, until the client has sent a line.
_ACCEPT_ONE = """\
import socket
client, _ = socket.socket(fileno=0).accept()
with client, client.makefile("rw") as file:
    print("hello", file=file, flush=True)
    file.readline()
"""

#: Answer datagrams with the process id until one is C{end}.
_RECEIVE = """\
import os, socket
service = socket.socket(fileno=0)
datagram = b""
while datagram != b"end":
    datagram, sender = service.recvfrom(65536)
    service.sendto(b"%d %s" % (os.getpid(), datagram), sender)
"""


class StreamWaitTests(OneServiceTestCase):
    """C{stream tcp wait}."""

    def keys(self) -> str:
        """Return the definition of a service whose program accepts."""
        path = self.program("accept", _ACCEPT)
        return f"protocol = tcp, wait = yes, exec = {path}"

    def send(self, word: str) -> str:
        """Connect, send a word, and return the answer."""
        return talk(self.port, f"{word}\n".encode()).decode()

    def test_socket(self) -> None:
        """
        The program has the blocking listening socket and accepts from it.

        One program serves clients until it ends, and the next client starts another.
        """
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                answers = [self.send(word) for word in ("go on", "end", "go on", "end")]
                daemon.waitForLog("] exit it", 2)
                first, second = self.started(daemon, 2)
            expected = [first, first, second, second]
            self.assertEqual(answers, [f"{pid} 1 True\n" for pid in expected])

    def test_oneAtATime(self) -> None:
        """Clients that connect while a program runs start no other one."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                first = self.connect(self.port)
                pid = int(first.makefile("r").readline().split()[0])
                clients = [self.connect(self.port) for _ in range(5)]
                first.sendall(b"go on\n")
                self.assertEqual(readAll(first), b"")
                for client in clients:
                    client.sendall(b"go on\n")
                    self.assertEqual(readAll(client), b"%d 1 True\n" % pid)
                self.assertEqual(self.started(daemon, 1), [pid])

    def test_killed(self) -> None:
        """After the program was killed, the next one serves the waiting client."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                first = self.connect(self.port)
                pid = int(first.makefile("r").readline().split()[0])
                second = self.connect(self.port)
                os.kill(pid, signal.SIGKILL)
                other = int(second.makefile("r").readline().split()[0])
                self.assertEqual(self.started(daemon, 2), [pid, other])
                self.assertIn("signal=9", self.lines(daemon, "exit")[0])

    def test_reload(self) -> None:
        """A reload starts no second program; one is started after its end."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                first = self.connect(self.port)
                pid = int(first.makefile("r").readline().split()[0])
                conf = self.path("inetd.conf")
                with open(conf, encoding="utf-8") as file:
                    text = file.read()
                self.write("inetd.conf", text.replace(";", ", args = other;"))
                os.kill(daemon.process.pid, signal.SIGHUP)
                daemon.waitForLog("reload - kept=0 changed=1")
                second = self.connect(self.port)
                first.sendall(b"go on\n")
                second.sendall(b"end\n")
                self.assertEqual(readAll(second), b"%d 1 True\n" % pid)
                other = int(self.send("end").split()[0])
                self.assertEqual(self.started(daemon, 2), [pid, other])

    def test_neverAccepts(self) -> None:
        """
        A program that ends without accepting is started again with backoff.

        Other services are served meanwhile.
        """
        other = freePort()
        for launch in LAUNCHES:
            keys = "protocol = tcp, wait = yes, exec = /bin/true"
            line = f"{other} stream tcp nowait - /bin/cat\n"
            with self.serve(launch, keys, line) as daemon:
                client = self.connect(self.port)
                daemon.waitForLog("pause it", 3)
                self.assertEqual(talk(other, b"served"), b"served")
                found = re.findall(r"pause it seconds=([\d.]+)", daemon.log())
                pauses = [float(seconds) for seconds in found]
                if reportsBacklog():
                    self.assertEqual(pauses, sorted(set(pauses)))
                self.assertLessEqual(len(self.started(daemon)), 5 + len(pauses))
                client.close()

    @skipUnless(reportsBacklog(), "the system does not report the backlog")
    def test_acceptsOne(self) -> None:
        """
        A program that accepts once and ends is started for the next connection.

        It is so at once, also when the other connection came before its end.
        """
        path = self.program("acceptOne", _ACCEPT_ONE)
        for launch in LAUNCHES:
            keys = f"protocol = tcp, wait = yes, exec = {path}"
            with self.serve(launch, keys) as daemon:
                client = self.connect(self.port)
                for _ in range(12):
                    self.assertEqual(client.recv(100), b"hello\n")
                    following = self.connect(self.port)
                    client.sendall(b"end\n")
                    self.assertEqual(readAll(client), b"")
                    client = following
                self.assertEqual(client.recv(100), b"hello\n")
                self.assertNotIn("pause it", daemon.log())


class DatagramWaitTests(OneServiceTestCase):
    """C{dgram udp wait}."""

    def keys(self) -> str:
        """Return the definition of a service whose program receives."""
        path = self.program("receive", _RECEIVE)
        return f"protocol = udp, wait = yes, exec = {path}"

    def test_socket(self) -> None:
        """
        The program has the socket with the datagram in it, and answers.

        One program receives datagrams until it ends, and the next datagram starts
        another.
        """
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                words = (b"1", b"2", b"end", b"3", b"end")
                answers = [ask(self.port, word) for word in words]
                first, second = self.started(daemon, 2)
            pids = (first, first, first, second, second)
            expected = [b"%d %s" % each for each in zip(pids, words)]
            self.assertEqual(answers, expected)

    def test_oneAtATime(self) -> None:
        """Datagrams that come at once are all for one program."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                client = self.datagrams()
                sent = [b"%d" % number for number in range(20)]
                for each in sent:
                    client.sendto(each, ("127.0.0.1", self.port))
                answers = [client.recv(100) for _ in sent]
                (pid,) = self.started(daemon, 1)
                self.assertEqual(
                    sorted(answers), sorted(b"%d %s" % (pid, n) for n in sent)
                )

    def test_reload(self) -> None:
        """A reload starts no second program; a datagram after its exit does."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                first = ask(self.port, b"1").split()[0]
                os.kill(daemon.process.pid, signal.SIGHUP)
                daemon.waitForLog("reload - kept=1")
                self.assertEqual(ask(self.port, b"end").split()[0], first)
                second = ask(self.port, b"2").split()[0]
                self.assertEqual(self.started(daemon, 2), [int(first), int(second)])

    def test_forkServerKilled(self) -> None:
        """
        A program keeps the socket for itself when its fork server is killed.

        The next datagram after its end starts another, and so does one after the death
        of a fork server without programs.
        """
        other = freePort()
        line = f"{other} stream tcp nowait - /bin/cat\n"
        with self.serve("forkserver", self.keys(), line) as daemon:
            first = ask(self.port, b"1").split()[0]
            os.kill(int(first), signal.SIGSTOP)
            client = self.datagrams()
            client.sendto(b"end", ("127.0.0.1", self.port))
            self.killForkServers(daemon)
            for number in range(20):
                talk(other, b"%d" % number)
            os.kill(int(first), signal.SIGCONT)
            self.assertEqual(client.recv(100), first + b" end")
            second = ask(self.port, b"end").split()[0]
            self.killForkServers(daemon)
            third = ask(self.port, b"end").split()[0]
            pids = [int(pid) for pid in (first, second, third)]
            self.assertEqual(self.started(daemon, 3), pids)

    def killForkServers(self, daemon: Daemon) -> None:
        """Kill all fork servers, and wait for their replacements."""
        killed = forkServers(daemon.process.pid)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

        def replaced() -> bool:
            now = forkServers(daemon.process.pid)
            return len(now) == len(killed) and not set(now) & set(killed)

        eventually(replaced, daemon.log)

    def test_neverReads(self) -> None:
        """A datagram that no program receives is discarded, without a loop."""
        other = freePort()
        for launch in LAUNCHES:
            keys = "protocol = udp, wait = yes, exec = /bin/true"
            line = f"{other} stream tcp nowait - /bin/cat\n"
            with self.serve(launch, keys, line) as daemon:
                client = self.datagrams()
                for number in range(5):
                    client.sendto(b"%d" % number, ("127.0.0.1", self.port))
                daemon.waitForLog("drop it", 5)
                sender = f"peer=127.0.0.1:{client.getsockname()[1]} "
                self.assertEqual(len(self.lines(daemon, "drop")), 5)
                for line_ in self.lines(daemon, "drop"):
                    self.assertIn(sender, line_)
                for number in range(20):
                    talk(other, b"%d" % number)
                pid = daemon.process.pid
                eventually(lambda: not programs(pid), daemon.log)  # noqa: B023
                self.assertLessEqual(len(self.started(daemon)), 15)

    def test_sameAgain(self) -> None:
        """Equal datagrams that programs receive do not count as left."""
        for launch in LAUNCHES:
            path = self.program("one", _RECEIVE.replace("while", "if"))
            keys = f"protocol = udp, wait = yes, exec = {path}"
            with self.serve(launch, keys) as daemon:
                client = self.datagrams()
                for _ in range(20):
                    client.sendto(b"same", ("127.0.0.1", self.port))
                answers = {client.recv(100) for _ in range(20)}
                self.assertEqual(len(answers), 20)
                self.assertEqual(self.lines(daemon, "drop"), [])


class AlpineTests(OneServiceTestCase):
    """The sockets of programs of C{alpine}, when root runs the daemon."""

    skip = None if users.ROOT else users.NOT_ROOT

    def test_all(self) -> None:
        """Programs of the user have the sockets of all kinds of services."""
        users.alpine()
        accept = self.program("accept", _ACCEPT)
        receive = self.program("receive", _RECEIVE)
        ports = [freePort() for _ in range(3)]
        for launch in LAUNCHES:
            line = f"{{}} on user = alpine, launch = {launch}, protocol = {{}};\n"
            kinds = (
                f"tcp, wait = yes, exec = {accept}",
                f"udp, wait = yes, exec = {receive}",
                "udp, wait = no, exec = /bin/cat",
            )
            conf = "".join(map(line.format, ports, kinds))
            with self.daemon(conf, *ports):
                for _ in range(3):
                    self.assertIn(b" 1 True", talk(ports[0], b"end\n"))
                    self.assertIn(b" end", ask(ports[1], b"end"))
                    self.assertEqual(ask(ports[2], b"text"), b"text")

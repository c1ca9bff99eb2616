# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{wait} services, whose program has the socket, and C{dgram nowait} services."""

from __future__ import annotations

import os
import re
import signal
from unittest import skipUnless

from inetdtw.test.fakes import tellsWhoWaits
from tests.support import users
from tests.support.daemon import Daemon, ask, eventually, freePort, talk
from tests.support.probe import LAUNCHES
from tests.support.processes import descriptors, programs
from tests.support.serving import ServingTestCase, readAll

#: Serve connections until one has sent C{end}; say who serves, and how the socket is.
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

#: Answer datagrams until one is C{end}; say who answers.
_RECEIVE = """\
import os, socket
service = socket.socket(fileno=0)
datagram = b""
while datagram != b"end":
    datagram, sender = service.recvfrom(65536)
    service.sendto(b"%d %s" % (os.getpid(), datagram), sender)
"""

#: Say what is read to the end, in several writes to different descriptors.
_WRITES = """\
import os
text = b"".join(iter(lambda: os.read(0, 3), b""))
for fd, what in (1, b"first "), (2, b"second "), (0, b"third "):
    os.write(fd, what + text)
"""

#: Print lines.
_PRINTS = """\
import sys
print("who asks?")
print(sys.stdin.read(), "asks")
"""

#: Wait for a file before the answer.
_HELD = """\
import os, sys, time
text = sys.stdin.read()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
print(f"hello, {text}", end="")
"""

#: Answer, and leave a process behind until a file exists.
_LEAVES = """\
import os, sys, time
text = sys.stdin.read()
if os.fork():
    sys.exit(print(f"hello, {text}", end=""))
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
os._exit(0)
"""


class LoggedTestCase(ServingTestCase):
    """Serve one service, with every start and end in the log."""

    def serve(self, launch: str, keys: str, *more: str) -> Daemon:
        """
        Serve one service.

        @param launch: how its programs are started.
        @param keys: more of its definition.
        @param more: further lines of the file.
        """
        self.port = freePort()
        line = f"{self.port} on id = it, user = -, launch = {launch}, {keys};\n"
        return self.daemon(line + "".join(more), self.port, options=["-l"])

    def lines(self, daemon: Daemon, word: str) -> list[str]:
        """Return the log lines that begin with a word, of one service."""
        return [line for line in daemon.log().splitlines() if f"] {word} it " in line]

    def started(self, daemon: Daemon, count: int = 0) -> list[int]:
        """
        Return the process ids of all programs until now.

        @param count: the least number: an effect of a program can precede its log line.
        """
        daemon.waitForLog("] start it ", count)
        found = (re.search(r"pid=(\d+)", each) for each in self.lines(daemon, "start"))
        return [int(match[1]) for match in found if match]


class StreamWaitTests(LoggedTestCase):
    """C{stream tcp wait}."""

    def keys(self) -> str:
        """Return the definition of a service whose program accepts."""
        path = self.program("accept", _ACCEPT)
        return f"protocol = tcp, wait = yes, exec = {path}"

    def say(self, word: str) -> str:
        """Be a client that sends a word, and return the answer."""
        return talk(self.port, f"{word}\n".encode()).decode()

    def test_socket(self) -> None:
        """
        The program has the blocking listening socket and accepts from it.

        One program serves clients until it ends, and the next client starts another.
        """
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                told = [self.say(word) for word in ("go on", "end", "go on", "end")]
                daemon.waitForLog("] exit it", 2)
                first, second = self.started(daemon, 2)
            expected = [first, first, second, second]
            self.assertEqual(told, [f"{pid} 1 True\n" for pid in expected])

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
                other = int(self.say("end").split()[0])
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
                if tellsWhoWaits():
                    self.assertEqual(pauses, sorted(set(pauses)))
                self.assertLessEqual(len(self.started(daemon)), 5 + len(pauses))
                client.close()

    @skipUnless(tellsWhoWaits(), "the system does not tell who waits")
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


class DatagramWaitTests(LoggedTestCase):
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
                told = [ask(self.port, word) for word in words]
                first, second = self.started(daemon, 2)
            pids = (first, first, first, second, second)
            expected = [b"%d %s" % each for each in zip(pids, words)]
            self.assertEqual(told, expected)

    def test_oneAtATime(self) -> None:
        """Datagrams that come at once are all for one program."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                client = self.datagrams()
                sent = [b"%d" % number for number in range(20)]
                for each in sent:
                    client.sendto(each, ("127.0.0.1", self.port))
                told = [client.recv(100) for _ in sent]
                (pid,) = self.started(daemon, 1)
                self.assertEqual(
                    sorted(told), sorted(b"%d %s" % (pid, n) for n in sent)
                )

    def test_reload(self) -> None:
        """A reload starts no second program; a datagram after its end does."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys()) as daemon:
                first = ask(self.port, b"1").split()[0]
                os.kill(daemon.process.pid, signal.SIGHUP)
                daemon.waitForLog("reload - kept=1")
                self.assertEqual(ask(self.port, b"end").split()[0], first)
                second = ask(self.port, b"2").split()[0]
                self.assertEqual(self.started(daemon, 2), [int(first), int(second)])

    def test_neverReads(self) -> None:
        """A datagram that no program takes is thrown away, and makes no loop."""
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
        """Datagrams that are all alike, and each taken, are none that was left."""
        for launch in LAUNCHES:
            path = self.program("one", _RECEIVE.replace("while", "if"))
            keys = f"protocol = udp, wait = yes, exec = {path}"
            with self.serve(launch, keys) as daemon:
                client = self.datagrams()
                for _ in range(20):
                    client.sendto(b"same", ("127.0.0.1", self.port))
                told = {client.recv(100) for _ in range(20)}
                self.assertEqual(len(told), 20)
                self.assertEqual(self.lines(daemon, "drop"), [])


class DatagramNowaitTests(LoggedTestCase):
    """C{dgram udp nowait}."""

    def keys(self, text: str, *arguments: str) -> str:
        """Return the definition of a service with this program."""
        path = self.program("program", text)
        args = " ".join(("program", *arguments))
        return f"protocol = udp, wait = no, exec = {path}, args = {args}"

    def test_writes(self) -> None:
        """
        The program reads the datagram in pieces; each write is a datagram.

        It may write to any descriptor. After the datagram it reads end of file.
        """
        for launch in LAUNCHES:
            with self.serve(launch, self.keys(_WRITES)):
                client = self.datagrams()
                client.sendto(b"datagram", ("127.0.0.1", self.port))
                told = {client.recv(100) for _ in range(3)}
            expected = {b"first datagram", b"second datagram", b"third datagram"}
            self.assertEqual(told, expected)

    def test_print(self) -> None:
        """Several prints of a program are one datagram."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys(_PRINTS)):
                self.assertEqual(ask(self.port, b"she"), b"who asks?\nshe asks\n")

    def test_unchanged(self) -> None:
        """Programs that know nothing of sockets serve datagrams of every size."""
        for launch in LAUNCHES:
            keys = "protocol = udp, wait = no, exec = /bin/cat"
            with self.serve(launch, keys):
                for size in (1, 1000, 9000):
                    self.assertEqual(ask(self.port, b"x" * size), b"x" * size)
            keys = "protocol = udp, wait = no, exec = /usr/bin/wc, args = wc -c"
            with self.serve(launch, keys):
                self.assertEqual(ask(self.port, b"x" * 60000).strip(), b"60000")

    def test_empty(self) -> None:
        """A datagram with nothing in it gets a program as well."""
        for launch in LAUNCHES:
            keys = "protocol = udp, wait = no, exec = /usr/bin/wc, args = wc -c"
            with self.serve(launch, keys):
                self.assertEqual(ask(self.port, b"").strip(), b"0")

    def test_peers(self) -> None:
        """Three clients at once have three programs, and each gets its own answer."""
        for launch in LAUNCHES:
            free = self.path(f"go-{launch}")
            with self.serve(launch, self.keys(_HELD, free)) as daemon:
                clients = {name: self.datagrams() for name in (b"Ann", b"Bob", b"Cleo")}
                for name, client in clients.items():
                    client.sendto(name, ("127.0.0.1", self.port))
                eventually(lambda: len(self.started(daemon)) == 3, daemon.log)
                running = programs(daemon.process.pid)
                self.assertEqual(sorted(self.started(daemon)), running)
                self.write(os.path.basename(free), "")
                for name, client in clients.items():
                    self.assertEqual(client.recv(100), b"hello, " + name)
                daemon.waitForLog("] exit it", 3)
                ports = {f":{each.getsockname()[1]} " for each in clients.values()}
                peers = re.findall(
                    r"start it pid=\d+ peer=127.0.0.1(:\d+)", daemon.log()
                )
                self.assertEqual({f"{peer} " for peer in peers}, ports)

    def test_leftBehind(self) -> None:
        """
        Orphans of programs count for no limit and keep no descriptors open.

        The daemon keeps descriptors for a moment only.
        """
        for launch in LAUNCHES:
            free = self.path(f"end-{launch}")
            keys = self.keys(_LEAVES, free) + ", accept_max = 2"
            with self.serve(launch, keys) as daemon:
                self.leavesNothing(daemon)
                self.write(os.path.basename(free), "")

    def leavesNothing(self, daemon: Daemon) -> None:
        """Ask some programs; check that the daemon keeps nothing of them."""
        pids = [daemon.process.pid]
        before = descriptors(pids)
        for number in range(6):
            name = b"%d" % number
            self.assertEqual(ask(self.port, name), b"hello, " + name)
        eventually(lambda: descriptors(pids) <= before, daemon.log)

    def test_silent(self) -> None:
        """A program that writes nothing sends no datagram, not even an empty one."""
        for launch in LAUNCHES:
            path = self.program("silent", "import sys\nsys.stdin.read()\n")
            keys = f"protocol = udp, wait = no, exec = {path}"
            other = freePort()
            line = f"{other} dgram udp nowait - /bin/cat\n"
            with self.serve(launch, keys, line) as daemon:
                client = self.datagrams()
                client.sendto(b"?", ("127.0.0.1", self.port))
                daemon.waitForLog("] exit it")
                client.sendto(b"!", ("127.0.0.1", other))
                self.assertEqual(client.recv(100), b"!")

    def test_addressAsked(self) -> None:
        """The answer comes from the address of the request on a wildcard socket."""
        for launch in LAUNCHES:
            keys = "protocol = udp, wait = no, exec = /bin/cat"
            with self.serve(launch, keys):
                for host in ("127.0.0.1", "127.0.0.2"):
                    client = self.datagrams()
                    client.sendto(b"who?", (host, self.port))
                    self.assertEqual(client.recvfrom(100), (b"who?", (host, self.port)))

    def test_ipv6(self) -> None:
        """C{udp6} serves IPv6, and C{udp46} both families."""
        for launch in LAUNCHES:
            for protocol, hosts in ("udp6", ["::1"]), ("udp46", ["::1", "127.0.0.1"]):
                keys = f"protocol = {protocol}, wait = no, exec = /bin/cat"
                with self.serve(launch, keys):
                    for host in hosts:
                        client = self.datagrams(host=host)
                        client.sendto(b"6", (host, self.port))
                        data, (sender, port, *_) = client.recvfrom(100)
                        self.assertEqual((data, sender, port), (b"6", host, self.port))

    if not os.path.exists("/proc/net/if_inet6"):
        test_ipv6.skip = "no IPv6"  # type: ignore[attr-defined]

    def test_manyDatagrams(self) -> None:
        """Of 100 datagrams at once every one is answered, and nothing is left."""
        for launch in LAUNCHES:
            keys = "protocol = udp, wait = no, exec = /bin/cat"
            with self.serve(launch, keys) as daemon:
                client = self.datagrams()
                sent = {b"%d" % number for number in range(100)}
                for each in sent:
                    client.sendto(each, ("127.0.0.1", self.port))
                self.assertEqual({client.recv(100) for _ in sent}, sent)
                pid = daemon.process.pid
                eventually(lambda: not programs(pid), daemon.log)  # noqa: B023


class AlpineTests(LoggedTestCase):
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

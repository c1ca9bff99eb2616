# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""C{dgram nowait} services, whose programs have one datagram each."""

from __future__ import annotations

import os
import re

from tests.support.daemon import Daemon, ask, eventually, freePort
from tests.support.oneservice import OneServiceTestCase
from tests.support.probe import LAUNCHES
from tests.support.processes import descriptors, programs

#: Send back all input, in several writes to different descriptors.
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


class DatagramNowaitTests(OneServiceTestCase):
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
                answers = {client.recv(100) for _ in range(3)}
            expected = {b"first datagram", b"second datagram", b"third datagram"}
            self.assertEqual(answers, expected)

    def test_print(self) -> None:
        """Several prints of a program are one datagram."""
        for launch in LAUNCHES:
            with self.serve(launch, self.keys(_PRINTS)):
                self.assertEqual(ask(self.port, b"bob"), b"who asks?\nbob asks\n")

    def test_unchanged(self) -> None:
        """Filters that read standard input serve datagrams of every size."""
        for launch in LAUNCHES:
            keys = "protocol = udp, wait = no, exec = /bin/cat"
            with self.serve(launch, keys):
                for size in (1, 1000, 9000):
                    self.assertEqual(ask(self.port, b"x" * size), b"x" * size)
            keys = "protocol = udp, wait = no, exec = /usr/bin/wc, args = wc -c"
            with self.serve(launch, keys):
                self.assertEqual(ask(self.port, b"x" * 60000).strip(), b"60000")

    def test_empty(self) -> None:
        """An empty datagram gets a program."""
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
        # The daemon has all that it keeps once it has served a client.
        self.assertEqual(ask(self.port, b"first"), b"hello, first")
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

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Floods, and clients of other services; L{tests.soak} has longer ones."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

from tests.soak import connections, datagrams, reflectors
from tests.soak.mixed import Mixed, flood
from tests.support import interpreters, users
from tests.support.daemon import Daemon, ask, eventually, freePort, talk, twistd
from tests.support.serving import ServingTestCase, run

#: How many clients the flood has, and how many of them come at a time.
CLIENTS, AT_ONCE = 400, 40


class FloodTests(ServingTestCase):
    """One service has many clients at a time, another one client after the other."""

    def _flood(self, *options: str, flooded: str = "") -> None:
        """Check that all clients of a flood are answered, and those of others."""
        cat, other, echo = ports = [freePort() for _ in range(3)]
        conf = (
            f"{cat} stream tcp nowait{flooded} - /bin/cat cat\n"
            f"{other} stream tcp nowait - /bin/cat cat\n"
            f"{echo} stream tcp nowait - internal echo\n"
        )
        with (
            self.daemon(conf, *ports, options=options),
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            flood = [pool.submit(talk, cat, b"%d" % n) for n in range(CLIENTS)]
            meanwhile = 0
            while not all(each.done() for each in flood):
                self.assertEqual(talk(other, b"other"), b"other")
                self.assertEqual(talk(echo, b"echo"), b"echo")
                meanwhile += 1
            answers = [each.result() for each in flood]
        self.assertEqual(answers, [b"%d" % n for n in range(CLIENTS)])
        self.assertGreater(meanwhile, 0)

    def test_forkserver(self) -> None:
        """All clients of fork servers' programs are answered."""
        self._flood()

    def test_direct(self) -> None:
        """All clients of programs that the daemon starts are answered."""
        self._flood("--launch", "direct")

    def test_bounded(self) -> None:
        """Clients of a flooded service with two programs wait, and no others."""
        self._flood(flooded="/2")


class MixedTests(ServingTestCase):
    """All kinds of services of one daemon."""

    def setUp(self) -> None:
        """Serve them."""
        super().setUp()
        self.mixed = Mixed(self.directory)
        self.served = self.mixed.daemon(["-l"])
        self.served.start()
        self.addCleanup(self.served.stop)

    def test_connections(self) -> None:
        """
        A hundred clients at a time, of all services, are sent back every byte.

        No program is started without a client.
        """
        found = flood(self.mixed.clients, 800, 100)
        self.assertEqual([each.others for each in found.values()], [[]] * len(found))
        counts = {name: each.counts["right"] for name, each in found.items()}
        self.assertEqual(sum(counts.values()), 800)
        wanted = {name: counts[name] for name in self.mixed.accepted("")}
        eventually(
            lambda: self.mixed.accepted(self.served.log()) == wanted,
            lambda: f"{wanted} started, not {self.mixed.accepted(self.served.log())}",
        )

    def test_beside(self) -> None:
        """
        A flood of connections to one service delays no others.

        They are sent back every byte.
        """
        for flooded, measured in (("forked", "internal"), ("bounded", "direct")):
            found = connections.beside(self.mixed, flooded, measured, 20)
            self.assertEqual(found.outcomes.others, [])
            self.assertGreater(found.made, 0)

    def test_datagrams(self) -> None:
        """
        Each datagram that the kernel has not dropped is answered.

        More come than the buffers hold, to an internal service and to a C{wait}
        service.
        """
        for name in ("datagrams", "waitingDatagrams"):
            account = datagrams.flood(self.mixed.ports[name], 5000)
            self.assertEqual((account.lost, account.wrong), (0, 0), account)

    def test_datagramsInTime(self) -> None:
        """Very many datagrams that the buffers hold are all answered."""
        for name in ("datagrams", "waitingDatagrams"):
            account = datagrams.flood(self.mixed.ports[name], 5000, window=32)
            self.assertEqual((account.right, account.wrong), (5000, 0), account)


#: Sends a datagram to a path, from a socket that is bound to another one in a jail.
_FORGES = """
import os, socket, sys
target, source, jail = sys.argv[1:]
forger = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
forger.connect(target)
os.chroot(jail)
forger.bind(source)
forger.send(b"forged")
"""


class ReflectorTests(ServingTestCase):
    """Datagrams that seem to come from a service that answers anything."""

    if not users.ROOT:
        skip = "only root can forge them"

    def test_forged(self) -> None:
        """
        No internal service answers a source that seems to be another service.

        The source is the port of one here, of itself, or where one usually is. Other
        sources are answered.
        """
        names = ("echo", "chargen", "daytime", "time")
        ports = [freePort() for _ in names]
        lines = zip(ports, names)
        conf = "".join(f"{port} dgram udp wait - internal {n}\n" for port, n in lines)
        with self.daemon(conf, *ports):
            found = reflectors.attack(ports, 50)
        self.assertEqual(found["seen"], found["forged"])
        self.assertEqual(found["reflected"], 0)
        self.assertEqual(found["honest"], found["asked"])

    def start(self, conf: str, *ports: int) -> Daemon:
        """Start a daemon that logs the start of each program."""
        path = self.write(f"{freePort()}.conf", conf)
        daemon = Daemon(twistd("inetd", "--conf", path, "-l"), ports=ports)
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def test_own(self) -> None:
        """
        No program starts for a datagram that seems to come from the daemon.

        It is so for all addresses of this machine and all services. One starts for
        other sources.
        """
        script = self.program("waits", "import socket\nsocket.socket(fileno=0).recv(9)")
        nowait, other, wait, internal = ports = [freePort() for _ in range(4)]
        daemon = self.start(
            f"{nowait} dgram udp nowait - /bin/cat cat\n"
            f"{other} dgram udp nowait - /bin/cat cat\n"
            f"{wait} dgram udp wait - {script} waits\n"
            f"{internal} dgram udp nowait - internal echo\n",
            *ports,
        )
        for host in ("127.0.0.1", "127.0.0.9"):
            with reflectors.Wire(host) as wire:
                for source in (*ports, 7, 19):
                    for target in (nowait, other, internal):
                        wire.forge(source, target, b"forged")
        for target in (nowait, other, internal):
            self.assertEqual(ask(target, b"honest"), b"honest")
        for port in (nowait, other):
            daemon.waitForLog(f" start {port}/udp ")
        log = daemon.log()
        counts = [log.count(f" start {port}/udp ") for port in ports]
        self.assertEqual(counts, [1, 1, 0, 0], log)
        self.assertIn("source is a socket of this daemon", log)

    def forge(self, target: str, *sources: str) -> None:
        """Send datagrams to a socket, as if from others."""
        for source in sources:
            jail = self.path(f"jail{len(os.listdir(self.directory))}")
            os.makedirs(jail + self.directory)
            argv = [interpreters.python(), "-c", _FORGES, target, source, jail]
            self.assertEqual(run(argv).returncode, 0)

    def test_ownPaths(self) -> None:
        """
        No datagram from a path of the daemon's own UNIX sockets is answered.

        The source of a client is the path as the client wrote it, which can lead
        elsewhere for the daemon.
        """
        echo, cat = self.path("echo"), self.path("cat")
        daemon = self.start(
            f"{freePort()} stream tcp nowait - internal echo\n"
            f"{echo} dgram unix nowait - internal echo\n"
            f"{cat} dgram unix nowait - /bin/cat cat\n"
        )
        eventually(lambda: os.path.exists(echo) and os.path.exists(cat), daemon.log)
        self.forge(echo, echo, cat, f"/{echo}")
        self.forge(cat, echo, cat)
        daemon.waitForLog("source is a socket of this daemon", 2)
        client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(client.close)
        client.settimeout(30)
        client.bind(self.path("client"))
        for target in (echo, cat):
            client.sendto(b"honest", target)
            self.assertEqual(client.recv(9), b"honest")

        def counted() -> bool:
            # A program may answer before its start is reported.
            os.kill(daemon.process.pid, signal.SIGUSR2)
            # The other way to write the path was answered once: to the daemon itself.
            return all(
                f" state {path}/unix address={path} started={started} " in daemon.log()
                for path, started in ((echo, 2), (cat, 1))
            )

        eventually(counted, daemon.log)

    def loop(self, one: str, other: str) -> tuple[int, str]:
        """
        Start a reflection loop of two daemons with one forged datagram.

        @param one: what its line has behind the port.

        @return: how many datagrams it comes to, and what the daemon logs that ends it.
        """
        first, second = freePort(), freePort()
        daemons = [
            self.start(f"{first} {one}\n", first),
            self.start(f"{second} {other}\n", second),
        ]
        reason = "answers/min) exceeded"
        with reflectors.Wire() as wire:
            wire.forge(second, first, b"forged")
            eventually(
                lambda: wire.look() and any(reason in each.log() for each in daemons),
                lambda: "the end of the conversation",
            )
            seen = wire.look()
            count = seen[first, second] + seen[second, first]
        # Others are answered all the same.
        self.assertNotEqual(ask(first, b"honest"), b"")
        self.assertNotEqual(ask(second, b"honest"), b"")
        return count, "".join(each.log() for each in daemons)

    def test_twoDaemons(self) -> None:
        """
        Two daemons that answer each other stop soon.

        Neither knows the other's ports.
        """
        line = "dgram udp nowait - internal"
        count, log = self.loop(f"{line} echo", f"{line} chargen")
        self.assertLess(count, 20_000)
        self.assertEqual(log.count("answers/min) exceeded"), 1, log)

    def test_programs(self) -> None:
        """Two daemons that start programs stop sooner."""
        count, log = self.loop(
            "dgram udp nowait - /bin/cat cat", "dgram udp nowait - internal echo"
        )
        self.assertLess(count, 2000)
        self.assertEqual(log.count("answers/min) exceeded"), 1, log)


class AnswersTests(ServingTestCase):
    """The bound on answers to one client."""

    def test_bound(self) -> None:
        """
        The answers to a client in a minute are limited for a service, or for all.

        Others get theirs, and 0 means no limit.
        """
        bounded, free = freePort(), freePort()
        conf = (
            f"{bounded} dgram udp nowait - internal echo\n"
            f"{free} on protocol = udp, args = echo, answer_max = 0;\n"
        )
        with (
            self.daemon(conf, bounded, free, options=("--answer-max", "5")) as daemon,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            client.settimeout(30)
            for port, most in ((bounded, 5), (free, 9)):
                for number in range(most):
                    client.sendto(b"%d" % number, ("127.0.0.1", port))
                    self.assertEqual(client.recv(9), b"%d" % number)
            client.sendto(b"one too many", ("127.0.0.1", bounded))
            daemon.waitForLog("reason=per-address limit (5 answers/min) exceeded")
            self.assertEqual(ask(bounded, b"another"), b"another")

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Floods, and the clients of what is flooded and of other services; L{tests.soak} has them
longer.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests import world
from tests.daemon import eventually, freePort, talk
from tests.serving import ServingTestCase
from tests.soak import connections, datagrams, reflectors
from tests.soak.mixed import Mixed, flood

#: How many clients the flood has, and how many of them come at a time.
CLIENTS, AT_ONCE = 400, 40


class FloodTests(ServingTestCase):
    """
    One service has many clients at a time, another one client after the other.
    """

    def _flood(self, *options: str, flooded: str = "") -> None:
        """
        All clients of all services are answered rightly, and the others' while the
        flood goes on.
        """
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
        """
        So it is with fork servers.
        """
        self._flood()

    def test_direct(self) -> None:
        """
        So it is when the daemon starts the programs itself.
        """
        self._flood("--launch", "direct")

    def test_bounded(self) -> None:
        """
        So it is when the flooded service runs but two programs at once: its clients
        wait, and nobody else does.
        """
        self._flood(flooded="/2")


class MixedTests(ServingTestCase):
    """
    All kinds of services of one daemon.
    """

    def setUp(self) -> None:
        """
        Serve them.
        """
        super().setUp()
        self.mixed = Mixed(self.folder)
        self.served = self.mixed.daemon(["-l"])
        self.served.start()
        self.addCleanup(self.served.stop)

    def test_connections(self) -> None:
        """
        A hundred clients at a time, of all services, are all sent back every byte; no
        program is started for nobody.
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
        While connections are made to one service as fast as they can be, the clients of
        others are sent back every byte.
        """
        for flooded, measured in (("forked", "internal"), ("bounded", "direct")):
            found = connections.beside(self.mixed, flooded, measured, 20)
            self.assertEqual(found.outcomes.others, [])
            self.assertGreater(found.made, 0)

    def test_datagrams(self) -> None:
        """
        Of more datagrams than there is room for, an internal service and one that
        waits answer each that the kernel has not dropped.
        """
        for name in ("datagrams", "waitingDatagrams"):
            account = datagrams.flood(self.mixed.ports[name], 5000)
            self.assertEqual((account.lost, account.wrong), (0, 0), account)

    def test_datagramsInTime(self) -> None:
        """
        When there is room for them, all of very many datagrams are answered.
        """
        for name in ("datagrams", "waitingDatagrams"):
            account = datagrams.flood(self.mixed.ports[name], 5000, window=32)
            self.assertEqual((account.right, account.wrong), (5000, 0), account)


class ReflectorTests(ServingTestCase):
    """
    Datagrams that seem to come from a service that answers anything.
    """

    if not world.ROOT:
        skip = "only root can forge them"

    def test_forged(self) -> None:
        """
        No internal service answers what seems to come from a port of another one, or
        of itself, or where such a service usually is; what comes from elsewhere is
        answered all the same.
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

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
A flood on one service, and the clients of others.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.daemon import freePort, talk
from tests.serving import ServingTestCase

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
        self.assertGreater(meanwhile, 1)

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

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What tests of faults have in common: services that must go on whatever happens to
others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.daemon import Daemon, freePort, talk
from tests.support.serving import ServingTestCase
from tests.support.users import nameOf, ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Sequence


class FaultsTestCase(ServingTestCase):
    """
    Have three services that no fault is about: an internal one, one whose programs a
    fork server starts, and one whose programs the daemon starts.

    @ivar others: their ports.
    @ivar user: the name of who runs the programs of the second.
    """

    def setUp(self) -> None:
        """Choose their ports."""
        super().setUp()
        self.others = [freePort() for _ in range(3)]
        self.user = nameOf(ordinaryUser())
        echo, cat, direct = self.others
        self.lines = (
            f"{echo} stream tcp nowait - internal echo\n"
            f"{cat} stream tcp nowait {self.user} /bin/cat cat\n"
            f"{direct} on protocol = tcp, wait = no, user = -, exec = /bin/cat,"
            " launch = direct;\n"
        )

    def served(self, lines: str, *ports: int, options: Sequence[str] = ()) -> Daemon:
        """
        A daemon that serves these three, and what else is asked for, until the test
        ends.
        """
        options = ["-l", *options]
        daemon = self.daemon(self.lines + lines, *self.others, *ports, options=options)
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def othersAnswer(self, text: bytes = b"hello") -> None:
        """Assert that the three services do their work."""
        for port in self.others:
            self.assertEqual(talk(port, text), text)

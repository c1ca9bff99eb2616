# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Test cases for faults: services that must stay up whatever happens to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.daemon import Daemon, freePort, talk
from tests.support.serving import ServingTestCase
from tests.support.users import nameOf, ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Sequence


class FaultsTestCase(ServingTestCase):
    """
    A test case with three services that no fault concerns.

    One is internal; of another a fork server starts the programs, of the third the
    daemon itself.

    @ivar others: their ports.
    @ivar user: the user of the programs that the fork server starts.
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
        """Return a daemon that serves these three and more until the test ends."""
        options = ["-l", *options]
        daemon = self.daemon(self.lines + lines, *self.others, *ports, options=options)
        daemon.start()
        self.addCleanup(daemon.stop)
        return daemon

    def othersAnswer(self, text: bytes = b"hello") -> None:
        """Assert that the three services do their work."""
        for port in self.others:
            self.assertEqual(talk(port, text), text)

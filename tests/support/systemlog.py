# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The system log, for tests that read it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from tests.support.daemon import eventually
from tests.support.users import needNamespace

if TYPE_CHECKING:
    from tests.support.serving import ServingTestCase

_LOG = "/dev/log"


class SystemLog:
    """The system log: a socket at C{/dev/log} until the test ends."""

    def __init__(self, test: ServingTestCase, later: bool = False) -> None:
        """
        Create the socket of the system log.

        @param later: whether it is only created by L{keep}.
        @raise SkipTest: when the socket would be the machine's.
        """
        needNamespace()
        self._test = test
        self._lines: list[str] = []
        if not later:
            self.keep()

    def keep(self) -> None:
        """Create the socket."""
        test = self._test
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(_LOG)
        os.chmod(_LOG, 0o666)
        test.addCleanup(self._socket.close)
        test.addCleanup(os.unlink, _LOG)

    def lines(self) -> list[str]:
        """Return all lines logged until now."""
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return self._lines
            self._lines.append(data.decode(errors="replace").rstrip("\0\n"))

    def waitFor(self, text: str) -> str:
        """Wait for a line that contains a string, and return it."""
        eventually(
            lambda: any(text in line for line in self.lines()),
            lambda: f"{text!r} in {self.lines()}",
        )
        return next(line for line in self._lines if text in line)

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The test case of the superserver, and lines of a configuration."""

from __future__ import annotations

import os
import socket
from typing import Any

from inetdtw import InetdService
from inetdtw.helpers.protocol import decode
from inetdtw.launch.forkserver.test.played import PlayedHelper
from inetdtw.test.fakes import PATIENCE, ServingTestCase

ECHO = "127.0.0.1:0 stream tcp nowait - internal echo\n"
DISCARD = "127.0.0.1:0 dgram udp wait - internal discard\n"
PROGRAM = "127.0.0.1:0 stream tcp nowait/100 - /bin/sh {}\n"
BAD = "127.0.0.1:0 stream udp nowait - internal echo\n"


class SuperserverTestCase(ServingTestCase):
    """A test of a superserver."""

    def setUp(self) -> None:
        """Make a file."""
        super().setUp()
        self.path = os.path.abspath(self.mktemp())
        self.patch(os, "cpu_count", lambda: 1)

    def write(self, *lines: str) -> None:
        """Write the file."""
        with open(self.path, "w") as file:
            file.write("".join(lines))

    def inetd(self, *lines: str, **given: Any) -> InetdService:
        """Return a superserver of these lines, with names C{one}, C{two} and so on."""
        self.write(*lines)
        usual: dict[str, Any] = {
            "reactor": self.reactor,
            "environ": {"PATH": "/bin"},
            "report": self.runtime.report,
        }
        inetd = InetdService(self.path, **{**usual, **given})
        self.addCleanup(self.end, inetd)
        return inetd

    def running(self, *lines: str, **given: Any) -> InetdService:
        """Return a superserver that serves these lines."""
        inetd = self.inetd(*lines, **given)
        inetd.startService()
        return inetd

    def end(self, inetd: InetdService) -> None:
        """Stop a superserver."""
        inetd.stopService()
        for process in self.reactor.processes:
            if not process.exited:
                process.exit()

    def ready(self) -> PlayedHelper:
        """Report that the fork server that was started last is ready."""
        played = PlayedHelper(self.reactor.processes[-1])
        self.addCleanup(played.channel.close)
        played.hello()
        self.reactor.settle()
        return played

    def connects(self, where: Any, kind: int = socket.SOCK_STREAM) -> int:
        """Return the error number that a client gets, or 0."""
        with socket.socket(socket.AF_INET, kind) as client:
            client.settimeout(PATIENCE)
            return client.connect_ex((where.host, where.port))

    def argument(self, inetd: InetdService, name: str, played: PlayedHelper) -> bytes:
        """Return the last argument of the program of a service's next client."""
        where = inetd.getHosts()[name]
        client = self.closing(socket.socket())
        client.connect((where.host, where.port))
        self.reactor.turn(PATIENCE)
        _, shared, _, fds = played.take()
        for fd in fds:
            os.close(fd)
        return decode(shared)[1][-1]

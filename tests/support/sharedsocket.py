# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case with programs that harm the socket that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.daemon import Daemon, freePort
from tests.support.probe import LAUNCHES
from tests.support.serving import ServingTestCase
from tests.support.users import nameOf, ordinaryUser

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Answer a connection, and do to the socket what the client asks for.
HARM_CONNECTIONS = """\
import os, socket, struct, sys, time
service = socket.socket(fileno=0)
client, _ = service.accept()
what = client.makefile().readline().strip()
client.sendall(what.upper().encode())
client.close()
if what == "shut":
    service.shutdown(socket.SHUT_RDWR)
elif what == "listen":
    service.listen(0)
elif what == "key":
    wildcard = struct.pack("=HHI", 2, 0, 0).ljust(128, bytes(1))
    key = struct.pack("=128sBBHI80s", wildcard, 1, 0, 6, 0, b"secret")
    try:
        service.setsockopt(socket.IPPROTO_TCP, 32, key)
    except OSError:
        pass
elif what == "remove":
    os.unlink(service.getsockname())
elif what == "shut forever" and os.fork() == 0:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            service.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        time.sleep(0.001)
"""


class SharedTestCase(ServingTestCase):
    """Serve with a program that harms its socket."""

    def serving(self, launch: str, keys: str) -> Daemon:
        """Return a daemon of one service, which listens."""
        # A user of its own can do no harm to the processes of the daemon.
        user = nameOf(ordinaryUser())
        conf = f"it on id = it, user = {user}, launch = {launch}, {keys};\n"
        daemon = self.daemon(conf.replace("it on", f"{self.where} on", 1))
        daemon.start()
        self.addCleanup(daemon.stop)
        daemon.waitForLog("] listen it ")
        return daemon

    def eachLaunch(self) -> Iterator[str]:
        """Return the ways to start programs, each with a port."""
        for launch in LAUNCHES:
            self.port = freePort()
            self.where = str(self.port)
            yield launch

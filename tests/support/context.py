# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A test case with programs that report their process context."""

from __future__ import annotations

import json
from typing import Any

from tests.support.daemon import freePort, talk
from tests.support.serving import ServingTestCase

PROBE = """\
import json, os, resource, sys
limits = {
    name: resource.getrlimit(getattr(resource, name))
    for name in ("RLIMIT_NOFILE", "RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_CORE")
}
mask = os.umask(0)
print(json.dumps({
    "umask": mask,
    "directory": os.getcwd(),
    "nice": os.nice(0),
    "groups": os.getgroups(),
    "ids": [*os.getresuid(), *os.getresgid()],
    "limits": limits,
    "home": os.environ.get("HOME"),
}))
"""

#: Answers one datagram with its working directory.
ANSWER = """\
import os, socket
sock = socket.socket(fileno=0)
_, peer = sock.recvfrom(100)
sock.sendto(os.getcwd().encode(), peer)
"""

#: The ways to launch: a fork server accepts, or gets each client, or no fork server.
WAYS = ((), ("accept_max = 50",), ("launch = direct",))


class ContextTestCase(ServingTestCase):
    """A test case with programs that report their process context."""

    def definition(self, port: int, *keys: str, user: str = "-") -> str:
        """Return the definition of a service that reports its process context."""
        program = self.program("probe", PROBE)
        first = f"{port} on protocol = tcp, wait = no, user = {user}, exec = {program}"
        return ", ".join((first, *keys)) + ";\n"

    def probe(self, *keys: str, user: str = "-") -> dict[str, Any]:
        """Return the context of a service that is defined with some keys."""
        port = freePort()
        with self.daemon(self.definition(port, *keys, user=user), port):
            found: dict[str, Any] = json.loads(talk(port, b""))
        return found

# -*- test-case-name: inetdtw.model.test.test_clients -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The clients that are served now, for the API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

DIRECT = "direct"
FORK_SERVER = "fork server"
WARM = "warm"
INTERNAL = "internal"
#: All ways in which a client can be served.
WAYS = (DIRECT, FORK_SERVER, WARM, INTERNAL)


@dataclass(frozen=True)
class ClientState:
    """
    A client, or the program that serves it.

    @ivar service: the name of the service in the log.
    @ivar pid: the process id of the program; C{None} if the service is internal.
    @ivar peer: the client's address and port; C{None} if it has none, or if the program
        accepts its clients by itself.
    @ivar user: the user of the program; C{None} for the daemon's.
    @ivar since: when the service began to serve it, in seconds since the epoch.
    @ivar how: how the program was started, one of L{WAYS}.
    """

    service: str
    pid: int | None
    peer: str | None
    user: str | None
    since: float
    how: str

    def asJSON(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {
            "service": self.service,
            "pid": self.pid,
            "peer": self.peer,
            "user": self.user,
            "since": round(self.since, 3),
            "how": self.how,
        }


@dataclass(frozen=True)
class ClientList:
    """
    The clients of all services, or of some.

    @ivar now: when they were served, in seconds since the epoch.
    @ivar uid: the user id of the daemon.
    @ivar total: how many there are.
    @ivar clients: the oldest of them, in the order in which they were started.
    """

    now: float
    uid: int
    total: int
    clients: tuple[ClientState, ...]

    def asJSON(self) -> dict[str, Any]:
        """Return it as an object of JSON."""
        return {
            "now": round(self.now, 3),
            "uid": self.uid,
            "total": self.total,
            "clients": [each.asJSON() for each in self.clients],
        }

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A service in a superserver's configuration, and free ports."""

from __future__ import annotations

import errno
import os
import pwd
import socket
from collections.abc import Sequence
from dataclasses import dataclass

HOST = "127.0.0.1"

#: Below the ports that the kernel gives to clients, so that none is in the way.
FIRST_PORT, LAST_PORT = 20000, 31999

#: Where a stream service of every inetd's own is, by the name it has to have.
ECHO_PORT = 7

OTHER_USER = "nobody"


def ownUser() -> str:
    """Return the name of the user that runs the benchmark."""
    return pwd.getpwuid(os.geteuid()).pw_name


@dataclass(frozen=True)
class Service:
    """
    A service on one port, in terms that every superserver supports.

    @ivar port: the port on L{HOST}.
    @ivar program: the absolute path of the program and then its arguments, or nothing
        for a service of the server's own.
    @ivar user: who the program runs as.
    @ivar socktype: C{"stream"} or C{"dgram"}.
    @ivar wait: whether one child has the whole socket.
    @ivar internal: the name of a service that the server answers itself.
    @ivar keys: the keys of inetdtw's configuration.
    """

    port: int
    program: tuple[str, ...]
    user: str
    socktype: str = "stream"
    wait: bool = False
    internal: str = ""
    keys: tuple[tuple[str, str], ...] = ()

    @property
    def protocol(self) -> str:
        """Return the protocol of the socket type."""
        return "udp" if self.socktype == "dgram" else "tcp"

    @property
    def path(self) -> str:
        """The path of the program."""
        return self.program[0] if self.program else "internal"

    @property
    def args(self) -> list[str]:
        """
        The arguments, beginning with the program's path.

        It is the whole path, because an interpreter finds its library by it.
        """
        return list(self.program)

    def line(self, limit: str = "") -> str:
        """
        Return the service as a classic line.

        @param limit: what follows C{wait} or C{nowait}, such as C{".65535"}.
        """
        wait = ("wait" if self.wait else "nowait") + limit
        name = self.internal or str(self.port)
        fields = [f"{HOST}:{name}", self.socktype, self.protocol, wait, self.user]
        return " ".join([*fields, self.path, *self.args])


class Ports:
    """
    Free ports, each of which is used once before any is used again.

    A port that was flooded a moment ago still has thousands of closed connections in
    the kernel's tables, which makes the next connection to it slower.
    """

    def __init__(self) -> None:
        self._next = FIRST_PORT + os.getpid() * 37 % (LAST_PORT - FIRST_PORT)

    def take(self, count: int = 1) -> Sequence[int]:
        """
        Return some free ports.

        @raise OSError: if there are not so many.
        """
        taken: list[int] = []
        for _ in range(LAST_PORT - FIRST_PORT):
            self._next += 1
            if self._next > LAST_PORT:
                self._next = FIRST_PORT
            if isFree(self._next):
                taken.append(self._next)
            if len(taken) == count:
                return taken
        raise OSError(errno.EADDRINUSE, f"no {count} free ports")


def isFree(port: int) -> bool:
    """
    Return whether a port can be bound for both protocols.

    Connections in TIME_WAIT do not count.
    """
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
    return True

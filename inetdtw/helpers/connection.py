# -*- test-case-name: inetdtw.helpers.test.test_connection -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What a fork server needs to accept connections itself, and what both a fork server and
the daemon tell a program of its connection.

A fork server imports this besides L{inetdtw.helpers.forkserver}: it needs nothing but the
standard library.
"""

from __future__ import annotations

import os
import socket
import struct

# Only a type checker wants these; they would double what a fork server imports.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: A record as long as a report: kind, whether it is IPv4, port, address in IPv6.
ADDRESS = struct.Struct("=B?H16s4x")

_MAPPED = "::ffff:"
_PREFIX = b"\0" * 10 + b"\xff\xff"


def plain(host: str) -> str:
    """An address as a person writes it: IPv4 mapped into IPv6 is IPv4."""
    mapped = host.startswith(_MAPPED) and "." in host and host.count(":") == 3
    return host[len(_MAPPED) :] if mapped else host


def ofConnection(local: Any, peer: Any) -> dict[str, str]:
    """
    What a program is told of the connection that it serves.

    @param local: the connection's own end, as getsockname(2) gives it.
    @param peer: the client's, as accept(2) gives it.
    """
    if not isinstance(peer, tuple) or not isinstance(local, tuple):
        return {"PROTO": "UNIX"}
    remote, port = plain(peer[0]), str(peer[1])
    return {
        "PROTO": "TCP",
        "TCPLOCALIP": plain(local[0]),
        "TCPLOCALPORT": str(local[1]),
        "TCPREMOTEIP": remote,
        "TCPREMOTEPORT": port,
        "REMOTE_ADDR": remote,
        "REMOTE_PORT": port,
    }


def packAddress(kind: int, peer: Any) -> bytes | None:
    """A record of a client's address, for the daemon; a UNIX socket has none."""
    if not isinstance(peer, tuple):
        return None
    host = plain(peer[0]).partition("%")[0]
    if ":" in host:
        packed = socket.inet_pton(socket.AF_INET6, host)
        return ADDRESS.pack(kind, False, peer[1], packed)
    return ADDRESS.pack(kind, True, peer[1], _PREFIX + socket.inet_aton(host))


def unpackAddress(record: bytes) -> tuple[str, int]:
    """The inverse of L{packAddress}."""
    _, old, port, packed = ADDRESS.unpack(record)
    if old:
        return socket.inet_ntoa(packed[12:]), port
    return socket.inet_ntop(socket.AF_INET6, packed), port


def owned(fd: int) -> socket.socket:
    """
    A socket of a descriptor that is to be closed with it.

    @raise OSError: if it is no socket; then it is closed.
    """
    try:
        return socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise


class Acceptor:
    """
    A listening socket whose connections each get a program.

    @ivar number: what the daemon calls it.
    @ivar socket: the socket.
    @ivar program: the path, the arguments and the environment.
    """

    def __init__(
        self,
        number: int,
        fd: int,
        program: tuple[list[bytes], list[bytes], dict[bytes, bytes]],
    ) -> None:
        """@param fd: a descriptor that is to be the acceptor's own."""
        self.number = number
        self.socket = owned(fd)
        self.program = program

    def accept(self) -> tuple[socket.socket, Any, dict[bytes, bytes]]:
        """
        Take a connection.

        @return: the connection, the client's address, and the environment of the
            program.
        @raise OSError: if there is none, or none can be taken.
        """
        connection, peer = self.socket.accept()
        try:
            connection.setblocking(True)
            # A client that is gone has no name any more.
            connection.getpeername()
            told = ofConnection(connection.getsockname(), peer)
        except OSError:
            connection.close()
            raise
        shared = self.program[2]
        extra = {name.encode(): value.encode() for name, value in told.items()}
        return connection, peer, {**shared, **extra}

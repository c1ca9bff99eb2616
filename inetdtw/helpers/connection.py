# -*- test-case-name: inetdtw.helpers.test.test_connection -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The addresses of a connection: for a program's environment, and for the daemon.

The daemon, fork servers and warm processes all run this.  The text of a warm process
includes it, so it must run on CPython 3.7 and import extension modules only.
"""

from __future__ import annotations

import _socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MAPPED = "::ffff:"
_MAPPED_PREFIX = bytes(10) + b"\xff\xff"
_NO_ADDRESS = bytes(16)


def plain(host: str) -> str:
    """Return an address, as IPv4 if it is an IPv4-mapped IPv6 address."""
    mapped = host.startswith(_MAPPED) and "." in host and host.count(":") == 3
    return host[len(_MAPPED) :] if mapped else host


def connectionEnvironment(local: object, peer: object) -> dict[str, str]:
    """
    Return the variables that describe a connection to its program.

    @param local: the address of the connection's own end, as getsockname(2) gives it.
    @param peer: the address of the client, as accept(2) gives it.
    """
    if not isinstance(peer, tuple) or not isinstance(local, tuple):
        return {"PROTO": "UNIX"}
    own, remote, port = local[0], peer[0], str(peer[1])
    if len(peer) > 2:
        own, remote = plain(own), plain(remote)
    return {
        "PROTO": "TCP",
        "TCPLOCALIP": own,
        "TCPLOCALPORT": str(local[1]),
        "TCPREMOTEIP": remote,
        "TCPREMOTEPORT": port,
        "REMOTE_ADDR": remote,
        "REMOTE_PORT": port,
    }


def encoded(environment: dict[str, str]) -> Iterator[tuple[bytes, bytes]]:
    """Return the names and values of an environment as bytes."""
    # For each connection, so without a generator, which is a function.
    return zip(map(str.encode, environment), map(str.encode, environment.values()))


def pairs(texts: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return an environment from strings like C{NAME=value}; skip empty ones."""
    divided = (text.partition(b"=") for text in texts if text)
    return {name: value for name, _, value in divided}


def packPeer(peer: object) -> tuple[int, bytes]:
    """
    Return a client's address as C{CONNECTION} of L{inetdtw.helpers.reports} has it.

    @param peer: the address, as accept(2) returns it.

    @return: the port and the address as IPv6; both are zeros for a client without an
        address, such as that of a UNIX socket.
    """
    if not isinstance(peer, tuple):
        return 0, _NO_ADDRESS
    host = peer[0].partition("%")[0]
    six = host if ":" in host else _MAPPED + host
    return peer[1], _socket.inet_pton(_socket.AF_INET6, six)


def unpackPeer(port: int, packed: bytes) -> tuple[str, int] | None:
    """Return the address and the port of L{packPeer}, or C{None} without an address."""
    if packed == _NO_ADDRESS:
        return None
    if packed.startswith(_MAPPED_PREFIX):
        return _socket.inet_ntop(_socket.AF_INET, packed[-4:]), port
    return _socket.inet_ntop(_socket.AF_INET6, packed), port

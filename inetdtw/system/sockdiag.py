# -*- test-case-name: inetdtw.system.test.test_sockdiag -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The backlog of a listening socket, without accepting a connection.

C{TCP_INFO} of tcp(7) has the length of the backlog.  On Linux, sock_diag(7) over a
netlink(7) socket also lists its connections.  That costs more, but far less than
C{/proc/net/tcp}, which lists all connections of the machine.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from typing import NamedTuple

_TCP_INFO_BACKLOG = struct.Struct("24xI")

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY, _REQUEST, _DUMP = 20, 0x1, 0x301
_ERROR, _DONE, _MULTI = 2, 3, 0x2
#: Length, kind, flags, number, and process.
_MESSAGE = struct.Struct("=IHHII")
_LONGEST_PACKET = 1 << 16

#: Family, protocol, states; from there on it is about the local port.
_TCP_QUESTION = struct.Struct("=BBxxI")
_TCP_PORT = struct.Struct("!H38x8s")
#: Connections whose client has not reset them: C{ESTABLISHED} and C{CLOSE_WAIT}.
_TCP_STATES = 1 << 1 | 1 << 8
#: The local address, a number that no other socket ever has, and the inode: none as
#: long as the connection is not accepted.
_TCP_ANSWER = struct.Struct("=8x16s20xQ16xI")

#: The ports and the addresses of a datagram, the interface, and any socket.
_UDP_DATAGRAM = struct.Struct("=HH16s16sI8s")
_UDP_INODE = struct.Struct("=68xI")
#: A client without a socket: addresses of TEST-NET-1 (RFC 5737) and of RFC 3849.
_STRANGERS = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}

#: Family, all states, inode, what to report.
_UNIX_QUESTION = struct.Struct("=BxxxIIIQ")
_UNIX_ANSWER = 16
_SHOW_CLIENTS, _CLIENTS = 0x8, 3
_ATTRIBUTE = struct.Struct("=HH")
_ANY = (1 << 64) - 1


class Backlog(NamedTuple):
    """
    The connections in a backlog.

    @ivar alive: a number for each connection that its client has not reset or closed.
    @ivar dead: how many other connections there are.
    """

    alive: frozenset[int]
    dead: int


def count(sock: socket.socket) -> int | None:
    """Return the length of the backlog, if it is known."""
    if sock.family == socket.AF_UNIX or not hasattr(socket, "TCP_INFO"):
        return None
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)
    return int(_TCP_INFO_BACKLOG.unpack(info)[0])


def waiting(sock: socket.socket) -> Backlog | None:
    """Return the connections in the backlog, if they are known."""
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        return _ofPath(sock) if sock.family == socket.AF_UNIX else _ofPort(sock)
    except OSError:
        return None


def _ofPort(sock: socket.socket) -> Backlog:
    """
    Return the backlog of a TCP socket.

    @raise OSError: if the system does not report that.
    """
    # A connection that comes after this does not count as dead.
    number = count(sock) or 0
    address = sock.getsockname()
    own = _packed(sock.family, address[0])
    question = _TCP_QUESTION.pack(sock.family, socket.IPPROTO_TCP, _TCP_STATES)
    question += _TCP_PORT.pack(address[1], b"\xff" * 8)
    answers = map(_TCP_ANSWER.unpack_from, _ask(question, _DUMP))
    alive = frozenset(
        cookie
        for local, cookie, inode in answers
        if not inode and (local == own or not any(own))
    )
    return Backlog(alive, max(0, number - len(alive)))


def receives(sock: socket.socket) -> bool:
    """
    Tell whether a datagram socket receives what is sent to its address.

    It does not if another socket was bound with C{SO_REUSEADDR} after a program had set
    that here.  If it is unknown, it does.
    """
    if not hasattr(socket, "AF_NETLINK") or sock.family not in _STRANGERS:
        return True
    host, port, *more = sock.getsockname()
    own = _packed(sock.family, host)
    if not any(own):
        own = _packed(sock.family, _LOOPBACK[sock.family])
    stranger = _packed(sock.family, _STRANGERS[sock.family])
    question = _TCP_QUESTION.pack(sock.family, socket.IPPROTO_UDP, 0xFFFFFFFF)
    ports = socket.htons(9), socket.htons(port)
    scope = more[1] if more else 0
    question += _UDP_DATAGRAM.pack(*ports, stranger, own, scope, b"\xff" * 8)
    try:
        (answer,) = _ask(question, _REQUEST)
    except OSError:
        return True
    (inode,) = _UDP_INODE.unpack_from(answer)
    return bool(inode == os.fstat(sock.fileno()).st_ino & 0xFFFFFFFF)


def _packed(family: int, host: str) -> bytes:
    """Return an address as sock_diag(7) has it."""
    return socket.inet_pton(family, host.partition("%")[0]).ljust(16, b"\0")


def _ofPath(sock: socket.socket) -> Backlog:
    """
    Return the backlog of a UNIX socket.

    It has the inodes of the clients' sockets; those that are closed have none.

    @raise OSError: if the system does not report that.
    """
    inode = os.fstat(sock.fileno()).st_ino & 0xFFFFFFFF
    parts = (socket.AF_UNIX, 0xFFFFFFFF, inode, _SHOW_CLIENTS, _ANY)
    (answer,) = _ask(_UNIX_QUESTION.pack(*parts), _REQUEST)
    inodes = _clients(answer[_UNIX_ANSWER:])
    alive = frozenset(inodes) - {0}
    return Backlog(alive, len(inodes) - len(alive))


def _clients(attributes: bytes) -> tuple[int, ...]:
    """Return the inodes in an answer, where they may be missing."""
    while attributes:
        length, kind = _ATTRIBUTE.unpack_from(attributes)
        value = attributes[_ATTRIBUTE.size : length]
        if kind == _CLIENTS:
            return struct.unpack(f"={len(value) // 4}I", value)
        attributes = attributes[_aligned(length) :]
    return ()


def _ask(question: bytes, flags: int) -> list[bytes]:
    """
    Send a request to sock_diag(7).

    @return: the bodies of the answers.
    @raise OSError: without an answer.
    """
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG)
    with link:
        link.setblocking(False)
        parts = (_MESSAGE.size + len(question), _SOCK_DIAG_BY_FAMILY, flags, 0, 0)
        link.send(_MESSAGE.pack(*parts) + question)
        found = list(_answers(link))
    return found


def _answers(link: socket.socket) -> Iterator[bytes]:
    """
    Yield the bodies of the answers: of one message, or of many and a last one.

    @raise OSError: if that is an error.
    """
    many = True
    while many:
        for kind, flags, body in _messages(link.recv(_LONGEST_PACKET)):
            if kind == _ERROR:
                number = -int.from_bytes(body[:4], sys.byteorder, signed=True)
                raise OSError(number, os.strerror(number))
            if kind == _DONE:
                return
            many = bool(flags & _MULTI)
            yield body


def _messages(packet: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield the kind, the flags and the body of each message in a packet."""
    start = 0
    while start < len(packet):
        length, kind, flags, _, _ = _MESSAGE.unpack_from(packet, start)
        yield kind, flags, packet[start + _MESSAGE.size : start + length]
        start += _aligned(length)


def _aligned(length: int) -> int:
    """Return where the next message or attribute begins."""
    return (length + 3) & ~3

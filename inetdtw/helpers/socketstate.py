# -*- test-case-name: inetdtw.helpers.test.test_socketstate -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Save the state of a socket, and restore it after a program had the socket.

The daemon and the programs of a C{wait} service share one socket, and so its options.
See socket(7), ip(7), ipv6(7), tcp(7) and udp(7).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import select
import socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: An option: its level, its number, and its length if it is more than an C{int}.
Option = tuple[int, int, int]

# The numbers of most systems with Linux, for what the socket module has no names of.
# C{SO_GET_FILTER} is not here: it writes more than it was given room for.
_GENERIC = sys.platform == "linux" and socket.SO_REUSEADDR == 2
_ALWAYS = (
    *((socket.SOL_SOCKET, "SO_ACCEPTCONN", 0), (socket.SOL_SOCKET, "SO_REUSEADDR", 0)),
    *((socket.SOL_SOCKET, "SO_DONTROUTE", 0), (socket.SOL_SOCKET, "SO_BROADCAST", 0)),
    *((socket.SOL_SOCKET, "SO_SNDBUF", 0), (socket.SOL_SOCKET, "SO_RCVBUF", 0)),
    *((socket.SOL_SOCKET, "SO_KEEPALIVE", 0), (socket.SOL_SOCKET, "SO_OOBINLINE", 0)),
    *((socket.SOL_SOCKET, "SO_LINGER", 8), (socket.SOL_SOCKET, "SO_REUSEPORT", 0)),
    *((socket.SOL_SOCKET, "SO_RCVTIMEO", 16), (socket.SOL_SOCKET, "SO_SNDTIMEO", 16)),
    *((socket.SOL_SOCKET, "SO_RCVLOWAT", 0), (socket.SOL_SOCKET, "SO_DEBUG", 0)),
)
#: TOS, TTL, ROUTER_ALERT, RECVOPTS, RETOPTS, PKTINFO, MTU_DISCOVER, RECVERR, RECVTTL,
#: RECVTOS, FREEBIND, PASSSEC, TRANSPARENT, RECVORIGDSTADDR, MINTTL, CHECKSUM,
#: BIND_ADDRESS_NO_PORT, RECVFRAGSIZE, RECVERR_RFC4884.
_IP = (1, 2, 5, 6, 7, 8, 10, 11, 12, 13, 15, 18, 19, 20, 21, 23, 24, 25, 26)
#: MULTICAST_IF, MULTICAST_TTL, MULTICAST_LOOP, MULTICAST_ALL, UNICAST_IF,
#: LOCAL_PORT_RANGE.
_IP_DATAGRAMS = (32, 33, 34, 49, 50, 51)
#: All that select what is reported of a packet, CHECKSUM, UNICAST_HOPS, MTU_DISCOVER,
#: RECVERR, V6ONLY, MULTICAST_ALL, ROUTER_ALERT_ISOLATE, FLOWINFO_SEND, DONTFRAG,
#: TCLASS, AUTOFLOWLABEL, ADDR_PREFERENCES, MINHOPCOUNT, TRANSPARENT, UNICAST_IF,
#: FREEBIND.
_IPV6 = (
    *(2, 3, 4, 5, 7, 8, 11, 16, 23, 25, 26, 29, 30, 31, 33, 49, 51, 53, 56, 58, 60),
    *(62, 66, 67, 70, 72, 73, 74, 75, 76, 77, 78),
)
#: MULTICAST_IF, MULTICAST_HOPS, MULTICAST_LOOP.
_IPV6_DATAGRAMS = (17, 18, 19)
#: NO_CHECK, PRIORITY, PASSCRED, TIMESTAMP, PASSSEC, TIMESTAMPNS, MARK, DOMAIN,
#: RXQ_OVFL, PEEK_OFF, LOCK_FILTER, SELECT_ERR_QUEUE, BUSY_POLL, MAX_PACING_RATE,
#: ZEROCOPY, PREFER_BUSY_POLL, BUF_LOCK, TXREHASH, RCVMARK, PASSPIDFD, RCVPRIORITY,
#: PASSRIGHTS.
_SOCKET = (
    *(11, 12, 16, 29, 34, 35, 36, 39, 40, 42, 44, 45, 46, 47, 60, 69, 72, 74, 75, 76),
    *(82, 83),
)
#: NODELAY, MAXSEG, CORK, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2, DEFER_ACCEPT,
#: WINDOW_CLAMP, QUICKACK, USER_TIMEOUT, FASTOPEN, NOTSENT_LOWAT, SAVE_SYN,
#: FASTOPEN_NO_COOKIE, INQ, TX_DELAY.
_TCP = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 18, 23, 25, 27, 34, 36, 37)
#: CORK, ENCAP, NO_CHECK6_TX, NO_CHECK6_RX, SEGMENT, GRO.
_UDP = (1, 100, 101, 102, 103, 104)
_IPPROTO_UDP = 17
#: BINDTODEVICE, TIMESTAMPING, TXTIME, TCP_CONGESTION, TCP_FASTOPEN_KEY.
_LONG = ((socket.SOL_SOCKET, 25, 16), (socket.SOL_SOCKET, 37, 8))
_LONG_TCP = ((socket.IPPROTO_TCP, 13, 16), (socket.IPPROTO_TCP, 33, 32))
#: IP_OPTIONS: a route for all that is sent, too.
_LONG_IP = (socket.IPPROTO_IP, 4, 40)
#: What the system doubles when it is set.
_DOUBLED = (socket.SO_SNDBUF, socket.SO_RCVBUF)
#: What can keep clients from a socket: REUSEPORT, BINDTODEVICE, IP_MINTTL,
#: IPV6_MINHOPCOUNT, IPV6_V6ONLY, UDP_ENCAP.
_BARRING = ((1, 15), (1, 25), (0, 21), (41, 73), (41, 26), (17, 100))
_UDP_CORK = 1
#: SO_MEMINFO, its length, and where it reports what belongs to a socket besides data.
_MEMORY, _MEMORY_LENGTH, _BESIDES = 55, 36, slice(24, 28)

_DETACH_FILTER = getattr(socket, "SO_DETACH_FILTER", 27)
_ERRORS = select.POLLERR | select.POLLPRI
_ENDED = select.POLLHUP | getattr(select, "POLLRDHUP", 0)
_MSG_ERRQUEUE = getattr(socket, "MSG_ERRQUEUE", 0)
_F_SETSIG = 10
#: More errors than fit into a socket's queue.
_MOST = 4096


class Spoiled(Exception):
    """The state of a socket cannot be restored."""


def _candidates(sock: socket.socket) -> Iterator[Option]:
    """Yield the options that a socket may have."""
    for level, name, length in _ALWAYS:
        number = getattr(socket, name, None)
        if number is None and name == "SO_REUSEPORT" and _GENERIC:
            number = 15
        if number is not None:
            yield level, number, length
    if not _GENERIC:
        return
    yield from ((socket.SOL_SOCKET, number, 0) for number in _SOCKET)
    yield from _LONG
    if sock.family == socket.AF_UNIX:
        return
    yield _LONG_IP
    datagrams = sock.type == socket.SOCK_DGRAM
    levels = [(socket.IPPROTO_IP, _IP + _IP_DATAGRAMS * datagrams)]
    if sock.family == socket.AF_INET6:
        levels.append((socket.IPPROTO_IPV6, _IPV6 + _IPV6_DATAGRAMS * datagrams))
    levels.append((_IPPROTO_UDP, _UDP) if datagrams else (socket.IPPROTO_TCP, _TCP))
    for level, numbers in levels:
        yield from ((level, number, 0) for number in numbers)
    if not datagrams:
        yield from _LONG_TCP


class Original:
    """The state of a socket when this was made."""

    def __init__(self, sock: socket.socket) -> None:
        """
        Save the state of a socket.

        @param sock: the socket, which its owner may close at any time.
        """
        self._socket = sock
        self._connects = sock.type == socket.SOCK_DGRAM
        self._flags = fcntl.fcntl(sock, fcntl.F_GETFL)
        self._name = sock.getsockname()
        self._options: dict[Option, Any] = {}
        for option in _candidates(sock):
            with contextlib.suppress(OSError):
                self._options[option] = self._get(option)
        self._besides = self._keeps()
        self._poll = select.poll()
        self._poll.register(sock, _ERRORS | _ENDED)

    def _get(self, option: Option) -> Any:
        """
        Return the value of an option.

        @raise OSError: if the socket has no such option.
        """
        level, number, length = option
        if length:
            return self._socket.getsockopt(level, number, length)
        return self._socket.getsockopt(level, number)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Save the options that are set meanwhile."""
        before = {option: self._get(option) for option in self._options}
        try:
            yield
        finally:
            for option, value in before.items():
                now = self._get(option)
                if now != value:
                    self._options[option] = now

    def restore(self, backlog: int | None = None) -> str | None:
        """
        Restore the state of the socket.

        @param backlog: the backlog of the service, if it is known.

        @return: what had kept clients away; C{None} if nothing had.
        @raise Spoiled: if the state cannot be restored.
        """
        if fcntl.fcntl(self._socket, fcntl.F_GETFL) != self._flags:
            fcntl.fcntl(self._socket, fcntl.F_SETFL, self._flags)
        if fcntl.fcntl(self._socket, fcntl.F_GETOWN):
            self._disown()
        found = self._detach()
        if self._connects:
            self._flush()
            found = self._disconnect() or found
        else:
            found = self._listen(backlog) or found
        for option, value in self._options.items():
            if self._get(option) != value:
                self._set(option, value)
                if _GENERIC and option[:2] in _BARRING:
                    found = "a program has set an option that keeps clients away"
        if self._poll.poll(0):
            found = self._clear()
        if self._socket.getsockname() != self._name:
            raise Spoiled("a program has changed the address of its socket")
        return found

    def _disown(self) -> None:
        """Stop signals for the socket."""
        with contextlib.suppress(OSError):
            fcntl.fcntl(self._socket, fcntl.F_SETOWN, 0)
            if sys.platform == "linux":
                fcntl.fcntl(self._socket, _F_SETSIG, 0)

    def _detach(self) -> str | None:
        """
        Detach a filter.

        @return: what had kept clients away, if anything.
        @raise Spoiled: if the filter is locked.
        """
        if not _GENERIC:
            return None
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _DETACH_FILTER, 0)
        except OSError as why:
            if why.errno == errno.EPERM:
                raise Spoiled("a program has locked a filter of its socket") from None
            return None
        return "a program has attached a filter to its socket"

    def _flush(self) -> None:
        """Send a datagram that was begun with C{MSG_MORE}."""
        if _GENERIC and self._socket.family != socket.AF_UNIX:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(_IPPROTO_UDP, _UDP_CORK, 0)

    def _keeps(self) -> bytes:
        """
        Return how much memory the socket has for other things than data.

        These are filters, and TCP MD5 keys (RFC 2385), which keep clients away.

        @return: an empty string where that is not known.
        """
        if not _GENERIC:
            return b""
        try:
            about = self._socket.getsockopt(socket.SOL_SOCKET, _MEMORY, _MEMORY_LENGTH)
        except OSError:
            return b""
        return about[_BESIDES]

    def _disconnect(self) -> str | None:
        """
        Dissolve the association with a peer.

        @return: what had kept clients away, if anything.
        @raise Spoiled: if that fails.
        """
        reason = "a program has connected its socket"
        if not self._connected():
            return None
        disconnect(self._socket)
        if self._connected():
            raise Spoiled(reason)
        return reason

    def _connected(self) -> bool:
        """Return whether the socket has a peer."""
        try:
            self._socket.getpeername()
        except OSError as why:
            return why.errno != errno.ENOTCONN
        return True

    def _listen(self, backlog: int | None) -> str | None:
        """
        Have the socket listen.

        @return: what had kept clients away, if anything.
        @raise Spoiled: if that fails.
        """
        if self._keeps() != self._besides:
            raise Spoiled("a program has set a TCP-MD5 key on the socket")
        listens = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if listens and backlog is None:
            return None
        try:
            self._socket.listen(socket.SOMAXCONN if backlog is None else backlog)
        except OSError as why:
            reason = f"listen fails after a program had the socket: {why.strerror}"
            raise Spoiled(reason) from None
        return None if listens else "a program has shut its socket down"

    def _set(self, option: Option, value: Any) -> None:
        """
        Set an option.

        @raise Spoiled: if it has another value afterwards.
        """
        level, number, _ = option
        half = level == socket.SOL_SOCKET and number in _DOUBLED and _GENERIC
        with contextlib.suppress(OSError):
            self._socket.setsockopt(level, number, value // 2 if half else value)
        if self._get(option) != value:
            raise Spoiled(
                f"a program has set option {number} of level {level} for good"
            )

    def _clear(self) -> str:
        """
        Discard pending errors.

        @return: what had kept clients away.
        @raise Spoiled: if an error remains, or the socket was shut down.
        """
        self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        # A UNIX socket has no error queue: this would discard data.
        queued = bool(_MSG_ERRQUEUE) and self._socket.family != socket.AF_UNIX
        with contextlib.suppress(OSError):
            for _ in range(_MOST * queued):
                self._socket.recv(1, _MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        events = sum(event for _, event in self._poll.poll(0))
        if events & _ENDED:
            raise Spoiled("a program has shut its socket down")
        reason = "a program has left an error in its socket"
        if events:
            raise Spoiled(reason)
        return reason


def disconnect(sock: socket.socket) -> None:
    """
    Dissolve the association of a datagram socket with a peer, as connect(2) says.

    Errors are ignored.
    """
    with contextlib.suppress(ImportError, OSError, AttributeError):
        # This is seldom needed, and slow to import.
        import ctypes

        nobody = socket.AF_UNSPEC.to_bytes(2, sys.byteorder) + bytes(14)
        ctypes.CDLL(None).connect(sock.fileno(), nobody, len(nobody))

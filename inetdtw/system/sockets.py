# -*- test-case-name: inetdtw.system.test.test_sockets -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Creating and closing the sockets that services listen on."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
from collections.abc import Iterable
from dataclasses import replace

from inetdtw.model.address import Address
from inetdtw.model.service import Service, SocketOptions
from inetdtw.system import acceptfilter, boundpath

_NOTHING = SocketOptions()


def createListener(
    service: Service, before: Iterable[socket.socket] = ()
) -> tuple[socket.socket, boundpath.BoundPath | None]:
    """
    Create the socket that a service needs.

    It is bound, non-blocking, and listening if clients connect to it.

    @param before: the service's earlier sockets, which this one replaces; programs may
        still have them.

    @return: the socket, which the caller owns, and its file if it has a path.

    @raise OSError: if it cannot be created or bound.
    """
    address = service.address
    if address.family == socket.AF_INET6 and address.dual and not _haveIPv6():
        address = replace(address, family=socket.AF_INET, host="0.0.0.0", dual=False)
    sock, mark = socket.socket(address.family, service.socktype), None
    try:
        sock.setblocking(False)
        _configure(sock, address, service)
        if address.family == socket.AF_UNIX:
            mark = boundpath.bindPath(sock, address.host, service.ownership)
        else:
            _bindPort(sock, address, list(before))
        if service.isStream:
            sock.listen(service.options.backlog)
            acceptfilter.enable(sock, service.options.acceptFilter)
    except BaseException:
        if mark is not None:
            mark.remove()
        sock.close()
        raise
    return sock, mark


def _bindPort(
    sock: socket.socket, address: Address, before: list[socket.socket]
) -> None:
    """
    Bind a socket to a port.

    @param before: others that may have the port, which must not prevent that.

    @raise OSError: if it cannot be bound.
    """
    for old in before:
        with contextlib.suppress(OSError):
            old.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if sock.type == socket.SOCK_STREAM:
                old.shutdown(socket.SHUT_RDWR)
    beside = bool(before) and sock.type == socket.SOCK_DGRAM
    if beside:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(address.forBind())
    if beside:
        # No other socket may share the port.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def adopt(sock: socket.socket, service: Service) -> None:
    """
    Configure a socket that another process has bound for a service.

    Only the owner of a socket decides on its address, its file and its backlog.

    @raise OSError: if an option cannot be set, or the socket was shut down.
    """
    sock.setblocking(False)
    poll = select.poll()
    poll.register(sock, 0)
    if any(events & select.POLLHUP for _, events in poll.poll(0)):
        raise OSError(errno.ESHUTDOWN, "a program has shut it down")
    configure(sock, service.options)
    if service.isStream:
        acceptfilter.enable(sock, service.options.acceptFilter)


def _haveIPv6() -> bool:
    """Tell whether this machine has IPv6 now."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _configure(sock: socket.socket, address: Address, service: Service) -> None:
    """Set the options that must be set before a socket is bound."""
    if service.isStream and address.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address.family == socket.AF_INET6:
        only = 0 if address.dual else 1
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    configure(sock, service.options)


def configure(
    sock: socket.socket, options: SocketOptions, before: SocketOptions = _NOTHING
) -> None:
    """
    Set the options that can be set at any time.

    @param before: what was set; flags that a reload has removed are unset.
    """
    if options.sendBuffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.sendBuffer)
    if options.receiveBuffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receiveBuffer)
    # Connections inherit these.
    if options.noDelay or before.noDelay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, options.noDelay)
    if options.keepAlive or before.keepAlive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, options.keepAlive)


def reconfigure(
    sock: socket.socket,
    mark: boundpath.BoundPath | None,
    before: Service,
    after: Service,
) -> None:
    """
    Change the options of a socket that is in use.

    @param mark: its file, if the daemon has bound it.

    @raise OSError: if an option cannot be changed.
    """
    old, new = before.options, after.options
    configure(sock, new, old)
    if after.isStream and old.backlog != new.backlog:
        sock.listen(new.backlog)
    if after.isStream and old.acceptFilter != new.acceptFilter:
        acceptfilter.disable(sock)
        acceptfilter.enable(sock, new.acceptFilter)
    if mark is not None and before.ownership != after.ownership:
        mark.chown(after.ownership)


def closeWithMessage(connection: socket.socket, message: bytes) -> None:
    """
    Send a message, unless it is empty, and close a connection.

    It receives up to 256 KiB of what the client has sent before, because the kernel
    discards the message if unread data is left.
    """
    with connection, contextlib.suppress(OSError):
        if not message:
            return
        connection.setblocking(False)
        connection.send(message)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1 << 18)

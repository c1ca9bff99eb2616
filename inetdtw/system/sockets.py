# -*- test-case-name: inetdtw.system.test.test_sockets -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Making and giving up the sockets that services listen on."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace

from inetdtw.model.address import Address
from inetdtw.model.service import Ownership, Service, SocketOptions
from inetdtw.system import unixpath
from inetdtw.system.directory import OpenDirectory, around, identityOf, pathReplaced
from inetdtw.text import native

#: The seconds for which Linux may keep a connection back that has sent nothing.
_DEFER_SECONDS = 30
_SO_ACCEPTFILTER = 0x1000
#: The accept filters that there are; C{None} where only the system knows.
FILTERS = ("dataready", "httpready") if hasattr(socket, "TCP_DEFER_ACCEPT") else None


def createListener(
    service: Service, before: Iterable[socket.socket] = ()
) -> tuple[socket.socket, BoundPath | None]:
    """
    Make the socket that a service needs: bound, non-blocking, and listening if
    clients connect to it.

    @param before: those that it had before, in whose place this one is; programs may
        still have them.

    @return: the socket, and the mark of its file if it has a path.

    @raise OSError: if it cannot be had.
    """
    address = service.address
    if address.family == socket.AF_INET6 and address.dual and not _haveIPv6():
        address = replace(address, family=socket.AF_INET, host="0.0.0.0", dual=False)
    sock, mark = socket.socket(address.family, service.socktype), None
    try:
        sock.setblocking(False)
        _configure(sock, address, service)
        if address.family == socket.AF_UNIX:
            mark = bindPath(sock, address.host, service.ownership)
        else:
            _bindPort(sock, address, list(before))
        if service.isStream:
            sock.listen(service.options.backlog)
            _filter(sock, service.options)
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

    @param before: others that may have the port, which must not keep it from this one.

    @raise OSError: if it cannot be had.
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
        # Nobody else is to have the port as well.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)


def adopt(sock: socket.socket, service: Service) -> None:
    """
    Set up a socket that somebody else has bound for a service: all but what only its
    owner can say, which are its address, its file and how many clients may wait.

    @raise OSError: if something cannot be set, or it was shut down.
    """
    sock.setblocking(False)
    poll = select.poll()
    poll.register(sock, 0)
    if any(events & select.POLLHUP for _, events in poll.poll(0)):
        raise OSError(errno.ESHUTDOWN, "a program has shut it down for good")
    configure(sock, service.options)
    if service.isStream:
        _filter(sock, service.options)


def _haveIPv6() -> bool:
    """Whether this machine has IPv6 now."""
    if not socket.has_ipv6:
        return False
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _configure(sock: socket.socket, address: Address, service: Service) -> None:
    """Set what must be set before a socket is bound."""
    if service.isStream and address.family != socket.AF_UNIX:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if address.family == socket.AF_INET6:
        only = 0 if address.dual else 1
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    configure(sock, service.options)


def configure(sock: socket.socket, options: SocketOptions) -> None:
    """Set what can be set at any time."""
    if options.sendBuffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.sendBuffer)
    if options.receiveBuffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.receiveBuffer)
    # Connections inherit these.
    if options.noDelay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if options.keepAlive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


def _unset(sock: socket.socket, old: SocketOptions, new: SocketOptions) -> None:
    """Take back the flags that are not wanted any more."""
    if old.noDelay and not new.noDelay:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    if old.keepAlive and not new.keepAlive:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 0)


def reconfigure(
    sock: socket.socket, mark: BoundPath | None, before: Service, after: Service
) -> None:
    """
    Change what can be changed of a socket that is in use.

    @param mark: that of its file, if it is ours.

    @raise OSError: if something of it cannot be.
    """
    old, new = before.options, after.options
    configure(sock, new)
    _unset(sock, old, new)
    if after.isStream and old.backlog != new.backlog:
        sock.listen(new.backlog)
    if after.isStream and old.acceptFilter != new.acceptFilter:
        _unfilter(sock)
        _filter(sock, new)
    if mark is not None and before.ownership != after.ownership:
        mark.give(after.ownership)


def _unfilter(sock: socket.socket) -> None:
    """Have connections not wait for anything."""
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
    else:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ACCEPTFILTER, None, 0)


def _filter(sock: socket.socket, options: SocketOptions) -> None:
    """
    Have connections wait until they have sent something.

    The BSDs have accept filters for that (accept_filter(9)); Linux has
    C{TCP_DEFER_ACCEPT}, which does what C{dataready} does.

    @raise OSError: if the system has nothing like it.
    """
    name = options.acceptFilter
    if name is None:
        return
    if FILTERS is not None and name in FILTERS:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER_SECONDS)
        return
    if FILTERS is not None:
        raise OSError(errno.ENOPROTOOPT, f"there is no accept filter '{name}' here")
    argument = struct.pack("16s240x", name.encode())
    sock.setsockopt(socket.SOL_SOCKET, _SO_ACCEPTFILTER, argument)


def bindPath(sock: socket.socket, path: str, ownership: Ownership) -> BoundPath:
    """
    Bind a socket to a path, for its owner alone until all is set.

    @return: the mark of its file.

    @raise OSError: if there is something at the path that is not the socket of a
        daemon that is gone, or it cannot be bound, or does not stay there.
    """
    with around(path) as (folder, name):
        _removeStale(folder, name, sock.type)
        _bind(sock, folder.entry(name))
        with unixpath.openPath(folder, name) as file:
            if not file.untouched:
                raise pathReplaced()
            mark = BoundPath(path, *file.identity)
            try:
                file.give(ownership)
            except OSError:
                mark.remove()
                raise
    return mark


def _bind(sock: socket.socket, path: str) -> None:
    """
    Bind a socket to a path, which nobody may use then.

    @raise OSError: if that cannot be, or there is something already.
    """
    # Linux makes the file with the permissions of the socket; elsewhere that is an
    # error, and the umask has to do it.
    with contextlib.suppress(OSError):
        os.fchmod(sock.fileno(), 0)
    before = os.umask(0o777)
    try:
        sock.bind(path)
    finally:
        os.umask(before)


def _removeStale(folder: OpenDirectory, name: str, socktype: int) -> None:
    """
    Remove the socket of a daemon that is gone.

    @raise OSError: if there is something else in its place, or a socket that is in
        use.
    """
    try:
        with unixpath.openPath(folder, name) as file:
            if _isStale(file.where, socktype):
                folder.remove(name, file.identity)
                return
    except FileNotFoundError:
        return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _isStale(path: str, socktype: int) -> bool:
    """
    True if no process has the socket at a path.

    @raise OSError: if that cannot be found out.
    """
    with socket.socket(socket.AF_UNIX, socktype) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except BlockingIOError:
            pass  # Its backlog is full, so a process listens.
    return False


@dataclass(frozen=True)
class BoundPath:
    """
    Which file a UNIX socket was bound to, so that no other is ever changed or removed.

    It holds as long as the socket is open: another file can have the number later.
    """

    path: str
    device: int
    inode: int

    @property
    def there(self) -> bool:
        """Whether the file is still at its path."""
        try:
            about = os.lstat(native(self.path))
        except OSError:
            return False
        return identityOf(about) == (self.device, self.inode)

    def give(self, ownership: Ownership) -> None:
        """
        Give the file to its owner, with its permissions.

        @raise OSError: if this process may not do that, or another file is there.
        """
        identity = self.device, self.inode
        with around(self.path) as (folder, name):
            if identityOf(folder.about(name)) != identity:
                raise pathReplaced()
            with unixpath.openPath(folder, name) as file:
                if file.identity != identity:
                    raise pathReplaced()
                file.give(ownership)

    def remove(self) -> None:
        """Remove the file, if it is still the same."""
        identity = self.device, self.inode
        with contextlib.suppress(OSError), around(self.path) as (folder, name):
            folder.remove(name, identity)


def closeWithMessage(connection: socket.socket, said: bytes) -> None:
    """
    Say something last, unless there is nothing to say, and close a connection.

    What the client has sent is taken first, unless it is much: to leave it would have
    the system throw away what was said.
    """
    with connection, contextlib.suppress(OSError):
        if not said:
            return
        connection.setblocking(False)
        connection.send(said)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1 << 18)

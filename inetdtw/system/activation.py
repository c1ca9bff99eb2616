# -*- test-case-name: inetdtw.system.test.test_activation -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Socket activation: sockets that this process was started with (sd_listen_fds(3)).

C{LISTEN_FDS} is their number, from descriptor 3 on, C{LISTEN_PID} the process that they
are for, and C{LISTEN_FDNAMES} has their names.  So the daemon serves a port below 1024
without root, and clients wait in the sockets while it is restarted.

A socket is for the service with its address, else for the one with its name, else for
one with the same port of all addresses of another family.  The daemon only duplicates
the sockets: they belong to the process that made them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Callable

from inetdtw.model.address import hostIn, peerText
from inetdtw.model.service import Key, Service
from inetdtw.text import native, textOf

#: The first descriptor that is passed.
FIRST = 3
#: The name of a socket that was passed without one.
NAMELESS = "unknown"

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class PassedSocket:
    """
    One descriptor that this process was started with.

    @ivar fd: its number.
    @ivar name: its name.
    @ivar socket: the socket; C{None} if no service can use the descriptor.
    @ivar lack: why not.
    """

    fd: int
    name: str
    socket: socket.socket | None
    lack: str = "not a socket"

    @property
    def where(self) -> str:
        """The address, for messages."""
        if self.socket is None:
            return "-"
        where = self.socket.getsockname()
        if isinstance(where, tuple):
            return peerText(where)
        return textOf(os.fsdecode(where)) or "-"

    def close(self) -> None:
        """Close it, which does not affect other processes that have it."""
        if self.socket is not None:
            self.socket.close()


class Inherited:
    """The sockets that this process was started with, and their services."""

    def __init__(self, given: Iterable[PassedSocket] = ()) -> None:
        """@param given: the passed sockets."""
        self._given = list(given)
        self._owners: dict[Key, PassedSocket] = {}
        self._sorted = False

    @classmethod
    def fromEnvironment(cls, environ: Mapping[str, str], pid: int) -> Inherited:
        """
        Take the sockets that the environment describes.

        There are none if it describes those of another process, or is not valid.

        @param pid: the process id of this process.
        """
        count = _count(environ.get("LISTEN_FDS", ""))
        if environ.get("LISTEN_PID") != str(pid) or not count:
            return cls()
        names = environ.get("LISTEN_FDNAMES", "").split(":")
        names += [""] * (count - len(names))
        return cls(
            _take(FIRST + index, names[index] or NAMELESS) for index in range(count)
        )

    def assign(self, services: Iterable[Service]) -> list[dict[str, object]]:
        """
        Assign the sockets to the services that are configured now.

        Once all host names have addresses, the sockets that no service uses are closed.
        A socket that was assigned once stays assigned: the process that made it has it
        too, so that its address could not be bound again.

        @return: the sockets that were closed, as the fields of
            L{events.UNUSED_SOCKET<inetdtw.log.events.UNUSED_SOCKET>}.
        """
        services = [service for service in services if not service.isPortless]
        before = self._owners
        self._owners = {
            service.key: before[service.key]
            for service in services
            if service.key in before
        }
        for fits in (_hasAddress, _hasName, _isWildcard):
            self._match(services, fits)
        if self._sorted or any(service.address.isName for service in services):
            return []
        self._sorted = True
        return self._closeUnused()

    def _match(
        self, services: Iterable[Service], fits: Callable[[Service, PassedSocket], bool]
    ) -> None:
        """Assign sockets to services without one by a rule."""
        for service in services:
            if service.key in self._owners:
                continue
            for given in self._free():
                if _canServe(service, given) and fits(service, given):
                    self._owners[service.key] = given
                    break

    def _free(self) -> Iterator[PassedSocket]:
        """Yield the sockets that no service has."""
        taken = {given.fd for given in self._owners.values()}
        return (given for given in self._given if given.fd not in taken)

    def _closeUnused(self) -> list[dict[str, object]]:
        unused = []
        for given in list(self._free()):
            address, reason = given.where, _why(given)
            fields = {"fd": given.fd, "name": given.name}
            unused.append({**fields, "address": address, "reason": reason})
            self._given.remove(given)
            given.close()
        return unused

    def take(self, service: Service) -> socket.socket | None:
        """
        Return a duplicate of the socket that is assigned to a service, if one is.

        @return: the socket, which the caller owns.

        @raise OSError: without a descriptor left.
        """
        given = self._owners.get(service.key)
        if given is None or given.socket is None:
            return None
        return given.socket.dup()

    def close(self) -> None:
        """Close all sockets."""
        self._owners.clear()
        while self._given:
            self._given.pop().close()


def _count(text: str) -> int:
    """Return the number of sockets; 0 if it is not valid."""
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return 0
    return int(text)


def _take(fd: int, name: str) -> PassedSocket:
    """
    Take a descriptor, and set C{FD_CLOEXEC}.

    One that has the flag set did not come through exec: this process opened it itself.
    """
    try:
        if not os.get_inheritable(fd):
            return PassedSocket(fd, name, None)
        os.set_inheritable(fd, False)
        sock = socket.socket(fileno=fd)
    except OSError:
        return PassedSocket(fd, name, None)
    if sock.family in _FAMILIES:
        return PassedSocket(fd, name, sock)
    sock.close()
    family = getattr(sock.family, "name", str(sock.family))
    return PassedSocket(fd, name, None, f"address family {family} is not supported")


def _listens(sock: socket.socket) -> bool:
    """Tell whether a socket accepts connections, or needs not."""
    if sock.type == socket.SOCK_DGRAM:
        return True
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _why(given: PassedSocket) -> str:
    """Return why no service can use a socket."""
    if given.socket is None:
        return given.lack
    if not _listens(given.socket):
        return "not a listening socket"
    return "no service has this address or name"


def _canServe(service: Service, given: PassedSocket) -> bool:
    """Tell whether a socket has the type and family that a service needs."""
    sock = given.socket
    if sock is None or sock.type != service.socktype or not _listens(sock):
        return False
    families = {sock.family, service.address.family}
    return len(families) == 1 or socket.AF_UNIX not in families


def _hasAddress(service: Service, given: PassedSocket) -> bool:
    """Tell whether a socket has exactly the address of a service."""
    assert given.socket is not None
    sock, address = given.socket, service.address
    if sock.family != address.family:
        return False
    where = sock.getsockname()
    if address.family == socket.AF_UNIX:
        return bool(where == native(address.host))
    if (hostIn(where), where[1]) != (address.host, address.port):
        return False
    return address.host != "::" or address.dual == _isDual(sock)


def _isDual(sock: socket.socket) -> bool:
    """Tell whether an IPv6 socket accepts IPv4 too."""
    return not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _hasName(service: Service, given: PassedSocket) -> bool:
    """Tell whether a socket has the name of a service, or of its line."""
    # A name in LISTEN_FDNAMES has no colon.
    return given.name in (service.name, service.name.rpartition(":")[2])


def _isWildcard(service: Service, given: PassedSocket) -> bool:
    """
    Tell whether a service and a socket have the same port of all addresses.

    A dual-stack socket is often made for a service of one family.
    """
    assert given.socket is not None
    if given.socket.family == socket.AF_UNIX:
        return False
    host, port = given.socket.getsockname()[:2]
    address = service.address
    return host in _WILDCARDS and address.host in _WILDCARDS and port == address.port

# -*- test-case-name: inetdtw.system.test.test_activation -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Sockets that this process was started with, as sd_listen_fds(3) has it.

Whoever starts the daemon may have made sockets for it: C{LISTEN_FDS} says how many,
from descriptor 3 on, C{LISTEN_PID} for whom, and C{LISTEN_FDNAMES} what they are
called.  So a port below 1024 is served without root, and clients wait in the sockets
while the daemon is started again.

A socket is for the service whose address is the socket's, or else for the one that
has its name, or else for one that asks for the same port of all addresses in another
family.  Here the sockets are only ever duplicated: they belong to who made them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Callable

from inetdtw.model.activation import UnusedSocket
from inetdtw.model.address import hostIn, peerText
from inetdtw.model.service import Key, Service
from inetdtw.text import native, textOf

#: The first descriptor that is passed.
FIRST = 3
#: What a socket without a name is called.
NAMELESS = "unknown"

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)
_WILDCARDS = ("0.0.0.0", "::")


@dataclass(frozen=True)
class PassedSocket:
    """
    One thing that this process was started with.

    @ivar fd: its descriptor.
    @ivar name: what it is called.
    @ivar socket: the socket; C{None} if there is none that any service could use.
    @ivar lack: why there is none.
    """

    fd: int
    name: str
    socket: socket.socket | None
    lack: str = "no socket is passed as this descriptor"

    @property
    def where(self) -> str:
        """The address, for a person."""
        if self.socket is None:
            return "-"
        where = self.socket.getsockname()
        if isinstance(where, tuple):
            return peerText(where)
        return textOf(os.fsdecode(where)) or "-"

    def close(self) -> None:
        """Give a socket up, without an effect on whoever else has it."""
        if self.socket is not None:
            self.socket.close()


class Inherited:
    """The sockets that this process was started with, and whose each is."""

    def __init__(self, given: Iterable[PassedSocket] = ()) -> None:
        self._given = list(given)
        self._owners: dict[Key, PassedSocket] = {}
        self._sorted = False

    @classmethod
    def fromEnvironment(cls, environ: Mapping[str, str], pid: int) -> Inherited:
        """
        Take what the environment says; what is meant for another process, or makes no
        sense, is nothing.

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

    def assign(self, services: Iterable[Service]) -> list[UnusedSocket]:
        """
        Say which socket is for which of the services that there are from now on.

        What no service wants when this is called first is closed, once all host names
        have their addresses.  What a service once
        had is kept for it: whoever made the socket holds it too, so that nobody could
        bind it again.

        @return: what was closed.
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
        """Give sockets to services that have none yet, by one rule."""
        for service in services:
            if service.key in self._owners:
                continue
            for given in self._free():
                if _canServe(service, given) and fits(service, given):
                    self._owners[service.key] = given
                    break

    def _free(self) -> Iterator[PassedSocket]:
        """What no service has."""
        taken = {given.fd for given in self._owners.values()}
        return (given for given in self._given if given.fd not in taken)

    def _closeUnused(self) -> list[UnusedSocket]:
        """Close what no service has."""
        unused = []
        for given in list(self._free()):
            unused.append(UnusedSocket(given.fd, given.name, given.where, _why(given)))
            self._given.remove(given)
            given.close()
        return unused

    def take(self, service: Service) -> socket.socket | None:
        """
        A socket of its own for a service: a duplicate of the one that is assigned to
        it, if one is.

        @raise OSError: if there is no descriptor left.
        """
        given = self._owners.get(service.key)
        if given is None or given.socket is None:
            return None
        return given.socket.dup()

    def close(self) -> None:
        """Give all of them up."""
        self._owners.clear()
        while self._given:
            self._given.pop().close()


def _count(text: str) -> int:
    """How many there are."""
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        return 0
    return int(text)


def _take(fd: int, name: str) -> PassedSocket:
    """
    Take one, which no program is to inherit.

    What would not outlive an exec(2) was not there at the last one: it is something of
    this process' own.
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
    return PassedSocket(
        fd, name, None, f"no service has a socket of the family {family}"
    )


def _listens(sock: socket.socket) -> bool:
    """Whether clients can connect to a socket, or need not."""
    if sock.type == socket.SOCK_DGRAM:
        return True
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _why(given: PassedSocket) -> str:
    """Why no service can use something."""
    if given.socket is None:
        return given.lack
    if not _listens(given.socket):
        return "it does not listen"
    return "no service has its address or its name"


def _canServe(service: Service, given: PassedSocket) -> bool:
    """Whether something is what a service needs, wherever that is."""
    sock = given.socket
    if sock is None or sock.type != service.socktype or not _listens(sock):
        return False
    families = {sock.family, service.address.family}
    return len(families) == 1 or socket.AF_UNIX not in families


def _hasAddress(service: Service, given: PassedSocket) -> bool:
    """Whether a socket has the very address of a service."""
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
    """Whether a socket of IPv6 takes IPv4 as well."""
    return not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _hasName(service: Service, given: PassedSocket) -> bool:
    """Whether a socket has the name of a service, or of a line that comes to several."""
    # A name in LISTEN_FDNAMES has no colon.
    return given.name in (service.name, service.name.rpartition(":")[2])


def _isWildcard(service: Service, given: PassedSocket) -> bool:
    """
    Whether a service and a socket have the same port of all addresses; what takes
    both families is often made for a service that asks for one.
    """
    assert given.socket is not None
    if given.socket.family == socket.AF_UNIX:
        return False
    host, port = given.socket.getsockname()[:2]
    address = service.address
    return host in _WILDCARDS and address.host in _WILDCARDS and port == address.port

# -*- test-case-name: inetdtw.config.test.test_sockets -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The socket that an entry asks for: its type, its addresses and how it is set up."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from inetdtw.config.resolution import Resolution, orElse
from inetdtw.model.address import Address
from inetdtw.model.errors import ConfWarning
from inetdtw.model.service import SOCKTYPES, Ownership, Service, SocketOptions
from inetdtw.system import lookups
from inetdtw.system.hostnames import NameWanted
from inetdtw.system.sockets import FILTERS
from inetdtw.text import toBytes

_SOCKTYPES_OF = {
    "tcp": ("stream",),
    "udp": ("dgram",),
    "unix": ("stream", "dgram", "seqpacket"),
}
_FAMILIES = {
    "": (socket.AF_INET,),
    "4": (socket.AF_INET,),
    "6": (socket.AF_INET6,),
    "46": (socket.AF_INET6, socket.AF_INET),
}
#: What fits into C{sockaddr_un}, with a NUL behind it.
LONGEST_PATH = 103 if "bsd" in sys.platform or sys.platform == "darwin" else 107
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


def atEach(service: Service, addresses: Iterable[Address]) -> Iterator[Service]:
    """The service at each of its addresses; if it has several, its name says which."""
    found = list(dict.fromkeys(addresses))
    for address in found:
        name = service.name
        if len(found) > 1:
            host = f"[{address.host}]" if ":" in address.host else address.host
            name = f"{host}:{name}"
        yield replace(service, name=name, address=address)


class SocketResolver:
    """
    Where the clients of an entry come to.

    @ivar base: the protocol without its version: C{tcp}, C{udp} or C{unix}.
    """

    def __init__(self, question: Resolution) -> None:
        self._entry = question.entry
        self._settings = question.settings
        self._ask = question.ask
        self._error = question.error
        protocol = self._protocol()
        self.base = protocol.rstrip("46")
        self._suffix = protocol[len(self.base) :]

    def _protocol(self) -> str:
        """The protocol: for a path it can only be one."""
        protocol = self._entry.protocol
        unix = self._entry.service.startswith("/")
        if protocol is None and not unix:
            raise self._error(
                "protocol", "must be given: tcp, udp, or one of their kinds"
            )
        if protocol is not None and unix != (protocol == "unix"):
            right = "unix" if unix else "tcp or udp"
            service = self._entry.service
            reason = (
                f"'{protocol}' does not go with the service {service}, {right} would"
            )
            raise self._error("protocol", reason)
        return (protocol or "unix").replace("6only", "6")

    def socktype(self) -> int:
        """The type of the socket, which must go with the protocol."""
        allowed = _SOCKTYPES_OF[self.base]
        given = self._entry.socktype or allowed[0]
        if given not in allowed:
            reason = f"'{given}' does not go with {self.base}, {allowed[0]} would"
            raise self._error("socktype", reason)
        return SOCKTYPES[given]

    def placed(self, service: Service) -> Iterator[Service]:
        """The service at each of its addresses."""
        if self.base == "unix":
            self._checkPath()
            yield service
            return
        port = lookups.port(self._entry.service, self.base, self._ask)
        yield from atEach(service, self._addresses(port))

    def _checkPath(self) -> None:
        """See that a socket can have the path."""
        if len(toBytes(self._entry.service)) > LONGEST_PATH:
            reason = f"is too long: a path of a socket has at most {LONGEST_PATH} bytes"
            raise self._error("service", reason)

    def _addresses(self, port: int) -> Iterator[Address]:
        """The addresses that the line names."""
        families, given = _FAMILIES[self._suffix], self._entry.bind
        for host in self._settings.bind if given is None else given:
            if host == "*":
                family = families[0]
                yield Address(family, _ANY[family], port, len(families) > 1)
                continue
            # A numeric address says itself which family is meant.
            wide = not self._suffix and ":" in host
            wanted = _FAMILIES["6"] if wide else families
            try:
                found = lookups.addresses(host, wanted, self._ask)
            except NameWanted:
                dual = len(families) > 1
                yield Address(families[0], host, port, dual, isName=True)
                continue
            for family, numeric in found:
                dual = numeric == "::" and len(families) > 1
                yield Address(family, numeric, port, dual)

    def options(self) -> SocketOptions:
        """How to set up the socket."""
        entry = self._entry
        return SocketOptions(
            orElse(entry.backlog, self._settings.backlog),
            entry.sndbuf,
            entry.recvbuf,
            self._acceptFilter(),
            self._ofConnections("nodelay"),
            self._ofConnections("keepalive"),
        )

    def _acceptFilter(self) -> str | None:
        """What must have arrived before a connection counts."""
        name = self._entry.acceptfilter
        if name is None:
            return None
        if self.base != "tcp":
            raise self._error("acceptfilter", "is only for tcp")
        if FILTERS is not None and name not in FILTERS:
            reason = f"there is no '{name}' here, only {', '.join(FILTERS)}"
            raise self._error("acceptfilter", reason)
        return name

    def _ofConnections(self, key: str) -> bool:
        """The value of a flag that TCP connections can have."""
        on: bool | None = getattr(self._entry, key)
        if on and self.base != "tcp":
            raise self._error(key, "is only for tcp")
        return bool(on)

    def notGiven(self, ownership: Ownership) -> Iterator[ConfWarning]:
        """
        A warning for whoever the socket cannot be given to, unless somebody else makes
        it, or the daemon may more than its user.
        """
        for key in lookups.notGiven(ownership.uid, ownership.gid, self._ask):
            name = getattr(self._entry, key)
            reason = f"only root can give a socket to '{name}'; it may not be had"
            yield ConfWarning(self._entry.where(key), key, reason)

    def ownership(self) -> Ownership:
        """Whose the socket is, if it is a UNIX one."""
        entry = self._entry
        given = (entry.socket_user, entry.socket_group, entry.socket_mode)
        if given == (None, None, None):
            return Ownership()
        if self.base != "unix":
            key = next(key for key in entry.locations if key.startswith("socket_"))
            raise self._error(key, "is only for UNIX sockets")
        return Ownership(
            -1 if given[0] is None else lookups.userId(given[0], self._ask),
            -1
            if given[1] is None
            else lookups.groupId("socket_group", given[1], self._ask),
            0o600 if given[2] is None else given[2],
        )

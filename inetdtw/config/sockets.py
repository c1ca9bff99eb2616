# -*- test-case-name: inetdtw.config.test.test_sockets -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Resolve the socket of an entry: its type, its addresses and its options."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace

from inetdtw.config.entry import Entry
from inetdtw.config.resolution import Resolution
from inetdtw.model.address import Address, inBrackets
from inetdtw.model.errors import ConfWarning, OnlyIPv6
from inetdtw.model.service import SOCKTYPES, Ownership, Service, Settings, SocketOptions
from inetdtw.system import lookups
from inetdtw.system.acceptfilter import FILTERS
from inetdtw.system.hostnames import NameWanted
from inetdtw.system.lookups import Lookups
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
#: The maximum length of a path in C{sockaddr_un}, without its NUL.
LONGEST_PATH = 103 if "bsd" in sys.platform or sys.platform == "darwin" else 107
_ANY = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


def atEach(service: Service, addresses: Iterable[Address]) -> Iterator[Service]:
    """Yield the service at each address, with the address in its name if needed."""
    found = list(dict.fromkeys(addresses))
    for address in found:
        name = service.name
        if len(found) > 1:
            name = f"{inBrackets(address.host)}:{name}"
        yield replace(service, name=name, address=address)


class SocketResolver(Resolution):
    """
    The look-ups for the socket of an entry.

    @ivar base: the protocol without its version: C{tcp}, C{udp} or C{unix}.
    """

    def __init__(self, entry: Entry, settings: Settings, ask: Lookups) -> None:
        """@raise ConfError: if the protocol cannot be used."""
        super().__init__(entry, settings, ask)
        protocol = self._protocol()
        self.base = protocol.rstrip("46")
        self._suffix = protocol[len(self.base) :]

    def _protocol(self) -> str:
        protocol: str | None = self._entry.get("protocol")
        unix = self._entry.service.startswith("/")
        if protocol is None and not unix:
            raise self._error("protocol", "must be given, such as tcp or udp")
        if protocol == "unix" and not unix:
            path = self._entry.service
            reason = f"'{path}' is not an absolute path; a UNIX socket needs one"
            raise self._error("service", reason)
        if unix and protocol not in (None, "unix"):
            raise self._error("protocol", f"'{protocol}' must be 'unix' for a path")
        return (protocol or "unix").replace("6only", "6")

    def socktype(self) -> int:
        """
        Return the type of the socket.

        @raise ConfError: if the protocol does not have it.
        """
        allowed = _SOCKTYPES_OF[self.base]
        given = self._entry.get("socktype", allowed[0])
        if given not in allowed:
            reason = f"'{given}' must be {allowed[0]} for {self.base}"
            raise self._error("socktype", reason)
        return SOCKTYPES[given]

    def withAddresses(self, service: Service) -> Iterator[Service]:
        """Yield the service at each of its addresses."""
        if self.base == "unix":
            self._checkPath()
            yield service
            return
        port = lookups.port(self._entry.service, self.base, self._ask)
        yield from atEach(service, self._addresses(port))

    def _checkPath(self) -> None:
        if len(toBytes(self._entry.service)) > LONGEST_PATH:
            reason = (
                f"is too long: at most {LONGEST_PATH} bytes fit into a socket address"
            )
            raise self._error("service", reason)

    def _addresses(self, port: int) -> Iterator[Address]:
        """Yield the addresses to bind."""
        families = _FAMILIES[self._suffix]
        for host in self._entry.get("bind", self._settings.bind):
            if host == "*":
                yield Address(families[0], _ANY[families[0]], port, len(families) > 1)
                continue
            # A numeric address has its own family.
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
        """Return how to set up the socket."""
        entry = self._entry
        return SocketOptions(
            entry.get("backlog", self._settings.backlog),
            entry.get("sndbuf"),
            entry.get("recvbuf"),
            self._acceptFilter(),
            self._tcpFlag("nodelay"),
            self._tcpFlag("keepalive"),
        )

    def _acceptFilter(self) -> str | None:
        name: str | None = self._entry.get("acceptfilter")
        if name is None:
            return None
        if self.base != "tcp":
            raise self._error("acceptfilter", "is only for tcp")
        if FILTERS is not None and name not in FILTERS:
            reason = f"'{name}' is not an accept filter ({', '.join(FILTERS)})"
            raise self._error("acceptfilter", reason)
        return name

    def _tcpFlag(self, key: str) -> bool:
        """Return the value of a flag that is an option of TCP connections."""
        on: bool | None = self._entry.get(key)
        if on and self.base != "tcp":
            raise self._error(key, "is only for tcp")
        return bool(on)

    def warnings(self, ownership: Ownership) -> Iterator[ConfWarning]:
        """
        Warn of an owner that the daemon's user cannot give the socket to.

        It works all the same with CAP_CHOWN, or if a supervisor passes the socket.
        Also warn of C{tcp6} and C{udp6}, which take IPv4 clients on other systems.
        """
        for key in lookups.notGiven(ownership.uid, ownership.gid, self._ask):
            name = self._entry.get(key)
            reason = f"only root can chown the socket to '{name}'; binding may fail"
            yield ConfWarning(self._entry.where(key), key, reason)
        protocol = self._entry.get("protocol", "")
        bind = self._entry.get("bind", self._settings.bind)
        muxed = self._entry.service.startswith("tcpmux/")
        if protocol in ("tcp6", "udp6") and "*" in bind and not muxed:
            service = self._entry.service
            port = lookups.port(service, self.base, self._ask)
            reason = (
                f"'{protocol}' is IPv6 only, and no line has the service over IPv4: "
                f"write {self.base}46 for both, or {protocol}only"
            )
            where, type_ = self._entry.where("protocol"), self.socktype()
            yield OnlyIPv6(where, "protocol", reason, service, port, type_)

    def ownership(self) -> Ownership:
        """Return the owner and the permissions of a UNIX socket."""
        given = [key for key in self._entry.values if key.startswith("socket_")]
        if given and self.base != "unix":
            raise self._error(given[0], "is only for UNIX sockets")
        user, group = map(self._entry.get, ("socket_user", "socket_group"))
        return Ownership(
            -1 if user is None else lookups.userId(user, self._ask),
            -1 if group is None else lookups.groupId("socket_group", group, self._ask),
            self._entry.get("socket_mode", 0o600),
        )

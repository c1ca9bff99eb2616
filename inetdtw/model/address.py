# -*- test-case-name: inetdtw.model.test.test_address -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Addresses of services and of clients, and how the log formats them."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any

from inetdtw.helpers.connection import plain


def inBrackets(host: str) -> str:
    """Return a host for use with a port: an IPv6 address is in brackets (RFC 3986)."""
    return f"[{host}]" if ":" in host else host


def peerText(peer: object) -> str:
    """Return the address of a client as a word, or a dash for a UNIX socket."""
    if isinstance(peer, tuple) and len(peer) > 1:
        return f"{inBrackets(plain(peer[0]))}:{peer[1]}"
    return "-"


def prefixText(peer: object) -> str:
    """
    Return the network of a client, which does not identify a person.

    It has the first 24 bits of an IPv4 address, or 48 bits of an IPv6 address.
    """
    if not (isinstance(peer, tuple) and len(peer) > 1):
        return "-"
    host = plain(peer[0]).partition("%")[0]
    bits = 48 if ":" in host else 24
    return str(ipaddress.ip_network((host, bits), strict=False))


#: The formats of client addresses in the log.
ADDRESSES = {
    "full": peerText,
    "prefix": prefixText,
    "none": lambda peer: "-",
}


@dataclass(frozen=True)
class Address:
    """
    The address of a service.

    @ivar family: C{AF_INET}, C{AF_INET6} or C{AF_UNIX}; C{AF_UNSPEC} behind tcpmux.
    @ivar host: a numeric address, with C{%zone} if it is link-local; or a host name; or
        the path of a UNIX socket; or, behind tcpmux, C{tcpmux/name}.
    @ivar port: 0 lets the system choose a port.
    @ivar dual: whether an IPv6 socket accepts IPv4 as well.
    @ivar ordinal: distinguishes addresses with port 0, which are otherwise equal.
    @ivar isName: whether the host is a name that is not resolved; then C{family} is the
        wanted one, and C{dual} is whether IPv4 is wanted as well.
    """

    family: int
    host: str
    port: int = 0
    dual: bool = False
    ordinal: int = 0
    isName: bool = False

    def __str__(self) -> str:
        """Return the host and the port, or the path or the name."""
        if self.family in (socket.AF_UNIX, socket.AF_UNSPEC):
            return self.host
        return f"{inBrackets(self.host)}:{self.port}"

    def forBind(self) -> Any:
        """
        Return the address for bind(2).

        @raise OSError: if there is no such interface.
        """
        if self.family == socket.AF_UNIX:
            return self.host
        if "%" not in self.host:
            return self.host, self.port
        numeric = socket.AI_NUMERICHOST
        found = socket.getaddrinfo(self.host, self.port, self.family, flags=numeric)
        return found[0][4]


def hostIn(where: tuple[Any, ...]) -> str:
    """Return the L{host<Address.host>} in an address from getsockname(2)."""
    host = str(where[0])
    index = where[3] if len(where) > 3 else 0
    if not index or not _isScoped(host):
        return host
    try:
        return f"{host}%{socket.if_indextoname(index)}"
    except OSError:
        # The interface does not exist now.
        return f"{host}%{index}"


def _isScoped(host: str) -> bool:
    about = ipaddress.IPv6Address(host)
    return about.is_link_local or about.is_multicast

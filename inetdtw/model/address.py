# -*- test-case-name: inetdtw.model.test.test_address -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The addresses of clients, as the log has them."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from typing import Any

from inetdtw.helpers.connection import plain


def peerText(peer: Any) -> str:
    """A client's address, as a word; one of a UNIX socket has none."""
    if isinstance(peer, tuple) and len(peer) > 1:
        host = plain(peer[0])
        return f"[{host}]:{peer[1]}" if ":" in host else f"{host}:{peer[1]}"
    return "-"


def prefixText(peer: Any) -> str:
    """
    The network that a client is in, which is no single person: the first 24 bits of
    an address of IPv4, and 48 of IPv6.
    """
    if not (isinstance(peer, tuple) and len(peer) > 1):
        return "-"
    host = plain(peer[0]).partition("%")[0]
    bits = 48 if ":" in host else 24
    return str(ipaddress.ip_network((host, bits), strict=False))


#: How much of clients' addresses the log has.
ADDRESSES = {
    "full": peerText,
    "prefix": prefixText,
    "none": lambda peer: "-",
}


@dataclass(frozen=True)
class Address:
    """
    Where a service listens.

    @ivar family: C{AF_INET}, C{AF_INET6} or C{AF_UNIX}; C{AF_UNSPEC} behind tcpmux.
    @ivar host: a numeric address, with C{%} and the interface where it is of one link
        only; or a host name; or the path of a UNIX socket; behind tcpmux, the word and
        the name, as in C{tcpmux/name}.
    @ivar port: 0 lets the system choose one.
    @ivar dual: whether an IPv6 socket takes IPv4 as well.
    @ivar ordinal: tells the addresses with port 0 from each other, which are all
        alike but never the same.
    @ivar isName: whether the host is a name whose numeric addresses are not known;
        C{family} is the one that is wanted then, C{dual} says that IPv4 is as well.
    """

    family: int
    host: str
    port: int = 0
    dual: bool = False
    ordinal: int = 0
    isName: bool = False

    def __str__(self) -> str:
        if self.family in (socket.AF_UNIX, socket.AF_UNSPEC):
            return self.host
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def forBind(self) -> Any:
        """
        The address as bind(2) takes it.

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
    """The L{host<Address.host>} in an address as getsockname(2) gives it."""
    host = str(where[0])
    index = where[3] if len(where) > 3 else 0
    if not index or not _ofOneLink(host):
        return host
    try:
        return f"{host}%{socket.if_indextoname(index)}"
    except OSError:
        # There may be one with this number later.
        return f"{host}%{index}"


def _ofOneLink(host: str) -> bool:
    """Whether another link may have the same address of IPv6."""
    about = ipaddress.IPv6Address(host)
    return about.is_link_local or about.is_multicast

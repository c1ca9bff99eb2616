# -*- test-case-name: inetdtw.model.test.test_source -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The source of a client: the network that the limits for one address count.

A host of IPv6 usually has a /64 of its own and can use every address in it, so a limit
for each full address would be no limit.
"""

from __future__ import annotations

import socket

from inetdtw.helpers.connection import plain

#: The lengths of a prefix of IPv4 and of IPv6, in bits.
Prefix = tuple[int, int]


def hostOf(peer: object) -> str:
    """
    Return the address of a client without its port.

    IPv4 mapped into IPv6 is IPv4; a link-local address has the number of its interface
    (RFC 4007).

    @param peer: an address as accept(2) gives it.

    @return: an empty string for the client of a UNIX socket.
    """
    if not (isinstance(peer, tuple) and len(peer) > 1):
        return ""
    host: str = peer[0]
    if ":" not in host:
        return host
    # The scope of anything but a link-local address is 0.
    if len(peer) > 3 and peer[3] and "%" not in host:
        return f"{host}%{peer[3]}"
    return plain(host)


def sourceOf(host: str, prefix: Prefix) -> str:
    """
    Return the network that a host is in.

    @param host: what L{hostOf} returns.

    @return: the address itself if the prefix is as long; otherwise the network and
        its length, as in C{2001:db8::/64}.
    """
    six = ":" in host
    length, longest = prefix[six], 128 if six else 32
    if length == longest or not host:
        return host
    address, percent, zone = host.partition("%")
    family = socket.AF_INET6 if six else socket.AF_INET
    try:
        packed = socket.inet_pton(family, address)
    except OSError:
        # Not numeric, as no address of a socket is.
        return host
    kept = int.from_bytes(packed, "big") >> (longest - length) << (longest - length)
    network = socket.inet_ntop(family, kept.to_bytes(longest // 8, "big"))
    return f"{network}{percent}{zone}/{length}"

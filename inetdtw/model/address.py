# -*- test-case-name: inetdtw.model.test.test_address -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The addresses of clients, as the log has them."""

from __future__ import annotations

import ipaddress
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

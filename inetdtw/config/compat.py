# -*- test-case-name: inetdtw.config.test.test_compat -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What lines written for other superservers ask for: what it is called here, or that it
is not here, so that nobody takes a service for guarded that is not.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_RULES = "access rules; tcpd(8) as the program reads hosts.allow"
_LOGGING = "a log of its own; there is one for all services, see --log-level"

#: What keys of xinetd.conf(5) and others ask for that is not here.
FEATURES = {
    "access_times": "access times",
    "banner": "banners",
    "banner_fail": "banners; refusal is a text for those that a limit turns away",
    "banner_success": "banners",
    "deny_time": "denial of clients for a time",
    "flags": "flags; nodelay, keepalive and protocol are keys here",
    "libwrap": _RULES,
    "log_on_failure": _LOGGING,
    "log_on_success": _LOGGING,
    "log_type": _LOGGING,
    "max_load": "a limit on the load of the machine",
    "mdns": "mDNS",
    "no_access": _RULES,
    "only_from": _RULES,
    "redirect": "redirection of connections",
    "rpc_number": "RPC registration",
    "rpc_version": "RPC registration",
    "tcpd": _RULES,
}
#: What keys of others are called here.
NAMES = {
    "cps": "service_max, for a minute, and pause",
    "disable": "off, in the place of on,",
    "disabled": "off, in the place of on,",
    "enabled": "on, in the place of off,",
    "environment": "env",
    "instances": "accept_max",
    "interface": "bind",
    "listen": "bind",
    "max_child": "accept_max",
    "port": "the first word of the definition",
    "program": "exec",
    "rcvbuf": "recvbuf",
    "server": "exec",
    "service": "the first word of the definition",
    "server_args": "args, with the program's own name first,",
    "socket_type": "socktype",
    "v6only": "protocol = tcp6, or tcp46 for both,",
}
#: What internal services of others ask for that is not here.
INTERNALS = {
    "auth": "an ident server (RFC 1413)",
    "ident": "an ident server (RFC 1413)",
    "sensor": "denial of clients for a time",
    "servers": "a list of servers; SIGUSR2 has it logged",
    "services": "a list of services; SIGUSR2 has it logged",
    "xadmin": "administration by the network",
}


def aboutKey(name: str, known: Iterable[str]) -> str:
    """
    What is wrong with a key that there is not.

    @param known: the keys that there are.
    """
    asked = name.lower()
    if asked in FEATURES:
        return missing(FEATURES[asked])
    if asked in NAMES:
        return f"{NAMES[asked]} says that here"
    similar = get_close_matches(asked, known, 1, 0.7)
    hint = f"; did you mean {similar[0]}?" if similar else ""
    return f"there is no such key{hint}"


def missing(feature: str) -> str:
    """
    What is wrong with a line that asks for something that is not here.

    @param feature: what it is, and what does it instead.
    """
    what, semicolon, instead = feature.partition(";")
    return f"asks for {what}, which this daemon does not have{semicolon}{instead}"

# -*- test-case-name: inetdtw.config.test.test_compat -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Keys and internal services of other superservers, and what to use instead.

An unsupported one is an error, so that no service runs without the protection that its
line asks for.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_RULES = "access control; run the program by tcpd(8), which reads hosts.allow"
_LOGGING = "a separate log; all services have one log, see --log-level"

#: The features that keys of xinetd.conf(5) and others ask for, and what to use instead.
FEATURES = {
    "access_times": "access by time of day",
    "banner": "a banner",
    "banner_fail": "a banner; refusal is a message to clients that a limit rejects",
    "banner_success": "a banner",
    "deny_time": "temporary denial of clients",
    "flags": "this key; use nodelay, keepalive and protocol",
    "libwrap": _RULES,
    "log_on_failure": _LOGGING,
    "log_on_success": _LOGGING,
    "log_type": _LOGGING,
    "max_load": "a limit on the load average",
    "mdns": "mDNS",
    "no_access": _RULES,
    "only_from": _RULES,
    "redirect": "redirection of connections",
    "rpc_number": "RPC registration",
    "rpc_version": "RPC registration",
    "tcpd": _RULES,
}
#: The keys to use instead of those of other superservers.
NAMES = {
    "cps": "service_max, which is per minute, and pause",
    "disable": "off instead of on",
    "disabled": "off instead of on",
    "enabled": "on instead of off",
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
    "server_args": "args, which begins with the program's own name",
    "socket_type": "socktype",
    "type": "args for an internal service, without exec",
    "v6only": "protocol = tcp6, or tcp46 for both",
    # Of systemd.socket(5) and systemd.exec(5).
    "accept": "wait, which is the opposite",
    "bindipv6only": "protocol = tcp6, or tcp46 for both",
    "execstart": "exec",
    "listendatagram": "the first word of the definition",
    "listenstream": "the first word of the definition",
    "maxconnections": "accept_max",
    "maxconnectionspersource": "per_source",
    "rootdirectory": "chroot",
    "socketgroup": "socket_group",
    "socketmode": "socket_mode",
    "socketuser": "socket_user",
    "standarderror": "stderr",
    "triggerlimitburst": "service_max, which is per minute, and pause",
    "workingdirectory": "directory",
}
#: The features of internal services that only other superservers have.
INTERNALS = {
    "auth": "an ident server (RFC 1413)",
    "ident": "an ident server (RFC 1413)",
    "sensor": "temporary denial of clients",
    "servers": "a list of servers; use SIGUSR2, which logs the state",
    "services": "a list of services; use SIGUSR2, which logs the state",
    "xadmin": "administration over the network",
}


def aboutKey(name: str, known: Iterable[str]) -> str:
    """
    Return why an unknown key is an error, and what to use instead.

    @param name: the key; one that is similar to that of another superserver is taken
        for that.
    @param known: the known keys.
    """
    asked = name.lower()
    if asked in FEATURES:
        return missing(FEATURES[asked])
    if asked in NAMES:
        return f"unknown key; use {NAMES[asked]}"
    meant = get_close_matches(asked, (*known, *NAMES, *FEATURES), 1, 0.7)
    if not meant:
        return "unknown key"
    if meant[0] in FEATURES or meant[0] in NAMES:
        return aboutKey(meant[0], known)
    return f"unknown key; did you mean {meant[0]}?"


def missing(feature: str) -> str:
    """
    Return the message that a feature is not supported.

    @param feature: its name, and what to use instead after a semicolon.
    """
    what, semicolon, instead = feature.partition(";")
    return f"{what} is not supported{semicolon}{instead}"

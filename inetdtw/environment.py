# -*- test-case-name: inetdtw.test.test_environment -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The environment of a service's program.

It is the daemon's own, without what concerns the daemon alone; where the user is
another one, without the login and loader variables that OpenBSD's inetd strips,
and with those of the new user.  A program that serves an accepted connection is
told the addresses, in the dialect of UCSPI (tcp-environ(5)) and in that of
systemd.socket(5).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from inetdtw.service import Login

#: What concerns the daemon alone, or one connection.
_OWN = ("LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "TCPLOCAL", "TCPREMOTE", "REMOTE_")
#: What a change of user takes away: prefixes of NAME=value.
_LOGIN = (
    *("CVS", "DISPLAY=", "EDITOR=", "GROUP=", "HOME=", "IFS=", "LD_", "LOGNAME="),
    *("MAIL=", "PATH=", "PRINTER=", "PWD=", "SHELL=", "SHLVL=", "SSH", "TERM", "TMP"),
    *("USER=", "VISUAL="),
)
_MAPPED = "::ffff:"

#: No variables.
NOTHING: Mapping[str, str] = MappingProxyType({})


def base(environ: Mapping[str, str], login: Login | None) -> dict[str, str]:
    """
    What all programs of a service get.

    @param environ: the daemon's environment.
    @param login: the user, if it is another than the one who runs the daemon.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_OWN) and name != "PROTO"
    }
    if login is None:
        return kept
    kept = {
        name: value
        for name, value in kept.items()
        if not f"{name}={value}".startswith(_LOGIN)
    }
    return {
        **kept,
        "USER": login.name,
        "LOGNAME": login.name,
        "HOME": login.home,
        "SHELL": login.shell,
    }


def plain(host: str) -> str:
    """
    An address as a person writes it: IPv4 mapped into IPv6 is IPv4.
    """
    mapped = host.startswith(_MAPPED) and "." in host and host.count(":") == 3
    return host[len(_MAPPED) :] if mapped else host


def ofConnection(local: Any, peer: Any) -> dict[str, str]:
    """
    What a program is told of the connection that it serves.

    @param local: the connection's own end, as getsockname(2) gives it.
    @param peer: the client's, as accept(2) gives it.
    """
    if not isinstance(peer, tuple) or not isinstance(local, tuple):
        return {"PROTO": "UNIX"}
    remote, port = plain(peer[0]), str(peer[1])
    return {
        "PROTO": "TCP",
        "TCPLOCALIP": plain(local[0]),
        "TCPLOCALPORT": str(local[1]),
        "TCPREMOTEIP": remote,
        "TCPREMOTEPORT": port,
        "REMOTE_ADDR": remote,
        "REMOTE_PORT": port,
    }

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

from inetdtw._accepting import ofConnection, plain
from inetdtw.service import Login

__all__ = ["NOTHING", "base", "ofConnection", "plain"]

#: What concerns the daemon alone, or one connection.
_OWN = ("LISTEN_", "NOTIFY_SOCKET", "WATCHDOG_", "TCPLOCAL", "TCPREMOTE", "REMOTE_")
#: What a change of user takes away: prefixes of NAME=value.
_LOGIN = (
    *("CVS", "DISPLAY=", "EDITOR=", "GROUP=", "HOME=", "IFS=", "LD_", "LOGNAME="),
    *("MAIL=", "PATH=", "PRINTER=", "PWD=", "SHELL=", "SHLVL=", "SSH", "TERM", "TMP"),
    *("USER=", "VISUAL="),
)

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

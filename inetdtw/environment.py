# -*- test-case-name: inetdtw.test.test_environment -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The environment of a service's program.

It is the daemon's own, without what concerns the daemon alone; where the user is
another one, without the login and loader variables that OpenBSD's inetd strips,
and with those of the new user; C{PATH} is then that of login(1).  A program that
serves an accepted connection is told the addresses, in the dialect of UCSPI
(tcp-environ(5)) and in that of systemd.socket(5).  What a line says with C{passenv}
and C{env} goes before all but these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inetdtw._accepting import ofConnection, plain
from inetdtw.context import Login
from inetdtw.service import Variables

__all__ = ["NOTHING", "base", "ofConnection", "plain"]

#: What concerns the daemon alone, or one connection.
_OWN = (
    "INETD_CONTROL=",
    "LISTEN_",
    "NOTIFY_SOCKET",
    "WATCHDOG_",
    "TCPLOCAL",
    "TCPREMOTE",
    "REMOTE_",
)
#: What a change of user takes away: prefixes of NAME=value.
_LOGIN = (
    *("CVS", "DISPLAY=", "EDITOR=", "GROUP=", "HOME=", "IFS=", "LD_", "LOGNAME="),
    *("MAIL=", "PATH=", "PRINTER=", "PWD=", "SHELL=", "SHLVL=", "SSH", "TERM", "TMP"),
    *("USER=", "VISUAL="),
)

#: Where a program of another user finds others, as after login(1).
PATH = "/usr/local/bin:/usr/bin:/bin"

#: No wishes of a line.
NO_WISH = Variables()
#: No variables.
NOTHING: Mapping[str, str] = MappingProxyType({})


def base(
    environ: Mapping[str, str], login: Login | None, says: Variables = NO_WISH
) -> dict[str, str]:
    """
    What all programs of a service get.

    @param environ: the daemon's environment.
    @param login: the user, if it is another than the one who runs the daemon.
    @param says: what the service's line says of it.
    """
    found = _kept(environ, login, says.passed)
    if login is not None:
        found["USER"] = found["LOGNAME"] = login.name
        found["HOME"] = login.home
        found["SHELL"] = login.shell
        if says.passed is None:
            found["PATH"] = PATH
    return {**found, **dict(says.added)}


def _kept(
    environ: Mapping[str, str], login: Login | None, passed: tuple[str, ...] | None
) -> dict[str, str]:
    """
    What is left of the daemon's environment.

    @param passed: the names that somebody wants to be left, and no others.
    """
    if passed is not None:
        return {name: environ[name] for name in passed if name in environ}
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith(_OWN) and name != "PROTO"
    }
    if login is None:
        return kept
    return {
        name: value
        for name, value in kept.items()
        if not f"{name}={value}".startswith(_LOGIN)
    }

# -*- test-case-name: inetdtw.serve.test.test_environment -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The environment of a service's program.

For the daemon's own user it is the daemon's, without what concerns the daemon alone.
For another user it is built up, as a list of what to take away can never be complete:
C{PATH} as after login(1), the user's own variables, and of the daemon's only the time
zone and the locale (environ(7), locale(7)).  A program that
serves an accepted connection is told the addresses, in the dialect of UCSPI
(tcp-environ(5)) and in that of systemd.socket(5).  What a line says with C{passenv}
and C{env} goes before all but these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inetdtw.model.process import Login
from inetdtw.model.service import EnvironmentSpec

#: What concerns the daemon alone, or one connection.
_OWN = (
    "INETD_CONTROL=",
    "LISTEN_",
    "NOTIFY_SOCKET",
    "WATCHDOG_",
    "TCPLOCAL",
    "TCPREMOTE",
    "REMOTE_",
    "PROTO=",
)
#: What programs of another user get of the daemon's, and the prefix of further names.
_SHARED, _LOCALE = ("TZ", "LANG"), "LC_"

#: Where a program of another user finds others, as after login(1).
PATH = "/usr/local/bin:/usr/bin:/bin"

#: No wishes of a line.
NO_WISH = EnvironmentSpec()
#: No variables.
NOTHING: Mapping[str, str] = MappingProxyType({})


def base(
    environ: Mapping[str, str], login: Login | None, says: EnvironmentSpec = NO_WISH
) -> dict[str, str]:
    """
    What all programs of a service get.

    @param environ: the daemon's environment.
    @param login: the user, if it is another than the one who runs the daemon.
    @param says: what the service's line says of it.
    """
    if says.passed is not None:
        found = {name: environ[name] for name in says.passed if name in environ}
    elif login is None:
        found = _own(environ)
    else:
        found = {"PATH": PATH, **_shared(environ)}
    if login is not None:
        found["USER"] = found["LOGNAME"] = login.name
        found["HOME"] = login.home
        found["SHELL"] = login.shell
    return {**found, **dict(says.added)}


def _own(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what programs of the daemon's own user get of its environment."""
    return {
        name: value
        for name, value in environ.items()
        if not f"{name}=".startswith(_OWN)
    }


def _shared(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what programs of any user get of the daemon's environment."""
    return {
        name: value
        for name, value in environ.items()
        if name in _SHARED or name.startswith(_LOCALE)
    }

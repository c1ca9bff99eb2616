# -*- test-case-name: inetdtw.serve.test.test_environment -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The environment of a service's program.

For the daemon's own user it is the daemon's, without what concerns the daemon alone.
For another user it is built up, as a list of what to remove can never be complete:
C{PATH} as after login(1), the user's own variables, and of the daemon's only the time
zone and the locale (environ(7), locale(7)).  The environment of a program that serves
an accepted connection has the addresses, in the dialect of UCSPI (tcp-environ(5)) and
in that of systemd.socket(5).  C{passenv} and C{env} of a line override all but these.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inetdtw.model.process import Login
from inetdtw.model.service import EnvironmentSpec

#: The variables that concern the daemon alone, or one connection.
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
#: The daemon's variables that programs of another user have, and a prefix of others.
_SHARED, _LOCALE = ("TZ", "LANG"), "LC_"

#: The PATH of programs of another user, as after login(1).
PATH = "/usr/local/bin:/usr/bin:/bin"

#: A line without C{passenv} and C{env}.
NO_CHANGES = EnvironmentSpec()
#: No variables.
NOTHING: Mapping[str, str] = MappingProxyType({})


def base(
    environ: Mapping[str, str], login: Login | None, spec: EnvironmentSpec = NO_CHANGES
) -> dict[str, str]:
    """
    Return the variables that all programs of a service have.

    @param environ: the daemon's environment.
    @param login: the user, if it is not the daemon's.
    @param spec: C{passenv} and C{env} of the line.
    """
    if spec.passed is not None:
        found = {name: environ[name] for name in spec.passed if name in environ}
    elif login is None:
        found = _own(environ)
    else:
        found = {"PATH": PATH, **_shared(environ)}
    if login is not None:
        found["USER"] = found["LOGNAME"] = login.name
        found["HOME"] = login.home
        found["SHELL"] = login.shell
    return {**found, **dict(spec.added)}


def _own(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the daemon's variables that programs of its own user have."""
    return {
        name: value
        for name, value in environ.items()
        if not f"{name}=".startswith(_OWN)
    }


def _shared(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the daemon's variables that programs of any user have."""
    return {
        name: value
        for name, value in environ.items()
        if name in _SHARED or name.startswith(_LOCALE)
    }

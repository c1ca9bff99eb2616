# -*- test-case-name: inetdtw.system.test.test_credentials -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The credentials of another process, as proc(5) has them.

These are the user and group ids (real, effective, saved, file system) and the
supplementary groups.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from inetdtw.model.process import Credentials

#: The names of the lines in C{/proc/PID/status}.
_LINES = ("Uid", "Gid", "Groups")

_Credentials = Mapping[str, tuple[int, ...]]


def mismatch(pid: int, credentials: Credentials | None) -> str | None:
    """
    Compare the credentials of a process with those that it should have.

    @param credentials: what it should have; C{None} for those of this process.

    @return: the first difference, as text; C{None} if there is none, or if it is
        unknown: without a proc file system of this PID namespace, or with C{hidepid}.
    """
    found = _of(str(pid))
    wanted = _of("self") if credentials is None else _wanted(credentials)
    if found is None or wanted is None:
        return None
    for name in _LINES:
        if found[name] != wanted[name]:
            has, needs = (" ".join(map(str, each[name])) for each in (found, wanted))
            return f"its {name} is '{has}', not '{needs}'"
    return None


def _wanted(credentials: Credentials) -> _Credentials:
    """Return the credentials as proc(5) would have them."""
    return {
        "Uid": (credentials.uid,) * 4,
        "Gid": (credentials.gid,) * 4,
        "Groups": tuple(sorted(set(credentials.groups))),
    }


def _of(process: str) -> _Credentials | None:
    """
    Return the credentials of a process, if they are known.

    @param process: a directory of C{/proc}.
    """
    try:
        # Of another PID namespace it would have another process with this number.
        if os.readlink("/proc/self") != str(os.getpid()):
            return None
        with open(f"/proc/{process}/status", "rb") as file:
            lines = [line.partition(b":") for line in file]
        found = {name.decode(): value.split() for name, _, value in lines}
        return {name: tuple(sorted(map(int, found[name]))) for name in _LINES}
    except (OSError, KeyError, ValueError):
        return None

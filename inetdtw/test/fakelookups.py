# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""A system with known users, groups, services and hosts, for tests."""

from __future__ import annotations

import grp
import pwd
import socket
from collections.abc import Mapping
from typing import Any

from inetdtw.system.lookups import Lookups

#: Names, user ids and group ids.
USERS = {
    "root": (0, 0),
    "toor": (0, 0),
    "alpine": (1000, 1000),
    "beth": (1001, 100),
    "first.last": (1002, 100),
    "first": (1003, 100),
    "nobody": (65534, 65534),
}
GROUPS = {
    "root": 0,
    "daemon": 1,
    "mail": 8,
    "last": 9,
    "users": 100,
    "alpine": 1000,
    "nogroup": 65534,
}
#: Who is in which further groups.
MEMBERS = {"alpine": [8, 100], "root": [1]}
#: Ports by name and protocol; C{null} is an alias of C{discard}, as in reality.
SERVICES = {
    ("echo", "tcp"): 7,
    ("echo", "udp"): 7,
    ("discard", "tcp"): 9,
    ("null", "tcp"): 9,
    ("daytime", "tcp"): 13,
    ("http", "tcp"): 80,
    ("www", "tcp"): 80,
    ("tftp", "udp"): 69,
}
HOSTS = {
    "localhost": ["127.0.0.1", "::1"],
    "four": ["192.0.2.4"],
    "six": ["2001:db8::6"],
    "many": ["192.0.2.4", "192.0.2.5", "2001:db8::6"],
}


def familyOf(host: str) -> int:
    """Return the family of a numeric address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def isNumeric(host: str) -> bool:
    """Return whether an address is numeric."""
    try:
        socket.inet_pton(familyOf(host), host)
    except (OSError, ValueError):
        return False
    return True


def getpwnam(name: str) -> pwd.struct_passwd:
    """Return the entry of a user in passwd(5)."""
    uid, gid = USERS[name]
    shell = "" if name == "nobody" else "/bin/ash"
    return pwd.struct_passwd((name, "x", uid, gid, "", f"/home/{name}", shell))


def getgrnam(name: str) -> grp.struct_group:
    """Return the entry of a group in group(5)."""
    return grp.struct_group((name, "x", GROUPS[name], []))


def getgrouplist(name: str, gid: int) -> list[int]:
    """Return all groups of a user."""
    return [gid, *MEMBERS.get(name, [])]


def getservbyname(name: str, protocol: str) -> int:
    """Return the port of a service."""
    if (name, protocol) not in SERVICES:
        raise OSError("service/proto not found")
    return SERVICES[name, protocol]


def getaddrinfo(host: str, port: None, *, type: int) -> list[Any]:
    """Return the addresses of a host."""
    if len(host) > 63:
        raise UnicodeError("label too long")
    found = [host] if isNumeric(host) else HOSTS.get(host, [])
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [(familyOf(each), type, 6, "", (each, 0)) for each in found]


def lookups(
    uid: int = 0,
    gid: int = 0,
    environ: Mapping[str, str] | None = None,
    hardLimit: int = 1024,
) -> Lookups:
    """
    Return the look-ups of that system.

    @param uid: the user that the daemon runs as.

    @param hardLimit: the hard limit of every resource.
    """
    return Lookups(
        uid,
        gid,
        {"PATH": "/usr/bin:/bin"} if environ is None else environ,
        getpwnam,
        getgrnam,
        getgrouplist,
        getservbyname,
        getaddrinfo,
        lambda name: hardLimit,
        lambda: MEMBERS["alpine"],
    )

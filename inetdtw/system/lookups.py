# -*- test-case-name: inetdtw.system.test.test_lookups -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The system's databases: passwd(5), group(5), services(5) and hosts(5)."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable

from inetdtw.model.process import Credentials, Login
from inetdtw.system.hostnames import Pair, numeric, pairsOf
from inetdtw.text import environment, native, textOf


def _hardLimit(name: str) -> int:
    """
    Return a hard limit of this process.

    @param name: as in C{resource}.
    """
    return resource.getrlimit(getattr(resource, name))[1]


class NotFound(LookupError):
    """
    A name in an entry is unknown, or only root may use it.

    @ivar field: the field with the name.
    @ivar reason: what is wrong.
    """

    def __init__(self, field: str, reason: str) -> None:
        """
        Name the field.

        @param reason: what is wrong.
        """
        super().__init__(field, reason)
        self.field = field
        self.reason = reason


class RootWanted(NotFound):
    """
    Only root can run a program as this account.

    @ivar account: a user, or a group.
    """

    def __init__(self, field: str, reason: str, account: str) -> None:
        """Name the account."""
        super().__init__(field, reason)
        self.account = account


@dataclass(frozen=True)
class Lookups:
    """
    The functions that look names up, which tests replace.

    @ivar uid: the user id of the daemon.
    @ivar gid: its group id.
    @ivar environ: its environment.
    """

    uid: int
    gid: int
    environ: Mapping[str, str]
    getpwnam: Callable[[str], pwd.struct_passwd] = pwd.getpwnam
    getgrnam: Callable[[str], grp.struct_group] = grp.getgrnam
    getgrouplist: Callable[[str, int], list[int]] = os.getgrouplist
    getservbyname: Callable[[str, str], int] = socket.getservbyname
    getaddrinfo: Callable[..., list[Any]] = numeric
    hardLimit: Callable[[str], int] = _hardLimit
    getgroups: Callable[[], list[int]] = os.getgroups

    @classmethod
    def ofThisProcess(cls) -> Lookups:
        """Return the look-ups of the system."""
        return cls(os.geteuid(), os.getegid(), environment()).remembering()

    def remembering(self) -> Lookups:
        """
        Return look-ups that ask for each name once, for one reading of the files.

        A directory server may take its time for every answer.
        """
        return replace(
            self,
            getpwnam=_once(self.getpwnam),
            getgrnam=_once(self.getgrnam),
            getgrouplist=_once(self.getgrouplist),
            getservbyname=_once(self.getservbyname),
        )


def _once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that caches what another one returns or raises."""
    answers: dict[Any, Any] = {}
    failures: dict[Any, Exception] = {}

    def ask(*arguments: Any) -> Any:
        if arguments in failures:
            raise failures[arguments]
        if arguments not in answers:
            try:
                answers[arguments] = function(*arguments)
            except (LookupError, OSError, ValueError) as why:
                failures[arguments] = why
                raise
        return answers[arguments]

    return ask


@dataclass(frozen=True)
class Account:
    """
    The user that a service's program runs as.

    @ivar credentials: the ids to take on; C{None} where they are the daemon's.
    @ivar login: the user's entry in passwd(5), where the user is another one.
    """

    credentials: Credentials | None = None
    login: Login | None = None


def account(
    user: str,
    group: str | None,
    lookups: Lookups,
    groups: tuple[str, ...] = ("yes",),
) -> Account:
    """
    Look up the user and the groups of a service.

    @param user: a user's name, C{user.group}, or C{-} for the daemon's user.  A user
        whose name has a dot comes first.
    @param group: the name of a group; C{None} for the user's own.
    @param groups: the names of the supplementary groups, or C{yes} for all of the
        user's, or C{no}.

    @raise NotFound: if the user or group is unknown, or only root could take it on.
    """
    if user == "-":
        return _ownAccount(group, lookups, groups)
    entry = _passwd(user, lookups)
    if entry is None and group is None and "." in user:
        name, _, group = user.rpartition(".")
        entry = _passwd(name, lookups)
    if entry is None:
        raise NotFound("user", f"unknown user '{user}': service ignored")
    gid = entry.pw_gid if group is None else groupId("group", group, lookups)
    if lookups.uid != 0:
        gid = gid if group is not None else lookups.gid
        return _checked(entry, gid, lookups, groups)
    if entry.pw_uid == 0 and gid == lookups.gid and groups == ("yes",):
        return Account()
    own = lookups.getgrouplist(entry.pw_name, gid)
    credentials = Credentials(entry.pw_uid, gid, _groups(groups, own, gid, lookups))
    if entry.pw_uid == 0:
        return Account(credentials)
    shell = entry.pw_shell or "/bin/sh"
    login = Login(*map(textOf, (entry.pw_name, entry.pw_dir, shell)))
    return Account(credentials, login)


def _groups(
    names: tuple[str, ...], own: list[int], gid: int, lookups: Lookups
) -> tuple[int, ...]:
    """Return the supplementary groups of a program, with its primary group."""
    if names == ("no",):
        own = []
    elif names != ("yes",):
        own = [groupId("groups", name, lookups) for name in names]
    return tuple(sorted({gid, *own}))


def _ownAccount(
    group: str | None, lookups: Lookups, groups: tuple[str, ...]
) -> Account:
    """Return the account of C{-}."""
    gid = lookups.gid if group is None else groupId("group", group, lookups)
    if gid == lookups.gid and groups == ("yes",):
        return Account()
    if lookups.uid != 0:
        field = "group" if gid != lookups.gid else "groups"
        raise NotFound(field, "only root can choose groups: service ignored")
    return Account(Credentials(0, gid, _groups(groups, [], gid, lookups)))


def _checked(
    entry: pwd.struct_passwd, gid: int, lookups: Lookups, groups: tuple[str, ...]
) -> Account:
    """Return the account of an entry that an ordinary user can have: its own."""
    if entry.pw_uid != lookups.uid:
        reason = (
            f"only root can run a service as '{entry.pw_name}': service ignored "
            "('-' is the daemon's user)"
        )
        raise RootWanted("user", reason, entry.pw_name)
    if gid != lookups.gid:
        reason = f"only root can run a service as group {gid}: service ignored"
        raise RootWanted("group", reason, f"group {gid}")
    if groups != ("yes",):
        raise NotFound("groups", "only root can choose groups: service ignored")
    return Account()


def _passwd(user: str, lookups: Lookups) -> pwd.struct_passwd | None:
    """Return the entry of a user in passwd(5), if there is one."""
    try:
        return lookups.getpwnam(native(user))
    except (KeyError, ValueError):
        return None


def userId(user: str, lookups: Lookups) -> int:
    """
    Return the id of a user.

    @raise NotFound: if the user is unknown.
    """
    entry = _passwd(user, lookups)
    if entry is None:
        raise NotFound("socket_user", f"unknown user '{user}': service ignored")
    return entry.pw_uid


def groupId(field: str, group: str, lookups: Lookups) -> int:
    """
    Return the id of a group.

    @param field: the field that names it.

    @raise NotFound: if the group is unknown.
    """
    try:
        return lookups.getgrnam(native(group)).gr_gid
    except (KeyError, ValueError):
        reason = f"unknown group '{group}': service ignored"
        raise NotFound(field, reason) from None


def notGiven(uid: int, gid: int, lookups: Lookups) -> list[str]:
    """
    Return the fields whose owner or group the daemon cannot give a file to.

    @param uid: the owner, or -1.
    @param gid: the group, or -1.
    """
    if lookups.uid == 0:
        return []
    fields = [] if uid in (-1, lookups.uid) else ["socket_user"]
    if gid not in (-1, lookups.gid, *lookups.getgroups()):
        fields.append("socket_group")
    return fields


def port(name: str, protocol: str, lookups: Lookups) -> int:
    """
    Return the number of a port that is a decimal number or a name of services(5).

    @param protocol: C{tcp} or C{udp}.

    @raise NotFound: if the name is unknown, or the number too large.
    """
    if name.isascii() and name.isdigit():
        digits = name.lstrip("0")
        if len(digits) > 5 or int(digits or "0") > 65535:
            raise NotFound("service", f"'{name}' is not a port from 0 to 65535")
        return int(digits or "0")
    try:
        return lookups.getservbyname(name, protocol)
    except (OSError, ValueError):
        reason = f"'{name}/{protocol}' is not in services(5): use a port number"
        raise NotFound("service", reason) from None


def addresses(host: str, families: tuple[int, ...], lookups: Lookups) -> list[Pair]:
    """
    Return the numeric addresses of a host, each with its family.

    @raise NotFound: if it has none in C{families}.
    @raise NameWanted: if it must be looked up.
    """
    try:
        found = lookups.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as why:
        reason = getattr(why, "strerror", None) or why
        raise NotFound("bind", f"'{host}': {reason}") from None
    wanted = [pair for pair in pairsOf(found) if pair[0] in families]
    if not wanted:
        versions = "IPv4" if families == (socket.AF_INET,) else "IPv6"
        raise NotFound("bind", f"'{host}' has no {versions} address")
    return wanted

# -*- test-case-name: inetdtw.model.test.test_process -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Process attributes that are set before exec: credentials, umask, limits and more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Credentials:
    """
    The user and groups of a program that does not run as the daemon's user.

    @ivar groups: all supplementary groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Login:
    """The entry in passwd(5) of the user that a program runs as."""

    name: str
    home: str
    shell: str


@dataclass(frozen=True)
class ProcessContext:
    """
    The attributes of a process before it executes the service's program.

    @ivar credentials: C{None} for the daemon's.
    @ivar umask: the file creation mask.
    @ivar directory: the working directory, within C{chroot}.
    @ivar nice: the nice value, relative to the daemon's.
    @ivar chroot: the root directory, C{None} for the daemon's.
    @ivar limits: for each resource limit its name in C{resource}, the soft and the hard
        limit.
    """

    credentials: Credentials | None = None
    umask: int = 0o022
    directory: str = "/"
    nice: int = 0
    chroot: str | None = None
    limits: tuple[tuple[str, int, int], ...] = ()

    @property
    def isDefault(self) -> bool:
        """Tell whether only credentials, directory and umask may differ."""
        return (self.nice, self.chroot, self.limits) == (0, None, ())

    def toArguments(self) -> Iterator[str]:
        """
        Yield C{name=value} arguments, for L{inetdtw.helpers.spawn.parseContext}.

        The value is empty for an attribute that does not change.
        """
        yield f"umask={self.umask:03o}"
        yield f"directory={self.directory}"
        yield f"nice={self.nice}"
        yield f"chroot={self.chroot or ''}"
        for name, soft, hard in self.limits:
            yield f"{name}={soft}:{hard}"
        credentials = self.credentials
        groups, gid, uid = ("", "", "")
        if credentials is not None:
            groups = ",".join(map(str, credentials.groups))
            gid, uid = str(credentials.gid), str(credentials.uid)
        yield from (f"groups={groups}", f"gid={gid}", f"uid={uid}")

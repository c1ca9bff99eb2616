# -*- test-case-name: inetdtw.model.test.test_process -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""What a process has taken on before it becomes a service's program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Credentials:
    """
    Who a program runs as, where that is not the user who runs the daemon.

    @ivar groups: all supplementary groups.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Login:
    """What passwd(5) says of the user that a program runs as."""

    name: str
    home: str
    shell: str


@dataclass(frozen=True)
class ProcessContext:
    """
    What a process has taken on before it becomes the service's program.

    @ivar credentials: C{None} for the daemon's own.
    @ivar umask: the file creation mask.
    @ivar directory: the working directory, within C{chroot}.
    @ivar nice: how much lower its priority is than the daemon's.
    @ivar chroot: its root directory, if it is not the daemon's.
    @ivar limits: resource limits, each with its name in C{resource}, the soft and
        the hard limit.
    """

    credentials: Credentials | None = None
    umask: int = 0o022
    directory: str = "/"
    nice: int = 0
    chroot: str | None = None
    limits: tuple[tuple[str, int, int], ...] = ()

    @property
    def isDefault(self) -> bool:
        """Whether it says nothing but who, where and with which umask."""
        return (self.nice, self.chroot, self.limits) == (0, None, ())

    def toArguments(self) -> Iterator[str]:
        """
        All of it, as L{inetdtw.helpers.spawn.contextOf} reads it: C{name=value}, where the
        value is empty for what a process is to leave as it is.
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

# -*- test-case-name: inetdtw.system.test.test_boundpath -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Binding UNIX sockets to paths, and removing the files of those that are stale."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from dataclasses import dataclass

from inetdtw.model.service import Ownership
from inetdtw.system import unixpath
from inetdtw.system.directory import OpenDirectory, around, identityOf, pathReplaced
from inetdtw.text import native


def bindPath(sock: socket.socket, path: str, ownership: Ownership) -> BoundPath:
    """
    Bind a socket to a path, without permissions until all is set.

    @return: its file.

    @raise OSError: if something is at the path that is not the stale socket of a
        daemon, or it cannot be bound, or does not stay there.
    """
    with around(path) as (parent, name):
        _removeStale(parent, name, sock.type)
        _bind(sock, parent.entry(name))
        with unixpath.openPath(parent, name) as file:
            if not file.untouched:
                raise pathReplaced()
            mark = BoundPath(path, file.identity)
            try:
                file.chown(ownership)
            except OSError:
                mark.remove()
                raise
    return mark


def _bind(sock: socket.socket, path: str) -> None:
    """
    Bind a socket to a path, without permissions.

    @raise OSError: if that fails, or the path exists.
    """
    # Linux makes the file with the permissions of the socket; elsewhere that is an
    # error, and the umask has to do it.
    with contextlib.suppress(OSError):
        os.fchmod(sock.fileno(), 0)
    before = os.umask(0o777)
    try:
        sock.bind(path)
    finally:
        os.umask(before)


def _removeStale(parent: OpenDirectory, name: str, socktype: int) -> None:
    """
    Remove the stale socket of a daemon.

    @raise OSError: if another file is in its place, or a socket that is in use.
    """
    try:
        with unixpath.openPath(parent, name) as file:
            if _isStale(file.where, socktype):
                parent.remove(name, file.identity)
                return
    except FileNotFoundError:
        return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _isStale(path: str, socktype: int) -> bool:
    """
    Tell whether no process has the socket at a path.

    @raise OSError: if that is unknown.
    """
    with socket.socket(socket.AF_UNIX, socktype) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return True
        except BlockingIOError:
            pass  # Its backlog is full, so a process listens.
    return False


@dataclass(frozen=True)
class BoundPath:
    """
    The file that a UNIX socket was bound to, so that no other is changed or removed.

    It is valid while the socket is open: another file can have the inode later.

    @ivar identity: the device and the inode.
    """

    path: str
    identity: tuple[int, int]

    @property
    def there(self) -> bool:
        """Whether the file is still at its path."""
        try:
            about = os.lstat(native(self.path))
        except OSError:
            return False
        return identityOf(about) == self.identity

    def chown(self, ownership: Ownership) -> None:
        """
        Set the owner and the permissions of the file.

        @raise OSError: if this process may not do that, or another file is there.
        """
        with around(self.path) as (parent, name):
            if identityOf(parent.about(name)) != self.identity:
                raise pathReplaced()
            with unixpath.openPath(parent, name) as file:
                if file.identity != self.identity:
                    raise pathReplaced()
                file.chown(ownership)

    def remove(self) -> None:
        """Remove the file, if it is still the same."""
        with contextlib.suppress(OSError), around(self.path) as (parent, name):
            parent.remove(name, self.identity)

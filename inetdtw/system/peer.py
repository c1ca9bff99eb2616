# -*- test-case-name: inetdtw.control.test.test_server -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The process at the other end of a UNIX socket, see unix(7)."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_UCRED = struct.Struct("3i")


class Peer(NamedTuple):
    """
    The credentials of a process.

    @ivar pid: its process id in this process' PID namespace; 0 if it has none there.
    """

    pid: int
    uid: int
    gid: int


def peerOf(connection: socket.socket) -> Peer | None:
    """
    Return the process that connected, or that listened.

    @return: C{None} on a system without C{SO_PEERCRED}.
    @raise OSError: if the socket is not connected.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    option = socket.SO_PEERCRED
    found = connection.getsockopt(socket.SOL_SOCKET, option, _UCRED.size)
    return Peer(*_UCRED.unpack(found))

# -*- test-case-name: inetdtw.system.test.test_sockets -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Accept filters: connections stay in the kernel until the client has sent data.

The BSDs have accept_filter(9).  Linux has C{TCP_DEFER_ACCEPT} (tcp(7)), which does what
the filter C{dataready} does.
"""

from __future__ import annotations

import errno
import socket
import struct

#: The seconds after which Linux lets a connection pass that has sent nothing.
_DEFER_SECONDS = 30
_SO_ACCEPTFILTER = 0x1000
#: The supported filters; C{None} where only the kernel knows them.
FILTERS = ("dataready", "httpready") if hasattr(socket, "TCP_DEFER_ACCEPT") else None


def enable(sock: socket.socket, name: str | None) -> None:
    """
    Set the accept filter of a listening socket.

    @param name: the filter; C{None} for none.

    @raise OSError: if the system does not support it.
    """
    if name is None:
        return
    if FILTERS is None:
        argument = struct.pack("16s240x", name.encode())
        sock.setsockopt(socket.SOL_SOCKET, _SO_ACCEPTFILTER, argument)
    elif name in FILTERS:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, _DEFER_SECONDS)
    else:
        raise OSError(errno.ENOPROTOOPT, f"accept filter '{name}' is not supported")


def disable(sock: socket.socket) -> None:
    """Remove the accept filter of a listening socket."""
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
    else:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ACCEPTFILTER, None, 0)

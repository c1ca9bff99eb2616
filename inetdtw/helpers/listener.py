# -*- test-case-name: inetdtw.helpers.test.test_listener -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Delegated listening sockets, in a fork server."""

from __future__ import annotations

import os
import socket

from inetdtw.helpers.connection import connectionEnvironment, encoded
from inetdtw.helpers.protocol import Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def owned(fd: int) -> socket.socket:
    """
    Return a socket that owns a descriptor.

    @raise OSError: if the descriptor is not a socket; it is closed then.
    """
    try:
        return socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise


class DelegatedListener:
    """
    A listening socket to accept connections from, and the program for each of them.

    @ivar number: the number that the daemon has for it.
    @ivar socket: the socket.
    @ivar program: the paths, the arguments and the environment.
    """

    def __init__(
        self,
        number: int,
        fd: int,
        program: Program,
    ) -> None:
        """
        Own a listening socket.

        @param fd: its descriptor, which this closes also if it fails.
        @raise OSError: if the descriptor is not a socket.
        """
        self.number = number
        self.socket = owned(fd)
        self.program = program

    def accept(self) -> tuple[socket.socket, Any, dict[bytes, bytes]]:
        """
        Accept a connection, which blocks from then on.

        @return: the connection, the client's address, and the environment of the
            program.
        @raise OSError: if that fails, with C{EAGAIN} if there is no connection.
        """
        connection, peer = self.socket.accept()
        try:
            connection.setblocking(True)
            # A client that is gone has no name any more.
            connection.getpeername()
            extra = connectionEnvironment(connection.getsockname(), peer)
        except OSError:
            connection.close()
            raise
        return connection, peer, {**self.program[2], **encoded(extra)}

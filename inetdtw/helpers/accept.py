# -*- test-case-name: inetdtw.helpers.test.test_accept -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Accept connections from a delegated listening socket, in a fork server."""

from __future__ import annotations

import os
import socket

from inetdtw.helpers.connection import connectionEnvironment, encoded

# Only a type checker needs this; it would double what a fork server imports.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def owned(fd: int) -> socket.socket:
    """
    Return a socket that owns a descriptor.

    @raise OSError: if it is not a socket; then it is closed.
    """
    try:
        return socket.socket(fileno=fd)
    except OSError:
        os.close(fd)
        raise


class Acceptor:
    """
    A listening socket whose connections each get a program.

    @ivar number: the daemon's number for it.
    @ivar socket: the socket.
    @ivar program: the paths to try, the arguments and the environment.
    """

    def __init__(
        self,
        number: int,
        fd: int,
        program: tuple[list[bytes], list[bytes], dict[bytes, bytes]],
    ) -> None:
        """@param fd: a listening socket, which the acceptor owns from now on."""
        self.number = number
        self.socket = owned(fd)
        self.program = program

    def accept(self) -> tuple[socket.socket, Any, dict[bytes, bytes]]:
        """
        Accept a connection.

        @return: the connection, the client's address, and the environment of the
            program.
        @raise OSError: if there is none, or none can be accepted.
        """
        connection, peer = self.socket.accept()
        try:
            connection.setblocking(True)
            # This fails if the client has left.
            connection.getpeername()
            extra = connectionEnvironment(connection.getsockname(), peer)
        except OSError:
            connection.close()
            raise
        return connection, peer, {**self.program[2], **encoded(extra)}

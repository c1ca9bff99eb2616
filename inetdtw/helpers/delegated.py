# -*- test-case-name: inetdtw.helpers.test.test_delegated -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Delegated sockets, in a fork server.

Each has a program, which the fork server starts whenever the socket is readable.
"""

from __future__ import annotations

import os
import socket

from inetdtw.helpers.connection import connectionEnvironment, encoded
from inetdtw.helpers.datagrampeek import DatagramPeek
from inetdtw.helpers.protocol import Program
from inetdtw.helpers.socketstate import Original, Spoiled

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


class DelegatedSocket:
    """
    A socket that the daemon has delegated.

    @ivar number: the number that the daemon has for it.
    @ivar socket: the socket.
    @ivar program: the paths, the arguments and the environment.
    @ivar stderr: the descriptor that becomes 2 of each program, which this owns; none
        if that is the socket.
    """

    def __init__(self, number: int, fd: int, program: Program) -> None:
        """
        Own a socket.

        @param fd: its descriptor, which this closes also if it fails.
        @raise OSError: if the descriptor is not a socket.
        """
        self.number = number
        self.socket = owned(fd)
        self.program = program
        self.stderr: list[int] = []

    def close(self) -> None:
        """Close the socket, and the descriptor for standard error."""
        self.socket.close()
        while self.stderr:
            os.close(self.stderr.pop())

    def descriptors(self, fd: int) -> list[int]:
        """
        Return what becomes 0, 1 and 2 of the next program.

        @param fd: what L{accept} has returned.
        """
        for each in self.stderr:
            # The program before may have changed that.
            os.set_blocking(each, True)
        return [fd, fd, *self.stderr] if self.stderr else [fd]

    def accept(self) -> tuple[socket.socket, Any, dict[bytes, bytes]]:
        """
        Return what the next program gets.

        @return: its socket, which the caller owns and which blocks, the client's
            address, and the environment.
        @raise OSError: if that fails, with C{EAGAIN} if there is no client.
        """
        raise NotImplementedError


class DelegatedListener(DelegatedSocket):
    """A listening socket: each connection gets a program (C{stream nowait})."""

    def accept(self) -> tuple[socket.socket, Any, dict[bytes, bytes]]:
        """Accept a connection."""
        connection, peer = self.socket.accept()
        try:
            connection.setblocking(True)
            # A client that is gone has no name any more.
            connection.getpeername()
            extra = connectionEnvironment(connection.getsockname(), peer)
        except OSError:
            connection.close()
            raise
        return connection, peer, {**self.program[2], **dict(encoded(extra))}


class DelegatedDatagrams(DelegatedSocket):
    """
    A datagram socket: one program at a time has it (C{dgram wait}).

    @ivar peek: the first datagram.
    """

    def __init__(self, number: int, fd: int, program: Program) -> None:
        """Own a socket, and remember its options."""
        super().__init__(number, fd, program)
        self.peek = DatagramPeek(self.socket)
        self._original = Original(self.socket)

    def accept(self) -> tuple[socket.socket, Any, dict[bytes, bytes]]:
        """
        Duplicate the socket.

        @raise Spoiled: if it has no datagram, so that something else made it readable.
        """
        self.peek.note()
        if not self.peek.seen:
            raise Spoiled("the socket is readable without a datagram")
        self.socket.setblocking(True)
        return self.socket.dup(), None, self.program[2]

    def restore(self) -> None:
        """
        Restore the options, as a program has had the socket.

        @raise Spoiled: if they cannot be restored.
        """
        self._original.restore()

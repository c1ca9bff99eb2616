# -*- test-case-name: inetdtw.launch.forkserver.test.test_channel -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The socket that leads to a helper process, and the packets that the daemon sends
over it; see L{inetdtw.helpers.protocol}.

The daemon keeps both ends of it.  When a helper is killed, the orders that it had
not taken stay in the socket, and its successor finds them there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterable, Sequence
from tempfile import TemporaryFile
from typing import IO

from inetdtw.helpers.protocol import ASIDE, HEADER, REPEATS_SHIFT, SMALL
from inetdtw.helpers.reports import LARGEST
from inetdtw.interfaces import LaunchRequest
from inetdtw.launch.packets import records, sendWith
from inetdtw.text import toBytes


def encode(order: LaunchRequest) -> bytes:
    """The part of an order that is the same for all programs of a service."""
    variables = (f"{name}={value}" for name, value in order.environment.items())
    paths, argv = order.paths, order.argv
    texts = (str(len(paths)), *paths, str(len(argv)), *argv, *variables)
    return b"\0".join(map(toBytes, texts))


def _fileOf(data: bytes) -> IO[bytes]:
    """
    Return a file without a name, in memory where that can be.

    @raise OSError: if there is no room for it.
    """
    file: IO[bytes]
    try:
        file = open(os.memfd_create("inetdtw"), "w+b")  # noqa: SIM115 - returned
    except (AttributeError, PermissionError):
        file = TemporaryFile()  # noqa: SIM115 - returned
    file.write(data)
    file.flush()
    return file


class Channel:
    """
    Both ends of the socket.

    @ivar number: the number of the last packet that was sent.
    """

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self._ours.setblocking(False)
        self.number = 0

    def fileno(self) -> int:
        """The daemon's end."""
        return self._ours.fileno()

    @property
    def theirs(self) -> int:
        """The helper's end."""
        return self._theirs.fileno()

    def send(self, length: int, *parts: bytes, fds: Iterable[int] = ()) -> int:
        """
        Send a packet.

        @param length: what its header says besides its number.
        @param parts: what follows the header.
        @param fds: descriptors that go with it.

        @return: its number, which is never 0.
        @raise OSError: if it cannot be sent.
        """
        self.number = (self.number + 1) & 0xFFFFFFFF or 1
        sendWith(self._ours, [HEADER.pack(self.number, length), *parts], fds)
        return self.number

    def order(
        self,
        mark: int,
        head: bytes,
        shared: bytes,
        extra: bytes,
        fds: Sequence[int],
    ) -> int:
        """
        Send a packet about a program, whose arguments and environment may be longer
        than a packet can be.

        @param mark: how often it may be repeated, or what else the packet is.
        @param head: what is in front of the shared part.

        @return: its number.
        @raise OSError: if it cannot be sent.
        """
        length = len(shared)
        if length <= SMALL:
            return self.send(
                length | mark << REPEATS_SHIFT, head, shared, extra, fds=fds
            )
        if length >> REPEATS_SHIFT:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        with _fileOf(shared) as file:
            length |= (mark | ASIDE) << REPEATS_SHIFT
            return self.send(length, head, extra, fds=[*fds, file.fileno()])

    def receive(self) -> list[bytes] | None:
        """
        Take one packet of reports.

        @return: the reports; C{None} if there is no packet.
        """
        try:
            packet = self._ours.recv(1 << 16)
        except BlockingIOError:
            return None
        return records(packet)

    @property
    def untaken(self) -> bool:
        """Whether something is left in the socket that no helper has taken."""
        try:
            return bool(self._theirs.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def takeBack(self) -> None:
        """Have nothing left in the socket that no helper has taken."""
        with contextlib.suppress(BlockingIOError):
            while self._theirs.recv(LARGEST, socket.MSG_DONTWAIT):
                pass  # There may be another message.

    def end(self, greeted: bool = True) -> None:
        """
        Have the helper end, once it has taken what was sent.

        @param greeted: whether it has said that it is there.  If not, it still may.
        """
        self._ours.shutdown(socket.SHUT_RDWR if greeted else socket.SHUT_WR)

    def close(self) -> None:
        """Give up the socket."""
        self._ours.close()
        self._theirs.close()

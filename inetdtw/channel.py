# -*- test-case-name: inetdtw.test.test_channel -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The socket that leads to a helper process, and the packets that the daemon sends
over it; see L{inetdtw._packets}.

The daemon keeps both ends of it.  When a helper is killed, the orders that it had
not taken stay in the socket, and its successor finds them there.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
from collections.abc import Iterable, Sequence

from inetdtw._packets import HEADER, LARGEST, REPORT
from inetdtw.interfaces import Order


def encode(order: Order) -> bytes:
    """
    The part of an order that is the same for all programs of a service.
    """
    variables = (f"{name}={value}" for name, value in order.environment.items())
    paths, argv = order.paths, order.argv
    texts = (str(len(paths)), *paths, str(len(argv)), *argv, *variables)
    return b"\0".join(map(os.fsencode, texts))


def sendWith(
    sock: socket.socket, parts: Sequence[bytes], fds: Iterable[int] = ()
) -> None:
    """
    Send one packet, and descriptors with it.

    @raise OSError: if it cannot be sent.
    """
    given = array.array("i", fds)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)] if given else []
    sock.sendmsg(parts, rights)


def records(packet: bytes) -> list[bytes]:
    """
    The reports that are together in a packet; what is left over is none.
    """
    ends = range(REPORT.size, len(packet) + 1, REPORT.size)
    return [packet[end - REPORT.size : end] for end in ends]


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
        """
        The daemon's end.
        """
        return self._ours.fileno()

    @property
    def theirs(self) -> int:
        """
        The helper's end.
        """
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
        """
        Whether something is left in the socket that no helper has taken.
        """
        try:
            return bool(self._theirs.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def takeBack(self) -> None:
        """
        Have nothing left in the socket that no helper has taken.
        """
        with contextlib.suppress(BlockingIOError):
            while self._theirs.recv(LARGEST, socket.MSG_DONTWAIT):
                """There may be another."""

    def end(self) -> None:
        """
        Have the helper end.
        """
        self._ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """
        Give up the socket.
        """
        self._ours.close()
        self._theirs.close()

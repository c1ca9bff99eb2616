# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Packets to and from helper processes: records, and descriptors beside them."""

from __future__ import annotations

import array
import socket
from collections.abc import Iterable, Sequence

from inetdtw.helpers.reports import REPORT


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
    """The reports that are together in a packet; what is left over is none."""
    ends = range(REPORT.size, len(packet) + 1, REPORT.size)
    return [packet[end - REPORT.size : end] for end in ends]

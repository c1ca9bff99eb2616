# -*- test-case-name: inetdtw.helpers.test.test_protocol -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What goes between the daemon and a fork server, over a sequenced-packet socket.

From the daemon comes one packet for each program: a L{HEADER} with the number of
the order and the length of what follows, which are the count of paths to try, the
paths, the count of arguments, the arguments and the environment, divided by NUL
characters; then the part of the environment that only this program has.  With it come
the one to three descriptors that become 0, 1 and 2.

A program that is too large for a packet, as its arguments and environment may be
megabytes, is in a file whose descriptor comes last.

To the daemon go packets of one or more L{REPORT} records.

A fork server imports this besides L{inetdtw.helpers.forkserver}: it needs nothing but the
standard library.
"""

from __future__ import annotations

import array
import os
import socket
import struct

# Only a type checker wants these; they would double what a fork server imports.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

#: number of the order, length of its shared part
HEADER = struct.Struct("=II")
#: kind, number of the order, pid, wait status or errno, microseconds of cpu time
REPORT = struct.Struct("=BxxxIiiQ")
HELLO, STARTED, FAILED, ENDED, STALLED, ASTRAY, REPEATED = range(1, 8)
ADDRESSED, ACCEPTED, DROPPED, WITHDRAWN = range(8, 12)
#: No more connections are accepted, as there are as many programs as may be.
CROWDED = 13
#: What says in the place of a pid what was dropped: no connection had been taken; one
#: had, but has no program; and that because the working directory is not there.
UNTAKEN, TAKEN, TAKEN_ASTRAY = range(3)
#: The length has how often the program may be repeated in its upper bits.
REPEATS_SHIFT = 24
#: In their place: the packet brings a listening socket, to accept from.
ACCEPT = 0x7F
#: Added to either: the shared part is in a file.
ASIDE = 0x80
#: What follows a header for an end of it: what the daemon calls it; and for that: also
#: how many programs may run at once for connections from here, where 0 is no bound.
NAME, NAME_AND_MOST = struct.Struct("=I"), struct.Struct("=II")

#: The largest packet; and the longest shared part in one.
LARGEST, SMALL = 1 << 18, 1 << 16
#: The most reports of one packet: the daemon looks at so many bytes of it only.
TOGETHER = 1000

#: The descriptor that leads to the daemon, and the one over which it sends the code and
#: then one byte, when the helper may begin.
CHANNEL, BEGIN = 3, 0

#: The paths to try, the arguments, and an environment.
Decoded = tuple[list[bytes], list[bytes], dict[bytes, bytes]]


def versionNumber(version: str) -> int:
    """
    Return what L{HELLO} says of a version, which has not room for all of it.

    @param version: hexadecimal digits.
    """
    return int(version[:7] or "0", 16)


def receive(channel: socket.socket, buffer: memoryview) -> tuple[bytes, list[int]]:
    """
    Take one order.

    @param buffer: where to put it, a memoryview.

    @return: the packet and its descriptors; the packet is empty when the daemon is
        gone.
    """
    flags = socket.MSG_DONTWAIT | getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    room = socket.CMSG_LEN(4 * array.array("i").itemsize)
    length, ancillary, _, _ = channel.recvmsg_into([buffer], room, flags)
    fds: array.array[int] = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return bytes(buffer[:length]), list(fds)


def read(fd: int, length: int) -> bytes:
    """
    Return what a file has that is as long as it should be.

    @raise ValueError: if it is not.
    """
    data = os.pread(fd, length, 0)
    if len(data) != length:
        raise ValueError("a file is too short")
    return data


def decode(shared: bytes) -> Decoded:
    """The paths, the arguments and the environment of an order."""
    count, *rest = shared.split(b"\0")
    paths, rest = rest[: int(count)], rest[int(count) :]
    count, *rest = rest
    return paths, rest[: int(count)], pairs(rest[int(count) :])


def pairs(texts: Iterable[bytes]) -> dict[bytes, bytes]:
    """An environment."""
    divided = (text.partition(b"=") for text in texts if text)
    return {name: value for name, _, value in divided}


class Reports:
    """
    What the daemon is to be told.

    @ivar urgent: whether some of it should not wait for more.
    """

    def __init__(self, channel: socket.socket) -> None:
        """@param channel: the socket that leads to the daemon."""
        self._channel = channel
        self._records: list[bytes] = []
        self.urgent = False

    def __len__(self) -> int:
        """How many there are to be told."""
        return len(self._records)

    def add(
        self,
        kind: int,
        number: int,
        pid: int,
        value: int,
        cpu: float = 0.0,
        urgent: bool = True,
    ) -> None:
        """Tell the daemon something, at the next L{flush}."""
        self._records.append(REPORT.pack(kind, number, pid, value, int(cpu * 1e6)))
        self.urgent = self.urgent or urgent

    def addRecord(self, record: bytes) -> None:
        """Tell the daemon something that is as long as a report."""
        self._records.append(record)

    def flush(self) -> None:
        """Send the reports that have come together, and wait while there is no room."""
        records = self._records
        if records:
            # A context manager would be made for every program.
            try:
                for first in range(0, len(records), TOGETHER):
                    self._channel.send(b"".join(records[first : first + TOGETHER]))
            except (BrokenPipeError, ConnectionResetError):
                pass  # Requests received before are started all the same.
            records.clear()
            self.urgent = False

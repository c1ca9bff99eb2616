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

A fork server sends the reports of L{inetdtw.helpers.reports}.

A fork server imports this besides L{inetdtw.helpers.forkserver}: it needs nothing but the
standard library.
"""

from __future__ import annotations

import array
import os
import socket
import struct

from inetdtw.helpers.connection import pairs

#: number of the order, length of its shared part
HEADER = struct.Struct("=II")
#: The length has how often the program may be repeated in its upper bits.
REPEATS_SHIFT = 24
#: In their place: the packet brings a listening socket, to accept from.
ACCEPT = 0x7F
#: Added to either: the shared part is in a file.
ASIDE = 0x80
#: What follows a header for an end of it: what the daemon calls it; and for that: also
#: how many programs may run at once for connections from here, where 0 is no bound.
NAME, NAME_AND_MOST = struct.Struct("=I"), struct.Struct("=II")

#: The longest shared part in a packet.
SMALL = 1 << 16

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

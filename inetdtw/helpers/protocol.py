# -*- test-case-name: inetdtw.helpers.test.test_protocol -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
How a fork server receives and decodes L{requests<inetdtw.helpers.requests>}.

A program is the number of paths to try, the paths, the number of arguments, the
arguments and the environment, separated by NUL characters.  One that is too large for a
packet, because arguments and environment may be megabytes, is in a file.
"""

from __future__ import annotations

import array
import os
import socket

from inetdtw.helpers.connection import pairs

#: The longest program in a packet.
SMALL = 1 << 16

#: The descriptor of the socket to the daemon; and the one over which the daemon sends
#: the code and then, once the fork server may begin, one byte.
CHANNEL, BEGIN = 3, 0

#: The paths to try, the arguments and the environment of a program.
Program = tuple[list[bytes], list[bytes], dict[bytes, bytes]]


def versionNumber(version: str) -> int:
    """
    Return as much of a version as C{HELLO} has room for.

    @param version: hexadecimal digits.
    """
    return int(version[:7] or "0", 16)


def receive(channel: socket.socket, buffer: memoryview) -> tuple[bytes, list[int]]:
    """
    Receive a request.

    @param buffer: what the packet is received into.

    @return: the packet, which is empty when the daemon is gone, and its descriptors,
        which the caller owns.
    @raise BlockingIOError: if there is no request.
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
    Return the first bytes of a file.

    @raise ValueError: if the file is too short.
    """
    data = os.pread(fd, length, 0)
    if len(data) != length:
        raise ValueError("a file is too short")
    return data


def decode(encoded: bytes) -> Program:
    """
    Return a program.

    @raise ValueError: if it cannot be decoded.
    """
    count, *rest = encoded.split(b"\0")
    paths, rest = rest[: int(count)], rest[int(count) :]
    count, *rest = rest
    return paths, rest[: int(count)], pairs(rest[int(count) :])

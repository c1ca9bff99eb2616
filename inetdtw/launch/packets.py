# -*- test-case-name: inetdtw.launch.test.test_packets -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
Packets to and from helper processes: requests, with descriptors, and reports.

L{inetdtw.helpers.requests} and L{inetdtw.helpers.reports} have the formats.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from inetdtw.helpers.connection import unpackPeer
from inetdtw.helpers.reports import ACCEPTED, CONNECTION, DROPPED, EXIT, REPORT
from inetdtw.interfaces import LaunchRequest
from inetdtw.text import toBytes

#: A flag of memfd_create(2) that C{os} has no name for.
_MFD_NOEXEC_SEAL = 8


class HelperReport(NamedTuple):
    """
    A report of a helper process.

    @ivar kind: such as L{inetdtw.helpers.reports.STARTED}.
    @ivar number: the launch request, or the delegated socket.
    @ivar pid: the child.
    @ivar value: a wait status, or an errno, or whether a child started cold.
    @ivar cpu: microseconds of CPU time.
    @ivar lived: the microseconds for which the child of a delegated socket has run.
    @ivar detail: what was dropped, or whether an accepted client's child started cold.
    @ivar peer: the address of the client whose connection was accepted or dropped;
        C{None} if it has none.
    """

    kind: int
    number: int
    pid: int
    value: int
    cpu: int = 0
    detail: int = 0
    peer: tuple[str, int] | None = None
    lived: int = 0


def decodeReports(packet: bytes) -> list[HelperReport]:
    """Return the reports in a packet; ignore what is left over."""
    found = []
    for at in range(0, len(packet) - REPORT.size + 1, REPORT.size):
        if packet[at] not in (ACCEPTED, DROPPED):
            kind, number, pid, value, cpu, lived = EXIT.unpack_from(packet, at)
            found.append(HelperReport(kind, number, pid, value, cpu, lived=lived))
            continue
        kind, detail, port, number, value, packed = CONNECTION.unpack_from(packet, at)
        peer = unpackPeer(port, packed)
        found.append(HelperReport(kind, number, value, value, 0, detail, peer))
    return found


def encodeProgram(request: LaunchRequest) -> bytes:
    """Return the part of a launch request that all requests of a service share."""
    variables = (f"{name}={value}" for name, value in request.environment.items())
    paths, argv = request.paths, request.argv
    texts = (str(len(paths)), *paths, str(len(argv)), *argv, *variables)
    return b"\0".join(map(toBytes, texts))


def encodeExtra(request: LaunchRequest) -> tuple[bytes, list[int]]:
    """
    Return the part of a launch request that is only for one child.

    @return: its variables, separated by NUL characters, and its descriptors; if all are
        the same, it is there once.
    """
    extra = "\0".join(f"{name}={value}" for name, value in request.extra.items())
    fds = request.fds if len(set(request.fds)) > 1 else request.fds[:1]
    return toBytes(extra), list(fds)


def sendWith(sock: socket.socket, parts: list[bytes], fds: Sequence[int]) -> None:
    """
    Send one packet with descriptors.

    @raise OSError: if it cannot be sent.
    """
    if fds:
        socket.send_fds(sock, parts, fds)
    else:
        sock.sendmsg(parts)


def fileOf(data: bytes) -> IO[bytes]:
    """
    Return an unlinked file at its start, in memory where that is supported.

    @raise OSError: if it cannot be created or written.
    """
    file = _unlinkedFile()
    file.write(data)
    file.seek(0)
    return file


def _unlinkedFile() -> IO[bytes]:
    # The sysctl vm.memfd_noexec can require a seal; Linux before 6.3 knows neither.
    for seal in (0, _MFD_NOEXEC_SEAL):
        with suppress(AttributeError, PermissionError):
            return open(os.memfd_create("inetdtw", os.MFD_CLOEXEC | seal), "w+b")
    return TemporaryFile()

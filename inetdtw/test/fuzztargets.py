# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
What reads bytes that others have written, each as a function of any bytes.

Each function returns if all is well, and otherwise lets an exception out.  The tests
call them with what hypothesis finds, and C{tests/fuzz} with what a fuzzer does.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Callable

from inetdtw.config import loader
from inetdtw.config.foreign import checkFormat
from inetdtw.config.parser import Include, parse
from inetdtw.helpers import forkserver, programs, reports
from inetdtw.model.errors import ConfError
from inetdtw.model.service import Settings
from inetdtw.serve import tcpmux
from inetdtw.system.crowd import Crowd
from inetdtw.test import fakelookups
from inetdtw.test.fakes import FIRST_PID
from inetdtw.test.fuzzreports import IdleReactor, forkServerReports, warmReports
from inetdtw.text import fromBytes, printable


def configuration(data: bytes) -> None:
    """
    Read a configuration file, and look up all that it names.

    Each error is one line that names an existing line.
    """
    text = fromBytes(data)
    lines = text.count("\n") + 1
    with suppress(ConfError):
        checkFormat(text, "x")
    written = list(parse(text))
    for each in written:
        location = each.pattern.location if isinstance(each, Include) else each.location
        assert 1 <= location.line <= lines, location
    found = loader.fromStatements(written, Settings(), fakelookups.lookups())
    for problem in (*found.problems, *found.warnings):
        assert str(problem).isprintable(), problem


class _Client:
    """
    A connection on which a client sends some pieces.

    @ivar taken: what was received.
    """

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self._seen = b""
        self.taken = b""

    def setblocking(self, flag: bool) -> None:
        """Do nothing: it never blocks."""

    def more(self) -> None:
        """Receive the next piece."""
        self._seen += self._pieces.pop(0) if self._pieces else b""

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return what has arrived; nothing after the end."""
        found, rest = self._seen[:size], self._seen[size:]
        if not found and self._pieces:
            raise BlockingIOError
        if not flags & socket.MSG_PEEK:
            self._seen = rest
            self.taken += found
        return found


def tcpmuxLine(data: bytes) -> None:
    """
    Read the line of a client of tcpmux.

    It asks for one name, which can be logged, and no byte behind the line is received.

    @param data: the line, in pieces that begin with their lengths.
    """
    pieces, at = [], 0
    while at < len(data):
        end = at + 1 + (data[at] or 300)
        pieces.append(data[at + 1 : end])
        at = end
    whole = b"".join(pieces)
    asked: list[str | None] = []
    client: Any = _Client(pieces)
    others: Crowd[tcpmux.TcpmuxRequest] = Crowd()
    question = tcpmux.TcpmuxRequest(
        client,
        ("192.0.2.1", 1),
        IdleReactor(),
        lambda _, name: asked.append(name),
        others,
    )
    turns = 0
    while not asked:
        client.more()
        question.doRead()
        turns += 1
        assert turns <= len(whole) + len(pieces) + 2
    assert len(asked) == 1 and not others
    assert len(client.taken) <= tcpmux.LONGEST
    assert client.taken.find(b"\n") in (-1, len(client.taken) - 1)
    if asked[0] is not None:
        assert whole.startswith(client.taken) and client.taken.endswith(b"\n")
        assert printable(asked[0]).isprintable()


class _Requests:
    """A channel with packets for a fork server, each with some descriptors."""

    def __init__(self, packets: list[tuple[bytes, int]]) -> None:
        self._packets = packets
        self.sent: list[bytes] = []

    def recvmsg_into(self, buffers: Any, room: int, flags: int) -> Any:
        """Return the next packet."""
        if not self._packets:
            raise BlockingIOError
        packet, count = self._packets.pop(0)
        buffers[0][: len(packet)] = packet
        fds = [os.open(os.devnull, os.O_RDONLY) for _ in range(count)]
        rights = b"".join(fd.to_bytes(4, "little") for fd in fds)
        kind = (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        return len(packet), [(*kind, rights)] if fds else [], 0, None

    def send(self, packet: bytes) -> None:
        """Record the reports."""
        self.sent.append(packet)


class _Programs(programs.ChildTable):
    """A table of children that starts none."""

    _started = 0

    def enterDirectory(self, number: int = 0) -> bool:
        """Return true: the working directory stays."""
        return True

    def _start(self, program: Any, fds: Any) -> int:
        paths, argv, environment = program
        if not argv or b"" in environment:
            # So does posix_spawn(3).
            raise ValueError
        if not paths or paths[0].startswith(b"!"):
            raise FileNotFoundError(2, "")
        self._started += 1
        return FIRST_PID + self._started


def forkServerRequests(data: bytes) -> None:
    """
    Handle requests as a fork server.

    It goes on after any request, reports about each once at most, and leaves no
    descriptor open.

    @param data: packets, each behind its length and a number of descriptors.
    """
    packets = []
    while len(data) > 1:
        size, count = data[0], data[1] % 4
        packets.append((data[2 : size + 2] or b"\0", count))
        data = data[size + 2 :]
    handleRequests(packets)


def handleRequests(packets: list[tuple[bytes, int]]) -> None:
    """
    Handle requests, whose fork server is a fake.

    @param packets: each with a number of descriptors.
    """
    channel: Any = _Requests(packets)
    count = len(packets)
    with _noneLeft():
        made = reports.Reports(channel)
        server = forkserver.ForkServer(channel, made, _Programs(made, "/", []))
        assert server.receiveAll()
        made.flush()
        server.close()
    size = reports.REPORT.size
    sent = b"".join(channel.sent)
    assert len(sent) % size == 0 and len(sent) // size <= count


@contextmanager
def _noneLeft() -> Iterator[None]:
    """Assert that as many descriptors are open afterwards as before."""
    before = len(os.listdir("/dev/fd"))
    yield
    assert len(os.listdir("/dev/fd")) == before


#: All of them by name.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "configuration": configuration,
    "tcpmux": tcpmuxLine,
    "requests": forkServerRequests,
    "reports": forkServerReports,
    "warm": warmReports,
}

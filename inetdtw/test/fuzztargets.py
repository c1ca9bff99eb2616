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
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.config import loader
from inetdtw.config.parser import Include, parse
from inetdtw.helpers import forkserver, programs, reports
from inetdtw.helpers.requests import WAIT
from inetdtw.interfaces import IAcceptDelegate, LaunchRequest
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.forkserver.process import ForkServerProcess
from inetdtw.launch.process import State
from inetdtw.launch.warm.process import WarmProcess
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import ProcessContext
from inetdtw.model.service import Settings
from inetdtw.serve import tcpmux
from inetdtw.system.crowd import Crowd
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test import fakelookups
from inetdtw.test.fakes import FIRST_PID, FakeChild
from inetdtw.text import fromBytes, printable


def configuration(data: bytes) -> None:
    """
    Read a configuration file, and look up all that it names.

    Each error is one line that names an existing line.
    """
    text = fromBytes(data)
    lines = text.count("\n") + 1
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


class _Reactor:
    """A reactor that does nothing."""

    class _Call:
        def active(self) -> bool:
            """Return true: nothing was called."""
            return True

        def cancel(self) -> None:
            """Do nothing: nothing will be called."""

    def addReader(self, reader: Any) -> None:
        """Do nothing: nothing is read."""

    removeReader = addReader

    def callLater(self, *what: Any) -> Any:
        """Do nothing: nothing is called."""
        return self._Call()

    def seconds(self) -> float:
        """Return 0: no time passes."""
        return 0.0


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
        client, ("192.0.2.1", 1), _Reactor(), lambda _, name: asked.append(name), others
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
        self.said: list[bytes] = []

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
        self.said.append(packet)


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
    said = b"".join(channel.said)
    assert len(said) % size == 0 and len(said) // size <= count


@contextmanager
def _noneLeft() -> Iterator[None]:
    """Assert that as many descriptors are open afterwards as before."""
    before = len(os.listdir("/dev/fd"))
    yield
    assert len(os.listdir("/dev/fd")) == before


@implementer(IAcceptDelegate)
class _Watcher:
    """
    Delegates a socket.

    @ivar children: what was started for it.
    """

    def __init__(self) -> None:
        self.children: list[_Child] = []

    def accepted(self, peer: Any) -> _Child:
        """Return a child for an accepted connection."""
        self.children.append(_Child())
        return self.children[-1]

    def dropped(self, peer: Any, reason: str) -> None:
        """Do nothing."""

    def returned(self, left: bool = False) -> None:
        """Do nothing."""


class _Child(FakeChild):
    """A child that verifies what it is notified of."""

    def started(self, pid: int) -> None:
        """Verify that it starts once, and before it ends."""
        assert not self.told, (pid, self.told)
        super().started(pid)

    def ended(self, how: Any) -> None:
        """Verify that it ends once, and after it has started."""
        assert len(self.told) == 1, (how, self.told)
        super().ended(how)

    def failed(self, reason: str) -> None:
        """Verify that it fails without having started."""
        assert not self.told, (reason, self.told)
        super().failed(reason)


class _Owner:
    """The owner of a process, which does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: None


class _Reports:
    """A channel with packets of reports."""

    def __init__(self, packets: deque[bytes]) -> None:
        self._packets = packets
        self._open = True

    def recv(self, size: int) -> bytes:
        """Return the next packet."""
        if not self._packets:
            raise BlockingIOError
        return self._packets.popleft()

    def sendmsg(self, *what: Any) -> None:
        """Do nothing."""

    send = sendmsg

    def fileno(self) -> int:
        """Return the number of no descriptor, negative when it is closed."""
        return 1 << 20 if self._open else -1

    def close(self) -> None:
        """Close it."""
        self._open = False


def _divided(data: bytes, size: int) -> deque[bytes]:
    """Return packets of a few reports, some with a part of one."""
    found: deque[bytes] = deque()
    at = 0
    while at < len(data):
        end = at + 1 + (data[at] % 5) * size + (data[at] == 255)
        found.append(data[at + 1 : end] or b"\0")
        at = end
    return found


def _children(count: int) -> list[_Child]:
    """Return children of launch requests."""
    return [_Child() for _ in range(count)]


class _Transport:
    """A process that ignores what is sent to it."""

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Do nothing."""

    def closeChildFD(self, descriptor: int) -> None:
        """Do nothing."""

    def signalProcess(self, signalID: str | int) -> None:
        """Do nothing."""

    def loseConnection(self) -> None:
        """Do nothing."""


def forkServerReports(data: bytes) -> None:
    """
    Handle the reports of a fork server, which runs as a service's user.

    It can harm the programs of its user only.
    """
    reactor: Any = _Reactor()
    helper = ForkServerProcess(_Owner(), reactor, ["x"], "/")
    transport: Any = _Transport()
    helper.transport, helper.pid = transport, 1 << 30
    helper.state = State.STARTING
    channel = helper.channel
    real: Any = channel._ours
    played: Any = _Reports(_divided(data, reports.REPORT.size))
    try:
        channel._ours = played
        helper.waiting.update(enumerate(_children(4), 1))
        helper.delegate(1, Delegation(_Watcher(), b"", 0))
        helper.delegate(2, Delegation(_Watcher(), b"", 0, WAIT))
        helper.delegate(3, Delegation(_Watcher(), b"", 0, free=lambda: None))
        channel.drain()
    finally:
        real.close()
        channel.close()


class _Held:
    """A launch request to a warm process."""

    request = None

    def __init__(self) -> None:
        self.child = _Child()
        self._closed = False

    def close(self) -> None:
        """Close it, once."""
        assert not self._closed
        self._closed = True


def warmReports(data: bytes) -> None:
    """Handle the reports of a warm process, which runs as a service's user."""
    reactor: Any = _Reactor()
    request = LaunchRequest("/x", ("x",), {}, {}, (0, 0, 0))
    process = WarmProcess(
        *(_Owner(), reactor, set(), {}, ProcessBudget(), ProcessContext()),
        *(ExitWatcher(reactor), request),
    )
    process.pid, process.state = 1 << 30, State.STARTING
    channel = process.channel
    channel.theirs.close()
    real: Any = channel._ours
    packets = _divided(data, reports.REPORT.size)
    played: Any = _Reports(packets)
    held: Any = [_Held() for _ in range(4)]
    process.waiting.update(enumerate(held, 1))
    try:
        channel._ours = played
        process.delegations.start()
        for number in (5, 6):
            process.delegate(number, Delegation(_Watcher(), b"", 0))
        process.withdraw(6, lambda: None)
        while packets and not channel.closed:
            channel.doRead()
    finally:
        process.close()
        real.close()


#: All of them by name.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "configuration": configuration,
    "tcpmux": tcpmuxLine,
    "requests": forkServerRequests,
    "reports": forkServerReports,
    "warm": warmReports,
}

# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""The fuzz targets that handle the reports of helper processes."""

from __future__ import annotations

from collections import deque
from typing import Any, Callable

from zope.interface import implementer

from inetdtw.helpers import reports
from inetdtw.helpers.requests import WAIT
from inetdtw.interfaces import IAcceptDelegate, LaunchRequest
from inetdtw.launch.delegation import Delegation
from inetdtw.launch.forkserver.process import ForkServerProcess
from inetdtw.launch.process import State
from inetdtw.launch.warm.process import WarmProcess
from inetdtw.limits.budget import ProcessBudget
from inetdtw.model.process import ProcessContext
from inetdtw.system.exitwatch import ExitWatcher
from inetdtw.test.fakes import FakeChild


class IdleReactor:
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
        assert not self.calls, (pid, self.calls)
        super().started(pid)

    def ended(self, how: Any) -> None:
        """Verify that it ends once, and after it has started."""
        assert len(self.calls) == 1, (how, self.calls)
        super().ended(how)

    def failed(self, reason: str) -> None:
        """Verify that it fails without having started."""
        assert not self.calls, (reason, self.calls)
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
    reactor: Any = IdleReactor()
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
    reactor: Any = IdleReactor()
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

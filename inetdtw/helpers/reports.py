# -*- test-case-name: inetdtw.helpers.test.test_reports -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The reports of fork servers and warm processes to the daemon.

They send packets of one or more L{REPORT} records over a sequenced-packet socket.

The text of a warm process includes this, so it must run on CPython 3.7 and import
extension modules only.
"""

from __future__ import annotations

import _struct
import time

from inetdtw.helpers.connection import packPeer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from typing import Any

#: The process is ready to begin.
HELLO = 1
#: A child was started for a launch request; could not be started; has exited.
STARTED, FAILED, ENDED = range(2, 5)
#: A start is retried after a transient error; failed without the working directory.
SHORTAGE, NO_DIRECTORY = range(5, 7)
#: A child was started for a delegated socket: for a connection that was accepted, or
#: for a datagram.
ACCEPTED = 7
#: No more children are started for a delegated socket: after an error; because the
#: daemon has withdrawn it; because as many children run as may, or the daemon has to
#: look at the socket.
DROPPED, WITHDRAWN, RETURNED = range(8, 11)
#: The warm process should be replaced.
STALE = 11

#: kind; number of the launch request or of the delegated socket; pid; wait status,
#: errno, whether a program started cold or has left a datagram, or the version of a
#: fork server; microseconds of CPU time, or the version of a warm process
REPORT = _struct.Struct("=BxxxIiiQ8x")
#: The same for L{ENDED}, with the microseconds for which a child has run; 0 if it is
#: not for a delegated socket.  Start and end of one that is can be reported together.
EXIT = _struct.Struct("=BxxxIiiQQ")
#: L{ACCEPTED} or L{DROPPED}; why it was dropped, or whether a program started cold; the
#: port of the client; number of the delegated socket; pid or errno; the address of the
#: client as IPv6, or zeros.  It is as long as a L{REPORT}.
CONNECTION = _struct.Struct("=BBxxHxxIi16s")
#: Why a socket was dropped: no connection could be accepted; or a connection is lost,
#: because its program could not be started, or the working directory not be entered.
NOT_ACCEPTED, NOT_STARTED, NOT_ENTERED = range(3)

#: The most bytes in a packet of the daemon.
LARGEST = 1 << 18
#: The most reports in a packet: the daemon reads no more, and handles one packet of a
#: helper process in one reactor iteration.
TOGETHER = 64
#: So many reports are sent, although more may come.
BATCH = 16


class Reports:
    """
    Reports that are collected and sent together.

    They are packed when they are sent: a warm process has memory to itself again then
    that it shares with each child at first.

    @ivar urgent: whether one of them should not wait for more.
    """

    def __init__(self, channel: _socket.socket) -> None:
        """@param channel: the socket that leads to the daemon."""
        self._channel = channel
        self._reports: list[tuple[Any, ...]] = []
        self.urgent = False

    def __len__(self) -> int:
        """Return the number of reports that were not sent yet."""
        return len(self._reports)

    def add(
        self,
        kind: int,
        number: int,
        pid: int,
        value: int,
    ) -> None:
        """Add a report, to be sent at the next L{flush}."""
        self._reports.append((REPORT.pack, kind, number, pid, value, 0))
        self.urgent = True

    def addExit(
        self, number: int, pid: int, status: int, cpu: float, since: float | None
    ) -> None:
        """
        Add a report that a child has exited.

        @param status: its wait status.
        @param cpu: processor time in seconds.
        @param since: when it was started, on the monotonic clock, if that was for a
            delegated socket.  The report is not urgent then.
        """
        if since is None:
            lived = 0.0
            self.urgent = True
        else:
            lived = time.monotonic() - since
        self._reports.append((packExit, number, pid, status, cpu, lived))

    def addConnection(
        self, kind: int, number: int, value: int, detail: int = 0, peer: Any = None
    ) -> None:
        """
        Add a report about a connection that was, or was not, accepted.

        @param kind: L{ACCEPTED} or L{DROPPED}.
        @param number: the number of the delegated socket.
        @param value: the pid, or the errno.
        @param detail: whether the program started cold, or why it was dropped.
        @param peer: the address of the client, as accept(2) returns it.
        """
        self._reports.append((packConnection, kind, number, value, detail, peer))
        self.urgent = True

    def timeout(self, hold: float) -> float:
        """
        Return how long to wait for more before these are sent.

        @param hold: how long reports wait of which none is urgent.
        """
        if self.urgent or not 0 < len(self._reports) < BATCH:
            return 0
        return hold

    def records(self) -> list[bytes]:
        """Return the reports that were not sent yet."""
        return [pack(*report) for pack, *report in self._reports]

    def flush(self) -> None:
        """Send all reports; block while the socket's buffer is full."""
        records = self.records()
        # A context manager would be made for every program.
        try:
            for first in range(0, len(records), TOGETHER):
                self._channel.send(b"".join(records[first : first + TOGETHER]))
        except (BrokenPipeError, ConnectionResetError):
            pass  # the daemon is gone; what it requested is started all the same
        self._reports.clear()
        self.urgent = False


def packExit(number: int, pid: int, status: int, cpu: float, lived: float) -> bytes:
    """
    Return an L{EXIT}.

    @param cpu: processor time in seconds.
    @param lived: the seconds for which the child has run, or 0.
    """
    micro = 1e6
    return EXIT.pack(ENDED, number, pid, status, int(cpu * micro), int(lived * micro))


def packConnection(kind: int, number: int, value: int, detail: int, peer: Any) -> bytes:
    """
    Return a L{CONNECTION}.

    @param peer: the address of the client, as accept(2) returns it.
    """
    port, packed = packPeer(peer)
    return CONNECTION.pack(kind, detail, port, number, value, packed)

# -*- test-case-name: inetdtw.launch.warm.test.test_channel -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of the socket that leads to a warm process.

The process is its service's user's, who can make it say anything: a packet is data,
only so many of its reports are taken at a time, and none of them can raise anything
here.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any, Callable, NamedTuple

from zope.interface import implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.helpers.connection import unpackAddress
from inetdtw.helpers.reports import ADDRESSED, REPORT
from inetdtw.helpers.warm.protocol import ACCEPT, HEADER, MOST, WITHDRAW
from inetdtw.launch.packets import records, sendWith
from inetdtw.launch.sendqueue import SendQueue
from inetdtw.log.failures import logSocketError

#: The most bytes of one packet that are looked at.
_MOST = 1 << 16
#: The most reports that are taken in one turn, so that others have theirs.
REPORTS = 64


class Said(NamedTuple):
    """
    One thing that a warm process reports.

    @ivar kind: what it is, such as L{inetdtw.helpers.reports.STARTED}.
    @ivar number: the order or the listening socket that it is about.
    @ivar pid: the process that it is about.
    @ivar value: a wait status, or an error number, or a truth value.
    @ivar cpu: microseconds of processor time.
    @ivar peer: the client's address, where it was told before.
    """

    kind: int
    number: int
    pid: int
    value: int
    cpu: int
    peer: Any


@implementer(IReadDescriptor)
class Channel:
    """
    A socket that keeps packets apart, of which a warm process has the other end.

    @ivar theirs: the other end, until L{given}.
    """

    def __init__(
        self,
        reactor: Any,
        received: Callable[[Said], None],
        ended: Callable[[], None],
    ) -> None:
        """
        @param received: called with each thing that the process says.
        @param ended: called once, when nobody has the other end any more.

        @raise OSError: if there are no descriptors left.
        """
        self._reactor = reactor
        self._received = received
        self._ended = ended
        self._peer: Any = None
        self._later: Any = None
        self._posts = SendQueue(reactor, self.send)
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._ours: socket.socket | None = ours

    def given(self) -> None:
        """Another process has the other end: begin to read."""
        self.theirs.close()
        if self._ours is not None:
            self._reactor.addReader(self)

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._ours is None

    def send(
        self, number: int, what: int, extra: bytes = b"", fds: Sequence[int] = ()
    ) -> None:
        """
        Send one packet.

        @raise OSError: if it cannot be sent, now or ever.
        """
        if self._ours is None:
            raise BrokenPipeError
        sendWith(self._ours, [HEADER.pack(number, what), extra], fds)

    def accept(self, number: int, fd: int, most: int) -> None:
        """
        Have the process accept from a socket, as soon as there is room to say so:
        there may be very many.

        @param most: how many programs it may start by itself; 0 is no bound.
        """
        self._posts.add(number, ACCEPT, MOST.pack(most), [fd])

    def withdraw(self, number: int) -> bool:
        """
        Have it accept from a socket no more, as soon as there is room to say so.

        @return: whether it will say when that is so; otherwise it was never told of
            the socket, or is gone.
        """
        if self._posts.takeBack(number, ACCEPT) or self.closed:
            return False
        self._posts.add(number, WITHDRAW)
        return True

    def fileno(self) -> int:
        """The daemon's end."""
        return -1 if self._ours is None else self._ours.fileno()

    def logPrefix(self) -> str:
        """The name of this reader for the reactor."""
        return "warm process"

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor does not read it any more, so that nobody knows what the process
        does; or it stops, and with it this process.
        """
        self._reactor.callLater(0, self._lost)

    def _lost(self) -> None:
        """Take it for one whose other end is closed."""
        if not self.closed:
            logSocketError(self.logPrefix())
            self.close()
            self._ended()

    def doRead(self) -> None:
        """
        Take one packet, or notice the end.  Whatever else there is waits for the next
        turn, after everybody else's.
        """
        assert self._ours is not None
        try:
            packet = self._ours.recv(_MOST)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if packet:
            self._take(records(packet))
        else:
            self.close()
            self._ended()

    def _take(self, reports: list[bytes]) -> None:
        """Take some reports, and leave the others for the next turn."""
        for record in reports[:REPORTS]:
            if record[0] == ADDRESSED:
                self._peer = unpackAddress(record)
                continue
            kind, number, pid, value, cpu = REPORT.unpack(record)
            peer, self._peer = self._peer, None
            self._received(Said(kind, number, pid, value, cpu, peer))
            if self.closed:
                return
        if len(reports) > REPORTS:
            self._reactor.removeReader(self)
            self._later = self._reactor.callLater(0, self._goOn, reports[REPORTS:])

    def _goOn(self, reports: list[bytes]) -> None:
        """It is the next turn."""
        self._later = None
        self._reactor.addReader(self)
        self._take(reports)

    def close(self) -> None:
        """Have nothing to do with it any more."""
        self._posts.clear()
        self.theirs.close()
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._ours is not None:
            self._reactor.removeReader(self)
            self._ours.close()
            self._ours = None

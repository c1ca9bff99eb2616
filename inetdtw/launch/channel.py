# -*- test-case-name: inetdtw.launch.test.test_channel -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""
The daemon's end of the socket to a helper process.

Helper processes run as the users of services, which can make them send anything.  A
packet is data only, and raises no exception.  In each reactor iteration one packet of
limited size is handled.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Sequence
from typing import Any

from zope.interface import Attribute, Interface, implementer

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.helpers.protocol import SMALL
from inetdtw.helpers.reports import LARGEST, REPORT, TOGETHER
from inetdtw.helpers.requests import HEADER
from inetdtw.launch.packets import HelperReport, decodeReports, fileOf, sendWith
from inetdtw.limits.backoff import BROKEN_PAUSE
from inetdtw.log.failures import logSocketError

#: The most bytes of a packet that are read.
_MOST = TOGETHER * REPORT.size
#: The most bytes of a program.
_LARGEST_PROGRAM = (1 << 24) - 1


class IChannelOwner(Interface):
    """The receiver of the reports of a helper process."""

    name = Attribute("The name of the kind of helper process, for the log.")

    def received(report: HelperReport) -> None:
        """Handle a report."""

    def flushed() -> None:
        """Note that all reports of this reactor iteration were handled."""

    def disconnected() -> None:
        """Note that the other end was closed; the channel is closed, too."""


@implementer(IReadDescriptor)
class Channel:
    """
    A sequenced-packet socket to a helper process.

    @ivar theirs: the other end, for the helper process.
    @ivar number: the number of the last request; it is never 0.
    @ivar closed: whether nothing can be sent any more.
    """

    def __init__(self, reactor: Any, owner: IChannelOwner) -> None:
        """
        Make a pair of sockets.

        @param owner: an L{IChannelOwner}.

        @raise OSError: if descriptors are short.
        """
        self._reactor = reactor
        self._owner = owner
        self.number = 0
        self.closed = False
        self._ours, self.theirs = socket.socketpair(
            socket.AF_UNIX, socket.SOCK_SEQPACKET
        )
        self._ours.setblocking(False)

    def start(self) -> None:
        """Start reading reports."""
        self._reactor.addReader(self)

    def pause(self) -> None:
        """Stop reading reports."""
        self._reactor.removeReader(self)

    def send(
        self,
        kind: int,
        delegated: int = 0,
        most: int = 0,
        program: bytes = b"",
        extra: bytes = b"",
        fds: Sequence[int] = (),
    ) -> int:
        """
        Send a request.

        @param kind: such as L{inetdtw.helpers.requests.LAUNCH}.
        @param delegated: the number of the delegated socket.
        @param most: how many children there may be.
        @param program: the program, which is sent in a file if it is large.
        @param extra: the variables that only this child gets.
        @param fds: the descriptors, which may be closed afterwards.

        @return: the number of the request.
        @raise OSError: if it cannot be sent: with C{EAGAIN} while the socket is full.
        """
        if self.closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.number = (self.number + 1) & 0xFFFFFFFF or 1
        length = len(program)
        large = length > SMALL
        head = HEADER.pack(kind, large, self.number, delegated, most, length)
        if not large:
            sendWith(self._ours, [head, program, extra], fds)
        elif length > _LARGEST_PROGRAM:
            raise OSError(errno.E2BIG, os.strerror(errno.E2BIG))
        else:
            with fileOf(program) as file:
                sendWith(self._ours, [head, extra], [*fds, file.fileno()])
        return self.number

    @property
    def unread(self) -> bool:
        """Whether requests are in the socket that no helper process has received."""
        try:
            return bool(self.theirs.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def discard(self) -> None:
        """Discard the requests that no helper process has received."""
        with contextlib.suppress(BlockingIOError):
            while self.theirs.recv(LARGEST, socket.MSG_DONTWAIT):
                pass

    def fileno(self) -> int:
        """Return the descriptor of the daemon's end."""
        return self._ours.fileno()

    def logPrefix(self) -> str:
        """Return the name of this reader for the reactor."""
        return str(self._owner.name)

    def connectionLost(self, reason: Failure) -> None:
        """
        Read again after some time, unless the reactor stops.

        The reactor calls this when it stops, or drops this reader after an exception.
        """
        self._reactor.callLater(BROKEN_PAUSE, self._readAgain)

    def _readAgain(self) -> None:
        if not self.closed:
            logSocketError(self.logPrefix())
            self._reactor.addReader(self)

    def doRead(self) -> None:
        """Handle a packet, or the end of the connection."""
        self._receive()
        if not self.closed:
            self._owner.flushed()

    def _receive(self) -> bool:
        """
        Handle the reports of a packet, or the end of the connection.

        @return: whether there was a packet.
        """
        try:
            packet = self._ours.recv(_MOST)
        except BlockingIOError:
            return False
        except OSError:
            packet = b""
        if not packet and self.theirs.fileno() < 0:
            self.close()
            self._owner.disconnected()
            return False
        for report in decodeReports(packet):
            if self.closed:
                break
            self._owner.received(report)
        return True

    def drain(self) -> None:
        """Handle all reports of a helper process that has exited."""
        while not self.closed and self._receive():
            pass  # a packet more

    def shutdown(self, how: int) -> None:
        """
        Close the connection, so that the helper process exits after its requests.

        @param how: as for shutdown(2).
        """
        self._ours.shutdown(how)

    def close(self) -> None:
        """Close both ends."""
        if not self.closed:
            self.closed = True
            self._reactor.removeReader(self)
            self._ours.close()
            self.theirs.close()

# -*- test-case-name: inetdtw.serve.test.test_datagram -*-
# Copyright (c) the inetdtw authors.
# See LICENSE for details.

"""Replies of the programs of C{dgram nowait} services, to the senders of datagrams."""

from __future__ import annotations

import socket
from typing import Callable

from zope.interface import implementer

from twisted.internet.interfaces import IReactorTime, IReadDescriptor
from twisted.python.failure import Failure

from inetdtw.log.failures import survived
from inetdtw.serve.runtime import Runtime
from inetdtw.system.timer import Timer

_LARGEST = 1 << 16
#: The seconds for which the background children of a program may still reply.
LAST_REPLY = 0.2
#: More messages than the buffer of a socket holds.
_MOST = 512


@implementer(IReadDescriptor)
class ReplySocket:
    """
    The daemon's end of a socket that a program writes replies to.

    Each write of the program is one message, and one datagram.

    @ivar through: the socket that the replies are sent through.
    """

    def __init__(
        self,
        sock: socket.socket,
        runtime: Runtime,
        through: socket.socket,
        service: str,
        send: Callable[[bytes], None],
        closed: Callable[[ReplySocket], None],
    ) -> None:
        """
        Begin to read.

        @param sock: the daemon's end, which this closes.
        @param through: the socket that the replies are sent through.
        @param service: the name of the service.
        @param send: called with each message.
        @param closed: called when it was closed.
        """
        sock.setblocking(False)
        self._socket = sock
        self.through = through
        self._service = service
        self._reactor = runtime.reactor
        self._send = send
        self._closed = closed
        self._others = runtime.replies
        self._others.add(self)
        self._reactor.addReader(self)

    def fileno(self) -> int:
        """Return the file descriptor; -1 once it is closed."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Return the name of this reader for the reactor."""
        return "answers"

    def doRead(self) -> None:
        """Send a message that the program has written."""
        self._take()

    def _take(self) -> bool:
        """
        Send one message, or close the socket at EOF.

        @return: whether there was a message, so that there may be more.
        """
        try:
            message = self._socket.recv(_LARGEST)
        except BlockingIOError:
            return False
        except OSError:
            message = b""
        if message and survived(self._service, self._send, message):
            return True
        self.close()
        return False

    def finish(self) -> None:
        """Send what the program has written, and close the socket."""
        for _ in range(_MOST):
            if not self._take():
                break
        self.close()

    def close(self) -> None:
        """Close the socket, and discard what the program writes."""
        if self.fileno() < 0:
            return
        self._others.discard(self)
        self._reactor.removeReader(self)
        self._socket.close()
        self._closed(self)

    def connectionLost(self, reason: Failure) -> None:
        """Close the socket, as the reactor stops."""
        self.close()


class DatagramSession:
    """
    A program from its datagram until it has exited and its replies are sent.

    Background children of the program may keep its descriptors open for ever, and each
    costs the daemon one.  So the daemon reads them for L{LAST_REPLY} after the exit,
    and counts the program as running until then.
    """

    def __init__(self, reactor: IReactorTime, over: Callable[[], None]) -> None:
        """@param over: called at the end."""
        self._over = over
        self._replies: set[ReplySocket] = set()
        self._ended = False
        self._timer = Timer(reactor)

    def add(self, reply: ReplySocket) -> None:
        """Add a socket that the program can write to."""
        self._replies.add(reply)

    def closed(self, reply: ReplySocket) -> None:
        """Remove a socket that was closed."""
        self._replies.discard(reply)
        if self._ended and not self._replies:
            self._close()

    def ended(self) -> None:
        """Close the sockets soon, as the program has exited or could not be started."""
        self._ended = True
        if self._replies:
            self._timer.start(LAST_REPLY, self._finish)
        else:
            self._close()

    def _finish(self) -> None:
        for reply in list(self._replies):
            reply.finish()

    def _close(self) -> None:
        self._timer.cancel()
        self._over()
